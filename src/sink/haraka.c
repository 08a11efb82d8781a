/* Haraka 3.1, with plugins that answer later, as all do that look something up.
 *
 * Other than the wire catalogue has it: with plugins that answer at once a MAIL or EHLO inside a
 * transaction is the last it answers, and DATA never hears 554; no early talk is punished without
 * the plugin for it; AUTH goes twice, inside a transaction and without EHLO behind STARTTLS, nobody
 * can cancel it, and what is no base64 is read as far as it goes. */
#include "personality.h"

#define SENDER_ADDRESS "501 Invalid MAIL FROM address"
#define RECIPIENT_ADDRESS "501 Invalid RCPT TO address"
#define NO_PARSING "501-Command parsing failed\n501 Error: Syntax error in address: %e"
#define NO_COMMAND "500 Unrecognized command"

/* clang-format off */
const struct sink_personality sink_haraka = {
    .name = SPAN_INIT("haraka"),
    .says = SPAN_INIT("Haraka 3.1: a second MAIL begins anew, and DATA without recipients is 554 to who "
                      "pipelines, else 503"),
    .words = {
        SAYS(BANNER, "220 %h ESMTP Haraka/3.1.1 ready (000000)"),
        SAYS(HELO_OK, "250 %h Hello %n [%p], Haraka is at your service."),
        SAYS(EHLO_OK, "250 %h Hello %n [%p], Haraka is at your service."),
        SAYS(OK, "250 OK"),
        SAYS(RESET_OK, "250 OK"),
        SAYS(SENDER_OK, "250 sender <%m> OK"),
        SAYS(RECIPIENT_OK, "250 recipient <%m> OK"),
        SAYS(GO_AHEAD, "354 go ahead, make my day"),
        SAYS(ACCEPTED, "250 stored (%q)"),
        SAYS(BYE, "221 %h closing connection. Have a jolly good day."),
        SAYS(HELP, "250 Not implemented"),
        SAYS(VRFY, "252 Just try sending a mail and we'll see how it turns out..."),
        SAYS(UNKNOWN, NO_COMMAND),
        SAYS_AND_ENDS(LINE_LONG, "521 Command line too long"),
        SAYS_AND_ENDS(AUTH_LONG, "521 Command line too long"),
        SAYS(EIGHT_BIT_OLD, "501 Syntax error (8-bit characters not allowed)"),
        SAYS(RESET_ARGUMENT, "501 Syntax error"),
        SAYS(DATA_ARGUMENT, "501 Syntax error"),
        SAYS(QUIT_ARGUMENT, "501 Syntax error"),
        SAYS(HELLO_EMPTY, "501 %v requires domain/address - see RFC-2821 4.1.1.1"),
        SAYS(SENDER_EARLY, "503 Use EHLO/HELO before MAIL"),
        SAYS(RECIPIENT_EARLY, "503 Use MAIL before RCPT"),
        SAYS(DATA_EARLY, "503 MAIL required first"),
        SAYS(DATA_EMPTY, "503 RCPT required first"),
        SAYS(DATA_REFUSED, "503 RCPT required first"),
        SAYS(DATA_PIPELINED, "554 No valid recipients"),
        SAYS(SENDER_LONE, SENDER_ADDRESS),
        SAYS(SENDER_OPEN, SENDER_ADDRESS),
        SAYS(SENDER_AFTER, SENDER_ADDRESS),
        SAYS(SENDER_BLANK, SENDER_ADDRESS),
        SAYS(SENDER_ROUTE, SENDER_ADDRESS),
        SAYS(SENDER_UNQUALIFIED, SENDER_ADDRESS),
        SAYS(SENDER_DOMAIN, SENDER_ADDRESS),
        SAYS(SENDER_DOTS, SENDER_ADDRESS),
        SAYS(SENDER_LOCAL, SENDER_ADDRESS),
        SAYS(RECIPIENT_EMPTY, NO_PARSING),
        SAYS(RECIPIENT_LONE, NO_PARSING),
        SAYS(RECIPIENT_OPEN, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_AFTER, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_BLANK, "501-Command parsing failed\n501 Error: Syntax error in parameters"),
        SAYS(RECIPIENT_ROUTE, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_NULL, NO_PARSING),
        SAYS(RECIPIENT_UNQUALIFIED, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_DOMAIN, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_DOTS, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_LOCAL, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_REFUSED, "550 No such user"),
        SAYS(RECIPIENT_MANY, "452 Too many recipients"),
        SAYS(PARAMETER_OLD, "555 Invalid command parameters"),
        SAYS(TOO_BIG, "550 Message too big!"),
        SAYS(CONTENT_BIG, "550 Message too big!"),
        SAYS(BARE_CONTENT, "451 Bare line-feed; see http://haraka.github.io/barelf/"),
        SAYS(AUTH_PLAIN, "334  "),
        SAYS(AUTH_USER, "334 VXNlcm5hbWU6"),
        SAYS(AUTH_PASSWORD, "334 UGFzc3dvcmQ6"),
        SAYS(AUTH_OK, "235 2.7.0 Authentication successful"),
        SAYS(AUTH_FAILED, "535 5.7.8 Authentication failed"),
        SAYS(AUTH_MALFORMED, "504 Invalid AUTH string"),
        SAYS(AUTH_MECHANISM, NO_COMMAND),
        SAYS(AUTH_OFF, NO_COMMAND),
        SAYS(AUTH_NEEDED, "550 Authentication required"),
    },
    .keywords = {
        KEYWORD(PIPELINING, "PIPELINING"),
        KEYWORD(EIGHTBITMIME, "8BITMIME"),
        KEYWORD(SMTPUTF8, "SMTPUTF8"),
        KEYWORD(SIZE, "SIZE %s"),
        KEYWORD(AUTH, "AUTH PLAIN LOGIN"),
    },
    .offered = SINK_BIT(PIPELINING) | SINK_BIT(EIGHTBITMIME) | SINK_BIT(SMTPUTF8) |
               SINK_BIT(SIZE),
    .size_bytes = 26214400,
    .line_bytes = 512,
    .bare = SINK_BARE_DOT_RESETS,
    .pipelined = PIPELINED_SEEN,
    .waits = VERB_BIT(HELO) | VERB_BIT(EHLO) | VERB_BIT(MAIL) | VERB_BIT(RCPT),
    .exact_verbs = true,
};
