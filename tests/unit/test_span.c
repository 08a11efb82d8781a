#include <criterion/criterion.h>

#include "lockstep/base/span.h"

Test(span, equal_and_fold)
{
    static const struct {
        struct span one, other;
        bool equal, fold;
    } rows[] = {
        {SPAN_INIT(""), SPAN_INIT(""), true, true},
        {SPAN_INIT("a"), SPAN_INIT(""), false, false},
        {SPAN_INIT("MAIL"), SPAN_INIT("mail"), false, true},
        {SPAN_INIT("a\0b"), SPAN_INIT("a\0c"), false, false},
        {SPAN_INIT("@["), SPAN_INIT("`{"), false, false}, /* 0x20 apart, and no letters */
        {SPAN_INIT("\xc4"), SPAN_INIT("\xe4"), false, false},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(span_equal(rows[i].one, rows[i].other), rows[i].equal, "row %zu", i);
        cr_expect_eq(span_equal_fold(rows[i].one, rows[i].other), rows[i].fold, "row %zu", i);
    }
}

Test(span, starts_and_ends)
{
    cr_expect(span_starts(SPAN("abc"), SPAN("")));
    cr_expect(span_starts(SPAN("abc"), SPAN("ab")));
    cr_expect_not(span_starts(SPAN("ab"), SPAN("abc")));
    cr_expect_not(span_starts(SPAN("abc"), SPAN("AB")));
    cr_expect(span_starts_fold(SPAN("abc"), SPAN("AB")));
    cr_expect_not(span_starts_fold(SPAN("a"), SPAN("AB")));
    cr_expect(span_ends(SPAN("abc"), SPAN("bc")));
    cr_expect(span_ends(SPAN("abc"), SPAN("")));
    cr_expect_not(span_ends(SPAN("bc"), SPAN("abc")));
}

Test(span, find)
{
    static const struct {
        struct span whole, part;
        size_t at;
    } rows[] = {
        {SPAN_INIT(""), SPAN_INIT("a"), 0},       {SPAN_INIT("abc"), SPAN_INIT(""), 0},
        {SPAN_INIT("abc"), SPAN_INIT("c"), 2},    {SPAN_INIT("abc"), SPAN_INIT("d"), 3},
        {SPAN_INIT("aab"), SPAN_INIT("ab"), 1},   {SPAN_INIT("aaaab"), SPAN_INIT("aab"), 2},
        {SPAN_INIT("ab"), SPAN_INIT("abc"), 2},   {SPAN_INIT("xxab"), SPAN_INIT("abc"), 4},
        {SPAN_INIT("a\0b"), SPAN_INIT("\0b"), 1}, {SPAN_INIT("\xff\xfe"), SPAN_INIT("\xfe"), 1},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(span_find_span(rows[i].whole, rows[i].part), rows[i].at, "row %zu", i);
        if (rows[i].part.size == 1)
            cr_expect_eq(span_find(rows[i].whole, rows[i].part.at[0]), rows[i].at, "row %zu", i);
    }
}

Test(span, head_tail_and_trim)
{
    cr_expect(span_equal(span_head(SPAN("abc"), 2), SPAN("ab")));
    cr_expect(span_equal(span_head(SPAN("abc"), 9), SPAN("abc")));
    cr_expect(span_equal(span_tail(SPAN("abc"), 2), SPAN("c")));
    cr_expect(span_equal(span_tail(SPAN("abc"), 9), SPAN("")));
    cr_expect_eq(span_tail(span_of(NULL, 0), 4).size, 0U);
    cr_expect(span_equal(span_trim(SPAN(" \ta b\t ")), SPAN("a b")));
    cr_expect(span_equal(span_trim(SPAN(" \t ")), SPAN("")));
    cr_expect(span_equal(span_of_string("ab"), SPAN("ab")));
    cr_expect_eq(span_of_string(NULL).size, 0U);
}

Test(span, word)
{
    struct span rest = SPAN("  RCPT\tTO:<a>  "), word;

    cr_expect(span_word(&rest, &word));
    cr_expect(span_equal(word, SPAN("RCPT")));
    cr_expect(span_word(&rest, &word));
    cr_expect(span_equal(word, SPAN("TO:<a>")));
    cr_expect_not(span_word(&rest, &word));
    cr_expect_eq(word.size, 0U);
    cr_expect_eq(rest.size, 0U);
}

Test(span, number)
{
    static const struct {
        struct span digits;
        bool fits;
        uint64_t number;
    } rows[] = {
        {SPAN_INIT("0"), true, 0},
        {SPAN_INIT("0012"), true, 12},
        {SPAN_INIT("18446744073709551615"), true, UINT64_MAX},
        {SPAN_INIT("18446744073709551616"), false, 0},
        {SPAN_INIT("99999999999999999999"), false, 0},
        {SPAN_INIT(""), false, 0},
        {SPAN_INIT("-1"), false, 0},
        {SPAN_INIT("+1"), false, 0},
        {SPAN_INIT("1 "), false, 0},
        {SPAN_INIT("1:"), false, 0},
        {SPAN_INIT("0x1"), false, 0},
        {SPAN_INIT("\xb1"), false, 0},
    };
    uint64_t number;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        number = 0;
        cr_expect_eq(span_number(rows[i].digits, &number), rows[i].fits, "row %zu", i);
        cr_expect_eq(number, rows[i].number, "row %zu", i);
    }
}

Test(span, distance)
{
    static const struct {
        struct span one, other;
        size_t away;
    } rows[] = {
        {SPAN_INIT(""), SPAN_INIT(""), 0},
        {SPAN_INIT("rows"), SPAN_INIT("rows"), 0},
        {SPAN_INIT("row"), SPAN_INIT("rows"), 1},
        {SPAN_INIT("rwos"), SPAN_INIT("rows"), 2},
        {SPAN_INIT("listen"), SPAN_INIT("lisen"), 1},
        {SPAN_INIT("mode"), SPAN_INIT("node"), 1},
        {SPAN_INIT("abc"), SPAN_INIT(""), 3},
        {SPAN_INIT("a word that is longer than all words"), SPAN_INIT("a"), SIZE_MAX},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(span_distance(rows[i].one, rows[i].other), rows[i].away, "row %zu", i);
        cr_expect_eq(span_distance(rows[i].other, rows[i].one), rows[i].away, "row %zu back", i);
    }
}
