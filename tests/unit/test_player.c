/* The player: what must agree does, and what must not does not, for the reason it says. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/explain/player.h"

#define REPORT_BYTES 8192U

static char report_bytes[REPORT_BYTES];
static struct text report;

/* Plays the file in all ways; false at the first that disagrees. */
static bool plays_span(struct span file)
{
    void *lines = malloc(script_size(file) + 1);
    void *memory = NULL;
    struct script script;
    struct policy policy;
    bool agreed;
    uint32_t way;

    report = text_over(report_bytes, sizeof(report_bytes));
    agreed = script_read(&script, SPAN("test.smtp"), file, lines, &report) &&
             player_policy(&script, &policy, &report);
    if (agreed)
        memory = malloc(player_size(&script, &policy));
    for (way = 0; way < PLAYER_WAYS && agreed; way++)
        agreed = player_play(&script, &policy, player_way(way), memory, &report, NULL);
    free(memory);
    free(lines);
    cr_assert(agreed || report.size > 0);
    return agreed;
}

/* Three parts of a file, put together in one place. */
static const char *joined(const char *first, const char *second, const char *third)
{
    static char file[1024];
    struct text text = text_over(file, sizeof(file) - 1);

    text_add(&text, span_of_string(first));
    text_add(&text, span_of_string(second));
    text_add(&text, span_of_string(third));
    file[text.size] = '\0';
    return file;
}

static bool plays(const char *file)
{
    return plays_span(span_of_string(file));
}

static bool reported(const char *words)
{
    struct span all = text_span(&report);

    return span_find_span(all, span_of_string(words)) < all.size;
}

static void must_play(const char *file)
{
    cr_assert(plays(file), "%.*s", (int)report.size, report.at);
}

/* `words` is in the report, which starts with the place. */
static void must_fail(const char *file, const char *words)
{
    cr_assert_not(plays(file), "agreed, though it must not:\n%s", file);
    cr_assert(reported(words), "wanted: %s\ngot: %.*s", words, (int)report.size, report.at);
}

#define ENVELOPE                                      \
    "@ start ready\n"                                 \
    "C> MAIL FROM:<a@b>\nC> RCPT TO:<x@b>\nC> DATA\n" \
    "U> MAIL FROM:<a@b>\nU> RCPT TO:<x@b>\nU> DATA\n" \
    "U< 250 1\nU< 250 2\nU< 354 3\nC< 250 1\nC< 250 2\nC< 354 3\n"

Test(player, the_house_example)
{
    must_play("@ pipelining never\n"
              "@ start ready\n"
              "C> MAIL FROM:<a@b>\n"
              "C> RCPT TO:<x@slow.example>\n"
              "U> MAIL FROM:<a@b>\n"
              "U< 250 ok\n"
              "C< 250 ok\n"
              "U> RCPT TO:<x@slow.example>\n"
              "@ wait 500ms\n"
              "U< 451 4.7.1 try later\n"
              "C< 451 4.7.1 try later\n");
}

/* Strictness 1: nothing but the listed lines between two stimuli. A list of expectations alone
 * would pass all of these. */
Test(player, what_comes_too_early_fails)
{
    must_fail("@ start ready\nC> HELP\nU> HELP\nU< 250 ok\nU< 250 odd\nC< 250 ok\n",
              "more than expected");
    must_fail("@ start ready\nC> MAIL FROM:<a@b>\nC> RCPT TO:<x@b>\nU> MAIL FROM:<a@b>\n"
              "U< 250 ok\nU> RCPT TO:<x@b>\nC< 250 ok\nU< 250 ok\nC< 250 ok\n",
              "test.smtp:5: what the upstream hears: more than expected");
    must_fail("@ start ready\nC> TURN\n! answer TURN code=502\n@ wait 1s\n"
              "C< 502 5.5.1 Command not offered here\n",
              "test.smtp:4: what the client hears: more than expected");
}

Test(player, what_does_not_come_fails)
{
    must_fail("@ start ready\nC> HELP\nU> HELP\nU< 250 ok\nC< 250 ok\nC< 250 again\n",
              "- C< 250 again");
    must_fail("@ start ready\nC> HELP\nU> HELP\nU< 250 ok\nC< 250 OK\n", "+ C< 250 ok");
    must_fail("@ start ready\nC> HELP\nU> HELP\nU< 250 ok\nC< 250 ok\nU connect\n",
              "the upstream's connection: not as expected");
}

/* Strictness 2: a decision left out, put in, or told otherwise. */
Test(player, notes_are_expected)
{
    static const char before[] = "@ start ready\nC> TURN\n";
    static const char behind[] = "C< 502 5.5.1 Command not offered here\n";
    static const struct {
        const char *note;
        bool plays;
    } rows[] = {
        {"! answer TURN code=502\n", true},
        {"", false},
        {"! answer TURN code=503\n", false},
        {"! answer TURN code=502\n! answer TURN code=502\n", false},
        {"! answer TURN code=502 more\n", false},
        {"! answer TURN\n", false},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(plays(joined(before, rows[i].note, behind)), rows[i].plays, "<%s>",
                     rows[i].note);
        cr_expect(rows[i].plays || reported("the decisions"));
    }
}

/* Strictness 3: at the end nothing is owed, or the file says why. */
Test(player, nothing_is_owed_at_the_end)
{
    must_fail("@ start ready\nC> HELP\nU> HELP\n", "something is still owed");
    must_fail("@ start ready\nC> \"NOO\"\n", "something is still owed");
    must_fail(ENVELOPE, "something is still owed");
    must_fail("C open\nU connect\n", "something is still owed");
    must_play("@ unfinished the answer is not the point\n@ start ready\nC> HELP\nU> HELP\n");
    must_fail("@ unfinished but it is not\n@ start ready\n", "nothing is owed");
}

Test(player, life_is_compared)
{
    static const char quit[] =
        "@ start ready\nC> QUIT\nU> QUIT\nU< 221 bye\nC< 221 bye\n! end quit\n";

    must_fail(quit, "connection: more than expected");
    must_fail(joined(quit, "U shut flush\nC shut now\n", ""),
              "the client's connection: not as expected");
    must_play(joined(quit, "U shut flush\nC shut flush\n", ""));
}

Test(player, bodies_are_counted)
{
    must_play(ENVELOPE "C> ~ 5000 bytes 70 lines\nU> ~ 5000 bytes 70 lines\nU< 250 4\nC< 250 4\n");
    must_fail(ENVELOPE "C> ~ 5000 bytes 70 lines\nU> ~ 4999 bytes 70 lines\nU< 250 4\nC< 250 4\n",
              "- U> ~ 4999 bytes 70 lines");
    must_fail(ENVELOPE "C> ~ 5000 bytes 70 lines\nU> ~ 5000 bytes 71 lines\nU< 250 4\nC< 250 4\n",
              "- U> ~ 5000 bytes 71 lines");
    must_play(ENVELOPE "C> ~ 3 bytes 1 lines\nU> .\nU< 250 4\nC< 250 4\n");
    must_fail("C> ~ 4 bytes 1 lines\n", "can't make so many lines");
    must_fail("C> ~ 999999999999 bytes 1 lines\n", "too many bytes");
}

Test(player, secrets_are_compared)
{
    must_play("@ start ready\nC> AUTH PLAIN [secret 24]\nU> AUTH PLAIN [secret 24]\n"
              "U< 235 ok\nC< 235 ok\n");
    must_fail("@ start ready\nC> AUTH PLAIN [secret 24]\nU> AUTH PLAIN [secret 23]\n",
              "- U> AUTH PLAIN [secret 23]");
}

Test(player, moments_drive_the_clock)
{
    must_play("+0 C open\n+0 U connect\n+10 U open\n+300010 ! timeout relay\n"
              "+300010 ! answer session code=421\n"
              "+300010 C< 421 4.4.2 The relay did not answer in time, try again later\n"
              "+300010 ! end timeout-relay\n+300010 U shut now\n+300010 C shut flush\n");
    must_fail("+0 C open\n+0 U connect\n+10 U open\n+300009 ! timeout relay\n",
              "- +300009 ! timeout relay");
}

Test(player, scripts_that_can_not_be)
{
    must_fail("C> HELP\n", "not there to say anything");
    must_fail("U open\n", "can't open now");
    must_fail("C open\nU connect\nC open\n", "can't open now");
    must_fail("C end\n", "not there to end");
    must_fail("@ start ready\nC fail x\n! end client-lost\n! repair missing-quit\nU> QUIT\n"
              "U shut flush\nC fail y\n",
              "not there to fail");
    must_fail("@ start\n", "@ start ready");
    must_fail("@ start ready\n@ wait long\n", "a wait is written");
    must_fail("@ start ready\n@ sent client 5\n", "do not wait to be sent");
    must_fail("@ start ready\n@ slow both\n", "@ slow client");
    must_fail("@ start ready\n@ mode observe\n", "before the first line");
    must_fail("@ mood bright\n", "test.smtp:1: ");
    must_fail("@ seed many\n", "a seed is a number");
    must_fail("# fine\nX> what\n", "test.smtp:2: ");
    must_fail("C flies\n", "a connection can");
}

/* Ten thousand commands in one write: all are answered, in order, a few rows at a time. */
Test(player, ten_thousand_commands, .timeout = 60)
{
    enum { COMMANDS = 10000, LINE_BYTES = 64 };
    static const char *const parts[] = {
        "C> TURN\n",
        "! answer TURN code=502\n",
        "C< 502 5.5.1 Command not offered here\n",
    };
    char *file = malloc(COMMANDS * 3U * LINE_BYTES);
    size_t size = 0;
    size_t part;
    int i;

    memcpy(file, "@ start ready\n", 14);
    size = 14;
    for (part = 0; part < 3; part++) {
        for (i = 0; i < COMMANDS; i++) {
            memcpy(file + size, parts[part], strlen(parts[part]));
            size += strlen(parts[part]);
        }
    }
    cr_assert(plays_span(span_of(file, size)), "%.*s", (int)report.size, report.at);
    free(file);
}

/* An upstream that answers with 100 000 continuation lines is cut off. */
Test(player, endless_reply, .timeout = 60)
{
    enum { LINES = 100000 };
    static const char start[] = "@ repairs.replay-envelope off\n@ start ready\n"
                                "C> HELP\nU> HELP\n";
    static const char line[] = "U< 250-more\n";
    static const char end[] = "! odd relay\n! answer session code=421\n"
                              "C< 421 4.3.0 The relay's answer is not an SMTP reply\n"
                              "! end relay-broken\nU shut now\nC shut flush\n";
    char *file = malloc(sizeof(start) + LINES * sizeof(line) + sizeof(end));
    size_t size = sizeof(start) - 1;
    int i;

    memcpy(file, start, size);
    for (i = 0; i < LINES; i++, size += sizeof(line) - 1)
        memcpy(file + size, line, sizeof(line) - 1);
    memcpy(file + size, end, sizeof(end) - 1);
    size += sizeof(end) - 1;
    cr_assert(plays_span(span_of(file, size)), "%.*s", (int)report.size, report.at);
    free(file);
}
