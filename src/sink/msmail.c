/* The gateway of Microsoft Mail 3.0 to SMTP. Nobody has it any more: of its words only those of its
 * 503 are known, and that it then waits for another command; the rest is RFC 821's. */
#include "personality.h"

#define BAD_SEQUENCE "503 Bad command sequence"
#define NO_SYNTAX "501 Syntax error in parameters or arguments"

/* clang-format off */
const struct sink_personality sink_msmail = {
    .name = SPAN_INIT("msmail"),
    .says = SPAN_INIT("MS Mail Gateway 3.0: knows no EHLO, and answers whatever is out of order with "
                      "\"503 Bad command sequence\""),
    .words = {
        SAYS(BANNER, "220 %h MS Mail Gateway ready"),
        SAYS(HELO_OK, "250 %h"),
        SAYS(OK, "250 OK"),
        SAYS(RESET_OK, "250 OK"),
        SAYS(SENDER_OK, "250 OK"),
        SAYS(RECIPIENT_OK, "250 OK"),
        SAYS(GO_AHEAD, "354 Start mail input; end with <CRLF>.<CRLF>"),
        SAYS(ACCEPTED, "250 OK"),
        SAYS(BYE, "221 %h closing connection"),
        SAYS(UNKNOWN, "500 Syntax error, command unrecognized"),
        SAYS(NOT_IMPLEMENTED, "502 Command not implemented"),
        SAYS(LINE_LONG, "500 Line too long"),
        SAYS(AUTH_LONG, "500 Line too long"),
        SAYS(HELLO_EMPTY, NO_SYNTAX),
        SAYS(SENDER_EARLY, BAD_SEQUENCE),
        SAYS(SENDER_NESTED, BAD_SEQUENCE),
        SAYS(RECIPIENT_EARLY, BAD_SEQUENCE),
        SAYS(DATA_EARLY, BAD_SEQUENCE),
        SAYS(DATA_EMPTY, BAD_SEQUENCE),
        SAYS(DATA_REFUSED, BAD_SEQUENCE),
        SAYS(SENDER_WORD, NO_SYNTAX),
        SAYS(SENDER_EMPTY, NO_SYNTAX),
        SAYS(SENDER_OPEN, NO_SYNTAX),
        SAYS(SENDER_AFTER, NO_SYNTAX),
        SAYS(SENDER_BLANK, NO_SYNTAX),
        SAYS(RECIPIENT_WORD, NO_SYNTAX),
        SAYS(RECIPIENT_EMPTY, NO_SYNTAX),
        SAYS(RECIPIENT_OPEN, NO_SYNTAX),
        SAYS(RECIPIENT_AFTER, NO_SYNTAX),
        SAYS(RECIPIENT_BLANK, NO_SYNTAX),
        SAYS(RECIPIENT_NULL, NO_SYNTAX),
        SAYS(RECIPIENT_REFUSED, "550 User unknown"),
        SAYS(RECIPIENT_MANY, "552 Too many recipients"),
        SAYS(PARAMETER_UNKNOWN, NO_SYNTAX),
        SAYS(PARAMETER_UNKNOWN_RECIPIENT, NO_SYNTAX),
        SAYS(CONTENT_BIG, "552 Too much mail data"),
    },
    .recipients = 100,
    .line_bytes = 512,
    .unimplemented = VERB_BIT(SEND) | VERB_BIT(SOML) | VERB_BIT(SAML) | VERB_BIT(VRFY) |
                     VERB_BIT(EXPN) | VERB_BIT(HELP) | VERB_BIT(TURN),
    .bare = SINK_BARE_TAKEN,
};
