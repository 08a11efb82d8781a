#include <criterion/criterion.h>
#include <stdlib.h>

#include "body_check.h"

struct row {
    struct span input;
    enum bare bare;
    bool drop_cr, lf_end;
    enum body_found found;
    struct span message; /* pieces, and the terminator when the end was found */
    uint64_t lines;
};

/* clang-format off */
static const struct row rows[] = {
    /* clean */
    {SPAN_INIT(".\r\n"),                 BARE_REFUSE, false, false, BODY_END,  SPAN_INIT(".\r\n"), 0},
    {SPAN_INIT("a\r\n.\r\nQUIT\r\n"),    BARE_REFUSE, false, false, BODY_END,  SPAN_INIT("a\r\n.\r\n"), 1},
    {SPAN_INIT("\r\n.\r\n"),             BARE_REFUSE, false, false, BODY_END,  SPAN_INIT("\r\n.\r\n"), 1},
    {SPAN_INIT("..\r\n..a\r\n.\r\n"),    BARE_REFUSE, false, false, BODY_END,  SPAN_INIT("..\r\n..a\r\n.\r\n"), 2},
    {SPAN_INIT("a\r\n.b\r\n.\r\n"),      BARE_NORMALISE, false, false, BODY_END,  SPAN_INIT("a\r\n.b\r\n.\r\n"), 2},
    {SPAN_INIT("a"),                     BARE_REFUSE, false, false, BODY_MORE, SPAN_INIT("a"), 0},
    {SPAN_INIT("a\r\n.\r"),              BARE_REFUSE, false, false, BODY_MORE, SPAN_INIT("a"), 1},
    {SPAN_INIT("a.\r\n.. .\r\n.\r\n"),   BARE_REFUSE, false, false, BODY_END,  SPAN_INIT("a.\r\n.. .\r\n.\r\n"), 2},
    /* bare, refused */
    {SPAN_INIT("a\nb\r\n.\r\n"),         BARE_REFUSE, false, false, BODY_BARE, SPAN_INIT("a"), 0},
    {SPAN_INIT("a\rb\r\n.\r\n"),         BARE_REFUSE, false, false, BODY_BARE, SPAN_INIT("a"), 0},
    {SPAN_INIT("\n.\r\n"),               BARE_REFUSE, false, false, BODY_BARE, SPAN_INIT(""), 0},
    {SPAN_INIT("a\r\n.\nb\r\n.\r\n"),    BARE_REFUSE, false, false, BODY_BARE, SPAN_INIT("a"), 1},
    {SPAN_INIT("a\r\n.\rb\r\n.\r\n"),    BARE_REFUSE, false, false, BODY_BARE, SPAN_INIT("a"), 1},
    /* bare, made normal */
    {SPAN_INIT("a\nb\r\n.\r\n"),         BARE_NORMALISE, false, false, BODY_END,  SPAN_INIT("a\r\nb\r\n.\r\n"), 2},
    {SPAN_INIT("a\rb\r\n.\r\n"),         BARE_NORMALISE, false, false, BODY_END,  SPAN_INIT("a b\r\n.\r\n"), 1},
    {SPAN_INIT("a\r\r\n.\r\n"),          BARE_NORMALISE, false, false, BODY_END,  SPAN_INIT("a \r\n.\r\n"), 1},
    {SPAN_INIT("a\n.\n.\r\n.\r\n"),      BARE_NORMALISE, false, false, BODY_END,  SPAN_INIT("a\r\n..\r\n..\r\n.\r\n"), 3},
    {SPAN_INIT("\n.\r\nb\r\n.\r\n"),     BARE_NORMALISE, false, false, BODY_END,  SPAN_INIT("\r\n..\r\nb\r\n.\r\n"), 3},
    {SPAN_INIT("a\r\n.\rb\r\n.\r\n"),    BARE_NORMALISE, false, false, BODY_END,  SPAN_INIT("a\r\n. b\r\n.\r\n"), 2},
    /* bare, as it came */
    {SPAN_INIT("a\nb\r.\r\n.\r\n"),      BARE_PASS, false, false, BODY_END,  SPAN_INIT("a\nb\r.\r\n.\r\n"), 1},
    {SPAN_INIT("a\n.\n\r.\r\r\n.\r\n"),  BARE_PASS, false, false, BODY_END,  SPAN_INIT("a\n.\n\r.\r\r\n.\r\n"), 1},
    {SPAN_INIT("a\r\n.\n.\r\n.\r\n"),    BARE_PASS, false, false, BODY_END,  SPAN_INIT("a\r\n.\n.\r\n.\r\n"), 2},
    /* doubled CRs dropped: no end is made of what is none */
    {SPAN_INIT("a\r\r\n.\r\n"),          BARE_REFUSE, true, false, BODY_END,  SPAN_INIT("a\r\n.\r\n"), 1},
    {SPAN_INIT("a\r\n.\r\r\nb\r\n.\r\n"), BARE_REFUSE, true, false, BODY_END, SPAN_INIT("a\r\n..\r\nb\r\n.\r\n"), 3},
    {SPAN_INIT(".\r\r\n.\r\n"),          BARE_REFUSE, true, false, BODY_END,  SPAN_INIT("..\r\n.\r\n"), 1},
    {SPAN_INIT("a\r\r\r\n.\r\n"),        BARE_REFUSE, true, false, BODY_BARE, SPAN_INIT("a"), 0},
    {SPAN_INIT("a\r\rb\r\n.\r\n"),       BARE_REFUSE, true, false, BODY_BARE, SPAN_INIT("a"), 0},
    {SPAN_INIT("a\r\r\r\nb\r\rc\r\n.\r\n"), BARE_NORMALISE, true, false, BODY_END, SPAN_INIT("a \r\nb  c\r\n.\r\n"), 2},
    {SPAN_INIT("a\r\n.\r\rb\r\n.\r\n"),  BARE_NORMALISE, true, false, BODY_END,  SPAN_INIT("a\r\n.  b\r\n.\r\n"), 2},
    {SPAN_INIT("a\r\r\n.\r\r\n.\r\n"),    BARE_PASS, true, false, BODY_END,  SPAN_INIT("a\r\r\n.\r\r\n.\r\n"), 2},
    /* LF.LF is an end, and nothing between it and CRLF.CRLF is */
    {SPAN_INIT("a\n.\nQUIT\n"),          BARE_NORMALISE, false, true, BODY_END,  SPAN_INIT("a\r\n.\r\n"), 1},
    {SPAN_INIT("\n.\n"),                 BARE_NORMALISE, false, true, BODY_END,  SPAN_INIT("\r\n.\r\n"), 1},
    {SPAN_INIT("a\r\n.\n.\n"),           BARE_NORMALISE, false, true, BODY_END,  SPAN_INIT("a\r\n..\r\n.\r\n"), 2},
    {SPAN_INIT(".\na\n.\r\n"),           BARE_NORMALISE, false, true, BODY_MORE, SPAN_INIT("..\r\na\r\n.."), 3},
    {SPAN_INIT("a\n.\n"),                BARE_REFUSE, false, true, BODY_BARE, SPAN_INIT("a"), 0},
    {SPAN_INIT("a\n.\n.\r\n.\r\n"),      BARE_PASS, false, true, BODY_END,  SPAN_INIT("a\n.\n.\r\n.\r\n"), 1},
};
/* clang-format on */

static void check_row(const struct row *row, const struct cuts *cuts)
{
    struct body_run run = body_run_over(
        row->input, (struct body_rules){row->bare, row->drop_cr, row->lf_end}, false, cuts);

    if (run.found == BODY_END)
        text_add(&run.said, body_terminator(&run.body));
    cr_assert_eq(run.found, row->found, "row %zu", (size_t)(row - rows));
    cr_assert(span_equal(text_span(&run.said), row->message), "row %zu said '%.*s'",
              (size_t)(row - rows), (int)run.said.size, run.said.at);
    cr_assert_eq(run.body.lines, row->lines, "row %zu", (size_t)(row - rows));
    free(run.said.at);
}

Test(body, scan_gives_what_the_table_says_however_cut)
{
    size_t i, at;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_row(&rows[i], &(struct cuts){0});
        check_row(&rows[i], &(struct cuts){1, 1, 0});
        for (at = 1; at < rows[i].input.size; at++)
            check_row(&rows[i], &(struct cuts){at, 0, 0});
    }
}

/* What has been used to make one message two. */
static const struct span smuggled[] = {
    SPAN_INIT("\n.\n"),         SPAN_INIT("\n.\r\n"),
    SPAN_INIT("\r\n.\n"),       SPAN_INIT("\r.\r"),
    SPAN_INIT("\r\n.\r"),       SPAN_INIT("\r.\r\n"),
    SPAN_INIT("\n.\r"),         SPAN_INIT("\r.\n"),
    SPAN_INIT("\n\n.\r\r\n"),   SPAN_INIT("\r\n.\r\r\n"),
    SPAN_INIT("\r\r\n.\r\r\n"), SPAN_INIT("\r\n\0.\r\n"),
    SPAN_INIT("\r\n.\0\r\n"),   SPAN_INIT("\x8d\x8a\xae\x8d\x8a"),
    SPAN_INIT("\n\r.\n\r"),
};

static const char *check_all(struct span bytes, uint64_t seed)
{
    const char *wrong = NULL;
    struct body_rules rules;
    size_t i;

    for (i = 0; body_rules_nth(i, &rules) && !wrong; i++) {
        wrong = body_check_scan(bytes, rules, seed);
        if (!wrong)
            wrong = body_check_stuff(bytes, rules, seed);
    }
    return wrong;
}

Test(body, nothing_smuggles_an_end)
{
    char room[128];
    size_t i, at;

    for (i = 0; i < sizeof(smuggled) / sizeof(smuggled[0]); i++) {
        struct text text = text_over(room, sizeof(room));
        struct body_run run;
        const char *wrong;

        text_add(&text, SPAN("Subject: x\r\n\r\nhello"));
        text_add(&text, smuggled[i]);
        text_add(&text, SPAN("MAIL FROM:<evil@b>\r\nDATA\r\nboo\r\n.\r\n"));
        wrong = check_all(text_span(&text), i);
        cr_assert_null(wrong, "row %zu: %s", i, wrong);
        for (at = 1; at < text.size; at++) {
            run = body_run_over(text_span(&text), (struct body_rules){BARE_NORMALISE, true, false},
                                false, &(struct cuts){at, 0, 0});
            cr_assert_eq(run.found, BODY_END);
            cr_assert_eq(run.taken, text.size, "row %zu cut at %zu ends early", i, at);
            free(run.said.at);
        }
    }
}

/* Random bytes of an alphabet in which everything that matters is frequent. */
Test(body, everything_holds_of_random_bytes)
{
    static const char alphabet[] = {'\r', '\n', '.', '\r', '\n', '.', 'a', ' '};
    struct seed seed = {1};
    char bytes[48];
    size_t i, k;

    for (i = 0; i < 20000; i++) {
        size_t size = (size_t)seed_below(&seed, sizeof(bytes) + 1);
        const char *wrong;

        for (k = 0; k < size; k++) {
            bytes[k] = alphabet[seed_below(&seed, sizeof(alphabet))];
            if (k > 0 && bytes[k - 1] == '\r' && seed_below(&seed, 2)) /* clean ones as well */
                bytes[k] = '\n';
        }
        wrong = check_all(span_of(bytes, size), i);
        cr_assert_null(wrong, "run %zu: %s", i, wrong);
    }
}

/* Where most is text, many bytes are read at a glance; what matters is put anywhere among them. */
Test(body, everything_holds_of_long_text)
{
    static const char *const marks[] = {"\r\n", "\r\n.", "\r\n..", "\n",   "\r",
                                        ".",    "\n.",   "\r.",    "\n\n", "\r\n.\r\n"};
    struct seed seed = {2};
    char room[300];
    size_t i;

    for (i = 0; i < 10000; i++) {
        struct text text = text_over(room, sizeof(room));
        size_t most = 1 + (size_t)seed_below(&seed, 150);
        const char *wrong;

        while (text.size + most + 8 < sizeof(room)) {
            size_t run = (size_t)seed_below(&seed, most);

            for (; run > 0; run--)
                text_add_byte(&text, 'a');
            /* Mostly line ends: a message is refused at its first lone one. */
            text_add(&text,
                     span_of_string(marks[seed_below(&seed, 3) ? 0 : seed_below(&seed, 10)]));
        }
        wrong = check_all(text_span(&text), i);
        cr_assert_null(wrong, "run %zu: %s", i, wrong);
    }
}

static void check_content(struct span content, enum bare bare, struct span message)
{
    struct body_run run =
        body_run_over(content, (struct body_rules){bare, false, false}, true, &(struct cuts){0});

    text_add(&run.said, body_terminator(&run.body));
    cr_assert(span_equal(text_span(&run.said), message), "said '%.*s'", (int)run.said.size,
              run.said.at);
    free(run.said.at);
}

Test(body, stuff_makes_lines_and_doubles_dots)
{
    check_content(SPAN(""), BARE_REFUSE, SPAN(".\r\n"));
    check_content(SPAN("a"), BARE_REFUSE, SPAN("a\r\n.\r\n"));
    check_content(SPAN("a\r\n"), BARE_REFUSE, SPAN("a\r\n.\r\n"));
    check_content(SPAN("."), BARE_REFUSE, SPAN("..\r\n.\r\n"));
    check_content(SPAN(".\r\n.\r\n"), BARE_REFUSE, SPAN("..\r\n..\r\n.\r\n"));
    check_content(SPAN("a\n.b"), BARE_NORMALISE, SPAN("a\r\n..b\r\n.\r\n"));
}

/* The LF of a CR that ends the last chunk never comes. */
Test(body, content_that_ends_in_a_cr_is_still_ended)
{
    check_content(SPAN("a\r"), BARE_NORMALISE, SPAN("a \r\n.\r\n"));
    check_content(SPAN("a\r"), BARE_PASS, SPAN("a\r\r\n.\r\n"));
    check_content(SPAN("a\r"), BARE_REFUSE, SPAN("a"));
}

Test(body, unstuff_takes_one_dot_even_when_cut_behind_it)
{
    bool line_start = true;
    struct span first = SPAN("."), second = SPAN(".a\r\n"), run;

    cr_assert_not(body_unstuff(&line_start, &first, &run));
    cr_assert(body_unstuff(&line_start, &second, &run));
    cr_assert(span_equal(run, SPAN(".a\r\n")));
    cr_assert(line_start);
}
