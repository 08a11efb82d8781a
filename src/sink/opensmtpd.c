/* OpenSMTPD 6.8, as Debian 12 builds it and as it comes.
 *
 * Other than the wire catalogue has it: DATA without recipients hears 5.5.4 and "arguments"; a null
 * AUTH, and one that is cancelled, are syntax errors; unknown parameters of RCPT have no status. */
#include "personality.h"

#define NOT_NOW "503 5.5.1 Invalid command: Command not allowed at this point."
#define NO_COMMAND "500 5.5.1 Invalid command: Command unrecognized"
#define NO_ARGUMENT "500 5.5.4 Invalid command arguments: command does not accept arguments."
#define NO_RCPT "503 5.5.4 Invalid command arguments: No recipient specified"
#define NO_OPTION "503 5.5.4 Invalid command arguments: Unsupported option %o"
#define SENDER_ADDRESS "553 5.1.0 Sender address syntax error"
#define RECIPIENT_ADDRESS "501 5.1.3 Recipient address syntax error"
#define NO_SYNTAX "501 5.5.2 Syntax error: Syntax error"

/* clang-format off */
const struct sink_personality sink_opensmtpd = {
    .name = SPAN_INIT("opensmtpd"),
    .says = SPAN_INIT("OpenSMTPD 6.8: offers no PIPELINING, ends sessions in which a byte comes too "
                      "early, and takes one EHLO"),
    .words = {
        SAYS(BANNER, "220 %h ESMTP OpenSMTPD"),
        SAYS(HELO_OK, "250 %h Hello %n [%p], pleased to meet you"),
        SAYS(EHLO_OK, "250 %h Hello %n [%p], pleased to meet you"),
        SAYS(OK, "250 2.0.0 Ok"),
        SAYS(RESET_OK, "250 2.0.0 Reset state"),
        SAYS(SENDER_OK, "250 2.0.0 Ok"),
        SAYS(RECIPIENT_OK, "250 2.1.5 Destination address valid: Recipient ok"),
        SAYS(GO_AHEAD, "354 Enter mail, end with \".\" on a line by itself"),
        SAYS(ACCEPTED, "250 2.0.0 %q Message accepted for delivery"),
        SAYS(BYE, "221 2.0.0 Bye"),
        SAYS(HELP, "214-2.0.0 This is OpenSMTPD\n"
                   "214-2.0.0 To report bugs in the implementation, please contact "
                   "bugs@openbsd.org\n"
                   "214-2.0.0 with full details\n"
                   "214 2.0.0 End of HELP info"),
        SAYS(STARTTLS, "503 5.5.1 Invalid command: Command not supported"),
        SAYS(UNKNOWN, NO_COMMAND),
        SAYS_AND_ENDS(LINE_LONG, "500 5.0.0 Command line too long"),
        SAYS_AND_ENDS(AUTH_LONG, "500 5.0.0 Command line too long"),
        SAYS(NOOP_ARGUMENT, NO_ARGUMENT),
        SAYS(RESET_ARGUMENT, NO_ARGUMENT),
        SAYS(DATA_ARGUMENT, NO_ARGUMENT),
        SAYS(QUIT_ARGUMENT, NO_ARGUMENT),
        SAYS(HELP_ARGUMENT, NO_ARGUMENT),
        SAYS(HELLO_EMPTY, "501 5.5.1 Invalid command: %v requires domain name"),
        SAYS(HELLO_BAD, "501 5.5.4 Invalid command arguments: Invalid domain name"),
        SAYS(HELLO_TWICE, "503 5.5.1 Invalid command: Already identified"),
        SAYS(SENDER_EARLY, NOT_NOW),
        SAYS(SENDER_NESTED, NOT_NOW),
        SAYS(RECIPIENT_EARLY, NOT_NOW),
        SAYS(RESET_EARLY, NOT_NOW),
        SAYS(DATA_EARLY, NOT_NOW),
        SAYS(DATA_EMPTY, NO_RCPT),
        SAYS(DATA_REFUSED, NO_RCPT),
        SAYS(SENDER_EMPTY, SENDER_ADDRESS),
        SAYS(SENDER_BARE, SENDER_ADDRESS),
        SAYS(SENDER_LONE, SENDER_ADDRESS),
        SAYS(SENDER_OPEN, SENDER_ADDRESS),
        SAYS(SENDER_AFTER, NO_OPTION),
        SAYS(SENDER_BLANK, SENDER_ADDRESS),
        SAYS(SENDER_DOTS, SENDER_ADDRESS),
        SAYS(SENDER_LOCAL, SENDER_ADDRESS),
        SAYS(RECIPIENT_EMPTY, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_BARE, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_LONE, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_OPEN, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_AFTER, "503 Unsupported option %o"),
        SAYS(RECIPIENT_BLANK, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_ROUTE, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_NULL, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_DOTS, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_LOCAL, RECIPIENT_ADDRESS),
        SAYS(RECIPIENT_REFUSED, "550 Invalid recipient: <%m>"),
        SAYS(RECIPIENT_MANY, "451 4.5.3 Too many recipients: Too many recipients"),
        SAYS(PARAMETER_UNKNOWN, NO_OPTION),
        SAYS(PARAMETER_UNKNOWN_RECIPIENT, "503 Unsupported option %o"),
        SAYS(BODY_BAD, NO_OPTION),
        SAYS(BODY_OFF, NO_OPTION),
        SAYS(NOTIFY_NEVER, "553 NOTIFY option NEVER cannot be combined with other options"),
        SAYS(CONTENT_BIG, "554 5.3.4 Message too big for system: Transaction failed"),
        SAYS(AUTH_PLAIN, "334 "),
        SAYS(AUTH_USER, "334 VXNlcm5hbWU6"),
        SAYS(AUTH_PASSWORD, "334 UGFzc3dvcmQ6"),
        SAYS(AUTH_OK, "235 2.0.0 Authentication succeeded"),
        SAYS(AUTH_FAILED, "535 Authentication failed"),
        SAYS(AUTH_CANCELLED, NO_SYNTAX),
        SAYS(AUTH_BASE64, NO_SYNTAX),
        SAYS(AUTH_MALFORMED, NO_SYNTAX),
        SAYS(AUTH_SYNTAX, NO_SYNTAX),
        SAYS(AUTH_EMPTY, "501 5.5.4 Invalid command arguments: No parameters given"),
        SAYS(AUTH_MECHANISM, "504 5.7.4 Security features not supported: AUTH method \"%k\" not "
                             "supported"),
        SAYS(AUTH_EARLY, NOT_NOW),
        SAYS(AUTH_OFF, "503 5.5.1 Invalid command: Command not supported"),
        SAYS(AUTH_TWICE, "503 5.5.1 Invalid command: Already authenticated"),
        SAYS(AUTH_INSIDE, NOT_NOW),
        SAYS(AUTH_NEEDED_RECIPIENT, "550 Invalid recipient: <%m>"),
        SAYS(EARLY, "500 5.5.1 Invalid command: Pipelining not supported"),
    },
    .keywords = {
        KEYWORD(EIGHTBITMIME, "8BITMIME"),
        KEYWORD(ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"),
        KEYWORD(SIZE, "SIZE %s"),
        KEYWORD(DSN, "DSN"),
        KEYWORD(AUTH, "AUTH PLAIN LOGIN"),
        KEYWORD(HELP, "HELP"),
    },
    .offered = SINK_BIT(EIGHTBITMIME) | SINK_BIT(ENHANCEDSTATUSCODES) | SINK_BIT(SIZE) |
               SINK_BIT(DSN) | SINK_BIT(HELP),
    .size_bytes = 36700160,
    .recipients = 1000,
    .parameters = PARAMETER_BIT(AUTH),
    .early = {.behind = {0, EVERY_VERB, EVERY_VERB}},
    .bare = SINK_BARE_DOT_ENDS,
    .ascii_paths = true,
    .old_extensions = true,
    .whole_words = true,
    .exact_verbs = true,
    .blank_argument = true,
    .inside_first = true,
};
