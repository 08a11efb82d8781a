/* sink: what each input is answered, in every cut, and what is delivered. */
#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/base/seed.h"

#include "sink_player.h"

static void expect(const char *what, const struct text *got, struct span wanted, unsigned cut)
{
    cr_assert(span_equal(text_span(got), wanted), "%s, cut %u: got\n%.*s\nwanted\n%.*s", what, cut,
              (int)got->size, got->at, (int)wanted.size, wanted.at);
}

#define BANNER "220 s b\r\n"
#define EHLO "EHLO c\r\n"
#define EHLO_OK                                                                          \
    "250-s\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n" \
    "250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-HELP\r\n250 VRFY\r\n"
#define MAIL "MAIL FROM:<a@b>\r\n"
#define MAIL_OK "250 2.1.0 Ok\r\n"
#define RCPT "RCPT TO:<c@d>\r\n"
#define RCPT_OK "250 2.1.5 Ok\r\n"
#define OK "250 2.0.0 Ok\r\n"
#define GO "354 End data with <CR><LF>.<CR><LF>\r\n"
#define ACCEPTED "250 2.0.0 Ok: message accepted\r\n"
#define CHUNK_OK "250 2.0.0 Ok: chunk taken\r\n"
#define SYNTAX_MAIL "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]\r\n"
#define SYNTAX_RCPT "501 5.5.4 Syntax: RCPT TO:<address> [parameters]\r\n"
#define BAD_MAIL "501 5.1.7 Bad sender address syntax\r\n"
#define BAD_RCPT "501 5.1.3 Bad recipient address syntax\r\n"
#define NO_PARAMETER "555 5.5.4 Error: unsupported parameter\r\n"
#define BAD_VALUE "501 5.5.4 Error: bad parameter value\r\n"
#define NEED_RCPT "503 5.5.1 Error: need RCPT command\r\n"
#define NO_RCPT "554 5.5.1 Error: no valid recipients\r\n"
#define NOT_IMPLEMENTED "502 5.5.1 Error: command not implemented\r\n"
#define BAD_BYTES "500 5.5.2 Error: invalid byte in command line\r\n"
#define HELLO_SYNTAX "501 5.5.4 Syntax: HELO or EHLO, then one host name or address\r\n"
#define NO_ARGUMENT "501 5.5.4 Syntax error: no argument allowed\r\n"
#define NEED_ARGUMENT "501 5.5.4 Syntax error: argument needed\r\n"
#define NESTED "503 5.5.1 Error: nested MAIL command\r\n"

/* With the default settings, after the banner. */
struct row {
    struct span input;
    struct span replies;
    struct span events;
    struct span content;
};

#define ROW(input, replies, events, content)                                        \
    {                                                                               \
        SPAN_INIT(input), SPAN_INIT(replies), SPAN_INIT(events), SPAN_INIT(content) \
    }

static const struct row rows[] = {
    /* greeting */
    ROW("HELO c\r\n", "250 s\r\n", "", ""),
    ROW(EHLO, EHLO_OK, "", ""),
    ROW("ehlo [127.0.0.1] \r\n", EHLO_OK, "", ""),
    ROW("EHLO\r\n", HELLO_SYNTAX, "", ""),
    ROW("HELO a b\r\n", HELLO_SYNTAX, "", ""),
    ROW("EHLO a<b\r\n", HELLO_SYNTAX, "", ""),
    ROW(MAIL, "503 5.5.1 Error: send HELO/EHLO first\r\n", "", ""),
    ROW("RSET\r\nNOOP x\r\nHELP\r\nVRFY x\r\n",
        OK OK "214 2.0.0 https://www.rfc-editor.org/rfc/rfc5321\r\n"
              "252 2.0.0 Cannot verify, but will take mail and try\r\n",
        "", ""),
    /* order */
    ROW(EHLO MAIL MAIL, EHLO_OK MAIL_OK NESTED, "Sa@b", ""),
    ROW(EHLO RCPT, EHLO_OK "503 5.5.1 Error: need MAIL command\r\n", "", ""),
    ROW(EHLO "DATA\r\n", EHLO_OK NEED_RCPT, "", ""),
    ROW(EHLO MAIL "DATA\r\n", EHLO_OK MAIL_OK NEED_RCPT, "Sa@b", ""),
    ROW(EHLO MAIL "RCPT TO:<>\r\nDATA\r\n" RCPT, EHLO_OK MAIL_OK BAD_RCPT NO_RCPT RCPT_OK,
        "Sa@bRc@d", ""),
    ROW(EHLO MAIL RCPT "RSET\r\n" RCPT "DATA\r\n",
        EHLO_OK MAIL_OK RCPT_OK OK "503 5.5.1 Error: need MAIL command\r\n" NEED_RCPT, "Sa@bRc@d",
        ""),
    ROW(EHLO MAIL EHLO MAIL, EHLO_OK MAIL_OK EHLO_OK MAIL_OK, "Sa@bSa@b", ""),
    ROW(EHLO MAIL MAIL RCPT "DATA\r\n.\r\n", EHLO_OK MAIL_OK NESTED RCPT_OK GO ACCEPTED,
        "Sa@bRc@dBE", ""),
    ROW("QUIT\r\nNOOP\r\n", "221 2.0.0 Bye\r\n", "C", ""),
    /* arguments */
    ROW("DATA x\r\nRSET x\r\nQUIT x\r\nVRFY\r\n", NO_ARGUMENT NO_ARGUMENT NO_ARGUMENT NEED_ARGUMENT,
        "", ""),
    ROW("XXXX\r\n\r\nSTARTTLS\r\nEXPN x\r\nETRN x\r\nSOML FROM:<a@b>\r\nXCLIENT A=B\r\n",
        "500 5.5.2 Error: command not recognized\r\n500 5.5.2 Error: command not "
        "recognized\r\n" NOT_IMPLEMENTED NOT_IMPLEMENTED NOT_IMPLEMENTED NOT_IMPLEMENTED
            NOT_IMPLEMENTED,
        "", ""),
    ROW(EHLO "MAIL FROM: <a@b>\r\nMAIL FROM:a@b\r\nMAIL TO:<a@b>\r\nMAIL FROM:<a@b\r\nMAIL\r\n",
        EHLO_OK SYNTAX_MAIL SYNTAX_MAIL SYNTAX_MAIL SYNTAX_MAIL SYNTAX_MAIL, "", ""),
    ROW(EHLO "MAIL FROM:<a>\r\nMAIL FROM:<@>\r\nMAIL FROM:<a@>\r\nMAIL FROM:<@b>\r\n",
        EHLO_OK BAD_MAIL SYNTAX_MAIL BAD_MAIL SYNTAX_MAIL, "", ""),
    ROW(EHLO "MAIL FROM:<.a@b>\r\nMAIL FROM:<a(@b>\r\nMAIL FROM:<a@b!>\r\n",
        EHLO_OK BAD_MAIL BAD_MAIL BAD_MAIL, "", ""),
    ROW(EHLO "mail from:<>\r\nrcpt to:<PostMaster>\r\n", EHLO_OK MAIL_OK RCPT_OK, "SRPostMaster",
        ""),
    ROW(EHLO "MAIL FROM:<\"a b\"@[::1]>\r\n", EHLO_OK MAIL_OK, "S\"a b\"@[::1]", ""),
    ROW(EHLO MAIL "RCPT TO:<@x,@y:c@d>\r\nRCPT FROM:<c@d>\r\nRCPT TO:<c@d>x\r\nRCPT TO:<c>\r\n",
        EHLO_OK MAIL_OK RCPT_OK SYNTAX_RCPT SYNTAX_RCPT BAD_RCPT, "Sa@bRc@d", ""),
    /* parameters */
    ROW(EHLO "MAIL FROM:<a@b> SIZE=5 BODY=8bitmime SMTPUTF8 RET=HDRS ENVID=x\r\n"
             "RCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c@d\r\n",
        EHLO_OK MAIL_OK RCPT_OK, "Sa@bRc@d", ""),
    ROW(EHLO "MAIL FROM:<a@b> X=1\r\nMAIL FROM:<a@b> NOTIFY=NEVER\r\nMAIL FROM:<a@b> AUTH=<>\r\n",
        EHLO_OK NO_PARAMETER NO_PARAMETER NO_PARAMETER, "", ""),
    ROW(EHLO "MAIL FROM:<a@b> SIZE=x\r\nMAIL FROM:<a@b> BODY=9BIT\r\nMAIL FROM:<a@b> RET=x\r\n"
             "MAIL FROM:<a@b> SMTPUTF8=1\r\nMAIL FROM:<a@b> SIZE=1 SIZE=1\r\n",
        EHLO_OK BAD_VALUE BAD_VALUE BAD_VALUE BAD_VALUE
        "501 5.5.4 Error: parameter given twice\r\n",
        "", ""),
    ROW(EHLO MAIL "RCPT TO:<c@d> NOTIFY=NEVER,DELAY\r\nRCPT TO:<c@d> SIZE=1\r\n",
        EHLO_OK MAIL_OK BAD_VALUE NO_PARAMETER, "Sa@b", ""),
    ROW("HELO c\r\nMAIL FROM:<a@b> SIZE=1\r\n" MAIL, "250 s\r\n" NO_PARAMETER MAIL_OK, "Sa@b", ""),
    ROW(EHLO "MAIL FROM:<\xC3\xA4@b>\r\nMAIL FROM:<\xC3\xA4@b> SMTPUTF8\r\n",
        EHLO_OK "553 5.6.7 Must declare SMTPUTF8 to send unicode address\r\n" MAIL_OK,
        "S\xC3\xA4@b", ""),
    ROW(EHLO "MAIL FROM:<a@b> BODY=BINARYMIME X=1\r\n" MAIL RCPT "DATA\r\n.\r\n",
        EHLO_OK NO_PARAMETER MAIL_OK RCPT_OK GO ACCEPTED, "Sa@bRc@dBE", ""),
    /* bytes of command lines */
    ROW("NO\0OP\r\nNOOP\rX\r\nEHLO \xFF\r\nNOOP\r\n", BAD_BYTES BAD_BYTES BAD_BYTES OK, "", ""),
    ROW("NOOP\0\r\nNOOP \0\r\n", BAD_BYTES BAD_BYTES, "", ""),
    ROW("NOOP\nNOOP\r\n", "550 5.5.2 Error: bare <LF> received\r\n", "C", ""),
    /* messages */
    ROW(EHLO MAIL RCPT "DATA\r\nx\r\n.\r\nNOOP\r\n", EHLO_OK MAIL_OK RCPT_OK GO ACCEPTED OK,
        "Sa@bRc@dBE", "x\r\n"),
    ROW(EHLO MAIL RCPT RCPT "DATA\r\n.\r\n" MAIL,
        EHLO_OK MAIL_OK RCPT_OK RCPT_OK GO ACCEPTED MAIL_OK, "Sa@bRc@dRc@dBESa@b", ""),
    ROW(EHLO MAIL RCPT "DATA\r\n..\r\n..x\r\n.y\r\n...\r\na.b\r\n\r\n.. \r\n.\r\n",
        EHLO_OK MAIL_OK RCPT_OK GO ACCEPTED, "Sa@bRc@dBE",
        ".\r\n.x\r\ny\r\n..\r\na.b\r\n\r\n. \r\n"),
    ROW(EHLO MAIL RCPT "DATA\r\n\x80\0 \r\n.\r\n", EHLO_OK MAIL_OK RCPT_OK GO ACCEPTED,
        "Sa@bRc@dBE", "\x80\0 \r\n"),
    ROW(EHLO MAIL RCPT "DATA\r\nx\r\n.\nRSET\r\n\n.\r\nMAIL\r\n.\r\n"
                       "NOOP\r\n",
        EHLO_OK MAIL_OK RCPT_OK GO "550 5.6.0 Error: bare <CR> or <LF> in message\r\n" OK,
        "Sa@bRc@dBA", "x"),
    /* chunks */
    ROW(EHLO MAIL RCPT "BDAT 5 LAST\r\n.\r\nx\nNOOP\r\n", EHLO_OK MAIL_OK RCPT_OK ACCEPTED OK,
        "Sa@bRc@dBE", ".\r\nx\n"),
    ROW(EHLO MAIL RCPT "BDAT 2\r\nabBDAT 0\r\nBDAT 1\r\ncBDAT 0 LAST\r\nBDAT 1 LAST\r\nx",
        EHLO_OK MAIL_OK RCPT_OK CHUNK_OK CHUNK_OK CHUNK_OK ACCEPTED NEED_RCPT, "Sa@bRc@dBE", "abc"),
    ROW(EHLO MAIL RCPT "BDAT 2\r\nabDATA\r\n" RCPT MAIL "RSET\r\nNOOP\r\n",
        EHLO_OK MAIL_OK RCPT_OK CHUNK_OK "503 5.5.1 Error: DATA after BDAT\r\n"
                                         "503 5.5.1 Error: RCPT after BDAT\r\n" NESTED OK OK,
        "Sa@bRc@dBA", "ab"),
    ROW(EHLO MAIL "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", EHLO_OK MAIL_OK NEED_RCPT OK, "Sa@b", ""),
    ROW("BDAT 6\r\nQUIT\r\nNOOP\r\n", NOT_IMPLEMENTED OK, "", ""),
    ROW(EHLO "BDAT x\r\nNOOP\r\n", EHLO_OK "501 5.5.4 Syntax: BDAT count [LAST]\r\n", "C", ""),
    ROW(EHLO "MAIL FROM:<a@b> BODY=BINARYMIME\r\n" RCPT "DATA\r\nBDAT 1 LAST\r\n\0",
        EHLO_OK MAIL_OK RCPT_OK "503 5.5.1 Error: DATA with BODY=BINARYMIME\r\n" ACCEPTED,
        "Sa@bRc@dBE", "\0"),
    /* AUTH where it is not offered */
    ROW("AUTH PLAIN =\r\n" EHLO "AUTH PLAIN =\r\nAUTH\r\n",
        "503 5.5.1 Error: send HELO/EHLO first\r\n" EHLO_OK
        "503 5.5.1 Error: authentication not enabled\r\n"
        "503 5.5.1 Error: authentication not enabled\r\n",
        "", ""),
};

static void expect_rows(const struct sink_settings *settings, const struct row *all, size_t count)
{
    size_t i;
    unsigned cut;

    for (i = 0; i < count; i++) {
        for (cut = WHOLE; cut < CUTS; cut++) {
            char wanted[8192];
            struct text text = text_over(wanted, sizeof(wanted));

            text_add(&text, SPAN(BANNER));
            text_add(&text, all[i].replies);
            sink_play(settings, all[i].input, cut);
            expect("replies", &heard.replies, text_span(&text), cut);
            expect("events", &heard.events, all[i].events, cut);
            expect("content", &heard.content, all[i].content, cut);
        }
    }
}

Test(sink, every_command_is_answered_as_the_rfc_says)
{
    struct sink_settings settings = sink_play_settings();

    expect_rows(&settings, rows, sizeof(rows) / sizeof(rows[0]));
}

Test(sink, what_is_hidden_is_not_known)
{
    static const struct row hidden[] = {
        ROW(EHLO "MAIL FROM:<a@b> SIZE=1\r\nMAIL FROM:<a@b> BODY=8BITMIME\r\n"
                 "MAIL FROM:<a@b> SMTPUTF8\r\nMAIL FROM:<a@b> RET=FULL\r\nBDAT 6\r\nQUIT\r\n",
            "250 s\r\n555 Error: unsupported parameter\r\n555 Error: unsupported parameter\r\n"
            "555 Error: unsupported parameter\r\n555 Error: unsupported parameter\r\n"
            "502 Error: command not implemented\r\n",
            "", ""),
    };
    struct sink_settings settings = sink_play_settings();

    settings.offered = 0;
    expect_rows(&settings, hidden, 1);
}

Test(sink, a_message_above_the_limit_is_read_to_its_end_and_refused)
{
    static const struct span offered = SPAN_INIT("250-SIZE 6\r\n");
    struct sink_settings settings = sink_play_settings();
    unsigned cut;

    settings.size_bytes = 6;
    for (cut = WHOLE; cut < CUTS; cut++) {
        sink_play(&settings,
                  SPAN(EHLO "MAIL FROM:<a@b> SIZE=7\r\n" MAIL RCPT "DATA\r\n....\r\n.\r\n" MAIL RCPT
                            "DATA\r\n...\r\n..\r\n.\r\n" MAIL RCPT
                            "BDAT 7\r\nQUIT\r\nxBDAT 1 LAST\r\nx" MAIL "RSET\r\n" MAIL RCPT
                            "BDAT 6 LAST\r\nQUIT\r\n"),
                  cut);
        cr_assert(span_find_span(text_span(&heard.replies), offered) < heard.replies.size);
        cr_assert_eq(heard.sink.counts.messages, 2);
        cr_assert_eq(heard.sink.counts.recipients, 2);
        cr_assert_eq(heard.sink.counts.replies, 20);
        cr_assert(span_ends(text_span(&heard.replies),
                            SPAN("552 5.3.4 Error: message size exceeds fixed limit\r\n"
                                 "503 5.5.1 Error: RSET needed after a refused BDAT\r\n" NESTED OK
                                     MAIL_OK RCPT_OK ACCEPTED)));
        expect("events", &heard.events, SPAN("Sa@bRc@dBESa@bRc@dBASa@bRc@dBASa@bRc@dBE"), cut);
    }
}

Test(sink, verdicts_refuse_by_pattern)
{
    static const struct sink_verdict verdicts[] = {
        {VERB_RCPT, SPAN_INIT("good@*"), SPAN_INIT("250 ok")},
        {VERB_RCPT, SPAN_INIT("*@REJECT.example"), SPAN_INIT("550 5.1.1 No such user")},
        {VERB_RCPT, SPAN_INIT("a*c@x"), SPAN_INIT("451 4.7.1 Later")},
        {VERB_RCPT, SPAN_INIT("a@*@a"), SPAN_INIT("550 5.1.1 No byte counts twice")},
        {VERB_MAIL, SPAN_INIT("bad@b"), SPAN_INIT("553 5.7.1 Not you")},
        {VERB_MAIL, SPAN_INIT("end@b"), SPAN_INIT("421 4.3.2 Going")},
    };
    static const struct row refused[] = {
        ROW(EHLO "MAIL FROM:<bad@b>\r\n" RCPT MAIL
                 "RCPT TO:<x@reject.example>\r\nRCPT TO:<good@reject.example>\r\n"
                 "RCPT TO:<a@a>\r\nRCPT TO:<abc@x>\r\nRCPT TO:<ac@x>\r\nRCPT TO:<c@x>\r\nRCPT "
                 "TO:<a@x>\r\n",
            EHLO_OK "553 5.7.1 Not you\r\n503 5.5.1 Error: need MAIL command\r\n" MAIL_OK
                    "550 5.1.1 No such user\r\n" RCPT_OK RCPT_OK
                    "451 4.7.1 Later\r\n451 4.7.1 Later\r\n" RCPT_OK RCPT_OK,
            "Sa@bRgood@reject.exampleRa@aRc@xRa@x", ""),
        ROW(EHLO "MAIL FROM:<end@b>\r\nNOOP\r\n", EHLO_OK "421 4.3.2 Going\r\n", "C", ""),
    };
    struct sink_settings settings = sink_play_settings();

    settings.verdicts = verdicts;
    settings.verdict_count = sizeof(verdicts) / sizeof(verdicts[0]);
    expect_rows(&settings, refused, sizeof(refused) / sizeof(refused[0]));
}

Test(sink, messages_refused_for_their_line_ends_are_counted)
{
    struct sink_settings settings = sink_play_settings();

    sink_play(&settings, SPAN(EHLO MAIL RCPT "DATA\r\na\nb\rc\r\n.\r\n"), WHOLE);
    cr_assert_eq(heard.sink.counts.bare, 1);
    cr_assert_eq(heard.sink.counts.messages, 0);
}

Test(sink, data_and_dot_have_verdicts_too)
{
    static const struct sink_verdict no_data = {VERB_DATA, SPAN_INIT("*"), SPAN_INIT("451 no")};
    static const struct sink_verdict no_end = {VERB_END, SPAN_INIT("*"), SPAN_INIT("554 no")};
    static const struct row data = ROW(EHLO MAIL RCPT "DATA\r\nNOOP\r\n",
                                       EHLO_OK MAIL_OK RCPT_OK "451 no\r\n" OK, "Sa@bRc@d", "");
    static const struct row end =
        ROW(EHLO MAIL RCPT "DATA\r\nx\r\n.\r\n" MAIL,
            EHLO_OK MAIL_OK RCPT_OK GO "554 no\r\n" MAIL_OK, "Sa@bRc@dBASa@b", "x\r\n");
    struct sink_settings settings = sink_play_settings();

    settings.verdict_count = 1;
    settings.verdicts = &no_data;
    expect_rows(&settings, &data, 1);
    settings.verdicts = &no_end;
    expect_rows(&settings, &end, 1);
}

Test(sink, too_many_recipients_are_refused_for_now)
{
    static const struct row many =
        ROW(EHLO MAIL RCPT RCPT, EHLO_OK MAIL_OK RCPT_OK "452 4.5.3 Error: too many recipients\r\n",
            "Sa@bRc@d", "");
    struct sink_settings settings = sink_play_settings();

    settings.recipients = 1;
    expect_rows(&settings, &many, 1);
}

#define AUTH_EHLO_OK "250-s\r\n250 AUTH PLAIN LOGIN\r\n"
#define AUTH_OK "235 Authentication successful\r\n"
#define AUTH_FAILED "535 Error: authentication failed\r\n"
#define AUTH_BASE64 "501 Error: cannot decode base64\r\n"

Test(sink, authentication)
{
    static const struct row one[] = {
        ROW(EHLO MAIL "AUTH PLAIN AHUAcA==\r\nAUTH PLAIN AHUAcA==\r\nMAIL FROM:<a@b> AUTH=<>\r\n",
            AUTH_EHLO_OK "530 Authentication required\r\n" AUTH_OK
                         "503 Error: already authenticated\r\n250 Ok\r\n",
            "Sa@b", ""),
        ROW(EHLO "AUTH PLAIN\r\nYXV0aAB1AHA=\r\n", AUTH_EHLO_OK "334 \r\n" AUTH_OK, "", ""),
        ROW(EHLO "auth login\r\ndQ==\r\ncA==\r\n",
            AUTH_EHLO_OK "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n" AUTH_OK, "", ""),
        ROW(EHLO "AUTH LOGIN dQ==\r\ncA==\r\n", AUTH_EHLO_OK "334 UGFzc3dvcmQ6\r\n" AUTH_OK, "",
            ""),
        ROW(EHLO "AUTH LOGIN cA==\r\ncA==\r\nAUTH LOGIN dQ==\r\ndQ==\r\nAUTH PLAIN AHAAcA==\r\n",
            AUTH_EHLO_OK "334 UGFzc3dvcmQ6\r\n" AUTH_FAILED
                         "334 UGFzc3dvcmQ6\r\n" AUTH_FAILED AUTH_FAILED,
            "", ""),
        ROW(EHLO
            "AUTH PLAIN =\r\nAUTH PLAIN dQ==\r\nAUTH PLAIN\r\n*\r\nAUTH LOGIN\r\n*\r\nNOOP\r\n",
            AUTH_EHLO_OK AUTH_FAILED AUTH_FAILED "334 \r\n501 Authentication cancelled\r\n"
                                                 "334 VXNlcm5hbWU6\r\n"
                                                 "501 Authentication cancelled\r\n250 Ok\r\n",
            "", ""),
        ROW(EHLO "AUTH PLAIN AHUAcA=\r\nAUTH PLAIN AHUAcA==A\r\nAUTH PLAIN A=UAcA==\r\nAUTH PLAIN "
                 "A===\r\n"
                 "AUTH PLAIN\r\nNOOP\r\nAUTH PLAIN\r\nNO P\r\nAUTH PLAIN a b\r\n",
            AUTH_EHLO_OK AUTH_BASE64 AUTH_BASE64 AUTH_BASE64 AUTH_BASE64
            "334 \r\n" AUTH_FAILED "334 \r\n" AUTH_BASE64 AUTH_BASE64,
            "", ""),
        ROW(EHLO "AUTH CRAM-MD5\r\n", AUTH_EHLO_OK "504 Error: mechanism not supported\r\n", "",
            ""),
        ROW("HELO c\r\nAUTH PLAIN AHUAcA==\r\n",
            "250 s\r\n503 Error: authentication not enabled\r\n", "", ""),
    };
    struct sink_settings settings = sink_play_settings();

    settings.offered = 0;
    settings.auth = SINK_AUTH_ONE;
    settings.auth_required = true;
    settings.user = SPAN("u");
    settings.password = SPAN("p");
    expect_rows(&settings, one, sizeof(one) / sizeof(one[0]));
}

/* A line of `size` bytes with its CRLF, in front of a NOOP. */
static struct span long_line(const char *start, size_t size)
{
    static char bytes[32768];

    memset(bytes, 'A', sizeof(bytes));
    memcpy(bytes, start, strlen(start));
    memcpy(bytes + size - 2, "\r\nNOOP\r\n", 8);
    return span_of(bytes, size + 6);
}

static void feed_steps(struct span input, size_t step)
{
    while (input.size > 0) {
        size_t room = sink_room(&heard.sink);
        size_t size = step > 0 && step < room ? step : room;

        sink_play_feed(span_head(input, size), 0, NULL);
        input = span_tail(input, size);
    }
}

Test(sink, lines_have_a_limit_and_authentication_a_higher_one)
{
    static const struct {
        const char *start;
        size_t size;
        const char *end;
    } lines[] = {
        {"NOOP ", SINK_LINE_BYTES, "\r\n" OK OK},
        {"NOOP ", SINK_LINE_BYTES + 1, "\r\n500 5.5.2 Error: line too long\r\n" OK},
        {"NOOP ", 30000, "\r\n500 5.5.2 Error: line too long\r\n" OK},
        {"AUTH PLAIN ", SINK_AUTH_LINE_BYTES - 3,
         "\r\n535 5.7.8 Error: authentication failed\r\n" OK},
        {"AUTH PLAIN ", SINK_AUTH_LINE_BYTES + 1,
         "\r\n500 5.5.6 Error: authentication exchange line too long\r\n" OK},
        {"AUTH LOGIN\r\n", SINK_AUTH_LINE_BYTES + 12,
         "\r\n334 VXNlcm5hbWU6\r\n501 5.5.2 Error: cannot decode base64\r\n" OK},
        {"AUTH LOGIN\r\n", SINK_AUTH_LINE_BYTES + 13,
         "\r\n334 VXNlcm5hbWU6\r\n500 5.5.6 Error: authentication exchange line too long\r\n" OK},
    };
    struct sink_settings settings = sink_play_settings();
    size_t i;
    unsigned cut;

    settings.auth = SINK_AUTH_ANY;
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        for (cut = WHOLE; cut < 5; cut++) {
            sink_play(&settings, SPAN(EHLO), WHOLE);
            feed_steps(long_line(lines[i].start, lines[i].size), cut * 7);
            cr_assert(span_ends(text_span(&heard.replies), span_of_string(lines[i].end)),
                      "row %zu, cut %u: %.*s", i, cut, (int)heard.replies.size, heard.replies.at);
        }
    }
}

Test(sink, the_caller_answers_for_what_it_stored)
{
    struct sink_settings settings = sink_play_settings();

    sink_play_begin(&settings);
    sink_play_feed(SPAN(EHLO MAIL RCPT "DATA\r\n.\r\n"), 0, "452 4.3.1 Disk full");
    sink_play_feed(SPAN(MAIL RCPT "DATA\r\n.\r\n"), 0, "250 2.0.0 Ok: queued as x");
    expect("replies", &heard.replies,
           SPAN(BANNER EHLO_OK MAIL_OK RCPT_OK GO "452 4.3.1 Disk full\r\n" MAIL_OK RCPT_OK GO
                                                  "250 2.0.0 Ok: queued as x\r\n"),
           WHOLE);
    cr_assert_eq(heard.sink.counts.messages, 1);
}

/* One reply for the banner and each command, whatever they are and however they are cut. */
Test(sink, as_many_replies_as_commands)
{
    static const char *const lines[] = {
        EHLO,
        "HELO c\r\n",
        MAIL,
        "MAIL FROM:<>\r\n",
        "MAIL\r\n",
        RCPT,
        "RCPT TO:<x@no>\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "WHAT\r\n",
        "\r\n",
        "VRFY x\r\n",
        "BDAT 3\r\na\r\n",
        "BDAT 6 LAST\r\nQUIT\r\n",
        "BDAT 0 LAST\r\n",
        "AUTH PLAIN AAA=\r\n",
        "STARTTLS\r\n",
        "MAIL FROM:<a@b> SIZE=99\r\n",
        "NOOP \xFF\r\n",
    };
    static const struct sink_verdict verdict = {VERB_RCPT, SPAN_INIT("*@no"), SPAN_INIT("450 n")};
    struct sink_settings settings = sink_play_settings();
    char bytes[8192];
    unsigned run;

    settings.verdicts = &verdict;
    settings.verdict_count = 1;
    settings.auth = SINK_AUTH_ANY;
    settings.size_bytes = 50;
    for (run = 0; run < 2000; run++) {
        struct seed seed = {run};
        struct text text = text_over(bytes, sizeof(bytes));
        uint32_t count = (uint32_t)seed_below(&seed, 40), i;

        for (i = 0; i < count; i++) {
            size_t which = (size_t)seed_below(&seed, sizeof(lines) / sizeof(lines[0]));

            text_add(&text, span_of_string(lines[which]));
        }
        sink_play(&settings, text_span(&text), run);
        cr_assert_eq(heard.sink.counts.replies, count + 1, "run %u: %u commands, %u replies", run,
                     count, heard.sink.counts.replies - 1);
        cr_assert_eq(heard.sink.phase, SINK_PHASE_COMMAND);
    }
}
