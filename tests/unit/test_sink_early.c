/* sink: what it costs to talk before one was answered, read by read. */
#include <criterion/criterion.h>

#include "sink_player.h"

static void expect(const char *what, const struct text *got, struct span wanted, size_t row)
{
    cr_assert(span_equal(text_span(got), wanted), "%s, row %zu: got\n%.*s\nwanted\n%.*s", what, row,
              (int)got->size, got->at, (int)wanted.size, wanted.at);
}

#define BANNER "220 s b\r\n"
#define EHLO "EHLO c\r\n"
#define MAIL "MAIL FROM:<a@b>\r\n"
#define MAIL_OK "250 2.1.0 Ok\r\n"
#define RCPT "RCPT TO:<c@d>\r\n"
#define RCPT_OK "250 2.1.5 Ok\r\n"
#define GO "354 End data with <CR><LF>.<CR><LF>\r\n"
#define ACCEPTED "250 2.0.0 Ok: message accepted\r\n"
#define OPENSMTPD "500 5.5.1 Invalid command: Pipelining not supported\r\n"
#define OK "250 2.0.0 Ok\r\n"
#define SENDMAIL "554 5.5.0 SMTP protocol error\r\n"
#define EXIM "554 SMTP synchronization error\r\n"
#define POSTFIX "554 5.5.0 Error: SMTP protocol synchronization\r\n"

/* Each part is one read. */
struct early_row {
    const char *manners;
    bool offered;
    const char *reads[6];
    const char *end; /* of all replies */
    const char *events;
    uint32_t violations;
};

#define POLITE_MAIL MAIL, RCPT, "DATA\r\n"
#define POLITE EHLO, MAIL, RCPT, "DATA\r\n", "x\r\n.\r\n"

#define EHLO_END "250 AUTH PLAIN LOGIN\r\n"
#define TOO_LONG "500 5.5.2 Error: line too long\r\n"
#define X16 "xxxxxxxxxxxxxxxx"
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16
#define OVERLONG X256 X256 X256 X256 X256 X256 X256 X256

static const struct early_row early_rows[] = {
    {"opensmtpd", false, {POLITE, "QUIT\r\n"}, "221 2.0.0 Bye\r\n", "Sa@bRc@dBEC", 0},
    {"exim", false, {POLITE, "QUIT\r\n"}, "221 2.0.0 Bye\r\n", "Sa@bRc@dBEC", 0},
    {"postfix", false, {POLITE, "QUIT\r\n"}, "221 2.0.0 Bye\r\n", "Sa@bRc@dBEC", 0},
    {"opensmtpd", false, {EHLO, MAIL RCPT}, EHLO_END OPENSMTPD, "C", 1},
    {"opensmtpd", false, {EHLO, MAIL "R"}, EHLO_END OPENSMTPD, "C", 1},
    {"opensmtpd", false, {EHLO, "NOOP\r\nQUIT\r\n"}, EHLO_END OPENSMTPD, "C", 1},
    {"opensmtpd", false, {EHLO MAIL}, BANNER OPENSMTPD, "C", 1},
    {"opensmtpd",
     false,
     {EHLO, MAIL, RCPT, "DATA\r\n", "x\r\n.\r\nQ"},
     GO OPENSMTPD,
     "Sa@bRc@dBAC",
     1},
    {"opensmtpd", false, {EHLO, MAIL, RCPT, "DATA\r\n.\r\n"}, RCPT_OK OPENSMTPD, "Sa@bRc@dC", 1},
    {"opensmtpd",
     true,
     {EHLO, MAIL RCPT "DATA\r\n", ".\r\nQUIT\r\n"},
     ACCEPTED "221 2.0.0 Bye\r\n",
     "Sa@bRc@dBEC",
     0},
    {"opensmtpd", true, {EHLO, MAIL RCPT "DATA\r\n.\r\n"}, GO ACCEPTED, "Sa@bRc@dBE", 1},
    {"exim", false, {EHLO, MAIL RCPT}, MAIL_OK RCPT_OK, "Sa@bRc@d", 1},
    {"exim", false, {EHLO, MAIL RCPT "DATA\r\n"}, MAIL_OK EXIM, "Sa@bC", 2},
    {"exim", false, {EHLO, MAIL, RCPT, "DATA\r\n.\r\n"}, GO ACCEPTED, "Sa@bRc@dBE", 1},
    {"exim", false, {EHLO, POLITE_MAIL, ".\r\n", MAIL RCPT}, ACCEPTED EXIM, "Sa@bRc@dBEC", 1},
    {"exim", true, {EHLO, MAIL RCPT "NOOP\r\nNOOP\r\n"}, OK OK, "Sa@bRc@d", 1},
    {"exim", true, {EHLO, POLITE_MAIL, ".\r\n", "NOOP\r\nN"}, ACCEPTED EXIM, "Sa@bRc@dBEC", 1},
    {"exim", false, {"HELO c\r\n" MAIL}, "250 s\r\n" MAIL_OK, "Sa@b", 1},
    {"sendmail",
     true,
     {EHLO "NOOP\r\n", MAIL},
     SENDMAIL OK "550 5.0.0 Command rejected\r\n",
     "",
     1},
    {"sendmail", true, {EHLO, MAIL RCPT "DATA\r\n."}, RCPT_OK SENDMAIL, "Sa@bRc@dC", 1},
    {"postfix", false, {EHLO, MAIL RCPT}, MAIL_OK RCPT_OK, "Sa@bRc@d", 1},
    {"postfix", false, {EHLO, MAIL RCPT "DATA\r\n."}, RCPT_OK POSTFIX, "Sa@bRc@dC", 3},
    {"postfix", true, {EHLO, "NOOP\r\nNOOP\r\n"}, EHLO_END POSTFIX, "C", 1},
    {"postfix", false, {"HELO c\r\n", MAIL RCPT}, "250 s\r\n" POSTFIX, "C", 1},
    {"postfix", false, {"RSET\r\nRSET\r\n"}, BANNER POSTFIX, "C", 1},
    {"opensmtpd",
     false,
     {EHLO, "AUTH LOGIN\r\n", "dQ==\r\ncA==\r\n"},
     "334 VXNlcm5hbWU6\r\n" OPENSMTPD,
     "C",
     1},
    {"opensmtpd", false, {EHLO, OVERLONG "\r\n"}, EHLO_END TOO_LONG, "", 0},
    {"opensmtpd", false, {EHLO, OVERLONG "\r\nR"}, EHLO_END OPENSMTPD, "C", 1},
    {"strict", false, {EHLO MAIL RCPT}, MAIL_OK RCPT_OK, "Sa@bRc@d", 2},
    {"strict", true, {EHLO, MAIL RCPT "DATA\r\n"}, RCPT_OK GO, "Sa@bRc@dB", 0},
};

Test(sink_early, early_talk_costs_what_it_costs_elsewhere)
{
    size_t i, read;

    for (i = 0; i < sizeof(early_rows) / sizeof(early_rows[0]); i++) {
        const struct early_row *row = &early_rows[i];
        struct sink_settings settings = sink_play_settings();

        settings.auth = SINK_AUTH_ANY;
        settings.manners = sink_personality_find(span_of_string(row->manners));
        if (!row->offered)
            settings.offered &= ~SINK_BIT(PIPELINING);
        sink_play_begin(&settings);
        for (read = 0; read < 6 && row->reads[read]; read++)
            sink_play_feed(span_of_string(row->reads[read]), 0, NULL);
        cr_assert(span_ends(text_span(&heard.replies), span_of_string(row->end)),
                  "row %zu: got\n%.*s", i, (int)heard.replies.size, heard.replies.at);
        expect("events", &heard.events, span_of_string(row->events), i);
        cr_assert_eq(heard.sink.counts.violations, row->violations, "row %zu: %u violations", i,
                     heard.sink.counts.violations);
    }
}

Test(sink_early, a_delayed_answer_makes_a_later_read_early)
{
    struct sink_settings settings = sink_play_settings();

    settings.manners = sink_personality_find(SPAN("opensmtpd"));
    settings.offered &= ~SINK_BIT(PIPELINING);
    settings.reply_delay_ms = 100;
    sink_play_begin(&settings);
    cr_assert_eq(heard.replies.size, 0);
    cr_assert_eq(sink_deadline(&heard.sink), 100);
    sink_play_feed(SPAN(""), 100, NULL);
    expect("banner", &heard.replies, SPAN(BANNER), 0);
    cr_assert_eq(sink_deadline(&heard.sink), MOMENT_NEVER);
    sink_play_feed(SPAN(EHLO), 150, NULL);
    cr_assert_eq(sink_deadline(&heard.sink), 250);
    sink_play_feed(SPAN(""), 249, NULL);
    expect("not yet", &heard.replies, SPAN(BANNER), 0);
    sink_play_feed(SPAN(""), 250, NULL);
    sink_play_feed(SPAN(MAIL), 260, NULL);
    cr_assert_eq(sink_room(&heard.sink), SINK_INPUT_BYTES - SPAN(MAIL).size);
    sink_play_feed(SPAN(RCPT), 300, NULL);
    cr_assert_eq(heard.sink.counts.violations, 0);
    sink_play_feed(SPAN(""), 360, NULL);
    cr_assert_eq(heard.sink.counts.violations, 1);
    cr_assert(span_ends(text_span(&heard.replies), SPAN("VRFY\r\n" OPENSMTPD)));
    expect("events", &heard.events, SPAN("C"), 0);
}

Test(sink_early, before_the_banner_is_early)
{
    struct sink_settings settings = sink_play_settings();

    settings.manners = sink_personality_find(SPAN("postfix"));
    settings.reply_delay_ms = 100;
    sink_play_begin(&settings);
    sink_play_feed(SPAN(EHLO), 50, NULL);
    sink_play_feed(SPAN(""), 100, NULL);
    expect("replies", &heard.replies, SPAN(POSTFIX), 0);
    cr_assert_eq(heard.sink.counts.violations, 1);
}

Test(sink_early, a_delay_changes_no_answer)
{
    static const struct span input = SPAN_INIT(EHLO MAIL RCPT "DATA\r\nx\r\n.\r\n" MAIL RCPT
                                                              "BDAT 1\r\nxBDAT 0 LAST\r\nQUIT\r\n");
    struct sink_settings settings = sink_play_settings();
    char wanted[4096];
    struct text text = text_over(wanted, sizeof(wanted));

    sink_play(&settings, input, WHOLE);
    text_add(&text, text_span(&heard.replies));
    settings.reply_delay_ms = 10;
    sink_play(&settings, input, WHOLE);
    while (sink_deadline(&heard.sink) != MOMENT_NEVER)
        sink_play_feed(SPAN(""), sink_deadline(&heard.sink), NULL);
    expect("replies", &heard.replies, text_span(&text), 0);
    cr_assert_eq(heard.sink.now, 110);
}
