#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/seed.h"
#include "lockstep/smtp/reply.h"

#define LIMIT 64U

static const struct row {
    struct span input;
    enum parsed state;
    uint16_t code;
    uint32_t lines;
    size_t taken;
    bool odd;
    struct span text, enhanced;
} rows[] = {
    {SPAN_INIT("250 ok\r\n250 next\r\n"), PARSED, 250, 1, 8, false, SPAN_INIT("ok"), SPAN_INIT("")},
    {SPAN_INIT("250\r\n"), PARSED, 250, 1, 5, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("250 \r\n"), PARSED, 250, 1, 6, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("334 \r\n"), PARSED, 334, 1, 6, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("550 5.7.1 no\r\n"), PARSED, 550, 1, 14, false, SPAN_INIT("5.7.1 no"),
     SPAN_INIT("5.7.1")},
    {SPAN_INIT("250-a\r\n250-b\r\n250 c\r\n"), PARSED, 250, 3, 21, false, SPAN_INIT("c"),
     SPAN_INIT("")},
    {SPAN_INIT("250-a\r\n250\r\n"), PARSED, 250, 2, 12, false, SPAN_INIT(""), SPAN_INIT("")},
    /* odd, and kept */
    {SPAN_INIT("250-a\r\n550 b\r\n"), PARSED, 550, 2, 14, true, SPAN_INIT("b"), SPAN_INIT("")},
    {SPAN_INIT("250-a\r\nrubbish\r\n250 c\r\n"), PARSED, 250, 3, 23, true, SPAN_INIT("c"),
     SPAN_INIT("")},
    {SPAN_INIT("250-a\r\n\r\n250 c\r\n"), PARSED, 250, 3, 16, true, SPAN_INIT("c"), SPAN_INIT("")},
    {SPAN_INIT("250 ok\n"), PARSED, 250, 1, 7, true, SPAN_INIT("ok"), SPAN_INIT("")},
    {SPAN_INIT("250 a\rb\r\n"), PARSED, 250, 1, 9, true, SPAN_INIT("a\rb"), SPAN_INIT("")},
    {SPAN_INIT("250 a\0b\r\n"), PARSED, 250, 1, 9, true, SPAN_INIT("a\0b"), SPAN_INIT("")},
    {SPAN_INIT("250-a\r\n2500 b\r\n250 c\r\n"), PARSED, 250, 3, 22, true, SPAN_INIT("c"),
     SPAN_INIT("")},
    /* no reply */
    {SPAN_INIT("Too many invalid commands. Bye!\r\n"), PARSED_BAD, 0, 0, 0, false, SPAN_INIT(""),
     SPAN_INIT("")},
    {SPAN_INIT("\r\n"), PARSED_BAD, 0, 0, 0, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("25 x\r\n"), PARSED_BAD, 0, 0, 0, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("100 x\r\n"), PARSED_BAD, 0, 0, 0, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("600 x\r\n"), PARSED_BAD, 0, 0, 0, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("250x\r\n"), PARSED_BAD, 0, 0, 0, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("250\tx\r\n"), PARSED_BAD, 0, 0, 0, false, SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT(" 250 x\r\n"), PARSED_BAD, 0, 0, 0, false, SPAN_INIT(""), SPAN_INIT("")},
};

static void check_row(const struct row *row, struct span input)
{
    struct reply reply;

    cr_assert_eq(reply_parse(input, LIMIT, &reply), row->state, "row %td", row - rows);
    if (row->state != PARSED)
        return;
    cr_assert_eq(reply.code, row->code, "row %td", row - rows);
    cr_assert_eq(reply.lines, row->lines, "row %td", row - rows);
    cr_assert_eq(reply.taken, row->taken, "row %td", row - rows);
    cr_assert_eq(reply.odd, row->odd, "row %td", row - rows);
    cr_assert(span_equal(reply.text, row->text), "row %td", row - rows);
    cr_assert(span_equal(reply.enhanced, row->enhanced), "row %td", row - rows);
    cr_assert(span_equal(reply.all, span_head(row->input, row->taken)), "row %td", row - rows);
}

Test(reply, parse_gives_what_the_table_says_byte_by_byte)
{
    struct reply reply;
    size_t i, size;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t whole = rows[i].state == PARSED ? rows[i].taken : rows[i].input.size;

        for (size = 0; size < whole; size++)
            cr_assert_eq(reply_parse(span_head(rows[i].input, size), LIMIT, &reply), PARSED_MORE,
                         "row %zu at %zu", i, size);
        check_row(&rows[i], span_head(rows[i].input, whole));
        check_row(&rows[i], rows[i].input);
    }
}

Test(reply, limit_is_exact_to_the_byte)
{
    struct span whole = SPAN("250-1234\r\n250 5678\r\n");
    struct reply reply;
    size_t size;

    cr_assert_eq(reply_parse(whole, whole.size, &reply), PARSED);
    cr_assert_eq(reply_parse(whole, whole.size - 1, &reply), PARSED_BAD);
    for (size = 0; size < whole.size; size++) {
        cr_assert_eq(reply_parse(span_head(whole, size), whole.size, &reply), PARSED_MORE);
        cr_assert_eq(reply_parse(span_head(whole, size), size, &reply), PARSED_BAD, "%zu", size);
    }
    cr_assert_eq(reply_parse(SPAN("250-1234\r\n"), 10, &reply), PARSED_BAD,
                 "a limit reached at a line's end is reached");
}

Test(reply, a_hundred_thousand_lines_are_refused_at_the_limit)
{
    size_t size = 100000U * 5U, at;
    char *flood = malloc(size);
    struct reply reply;

    for (at = 0; at < size; at += 5)
        memcpy(flood + at, "250-\n", 5);
    cr_assert_eq(reply_parse(span_of(flood, size), 16384, &reply), PARSED_BAD);
    cr_assert_eq(reply_parse(span_of(flood, size), size + 1, &reply), PARSED_MORE);
    free(flood);
}

Test(reply, lines_come_without_code_and_separator)
{
    struct reply reply;
    struct span rest, text;

    cr_assert_eq(reply_parse(SPAN("250-a\r\nrubbish\n250\r\n"), LIMIT, &reply), PARSED);
    rest = reply.all;
    cr_assert(reply_line(&rest, &text) && span_equal(text, SPAN("a")));
    cr_assert(reply_line(&rest, &text) && span_equal(text, SPAN("rubbish")));
    cr_assert(reply_line(&rest, &text) && span_equal(text, SPAN("")));
    cr_assert_not(reply_line(&rest, &text));
}

Test(reply, enhanced)
{
    static const struct {
        struct span text, status;
    } table[] = {
        {SPAN_INIT("2.1.0 ok"), SPAN_INIT("2.1.0")},
        {SPAN_INIT("5.7.1"), SPAN_INIT("5.7.1")},
        {SPAN_INIT("4.12.345 x"), SPAN_INIT("4.12.345")},
        {SPAN_INIT("5.1234.1 x"), SPAN_INIT("")},
        {SPAN_INIT("3.1.1 x"), SPAN_INIT("")},
        {SPAN_INIT("5.7 x"), SPAN_INIT("")},
        {SPAN_INIT("5.7.1.2 x"), SPAN_INIT("")},
        {SPAN_INIT("5.7. x"), SPAN_INIT("")},
        {SPAN_INIT("5..1 x"), SPAN_INIT("")},
        {SPAN_INIT("55.7.1 x"), SPAN_INIT("")},
        {SPAN_INIT("5.7.1: x"), SPAN_INIT("")},
        {SPAN_INIT(""), SPAN_INIT("")},
        {SPAN_INIT(" 5.7.1"), SPAN_INIT("")},
        {SPAN_INIT("10.0.0.1 x"), SPAN_INIT("")},
    };
    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        cr_expect(span_equal(reply_enhanced(table[i].text), table[i].status), "row %zu", i);
}
