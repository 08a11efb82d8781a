/* sink: what each personality answers to the orders of the wire catalogue's table of 503s, serially
 * and in one read, and how far its patience goes. */
#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "sink/personality.h"

#include "sink_player.h"

#define X16 "xxxxxxxxxxxxxxxx"
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16
#define MAIL "MAIL FROM:<a@b.c>\r\n"
#define OPEN "MAIL FROM:<a@\r\n"
#define LONG "MAIL FROM:<" X256 X256 X256 X256 "@b>\r\n"
#define RCPT "RCPT TO:<d@e.f>\r\n"
#define NONE "RCPT TO:<no@e.f>\r\n"
#define AUTH "AUTH PLAIN AHUAcA==\r\n"
#define DATA "DATA\r\n"
#define BDAT "BDAT 1\r\nx"
#define LINES_MAX 6

/* Row by row of the catalogue's table, each line one read; the greeting comes first, but for R11.
 */
static const struct {
    const char *name;
    const char *lines[LINES_MAX];
} orders[] = {
    {"R1", {RCPT, MAIL, DATA}},
    {"R2", {MAIL, DATA, RCPT}},
    {"R3", {MAIL, "RSET\r\n", RCPT, DATA}},
    {"R4", {MAIL, RCPT, "MAIL FROM:<x@y.z>\r\n", DATA}},
    {"R5", {OPEN, RCPT, DATA}},
    {"R6", {MAIL, NONE, DATA}},
    {"R8", {MAIL, AUTH}},
    {"R9", {AUTH, AUTH}},
    {"R10", {"EHLO c\r\n"}},
    {"R11", {"RSET\r\n"}},
    {"R13", {MAIL, RCPT, BDAT, DATA, RCPT, MAIL}},
    {"R14", {"XXXX\r\n"}},
    {"R16", {"MAIL FROM:<a@b.c> FOO=BAR\r\n", MAIL, "RCPT TO:<d@e.f> FOO=BAR\r\n"}},
    {"R17", {MAIL, RCPT, DATA}},
};
#define ORDER_COUNT (sizeof(orders) / sizeof(orders[0]))

/* Answers stand apart by " / ", their lines by "|". */
struct golden {
    const char *personality;
    const char *hello;
    const char *open; /* what it refuses to R5, when it is something else */
    const char *answers[ORDER_COUNT];
};

static const struct golden goldens[] = {
    {"postfix",
     "EHLO c\r\n",
     NULL,
     {
         "503 5.5.1 Error: need MAIL command / 250 2.1.0 Ok / 554 5.5.1 Error: no valid recipients",
         "250 2.1.0 Ok / 554 5.5.1 Error: no valid recipients / 250 2.1.5 Ok",
         "250 2.1.0 Ok / 250 2.0.0 Ok / 503 5.5.1 Error: need MAIL command / 503 5.5.1 Error: need "
         "RCPT command",
         "250 2.1.0 Ok / 250 2.1.5 Ok / 503 5.5.1 Error: nested MAIL command / 354 End data with "
         "<CR><LF>.<CR><LF>",
         "501 5.1.7 Bad sender address syntax / 503 5.5.1 Error: need MAIL command / 503 5.5.1 "
         "Error: need RCPT command",
         "250 2.1.0 Ok / 550 5.1.1 <no@e.f>: Recipient address rejected: User unknown in virtual "
         "mailbox table / 554 5.5.1 Error: no valid recipients",
         "250 2.1.0 Ok / 503 5.5.1 Error: MAIL transaction in progress",
         "235 2.7.0 Authentication successful / 503 5.5.1 Error: already authenticated",
         "250-s|250-PIPELINING|250-SIZE 10240000|250-VRFY|250-ETRN|250-AUTH PLAIN "
         "LOGIN|250-ENHANCEDSTATUSCODES|250-8BITMIME|250-DSN|250-SMTPUTF8|250 CHUNKING",
         "250 2.0.0 Ok",
         "250 2.1.0 Ok / 250 2.1.5 Ok / 250 2.0.0 Ok: 1 bytes / 503 5.5.1 Error: DATA after BDAT / "
         "503 5.5.1 Error: RCPT after BDAT / 503 5.5.1 Error: nested MAIL command",
         "500 5.5.2 Error: command not recognized",
         "555 5.5.4 Unsupported option: FOO=BAR / 250 2.1.0 Ok / 555 5.5.4 Unsupported option: "
         "FOO=BAR",
         "250 2.1.0 Ok / 554 5.7.1 <d@e.f>: Relay access denied / 554 5.5.1 Error: no valid "
         "recipients",
     }},
    {"exim",
     "EHLO c\r\n",
     NULL,
     {
         "503 sender not yet given / 250 OK / 503 valid RCPT command must precede DATA",
         "250 OK / 503 valid RCPT command must precede DATA / 250 Accepted",
         "250 OK / 250 Reset OK / 503 sender not yet given / 503-All RCPT commands were rejected "
         "with this error:|503-503 sender not yet given|503 valid RCPT command must precede DATA",
         "250 OK / 250 Accepted / 503 sender already given / 354 Enter message, ending with \".\" "
         "on a line by itself",
         "501 <a@: '>' missing at end of address / 503 sender not yet given / 503-All RCPT "
         "commands were rejected with this error:|503-503 sender not yet given|503 Valid RCPT "
         "command must precede DATA",
         "250 OK / 550 Unrouteable address / 503-All RCPT commands were rejected with this "
         "error:|503-Unrouteable address|503 Valid RCPT command must precede DATA",
         "250 OK / 503 not permitted in mail transaction",
         "235 Authentication succeeded / 503 already authenticated",
         "250-s Hello c [127.0.0.1]|250-SIZE "
         "52428800|250-8BITMIME|250-PIPELINING|250-PIPECONNECT|250-AUTH PLAIN "
         "LOGIN|250-CHUNKING|250-SMTPUTF8|250 HELP",
         "250 Reset OK",
         "250 OK / 250 Accepted / 250 1 byte chunk received / 503 only BDAT permissible after "
         "non-LAST BDAT / 503 only RSET accepted now / 503 only RSET accepted now",
         "500 unrecognized command",
         "501 <a@b.c> FOO=BAR: malformed address: FOO=BAR may not follow <a@b.c>  / 250 OK / 501 "
         "<d@e.f> FOO=BAR: malformed address: FOO=BAR may not follow <d@e.f> ",
         "250 OK / 550 relay not permitted / 503-All RCPT commands were rejected with this "
         "error:|503-relay not permitted|503 valid RCPT command must precede DATA",
     }},
    {"sendmail",
     "EHLO c\r\n",
     NULL,
     {
         "503 5.0.0 Need MAIL before RCPT / 250 2.1.0 <a@b.c>... Sender ok / 503 5.0.0 Need RCPT "
         "(recipient)",
         "250 2.1.0 <a@b.c>... Sender ok / 503 5.0.0 Need RCPT (recipient) / 250 2.1.5 <d@e.f>... "
         "Recipient ok",
         "250 2.1.0 <a@b.c>... Sender ok / 250 2.0.0 Reset state / 503 5.0.0 Need MAIL before RCPT "
         "/ 503 5.0.0 Need MAIL command",
         "250 2.1.0 <a@b.c>... Sender ok / 250 2.1.5 <d@e.f>... Recipient ok / 503 5.5.0 Sender "
         "already specified / 354 End data with <CR><LF>.<CR><LF>",
         "553 5.0.0 <a@... Unbalanced '<' / 503 5.0.0 Need MAIL before RCPT / 503 5.0.0 Need MAIL "
         "command",
         "250 2.1.0 <a@b.c>... Sender ok / 550 5.1.1 <no@e.f>... User unknown / 503 5.0.0 Need "
         "RCPT (recipient)",
         "250 2.1.0 <a@b.c>... Sender ok / 503 5.5.0 AUTH not permitted during a mail transaction",
         "235 2.0.0 OK Authenticated / 503 5.5.0 Already Authenticated",
         "250-s Hello c [127.0.0.1], pleased to meet "
         "you|250-ENHANCEDSTATUSCODES|250-PIPELINING|250-EXPN|250-VERB|250-8BITMIME|250-SIZE|250-"
         "DSN|250-ETRN|250-AUTH PLAIN LOGIN|250-DELIVERBY|250 HELP",
         "250 2.0.0 Reset state",
         "250 2.1.0 <a@b.c>... Sender ok / 250 2.1.5 <d@e.f>... Recipient ok / 500 5.5.1 Command "
         "unrecognized: \"BDAT 1\" / 500 5.5.1 Command unrecognized: \"xDATA\" / 250 2.1.5 "
         "<d@e.f>... Recipient ok / 503 5.5.0 Sender already specified",
         "500 5.5.1 Command unrecognized: \"XXXX\"",
         "555 5.5.4 FOO parameter unrecognized / 250 2.1.0 <a@b.c>... Sender ok / 555 5.5.4 FOO "
         "parameter unrecognized",
         "530 5.7.0 Authentication required / 503 5.0.0 Need MAIL before RCPT / 503 5.0.0 Need "
         "MAIL command",
     }},
    {"opensmtpd",
     "EHLO c\r\n",
     NULL,
     {
         "503 5.5.1 Invalid command: Command not allowed at this point. / 250 2.0.0 Ok / 503 5.5.4 "
         "Invalid command arguments: No recipient specified",
         "250 2.0.0 Ok / 503 5.5.4 Invalid command arguments: No recipient specified / 250 2.1.5 "
         "Destination address valid: Recipient ok",
         "250 2.0.0 Ok / 250 2.0.0 Reset state / 503 5.5.1 Invalid command: Command not allowed at "
         "this point. / 503 5.5.1 Invalid command: Command not allowed at this point.",
         "250 2.0.0 Ok / 250 2.1.5 Destination address valid: Recipient ok / 503 5.5.1 Invalid "
         "command: Command not allowed at this point. / 354 Enter mail, end with \".\" on a line "
         "by itself",
         "553 5.1.0 Sender address syntax error / 503 5.5.1 Invalid command: Command not allowed "
         "at this point. / 503 5.5.1 Invalid command: Command not allowed at this point.",
         "250 2.0.0 Ok / 550 Invalid recipient: <no@e.f> / 503 5.5.4 Invalid command arguments: No "
         "recipient specified",
         "250 2.0.0 Ok / 503 5.5.1 Invalid command: Command not allowed at this point.",
         "235 2.0.0 Authentication succeeded / 503 5.5.1 Invalid command: Already authenticated",
         "503 5.5.1 Invalid command: Already identified",
         "503 5.5.1 Invalid command: Command not allowed at this point.",
         "250 2.0.0 Ok / 250 2.1.5 Destination address valid: Recipient ok / 500 5.5.1 Invalid "
         "command: Pipelining not supported",
         "500 5.5.1 Invalid command: Command unrecognized",
         "503 5.5.4 Invalid command arguments: Unsupported option FOO=BAR / 250 2.0.0 Ok / 503 "
         "Unsupported option FOO=BAR",
         "250 2.0.0 Ok / 550 Invalid recipient: <d@e.f> / 503 5.5.4 Invalid command arguments: No "
         "recipient specified",
     }},
    {"haraka",
     "EHLO c\r\n",
     NULL,
     {
         "503 Use MAIL before RCPT / 250 sender <a@b.c> OK / 503 RCPT required first",
         "250 sender <a@b.c> OK / 503 RCPT required first / 250 recipient <d@e.f> OK",
         "250 sender <a@b.c> OK / 250 OK / 503 Use MAIL before RCPT / 503 MAIL required first",
         "250 sender <a@b.c> OK / 250 recipient <d@e.f> OK / 250 sender <x@y.z> OK / 503 RCPT "
         "required first",
         "501 Invalid MAIL FROM address / 503 Use MAIL before RCPT / 503 MAIL required first",
         "250 sender <a@b.c> OK / 550 No such user / 503 RCPT required first",
         "250 sender <a@b.c> OK / 235 2.7.0 Authentication successful",
         "235 2.7.0 Authentication successful / 235 2.7.0 Authentication successful",
         "250-s Hello c [127.0.0.1], Haraka is at your "
         "service.|250-PIPELINING|250-8BITMIME|250-SMTPUTF8|250-SIZE 26214400|250 AUTH PLAIN LOGIN",
         "250 OK",
         "250 sender <a@b.c> OK / 250 recipient <d@e.f> OK / 500 Unrecognized command / 500 "
         "Unrecognized command / 250 recipient <d@e.f> OK / 250 sender <a@b.c> OK",
         "500 Unrecognized command",
         "250 sender <a@b.c> OK / 250 sender <a@b.c> OK / 250 recipient <d@e.f> OK",
         "550 Authentication required / 503 Use MAIL before RCPT / 503 MAIL required first",
     }},
    {"qmail",
     "EHLO c\r\n",
     LONG,
     {
         "503 MAIL first (#5.5.1) / 250 ok / 503 RCPT first (#5.5.1)",
         "250 ok / 503 RCPT first (#5.5.1) / 250 ok",
         "250 ok / 250 flushed / 503 MAIL first (#5.5.1) / 503 MAIL first (#5.5.1)",
         "250 ok / 250 ok / 250 ok / 503 RCPT first (#5.5.1)",
         "555 syntax error (#5.5.4) / 503 MAIL first (#5.5.1) / 503 MAIL first (#5.5.1)",
         "250 ok / 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1) / 503 "
         "RCPT first (#5.5.1)",
         "250 ok / 503 no auth during mail transaction (#5.5.0)",
         "235 ok, go ahead (#2.0.0) / 503 you're already authenticated (#5.5.0)",
         "250-s|250-AUTH LOGIN PLAIN|250-PIPELINING|250 8BITMIME",
         "250 flushed",
         "250 ok / 250 ok / 502 unimplemented (#5.5.1) / 502 unimplemented (#5.5.1) / 250 ok / 250 "
         "ok",
         "502 unimplemented (#5.5.1)",
         "250 ok / 250 ok / 250 ok",
         "250 ok / 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1) / 503 "
         "RCPT first (#5.5.1)",
     }},
    {"exchange",
     "EHLO c\r\n",
     NULL,
     {
         "503 5.5.2 Need mail command / 250 2.1.0 Sender OK / 503 5.5.2 Need rcpt command",
         "250 2.1.0 Sender OK / 503 5.5.2 Need rcpt command / 250 2.1.5 Recipient OK",
         "250 2.1.0 Sender OK / 250 2.0.0 Resetting / 503 5.5.2 Need mail command / 503 5.5.2 Need "
         "mail command",
         "250 2.1.0 Sender OK / 250 2.1.5 Recipient OK / 503 5.5.2 Sender already specified / 354 "
         "Start mail input; end with <CRLF>.<CRLF>",
         "501 5.1.7 Invalid address / 503 5.5.2 Need mail command / 503 5.5.2 Need mail command",
         "250 2.1.0 Sender OK / 550 5.1.1 User unknown / 503 5.5.2 Need rcpt command",
         "250 2.1.0 Sender OK / 503 5.5.2 Bad sequence of commands",
         "235 2.7.0 Authentication successful / 503 5.5.2 Already authenticated",
         "250-s Hello [127.0.0.1]|250-SIZE "
         "37748736|250-PIPELINING|250-DSN|250-ENHANCEDSTATUSCODES|250-AUTH LOGIN "
         "PLAIN|250-8BITMIME|250-BINARYMIME|250 CHUNKING",
         "250 2.0.0 Resetting",
         "250 2.1.0 Sender OK / 250 2.1.5 Recipient OK / 250 2.0.0 CHUNK received OK, 1 octets / "
         "503 5.5.2 Bad sequence of commands / 503 5.5.2 Bad sequence of commands / 503 5.5.2 "
         "Sender already specified",
         "500 5.3.3 Unrecognized command",
         "501 5.5.4 Unrecognized parameter / 250 2.1.0 Sender OK / 501 5.5.4 Unrecognized "
         "parameter",
         "530 5.7.1 Client was not authenticated / 503 5.5.2 Need mail command / 503 5.5.2 Need "
         "mail command",
     }},
    {"hmailserver",
     "EHLO c\r\n",
     NULL,
     {
         "503 Must have sender first. / 250 OK / 503 Must have sender and recipient first.",
         "250 OK / 503 Must have sender and recipient first. / 250 OK",
         "250 OK / 250 OK / 503 Must have sender first. / 503 Must have sender and recipient "
         "first.",
         "250 OK / 250 OK / 503 Issue a reset if you want to start over / 354 OK, send.",
         "550 Invalid syntax. Syntax should be MAIL FROM:<mailbox@domain>[crlf] / 503 Must have "
         "sender first. / 503 Must have sender and recipient first.",
         "250 OK / 550 Unknown user / 503 Must have sender and recipient first.",
         "250 OK / 503 Bad sequence of commands",
         "235 authenticated. / 503 Already authenticated.",
         "250-s|250-SIZE 20480000|250-AUTH LOGIN PLAIN|250 HELP",
         "250 OK",
         "250 OK / 250 OK / 503 Bad sequence of commands / 503 Bad sequence of commands / 250 OK / "
         "503 Issue a reset if you want to start over",
         "503 Bad sequence of commands",
         "550 Unsupported ESMTP extension: FOO / 250 OK / 550 Unsupported ESMTP extension: FOO",
         "250 OK / 530 SMTP authentication is required. / 503 Must have sender and recipient "
         "first.",
     }},
    {"msmail",
     "HELO c\r\n",
     NULL,
     {
         "503 Bad command sequence / 250 OK / 503 Bad command sequence",
         "250 OK / 503 Bad command sequence / 250 OK",
         "250 OK / 250 OK / 503 Bad command sequence / 503 Bad command sequence",
         "250 OK / 250 OK / 503 Bad command sequence / 354 Start mail input; end with "
         "<CRLF>.<CRLF>",
         "501 Syntax error in parameters or arguments / 503 Bad command sequence / 503 Bad command "
         "sequence",
         "250 OK / 550 User unknown / 503 Bad command sequence",
         "250 OK / 500 Syntax error, command unrecognized",
         "500 Syntax error, command unrecognized / 500 Syntax error, command unrecognized",
         "500 Syntax error, command unrecognized",
         "250 OK",
         "250 OK / 250 OK / 500 Syntax error, command unrecognized / 500 Syntax error, command "
         "unrecognized / 250 OK / 503 Bad command sequence",
         "500 Syntax error, command unrecognized",
         "501 Syntax error in parameters or arguments / 250 OK / 501 Syntax error in parameters or "
         "arguments",
         "250 OK / 250 OK / 354 Start mail input; end with <CRLF>.<CRLF>",
     }},
};

static struct sink_settings settings_of(const char *personality)
{
    static const struct sink_verdict verdict = {VERB_RCPT, SPAN_INIT("no@*"), SPAN_INIT("")};
    struct sink_settings settings = sink_play_settings();
    const struct sink_personality *found = sink_personality_find(span_of_string(personality));

    cr_assert(found != NULL, "%s", personality);
    sink_settings_take(&settings, found);
    settings.verdicts = &verdict;
    settings.verdict_count = 1;
    return settings;
}

static void say(const char *line)
{
    sink_play_feed(span_of_string(line), 0, NULL);
}

/* What was said behind `from`, in the form of the table. */
static const char *heard_since(size_t from)
{
    static char memory[1 << 14];
    struct text text = text_over(memory, sizeof(memory) - 1);
    struct span rest = span_tail(text_span(&heard.replies), from);

    while (rest.size > 0) {
        size_t end = span_find(rest, '\r');
        bool more = rest.at[3] == '-';

        text_add(&text, span_head(rest, end));
        rest = span_tail(rest, end + 2);
        if (rest.size > 0)
            text_add(&text, more ? SPAN("|") : SPAN(" / "));
    }
    memory[text.size] = 0;
    return memory;
}

static const char *play_order(const struct golden *golden, size_t order)
{
    struct sink_settings settings = settings_of(golden->personality);
    bool first = strcmp(orders[order].name, "R11") == 0;
    bool refused = strcmp(orders[order].name, "R5") == 0 && golden->open != NULL;
    size_t from, i;

    settings.auth = SINK_AUTH_ANY;
    settings.auth_required = strcmp(orders[order].name, "R17") == 0;
    sink_play_begin(&settings);
    if (!first)
        say(settings.auth_required ? "HELO c\r\n" : golden->hello);
    from = heard.replies.size;
    for (i = 0; i < LINES_MAX && orders[order].lines[i] != NULL; i++)
        say(i == 0 && refused ? golden->open : orders[order].lines[i]);
    return heard_since(from);
}

Test(personality, answers_each_order_as_its_server_does)
{
    size_t i, order;

    for (i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
        for (order = 0; order < ORDER_COUNT; order++) {
            const char *got = play_order(&goldens[i], order);

            cr_expect_str_eq(got, goldens[i].answers[order], "%s %s: got\n%s\nwanted\n%s",
                             goldens[i].personality, orders[order].name, got,
                             goldens[i].answers[order]);
        }
    }
}

/* The same orders where they come in one read, and that makes a difference. */
static const struct {
    const char *personality;
    const char *reads[3];
    const char *answers;
} batches[] = {
    {"opensmtpd", {MAIL RCPT}, "500 5.5.1 Invalid command: Pipelining not supported"},
    {"haraka",
     {RCPT MAIL DATA},
     "503 Use MAIL before RCPT / 250 sender <a@b.c> OK / 554 No valid recipients"},
    {"haraka",
     {MAIL NONE DATA},
     "250 sender <a@b.c> OK / 550 No such user / 554 No valid recipients"},
    {"haraka",
     {MAIL NONE, DATA},
     "250 sender <a@b.c> OK / 550 No such user / 554 No valid recipients"},
    {"exim",
     {MAIL NONE "RCPT TO:<\r\n" DATA},
     "250 OK / 550 Unrouteable address / 501 <: missing or malformed local part / 503 Valid RCPT "
     "command must precede DATA"},
    {"exim",
     {MAIL NONE "NOOP\r\n" DATA},
     "250 OK / 550 Unrouteable address / 250 OK / 503-All RCPT commands were rejected with this "
     "error:|503-Unrouteable address|503 valid RCPT command must precede DATA"},
    {"postfix",
     {MAIL RCPT DATA "."},
     "250 2.1.0 Ok / 250 2.1.5 Ok / 554 5.5.0 Error: SMTP protocol "
     "synchronization"},
    {"sendmail",
     {MAIL RCPT DATA "."},
     "250 2.1.0 <a@b.c>... Sender ok / 250 2.1.5 <d@e.f>... Recipient ok / 554 5.5.0 SMTP protocol "
     "error"},
    {"postfix", {"GET / HTTP/1.1\r\n"}, "221 2.7.0 Error: I can break rules, too. Goodbye."},
    {"postfix", {"Subject: x\r\n"}, "221 2.7.0 Error: I can break rules, too. Goodbye."},
};

Test(personality, answers_a_batch_as_its_server_does)
{
    size_t i, read, from;

    for (i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        struct sink_settings settings = settings_of(batches[i].personality);

        sink_play_begin(&settings);
        say("EHLO c\r\n");
        from = heard.replies.size;
        for (read = 0; read < 3 && batches[i].reads[read] != NULL; read++)
            say(batches[i].reads[read]);
        cr_expect_str_eq(heard_since(from), batches[i].answers, "%zu: got\n%s", i,
                         heard_since(from));
    }
}

Test(personality, repeats_only_the_line_that_it_answers)
{
    struct sink_settings settings = settings_of("sendmail");

    settings.auth = SINK_AUTH_ANY;
    sink_play_begin(&settings);
    say("EHLO c\r\n");
    say("AUTH LOGIN\r\n");
    say("!!\r\n");
    cr_expect(span_ends(text_span(&heard.replies),
                        SPAN("501 5.5.4 cannot decode AUTH parameter !!\r\n")));
}

/* What is said to a login that is not as RFC 4954 has it, of whom anybody may log in. */
static const struct {
    const char *personality;
    const char *reads[3];
    const char *answers;
} logins[] = {
    {"sendmail", {"AUTH PLAIN *! x\r\n"}, "501 5.5.4 cannot BASE64 decode '*! x'"},
    {"sendmail", {"AUTH PLAIN *!\r\n"}, "501 5.5.4 cannot BASE64 decode '*!'"},
    {"exim", {"AUTH PLAIN *!\r\n"}, "501 Invalid base64 data"},
    {"haraka", {"AUTH PLAIN *!\r\n"}, "504 Invalid AUTH string"},
    {"haraka", {"AUTH PLAIN AHUAcA== x\r\n"}, "235 2.7.0 Authentication successful"},
    {"haraka",
     {"AUTH LOGIN\r\n", "*\r\n", "cA==\r\n"},
     "334 VXNlcm5hbWU6 / 334 UGFzc3dvcmQ6 / 235 2.7.0 Authentication successful"},
};

Test(personality, minds_in_a_login_what_its_server_does)
{
    size_t i, read, from;

    for (i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
        struct sink_settings settings = settings_of(logins[i].personality);

        settings.auth = SINK_AUTH_ANY;
        sink_play_begin(&settings);
        say("EHLO c\r\n");
        from = heard.replies.size;
        for (read = 0; read < 3 && logins[i].reads[read] != NULL; read++)
            say(logins[i].reads[read]);
        cr_expect_str_eq(heard_since(from), logins[i].answers, "%zu: got\n%s", i,
                         heard_since(from));
    }
}

/* How often a line is answered as the first time, and what is said then. */
static const struct {
    const char *personality;
    const char *line;
    unsigned times;
    const char *last;
} patience[] = {
    {"strict", "XXXX\r\n", 200, ""},
    {"postfix", "XXXX\r\n", 19,
     "500 5.5.2 Error: command not recognized / 421 4.7.0 s Error: too many errors"},
    {"exim", "XXXX\r\n", 3, "500 Too many unrecognized commands"},
    {"exim", RCPT, 3, "503-sender not yet given|503 Too many syntax or protocol errors"},
    {"exim", "EHLO a_b\r\n", 3, "501 Syntactically invalid EHLO argument(s)"},
    {"exim", "NOOP\r\n", 10, "554 Too many nonmail commands"},
    {"exim", "RSET\r\n", 11, "554 Too many nonmail commands"},
    {"sendmail", "XXXX\r\n", 25, "421 4.7.0 s Too many bad commands; closing connection"},
    {"exchange", "XXXX\r\n", 5,
     "421 4.7.0 Too many errors on this connection, closing transmission channel"},
    {"hmailserver", "XXXX\r\n", 100, "Too many invalid commands. Bye!"},
};

Test(personality, bears_with_a_client_as_long_as_its_server_does)
{
    size_t i, from;
    unsigned times;

    for (i = 0; i < sizeof(patience) / sizeof(patience[0]); i++) {
        struct sink_settings settings = settings_of(patience[i].personality);

        sink_play_begin(&settings);
        say("EHLO c\r\n");
        for (times = 0; times < patience[i].times; times++)
            say(patience[i].line);
        cr_expect_eq(heard.sink.phase, SINK_PHASE_COMMAND, "%zu", i);
        from = heard.replies.size;
        if (*patience[i].last == 0)
            continue;
        say(patience[i].line);
        cr_expect_eq(heard.sink.phase, SINK_PHASE_CLOSED, "%zu", i);
        if (strncmp(patience[i].last, "Too", 3) != 0) /* which has no code */
            cr_expect_str_eq(heard_since(from), patience[i].last, "%zu: got\n%s", i,
                             heard_since(from));
        else
            cr_expect(span_ends(text_span(&heard.replies), SPAN("\r\nToo many invalid commands. "
                                                                "Bye!\r\n")));
    }
}

/* A message with bare line ends, what becomes of it, and what the session still hears. */
static const struct {
    const char *personality;
    const char *message;
    const char *events;
    const char *content;
    const char *last;
} bare[] = {
    {"strict", "x\ny\r\n.\r\n", "BA", "x", "550 5.6.0 Error: bare <CR> or <LF> in message"},
    {"postfix", "x\ny\r\n.\r\n", "BE", "x\ny\r\n", "250 2.0.0 Ok: queued as 00000001"},
    {"postfix", "x\n.\n", "BE", "x\n", "250 2.0.0 Ok: queued as 00000001"},
    {"postfix", "x\r\n..\r\n.\ry\r\n.\r\n", "BE", "x\r\n.\r\n\ry\r\n",
     "250 2.0.0 Ok: queued as 00000001"},
    {"exim", "x\n.\n..\n\r\n..\r\n.\r\n", "BE", "x\n.\n..\n\r\n.\r\n", "250 OK id=00000001"},
    {"exim", "x\r\n.\ny\r\n.\r\n", "BE", "x\r\n\ny\r\n", "250 OK id=00000001"},
    {"haraka", "x\r\n.\n", "BA", "x\r\n",
     "451 Bare line-feed; see http://haraka.github.io/barelf/"},
    {"haraka", "x\ny\r\n.\r\n", "BE", "x\ny\r\n", "250 stored (00000001)"},
    {"sendmail", "x\ny\r\n.\r\n", "BAC", "x", "421 4.5.0 Bare linefeed (LF) not allowed"},
    {"qmail", "x\ny\r\n.\r\n", "BAC", "x", "451 See https://cr.yp.to/docs/smtplf.html."},
    {"hmailserver", "x\ny\r\n.\r\n", "BA", "x", "554 Rejected - Message containing bare LF's."},
};

Test(personality, takes_bare_line_ends_as_its_server_does)
{
    size_t i, from, at;

    for (i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
        struct sink_settings settings = settings_of(bare[i].personality);
        struct span message = span_of_string(bare[i].message);
        size_t whole;

        for (whole = 0; whole < 2; whole++) {
            sink_play_begin(&settings);
            say("EHLO c\r\n");
            say(MAIL);
            say(RCPT);
            say(DATA);
            from = heard.replies.size;
            if (whole == 1)
                sink_play_feed(message, 0, NULL);
            for (at = 0; whole == 0 && at < message.size; at++)
                sink_play_feed(span_of(message.at + at, 1), 0, NULL);
            cr_expect_str_eq(heard_since(from), bare[i].last, "%zu: got\n%s", i, heard_since(from));
            cr_expect(span_equal(text_span(&heard.content), span_of_string(bare[i].content)),
                      "%zu: got\n%.*s", i, (int)heard.content.size, heard.content.at);
            cr_expect(span_ends(text_span(&heard.events), span_of_string(bare[i].events)),
                      "%zu: got %.*s", i, (int)heard.events.size, heard.events.at);
        }
    }
}

/* Every reply of every personality is one, whatever is put into it, and has room for that. */
Test(personality, has_only_words_that_can_be_said)
{
    static const struct span letters = SPAN_INIT("hnpvlamefokxsbtqrg");
    const struct sink_personality *row;
    size_t i, what;

    for (i = 0; (row = sink_personality_row(i)) != NULL; i++) {
        cr_expect_eq(sink_personality_find(sink_personality_name(row)), row);
        cr_expect_gt(sink_personality_says(row).size, 20);
        for (what = 1; what < SAY_COUNT; what++) {
            struct span text = row->words[what].text;
            size_t at, marks = 0;

            for (at = 0; at + 1 < text.size; at++) {
                marks += text.at[at] == '%';
                cr_expect(text.at[at] != '%' || span_find(letters, text.at[at + 1]) < letters.size,
                          "%s: %s", row->name.at, text.at);
            }
            cr_expect_lt(text.size + marks * SINK_REPEAT_BYTES, SINK_REPLY_BYTES / 3);
            if (text.size > 0 && what != SAY_MANY_ERRORS)
                cr_expect(text.at[0] >= '2' && text.at[0] <= '5' && text.size > 3, "%s", text.at);
        }
    }
}
