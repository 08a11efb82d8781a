/* sink: what each input is answered, in every cut; what is delivered; what early talk costs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lockstep/base/seed.h"
#include "lockstep/sink/sink.h"

#define WHOLE 0U
#define BYTE_BY_BYTE 1U
#define RANDOM_CUTS 40U /* cuts from 2 on are seeds */

static char replies_bytes[1 << 20];
static char content_bytes[1 << 20];
static char events_bytes[1 << 16];

/* What a session came to. */
struct heard {
    struct text replies;
    struct text content;
    struct text events; /* S<sender> R<recipient> B E A C */
    struct sink sink;
};

static struct heard heard;

static void take_all(const char *answer)
{
    struct sink_output output;

    while (sink_take(&heard.sink, &output)) {
        static const char letters[] = {' ', 'S', 'R', 'B', ' ', 'E', 'A', 'C'};

        if (output.kind == SINK_REPLY)
            text_add(&heard.replies, output.bytes);
        else if (output.kind == SINK_CONTENT)
            text_add(&heard.content, output.bytes);
        else
            text_add_byte(&heard.events, letters[output.kind]);
        if (output.kind == SINK_SENDER || output.kind == SINK_RECIPIENT)
            text_add(&heard.events, output.bytes);
        if (output.kind == SINK_END && answer)
            sink_answer(&heard.sink, span_of_string(answer));
    }
}

static void begin(const struct sink_settings *settings)
{
    heard.replies = text_over(replies_bytes, sizeof(replies_bytes));
    heard.content = text_over(content_bytes, sizeof(content_bytes));
    heard.events = text_over(events_bytes, sizeof(events_bytes));
    sink_init(&heard.sink, settings, 0);
    take_all(NULL);
}

/* Feeds a copy that lives no longer than the contract says, so that a stale span is noticed. */
static void feed(struct span input, moment now)
{
    char lent[SINK_INPUT_BYTES];

    memcpy(lent, input.at, input.size);
    sink_feed(&heard.sink, span_of(lent, input.size), now);
    take_all(NULL);
    memset(lent, '?', input.size);
}

static void play(const struct sink_settings *settings, struct span input, unsigned cut)
{
    struct seed seed = {cut};

    begin(settings);
    while (input.size > 0) {
        size_t size = sink_room(&heard.sink);

        if (cut == BYTE_BY_BYTE)
            size = 1;
        else if (cut != WHOLE)
            size = 1 + (size_t)seed_below(&seed, 40);
        feed(span_head(input, size), 0);
        input = span_tail(input, size);
    }
}

static void expect(const char *what, const struct text *got, struct span wanted, unsigned cut)
{
    cr_assert(span_equal(text_span(got), wanted), "%s, cut %u: got\n%.*s\nwanted\n%.*s", what, cut,
              (int)got->size, got->at, (int)wanted.size, wanted.at);
}

static struct sink_settings defaults(void)
{
    struct sink_settings settings;

    sink_settings_default(&settings);
    settings.hostname = SPAN("s");
    settings.banner = SPAN("b");
    return settings;
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
    /* bytes of command lines */
    ROW("NO\0OP\r\nNOOP\rX\r\nEHLO \xFF\r\nNOOP\r\n",
        BAD_BYTES BAD_BYTES BAD_BYTES OK, "", ""),
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
        "503 5.5.1 Error: authentication not enabled\r\n" NEED_ARGUMENT,
        "", ""),
};

static void expect_rows(const struct sink_settings *settings, const struct row *all, size_t count)
{
    size_t i;
    unsigned cut;

    for (i = 0; i < count; i++) {
        for (cut = WHOLE; cut < RANDOM_CUTS; cut++) {
            char wanted[8192];
            struct text text = text_over(wanted, sizeof(wanted));

            text_add(&text, SPAN(BANNER));
            text_add(&text, all[i].replies);
            play(settings, all[i].input, cut);
            expect("replies", &heard.replies, text_span(&text), cut);
            expect("events", &heard.events, all[i].events, cut);
            expect("content", &heard.content, all[i].content, cut);
        }
    }
}

Test(sink, every_command_is_answered_as_the_rfc_says)
{
    struct sink_settings settings = defaults();

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
    struct sink_settings settings = defaults();

    settings.offered = 0;
    expect_rows(&settings, hidden, 1);
}

Test(sink, a_message_above_the_limit_is_read_to_its_end_and_refused)
{
    static const struct span offered = SPAN_INIT("250-SIZE 6\r\n");
    struct sink_settings settings = defaults();
    unsigned cut;

    settings.size_bytes = 6;
    for (cut = WHOLE; cut < RANDOM_CUTS; cut++) {
        play(&settings,
             SPAN(EHLO "MAIL FROM:<a@b> SIZE=7\r\n" MAIL RCPT "DATA\r\n....\r\n.\r\n" MAIL RCPT
                       "DATA\r\n...\r\n..\r\n.\r\n" MAIL RCPT "BDAT 7\r\nQUIT\r\nxBDAT 1 LAST\r\nx"
                       "RSET\r\n" MAIL RCPT "BDAT 6 LAST\r\nQUIT\r\n"),
             cut);
        cr_assert(span_find_span(text_span(&heard.replies), offered) < heard.replies.size);
        cr_assert_eq(heard.sink.counts.messages, 2);
        cr_assert_eq(heard.sink.counts.recipients, 2);
        cr_assert_eq(heard.sink.counts.replies, 19);
        cr_assert(span_ends(text_span(&heard.replies),
                            SPAN("552 5.3.4 Error: message size exceeds fixed limit\r\n"
                                 "503 5.5.1 Error: RSET needed after a refused BDAT\r\n" OK MAIL_OK
                                     RCPT_OK ACCEPTED)));
        expect("events", &heard.events, SPAN("Sa@bRc@dBESa@bRc@dBASa@bRc@dBASa@bRc@dBE"), cut);
    }
}

Test(sink, verdicts_refuse_by_pattern)
{
    static const struct sink_verdict verdicts[] = {
        {VERB_RCPT, SPAN_INIT("good@*"), SPAN_INIT("250 ok")},
        {VERB_RCPT, SPAN_INIT("*@REJECT.example"), SPAN_INIT("550 5.1.1 No such user")},
        {VERB_RCPT, SPAN_INIT("a*c@x"), SPAN_INIT("451 4.7.1 Later")},
        {VERB_MAIL, SPAN_INIT("bad@b"), SPAN_INIT("553 5.7.1 Not you")},
        {VERB_MAIL, SPAN_INIT("end@b"), SPAN_INIT("421 4.3.2 Going")},
    };
    static const struct row refused[] = {
        ROW(EHLO "MAIL FROM:<bad@b>\r\n" RCPT MAIL
                 "RCPT TO:<x@reject.example>\r\nRCPT TO:<good@reject.example>\r\n"
                 "RCPT TO:<abc@x>\r\nRCPT TO:<ac@x>\r\nRCPT TO:<c@x>\r\nRCPT TO:<a@x>\r\n",
            EHLO_OK "553 5.7.1 Not you\r\n503 5.5.1 Error: need MAIL command\r\n" MAIL_OK
                    "550 5.1.1 No such user\r\n" RCPT_OK
                    "451 4.7.1 Later\r\n451 4.7.1 Later\r\n" RCPT_OK RCPT_OK,
            "Sa@bRgood@reject.exampleRc@xRa@x", ""),
        ROW(EHLO "MAIL FROM:<end@b>\r\nNOOP\r\n", EHLO_OK "421 4.3.2 Going\r\n", "C", ""),
    };
    struct sink_settings settings = defaults();

    settings.verdicts = verdicts;
    settings.verdict_count = sizeof(verdicts) / sizeof(verdicts[0]);
    expect_rows(&settings, refused, sizeof(refused) / sizeof(refused[0]));
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
    struct sink_settings settings = defaults();

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
    struct sink_settings settings = defaults();

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
        ROW(EHLO "AUTH PLAIN AHUAcA=\r\nAUTH PLAIN AHUAcA==A\r\nAUTH PLAIN A=UAcA==\r\n"
                 "AUTH PLAIN\r\nNOOP\r\nAUTH PLAIN\r\nNO P\r\nAUTH PLAIN a b\r\n",
            AUTH_EHLO_OK AUTH_BASE64 AUTH_BASE64 AUTH_BASE64 "334 \r\n" AUTH_FAILED
                                                             "334 \r\n" AUTH_BASE64 AUTH_BASE64,
            "", ""),
        ROW(EHLO "AUTH CRAM-MD5\r\n", AUTH_EHLO_OK "504 Error: mechanism not supported\r\n", "",
            ""),
        ROW("HELO c\r\nAUTH PLAIN AHUAcA==\r\n",
            "250 s\r\n503 Error: authentication not enabled\r\n", "", ""),
    };
    struct sink_settings settings = defaults();

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
    struct sink_settings settings = defaults();
    size_t i;
    unsigned cut;

    settings.auth = SINK_AUTH_ANY;
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        for (cut = WHOLE; cut < 5; cut++) {
            begin(&settings);
            feed(SPAN(EHLO), 0);
            play(&settings, SPAN(EHLO), WHOLE);
            {
                struct span input = long_line(lines[i].start, lines[i].size);
                size_t step = cut == WHOLE ? SINK_INPUT_BYTES : cut * 7;

                while (input.size > 0) {
                    size_t size = step < sink_room(&heard.sink) ? step : sink_room(&heard.sink);

                    feed(span_head(input, size), 0);
                    input = span_tail(input, size);
                }
            }
            cr_assert(span_ends(text_span(&heard.replies), span_of_string(lines[i].end)),
                      "row %zu, cut %u: %.*s", i, cut, (int)heard.replies.size, heard.replies.at);
        }
    }
}

Test(sink, the_caller_answers_for_what_it_stored)
{
    struct sink_settings settings = defaults();

    begin(&settings);
    sink_feed(&heard.sink, SPAN(EHLO MAIL RCPT "DATA\r\n.\r\n"), 0);
    take_all("452 4.3.1 Disk full");
    sink_feed(&heard.sink, SPAN(MAIL RCPT "DATA\r\n.\r\n"), 0);
    take_all("250 2.0.0 Ok: queued as x");
    expect("replies", &heard.replies,
           SPAN(BANNER EHLO_OK MAIL_OK RCPT_OK GO "452 4.3.1 Disk full\r\n" MAIL_OK RCPT_OK GO
                                                  "250 2.0.0 Ok: queued as x\r\n"),
           WHOLE);
    cr_assert_eq(heard.sink.counts.messages, 1);
}

#define OPENSMTPD "500 5.5.1 Invalid command: Pipelining not supported\r\n"
#define EXIM "554 SMTP synchronization error\r\n"
#define POSTFIX "554 5.5.0 Error: SMTP protocol synchronization\r\n"

/* Each part is one read. */
struct early_row {
    enum sink_early early;
    bool offered;
    const char *reads[6];
    const char *end; /* of all replies */
    const char *events;
    uint32_t violations;
};

#define POLITE EHLO, MAIL, RCPT, "DATA\r\n", "x\r\n.\r\n"

static const struct early_row early_rows[] = {
    {SINK_EARLY_OPENSMTPD, false, {POLITE, "QUIT\r\n"}, "221 2.0.0 Bye\r\n", "Sa@bRc@dBEC", 0},
    {SINK_EARLY_EXIM, false, {POLITE, "QUIT\r\n"}, "221 2.0.0 Bye\r\n", "Sa@bRc@dBEC", 0},
    {SINK_EARLY_POSTFIX, false, {POLITE, "QUIT\r\n"}, "221 2.0.0 Bye\r\n", "Sa@bRc@dBEC", 0},
    {SINK_EARLY_OPENSMTPD, false, {EHLO, MAIL RCPT}, "VRFY\r\n" OPENSMTPD, "C", 1},
    {SINK_EARLY_OPENSMTPD, false, {EHLO, MAIL "R"}, "VRFY\r\n" OPENSMTPD, "C", 1},
    {SINK_EARLY_OPENSMTPD, false, {EHLO, "NOOP\r\nQUIT\r\n"}, "VRFY\r\n" OPENSMTPD, "C", 1},
    {SINK_EARLY_OPENSMTPD, false, {EHLO MAIL}, BANNER OPENSMTPD, "C", 1},
    {SINK_EARLY_OPENSMTPD,
     false,
     {EHLO, MAIL, RCPT, "DATA\r\n", "x\r\n.\r\nQ"},
     GO OPENSMTPD,
     "Sa@bRc@dBAC",
     1},
    {SINK_EARLY_OPENSMTPD,
     false,
     {EHLO, MAIL, RCPT, "DATA\r\n.\r\n"},
     RCPT_OK OPENSMTPD,
     "Sa@bRc@dC",
     1},
    {SINK_EARLY_OPENSMTPD,
     true,
     {EHLO, MAIL RCPT "DATA\r\n", ".\r\nQUIT\r\n"},
     ACCEPTED "221 2.0.0 Bye\r\n",
     "Sa@bRc@dBEC",
     0},
    {SINK_EARLY_OPENSMTPD, true, {EHLO, MAIL RCPT "DATA\r\n.\r\n"}, GO ACCEPTED, "Sa@bRc@dBE", 1},
    {SINK_EARLY_EXIM, false, {EHLO, MAIL RCPT}, "VRFY\r\n" EXIM, "C", 1},
    {SINK_EARLY_EXIM, false, {EHLO, MAIL, RCPT, "DATA\r\n.\r\n"}, RCPT_OK EXIM, "Sa@bRc@dC", 1},
    {SINK_EARLY_EXIM, true, {EHLO, MAIL RCPT "NOOP\r\nNOOP\r\n"}, RCPT_OK EXIM, "Sa@bRc@dC", 1},
    {SINK_EARLY_EXIM, false, {"HELO c\r\n" MAIL}, BANNER EXIM, "C", 1},
    {SINK_EARLY_POSTFIX, false, {EHLO, MAIL RCPT}, MAIL_OK RCPT_OK, "Sa@bRc@d", 1},
    {SINK_EARLY_POSTFIX, false, {EHLO, MAIL RCPT "DATA\r\n."}, RCPT_OK POSTFIX, "Sa@bRc@dC", 3},
    {SINK_EARLY_POSTFIX, true, {EHLO, "NOOP\r\nNOOP\r\n"}, "VRFY\r\n" POSTFIX, "C", 1},
    {SINK_EARLY_POSTFIX, false, {"HELO c\r\n", MAIL RCPT}, "250 s\r\n" POSTFIX, "C", 1},
    {SINK_EARLY_POSTFIX, false, {"RSET\r\nRSET\r\n"}, BANNER POSTFIX, "C", 1},
    {SINK_EARLY_TAKEN, false, {EHLO MAIL RCPT}, MAIL_OK RCPT_OK, "Sa@bRc@d", 2},
    {SINK_EARLY_TAKEN, true, {EHLO, MAIL RCPT "DATA\r\n"}, RCPT_OK GO, "Sa@bRc@dB", 0},
};

Test(sink, early_talk_costs_what_it_costs_elsewhere)
{
    size_t i, read;

    for (i = 0; i < sizeof(early_rows) / sizeof(early_rows[0]); i++) {
        const struct early_row *row = &early_rows[i];
        struct sink_settings settings = defaults();

        settings.early = row->early;
        if (!row->offered)
            settings.offered &= ~SINK_BIT(PIPELINING);
        begin(&settings);
        for (read = 0; read < 6 && row->reads[read]; read++)
            feed(span_of_string(row->reads[read]), 0);
        cr_assert(span_ends(text_span(&heard.replies), span_of_string(row->end)),
                  "row %zu: got\n%.*s", i, (int)heard.replies.size, heard.replies.at);
        expect("events", &heard.events, span_of_string(row->events), (unsigned)i);
        cr_assert_eq(heard.sink.counts.violations, row->violations, "row %zu: %u violations", i,
                     heard.sink.counts.violations);
    }
}

Test(sink, a_delayed_answer_makes_a_later_read_early)
{
    struct sink_settings settings = defaults();

    settings.early = SINK_EARLY_OPENSMTPD;
    settings.offered &= ~SINK_BIT(PIPELINING);
    settings.reply_delay_ms = 100;
    begin(&settings);
    cr_assert_eq(heard.replies.size, 0);
    cr_assert_eq(sink_deadline(&heard.sink), 100);
    feed(SPAN(""), 100);
    expect("banner", &heard.replies, SPAN(BANNER), 0);
    cr_assert_eq(sink_deadline(&heard.sink), MOMENT_NEVER);
    feed(SPAN(EHLO), 150);
    cr_assert_eq(sink_deadline(&heard.sink), 250);
    feed(SPAN(""), 249);
    expect("not yet", &heard.replies, SPAN(BANNER), 0);
    feed(SPAN(""), 250);
    feed(SPAN(MAIL), 260);
    cr_assert_eq(sink_room(&heard.sink), SINK_INPUT_BYTES - SPAN(MAIL).size);
    feed(SPAN(RCPT), 300);
    cr_assert_eq(heard.sink.counts.violations, 0);
    feed(SPAN(""), 360);
    cr_assert_eq(heard.sink.counts.violations, 1);
    cr_assert(span_ends(text_span(&heard.replies), SPAN("VRFY\r\n" OPENSMTPD)));
    expect("events", &heard.events, SPAN("C"), 0);
}

Test(sink, before_the_banner_is_early)
{
    struct sink_settings settings = defaults();

    settings.early = SINK_EARLY_POSTFIX;
    settings.reply_delay_ms = 100;
    begin(&settings);
    feed(SPAN(EHLO), 50);
    feed(SPAN(""), 100);
    expect("replies", &heard.replies, SPAN(POSTFIX), 0);
    cr_assert_eq(heard.sink.counts.violations, 1);
}

Test(sink, a_delay_changes_no_answer)
{
    static const struct span input = SPAN_INIT(EHLO MAIL RCPT "DATA\r\nx\r\n.\r\n" MAIL RCPT
                                                              "BDAT 1\r\nxBDAT 0 LAST\r\nQUIT\r\n");
    struct sink_settings settings = defaults();
    char wanted[4096];
    struct text text = text_over(wanted, sizeof(wanted));

    play(&settings, input, WHOLE);
    text_add(&text, text_span(&heard.replies));
    settings.reply_delay_ms = 10;
    play(&settings, input, WHOLE);
    while (sink_deadline(&heard.sink) != MOMENT_NEVER)
        feed(SPAN(""), sink_deadline(&heard.sink));
    expect("replies", &heard.replies, text_span(&text), WHOLE);
    cr_assert_eq(heard.sink.now, 110);
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
    struct sink_settings settings = defaults();
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
        play(&settings, text_span(&text), run);
        cr_assert_eq(heard.sink.counts.replies, count + 1, "run %u: %u commands, %u replies", run,
                     count, heard.sink.counts.replies - 1);
        cr_assert_eq(heard.sink.phase, SINK_PHASE_COMMAND);
    }
}
