/* Postfix 3.7, as Debian 12 builds it and as it comes.
 *
 * Other than the wire catalogue has it: MAIL needs no HELO; DATA behind MAIL alone hears "no valid
 * recipients"; a message may end in "." LF; what is authenticated does not matter inside MAIL;
 * MAIL behind a chunk is told to be a nested one. */
#include "personality.h"

#define SENDER_SYNTAX "501 5.5.4 Syntax: MAIL FROM:<address>"
#define SENDER_ADDRESS "501 5.1.7 Bad sender address syntax"
#define RECIPIENT_SYNTAX "501 5.5.4 Syntax: RCPT TO:<address>"
#define RECIPIENT_ADDRESS "501 5.1.3 Bad recipient address syntax"
#define NO_OPTION "555 5.5.4 Unsupported option: %o"
#define LAST (VERB_BIT(HELO) | VERB_BIT(EHLO) | VERB_BIT(DATA) | VERB_BIT(NOOP) | VERB_BIT(VRFY))

static const struct span banned[] = {SPAN_INIT("CONNECT"), SPAN_INIT("GET"), SPAN_INIT("POST"),
                                     SPAN_INIT("")};

/* clang-format off */
const struct sink_personality sink_postfix = {
    .name = SPAN_INIT("postfix"),
    .says = SPAN_INIT("Postfix 3.7: takes sloppy envelopes, and ends sessions that talk behind HELO, "
                      "EHLO, DATA, NOOP or VRFY"),
    .words = {
        SAYS(BANNER, "220 %h ESMTP Postfix"),
        SAYS(HELO_OK, "250 %h"),
        SAYS(EHLO_OK, "250 %h"),
        SAYS(OK, "250 2.0.0 Ok"),
        SAYS(RESET_OK, "250 2.0.0 Ok"),
        SAYS(SENDER_OK, "250 2.1.0 Ok"),
        SAYS(RECIPIENT_OK, "250 2.1.5 Ok"),
        SAYS(GO_AHEAD, "354 End data with <CR><LF>.<CR><LF>"),
        SAYS(CHUNK_OK, "250 2.0.0 Ok: %b bytes"),
        SAYS(CHUNK_ACCEPTED, "250 2.0.0 Ok: %t bytes queued as %q"),
        SAYS(ACCEPTED, "250 2.0.0 Ok: queued as %q"),
        SAYS(BYE, "221 2.0.0 Bye"),
        SAYS(VRFY, "252 2.0.0 %a"),
        SAYS_ERROR(VRFY_REFUSED, "550 5.1.1 <%a>: Recipient address rejected: User unknown in "
                                 "virtual mailbox table"),
        SAYS(ETRN, "459 <%a>: service unavailable"),
        SAYS_ERROR(STARTTLS, "502 5.5.1 Error: command not implemented"),
        SAYS_ERROR(XCLIENT, "550 5.7.0 Error: insufficient authorization"),
        SAYS_ERROR(UNKNOWN, "500 5.5.2 Error: command not recognized"),
        SAYS_ERROR(EMPTY, "500 5.5.2 Error: bad syntax"),
        SAYS_AND_ENDS(BANNED, "221 2.7.0 Error: I can break rules, too. Goodbye."),
        SAYS_ERROR(LINE_LONG, "500 5.5.2 Error: command not recognized"),
        SAYS_ERROR(AUTH_LONG, "500 5.5.6 Authentication Exchange line is too long"),
        SAYS_ERROR(RESET_ARGUMENT, "501 5.5.4 Syntax: RSET"),
        SAYS_ERROR(DATA_ARGUMENT, "501 5.5.4 Syntax: DATA"),
        SAYS_ERROR(STARTTLS_ARGUMENT, "501 5.5.4 Syntax: STARTTLS"),
        SAYS_ERROR(VRFY_EMPTY, "501 5.5.4 Syntax: VRFY address [SMTPUTF8]"),
        SAYS_ERROR(ETRN_EMPTY, "500 Syntax: ETRN domain"),
        SAYS_ERROR(HELLO_EMPTY, "501 Syntax: %v hostname"),
        SAYS_ERROR(SENDER_NESTED, "503 5.5.1 Error: nested MAIL command"),
        SAYS_ERROR(SENDER_LATE, "503 5.5.1 Error: MAIL after BDAT"),
        SAYS_ERROR(RECIPIENT_EARLY, "503 5.5.1 Error: need MAIL command"),
        SAYS_ERROR(RECIPIENT_LATE, "503 5.5.1 Error: RCPT after BDAT"),
        SAYS_ERROR(DATA_EARLY, "503 5.5.1 Error: need RCPT command"),
        SAYS_ERROR(DATA_EMPTY, "554 5.5.1 Error: no valid recipients"),
        SAYS_ERROR(DATA_REFUSED, "554 5.5.1 Error: no valid recipients"),
        SAYS_ERROR(DATA_AFTER_BDAT, "503 5.5.1 Error: DATA after BDAT"),
        SAYS_ERROR(CHUNK_SYNTAX, "501 5.5.4 Syntax: BDAT count [LAST]"),
        SAYS_ERROR(CHUNK_OFF, "500 5.5.2 Error: command not recognized"),
        SAYS(CHUNK_AFTER, "551 5.0.0 Discarded %b bytes after earlier error"),
        SAYS_ERROR(SENDER_WORD, SENDER_SYNTAX),
        SAYS_ERROR(SENDER_EMPTY, SENDER_SYNTAX),
        SAYS_ERROR(SENDER_LONE, SENDER_ADDRESS),
        SAYS_ERROR(SENDER_OPEN, SENDER_ADDRESS),
        SAYS_ERROR(SENDER_AFTER, SENDER_ADDRESS),
        SAYS_ERROR(SENDER_BLANK, SENDER_ADDRESS),
        SAYS_ERROR(SENDER_ROUTE, SENDER_ADDRESS),
        SAYS_ERROR(SENDER_DOMAIN, SENDER_ADDRESS),
        SAYS_ERROR(RECIPIENT_WORD, RECIPIENT_SYNTAX),
        SAYS_ERROR(RECIPIENT_EMPTY, RECIPIENT_SYNTAX),
        SAYS_ERROR(RECIPIENT_LONE, RECIPIENT_ADDRESS),
        SAYS_ERROR(RECIPIENT_OPEN, RECIPIENT_ADDRESS),
        SAYS_ERROR(RECIPIENT_AFTER, RECIPIENT_ADDRESS),
        SAYS_ERROR(RECIPIENT_BLANK, RECIPIENT_ADDRESS),
        SAYS_ERROR(RECIPIENT_ROUTE, RECIPIENT_ADDRESS),
        SAYS_ERROR(RECIPIENT_NULL, RECIPIENT_ADDRESS),
        SAYS_ERROR(RECIPIENT_DOMAIN, RECIPIENT_ADDRESS),
        SAYS_ERROR(RECIPIENT_REFUSED, "550 5.1.1 <%m>: Recipient address rejected: User unknown in "
                                      "virtual mailbox table"),
        SAYS_ERROR(RECIPIENT_MANY, "452 4.5.3 Error: too many recipients"),
        SAYS_ERROR(PARAMETER_UNKNOWN, NO_OPTION),
        SAYS_ERROR(PARAMETER_UNKNOWN_RECIPIENT, NO_OPTION),
        SAYS_ERROR(SIZE_BAD, "501 5.5.4 Bad message size syntax"),
        SAYS_ERROR(BODY_BAD, NO_OPTION),
        SAYS_ERROR(BODY_OFF, NO_OPTION),
        SAYS_ERROR(RET_BAD, "501 5.5.4 Bad RET parameter syntax"),
        SAYS_ERROR(NOTIFY_BAD, "501 5.5.4 Error: Bad NOTIFY parameter syntax"),
        SAYS_ERROR(VALUE_BAD, NO_OPTION),
        SAYS_ERROR(TOO_BIG, "552 5.3.4 Message size exceeds fixed limit"),
        SAYS_ERROR(CONTENT_BIG, "552 5.3.4 Error: message file too big"),
        SAYS(AUTH_PLAIN, "334 "),
        SAYS(AUTH_USER, "334 VXNlcm5hbWU6"),
        SAYS(AUTH_PASSWORD, "334 UGFzc3dvcmQ6"),
        SAYS(AUTH_OK, "235 2.7.0 Authentication successful"),
        SAYS_ERROR(AUTH_FAILED, "535 5.7.8 Error: authentication failed: authentication failure"),
        SAYS_ERROR(AUTH_CANCELLED, "501 5.7.0 Authentication aborted"),
        SAYS_ERROR(AUTH_BASE64, "535 5.7.8 Error: authentication failed: another step is needed in "
                                "authentication"),
        SAYS_ERROR(AUTH_MALFORMED, "535 5.7.8 Error: authentication failed: another step is needed "
                                   "in authentication"),
        SAYS_ERROR(AUTH_SYNTAX, "501 5.5.4 Syntax: AUTH mechanism"),
        SAYS_ERROR(AUTH_EMPTY, "501 5.5.4 Syntax: AUTH mechanism"),
        SAYS_ERROR(AUTH_MECHANISM, "535 5.7.8 Error: authentication failed: no mechanism available"),
        SAYS_ERROR(AUTH_OFF, "503 5.5.1 Error: authentication not enabled"),
        SAYS_ERROR(AUTH_TWICE, "503 5.5.1 Error: already authenticated"),
        SAYS_ERROR(AUTH_INSIDE, "503 5.5.1 Error: MAIL transaction in progress"),
        SAYS_ERROR(AUTH_NEEDED_RECIPIENT, "554 5.7.1 <%m>: Relay access denied"),
        SAYS(MANY_ERRORS, "421 4.7.0 %h Error: too many errors"),
        SAYS(EARLY, "554 5.5.0 Error: SMTP protocol synchronization"),
    },
    .keywords = {
        KEYWORD(PIPELINING, "PIPELINING"),
        KEYWORD(SIZE, "SIZE %s"),
        KEYWORD(VRFY, "VRFY"),
        KEYWORD(NONE, "ETRN"),
        KEYWORD(AUTH, "AUTH PLAIN LOGIN"),
        KEYWORD(ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"),
        KEYWORD(EIGHTBITMIME, "8BITMIME"),
        KEYWORD(DSN, "DSN"),
        KEYWORD(SMTPUTF8, "SMTPUTF8"),
        KEYWORD(CHUNKING, "CHUNKING"),
    },
    .offered = SINK_BIT(PIPELINING) | SINK_BIT(SIZE) | SINK_BIT(VRFY) |
               SINK_BIT(ENHANCEDSTATUSCODES) | SINK_BIT(EIGHTBITMIME) | SINK_BIT(DSN) |
               SINK_BIT(SMTPUTF8) | SINK_BIT(CHUNKING),
    .size_bytes = 10240000,
    .recipients = 1000,
    .line_bytes = SINK_AUTH_LINE_BYTES,
    .parameters = PARAMETER_BIT(AUTH),
    .early = {.banner = true, .behind = {LAST, LAST, EVERY_VERB}},
    .limits = {[COUNT_ERROR] = {20, EXCESS_AFTER, SAY_MANY_ERRORS}},
    .bare = SINK_BARE_DOT_ENDS,
    .banned = banned,
    .banned_odd = true,
    .old_extensions = true,
    .argument_late = true,
    .inside_first = true,
    .chunk_stays = true,
    .forgives = true,
};
