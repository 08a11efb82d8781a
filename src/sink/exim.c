/* Exim 4.96, as Debian 12 builds it and as it comes.
 *
 * Other than the wire catalogue has it: it offers PIPECONNECT, and until the first message was
 * taken it then minds no early talk but what stands behind RCPT after HELO; RCPT without MAIL is
 * one of the refusals that DATA repeats, code and all; an unknown parameter is a malformed address.
 */
#include "personality.h"

#define NO_LAST "501 %e: '>' missing at end of address"
#define NO_LOCAL "501 %e: missing or malformed local part"
#define NO_DOMAIN "501 %e: domain missing or malformed"
#define EXPECTED "501 %e: \"@\" or \".\" expected after \"%f\""
#define FOLLOWS "501 %e %o: malformed address: %o may not follow %e "
#define NO_ARGUMENT "501 unexpected argument data"
#define NEED_RCPT "503 valid RCPT command must precede %v"
#define NO_AUTH "503 AUTH command used when not advertised"
/* BDAT is not minded, because its chunk stands behind it. */
#define LAST                                                                                 \
    (VERB_BIT(UNKNOWN) | VERB_BIT(HELO) | VERB_BIT(EHLO) | VERB_BIT(DATA) | VERB_BIT(VRFY) | \
     VERB_BIT(EXPN) | VERB_BIT(NOOP) | VERB_BIT(ETRN) | VERB_BIT(STARTTLS))
#define NOT_OFFERED (LAST | VERB_BIT(MAIL) | VERB_BIT(RCPT) | VERB_BIT(RSET))

/* clang-format off */
const struct sink_personality sink_exim = {
    .name = SPAN_INIT("exim"),
    .says = SPAN_INIT("Exim 4.96: tells at DATA why every recipient was refused, and hangs up after "
                      "three errors or ten commands that bring no mail"),
    .words = {
        SAYS(BANNER, "220 %h ESMTP Exim 4.96 Thu, 01 Jan 1970 00:00:00 +0000"),
        SAYS(HELO_OK, "250 %h Hello %n [%p]"),
        SAYS(EHLO_OK, "250 %h Hello %n [%p]"),
        SAYS(OK, "250 OK"),
        SAYS(RESET_OK, "250 Reset OK"),
        SAYS(SENDER_OK, "250 OK"),
        SAYS(RECIPIENT_OK, "250 Accepted"),
        SAYS(GO_AHEAD, "354 Enter message, ending with \".\" on a line by itself"),
        SAYS(CHUNK_OK, "250 %b byte chunk received"),
        SAYS(CHUNK_ACCEPTED, "250- %b byte chunk, total %t\n250 OK id=%q"),
        SAYS(ACCEPTED, "250 OK id=%q"),
        SAYS(BYE, "221 %h closing connection"),
        SAYS(HELP, "214-Commands supported:\n"
                   "214 AUTH HELO EHLO MAIL RCPT DATA BDAT NOOP QUIT RSET HELP"),
        SAYS(VRFY, "252 Administrative prohibition"),
        SAYS(EXPN, "550 Administrative prohibition"),
        SAYS(ETRN, "458 Administrative prohibition"),
        SAYS_ERROR(STARTTLS, "503 STARTTLS command used when not advertised"),
        SAYS_UNKNOWN(UNKNOWN, "500 unrecognized command"),
        SAYS_ERROR(LINE_LONG, "500 unrecognized command"),
        SAYS_ERROR(AUTH_LONG, "500 unrecognized command"),
        SAYS_ERROR(NUL, "501 NUL characters are not allowed in SMTP commands"),
        SAYS_ERROR(RESET_ARGUMENT, NO_ARGUMENT),
        SAYS_ERROR(DATA_ARGUMENT, NO_ARGUMENT),
        SAYS_ERROR(QUIT_ARGUMENT, NO_ARGUMENT),
        SAYS_ERROR(STARTTLS_ARGUMENT, NO_ARGUMENT),
        SAYS(VRFY_EMPTY, "501 empty address"),
        SAYS_QUIET(HELLO_EMPTY, "501 Syntactically invalid %v argument(s)"),
        SAYS_QUIET(HELLO_BAD, "501 Syntactically invalid %v argument(s)"),
        SAYS(SENDER_EARLY, "503 HELO or EHLO required"),
        SAYS_ERROR(SENDER_NESTED, "503 sender already given"),
        SAYS_ERROR(RECIPIENT_EARLY, "503 sender not yet given"),
        SAYS(RECIPIENT_CASCADE, "503 sender not yet given"),
        SAYS_ERROR(RECIPIENT_LATE, "503 only BDAT permissible after non-LAST BDAT"),
        SAYS_ERROR(DATA_EARLY, NEED_RCPT),
        SAYS_ERROR(DATA_EMPTY, NEED_RCPT),
        SAYS_ERROR(DATA_REFUSED, NEED_RCPT),
        SAYS(DATA_PIPELINED, "503 Valid RCPT command must precede %v"),
        SAYS(DATA_REASON, "503-All RCPT commands were rejected with this error:\n503-%r"),
        SAYS_ERROR(CHUNK_SYNTAX, "501 missing size for BDAT command"),
        SAYS_ERROR(CHUNK_OFF, "503 BDAT command used when CHUNKING not advertised"),
        SAYS_ERROR(CHUNK_AFTER, "503 only RSET accepted now"),
        SAYS_ERROR(ONLY_CHUNKS, "503 only BDAT permissible after non-LAST BDAT"),
        SAYS_ERROR(ONLY_RESET, "503 only RSET accepted now"),
        SAYS_ERROR(SENDER_EMPTY, "501 %v must have an address operand"),
        SAYS_ERROR(SENDER_OPEN, NO_LAST),
        SAYS_ERROR(SENDER_AFTER, "501 %e%o: malformed address: %o may not follow %e"),
        SAYS_ERROR(SENDER_BLANK, EXPECTED),
        SAYS_ERROR(SENDER_ROUTE, NO_DOMAIN),
        SAYS(SENDER_UNQUALIFIED, "501 %e: sender address must contain a domain"),
        SAYS_ERROR(SENDER_DOMAIN, NO_DOMAIN),
        SAYS_ERROR(SENDER_LOCAL, EXPECTED),
        SAYS_ERROR(RECIPIENT_EMPTY, "501 %v must have an address operand"),
        SAYS_ERROR(RECIPIENT_LONE, NO_LOCAL),
        SAYS_ERROR(RECIPIENT_OPEN, NO_LAST),
        SAYS_ERROR(RECIPIENT_AFTER, "501 %e%o: malformed address: %o may not follow %e"),
        SAYS(RECIPIENT_BLANK, "550 Unrouteable address"),
        SAYS_ERROR(RECIPIENT_ROUTE, NO_DOMAIN),
        SAYS_ERROR(RECIPIENT_NULL, NO_LOCAL),
        SAYS(RECIPIENT_UNQUALIFIED, "501 %e: recipient address must contain a domain"),
        SAYS_ERROR(RECIPIENT_DOMAIN, NO_DOMAIN),
        SAYS_ERROR(RECIPIENT_LOCAL, EXPECTED),
        SAYS(RECIPIENT_REFUSED, "550 Unrouteable address"),
        SAYS(RECIPIENT_MANY, "452 too many recipients"),
        SAYS_ERROR(PARAMETER_UNKNOWN, FOLLOWS),
        SAYS_ERROR(PARAMETER_UNKNOWN_RECIPIENT, FOLLOWS),
        SAYS_ERROR(BODY_BAD, "501 invalid data for BODY"),
        SAYS_ERROR(BODY_OFF, "501 invalid data for BODY"),
        SAYS_ERROR(VALUE_BAD, FOLLOWS),
        SAYS(TOO_BIG, "552 Message size exceeds maximum permitted"),
        SAYS(CONTENT_BIG, "552 Message size exceeds maximum permitted"),
        SAYS(AUTH_PLAIN, "334 "),
        SAYS(AUTH_USER, "334 VXNlcm5hbWU6"),
        SAYS(AUTH_PASSWORD, "334 UGFzc3dvcmQ6"),
        SAYS(AUTH_OK, "235 Authentication succeeded"),
        SAYS(AUTH_FAILED, "535 Incorrect authentication data"),
        SAYS_ERROR(AUTH_CANCELLED, "501 Authentication cancelled"),
        SAYS_ERROR(AUTH_BASE64, "501 Invalid base64 data"),
        SAYS_ERROR(AUTH_SYNTAX, "501 Invalid base64 data"),
        SAYS_ERROR(AUTH_MECHANISM, "504 %k authentication mechanism not supported"),
        SAYS_ERROR(AUTH_EARLY, NO_AUTH),
        SAYS_ERROR(AUTH_OFF, NO_AUTH),
        SAYS_ERROR(AUTH_TWICE, "503 already authenticated"),
        SAYS_ERROR(AUTH_INSIDE, "503 not permitted in mail transaction"),
        SAYS(AUTH_NEEDED_RECIPIENT, "550 relay not permitted"),
        SAYS(MANY_ERRORS, "501 Too many syntax or protocol errors"),
        SAYS(MANY_UNKNOWN, "500 Too many unrecognized commands"),
        SAYS_AND_ENDS(MANY_NONMAIL, "554 Too many nonmail commands"),
        SAYS(EARLY, "554 SMTP synchronization error"),
    },
    .keywords = {
        KEYWORD(SIZE, "SIZE %s"),
        KEYWORD(EIGHTBITMIME, "8BITMIME"),
        KEYWORD(PIPELINING, "PIPELINING"),
        KEYWORD(PIPELINING, "PIPECONNECT"),
        KEYWORD(AUTH, "AUTH PLAIN LOGIN"),
        KEYWORD(CHUNKING, "CHUNKING"),
        KEYWORD(SMTPUTF8, "SMTPUTF8"),
        KEYWORD(HELP, "HELP"),
    },
    .offered = SINK_BIT(SIZE) | SINK_BIT(EIGHTBITMIME) | SINK_BIT(PIPELINING) |
               SINK_BIT(CHUNKING) | SINK_BIT(SMTPUTF8) | SINK_BIT(HELP),
    .size_bytes = 52428800,
    .line_bytes = SINK_AUTH_LINE_BYTES,
    .parameters = PARAMETER_BIT(RET) | PARAMETER_BIT(ENVID) | PARAMETER_BIT(AUTH),
    .early = {.behind = {LAST, NOT_OFFERED, NOT_OFFERED},
              .pardoned = {EVERY_VERB, EVERY_VERB & ~VERB_BIT(RCPT), EVERY_VERB & ~VERB_BIT(RCPT)}},
    .limits = {[COUNT_ERROR] = {3, EXCESS_JOINED, SAY_MANY_ERRORS},
               [COUNT_UNKNOWN] = {3, EXCESS_INSTEAD, SAY_MANY_UNKNOWN},
               [COUNT_NONMAIL] = {10, EXCESS_INSTEAD, SAY_MANY_NONMAIL}},
    .nonmail = VERB_BIT(HELO) | VERB_BIT(EHLO) | VERB_BIT(RSET) | VERB_BIT(AUTH) |
               VERB_BIT(STARTTLS) | VERB_BIT(NOOP) | VERB_BIT(ETRN) | VERB_BIT(VRFY) |
               VERB_BIT(EXPN) | VERB_BIT(HELP),
    .spared = VERB_BIT(HELO) | VERB_BIT(EHLO) | VERB_BIT(RSET) | VERB_BIT(AUTH) |
              VERB_BIT(STARTTLS),
    .bare = SINK_BARE_TAKEN,
    .pipelined = PIPELINED_BEHIND_RCPT,
    .hello_odd = SPAN_INIT("_"),
    .whole_words = true,
    .exact_verbs = true,
    .chunk_left = true,
};
