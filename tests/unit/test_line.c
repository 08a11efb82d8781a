#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/smtp/line.h"

#define LIMIT 16U

enum { LF = 1, CR = 2, NUL = 4, HIGH = 8 };

static const struct row {
    struct span input;
    enum parsed state;
    struct span text;
    size_t taken;
    unsigned marks;
} rows[] = {
    {SPAN_INIT("\r\n"), PARSED, SPAN_INIT(""), 2, 0},
    {SPAN_INIT("QUIT\r\nmore"), PARSED, SPAN_INIT("QUIT"), 6, 0},
    {SPAN_INIT("\n"), PARSED, SPAN_INIT(""), 1, LF},
    {SPAN_INIT("QUIT\n"), PARSED, SPAN_INIT("QUIT"), 5, LF},
    {SPAN_INIT("a\rb\r\n"), PARSED, SPAN_INIT("a\rb"), 5, CR},
    {SPAN_INIT("a\r\r\n"), PARSED, SPAN_INIT("a\r"), 4, CR},
    {SPAN_INIT("a\rb\n"), PARSED, SPAN_INIT("a\rb"), 4, CR | LF},
    {SPAN_INIT("a\0b\r\n"), PARSED, SPAN_INIT("a\0b"), 5, NUL},
    {SPAN_INIT("a\x7f\r\n"), PARSED, SPAN_INIT("a\x7f"), 4, 0},
    {SPAN_INIT("a\x80\r\n"), PARSED, SPAN_INIT("a\x80"), 4, HIGH},
    {SPAN_INIT("a\r\nb\x80\0\r\n"), PARSED, SPAN_INIT("a"), 3, 0},
    {SPAN_INIT(""), PARSED_MORE, SPAN_INIT(""), 0, 0},
    {SPAN_INIT("a\r"), PARSED_MORE, SPAN_INIT(""), 0, 0},
    /* the limit, to the byte */
    {SPAN_INIT("12345678901234\r\n"), PARSED, SPAN_INIT("12345678901234"), 16, 0},
    {SPAN_INIT("123456789012345\n"), PARSED, SPAN_INIT("123456789012345"), 16, LF},
    {SPAN_INIT("123456789012345"), PARSED_MORE, SPAN_INIT(""), 0, 0},
    {SPAN_INIT("123456789012345\r\n"), PARSED_BAD, SPAN_INIT(""), 0, 0},
    {SPAN_INIT("123456789012345\r"), PARSED_BAD, SPAN_INIT(""), 0, 0},
};

static void check_row(const struct row *row, struct span input)
{
    struct line line;
    enum parsed state = line_next(input, LIMIT, &line);
    unsigned marks = (line.bare_lf ? LF : 0) | (line.bare_cr ? CR : 0) | (line.nul ? NUL : 0) |
                     (line.eight_bit ? HIGH : 0);

    cr_assert_eq(state, row->state, "row %td", row - rows);
    cr_assert(span_equal(line.text, row->text), "row %td", row - rows);
    cr_assert_eq(line.taken, row->taken, "row %td", row - rows);
    cr_assert_eq(marks, row->marks, "row %td: %u", row - rows, marks);
}

Test(line, next_gives_what_the_table_says)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i], rows[i].input);
}

/* Nothing is said before a line is whole, and all that is said then is the same. */
Test(line, next_waits_byte_by_byte)
{
    struct line line;
    size_t i, size;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].state != PARSED)
            continue;
        for (size = 0; size < rows[i].taken; size++)
            cr_assert_eq(line_next(span_head(rows[i].input, size), LIMIT, &line), PARSED_MORE,
                         "row %zu at %zu", i, size);
        check_row(&rows[i], span_head(rows[i].input, rows[i].taken));
    }
}

Test(line, marks_are_found_wherever_they_stand)
{
    char bytes[40];
    size_t size, at;
    struct line line;

    for (size = 1; size < sizeof(bytes) - 2; size++) {
        for (at = 0; at < size; at++) {
            memset(bytes, 'x', sizeof(bytes));
            memcpy(bytes + size, "\r\n", 2);
            bytes[at] = '\xe4';
            cr_assert_eq(line_next(span_of(bytes, size + 2), 100, &line), PARSED);
            cr_assert(line.eight_bit && !line.nul && !line.bare_cr, "%zu of %zu", at, size);
            bytes[at] = '\0';
            line_next(span_of(bytes, size + 2), 100, &line);
            cr_assert(!line.eight_bit && line.nul && !line.bare_cr, "%zu of %zu", at, size);
            bytes[at] = '\r';
            line_next(span_of(bytes, size + 2), 100, &line);
            cr_assert(!line.eight_bit && !line.nul && line.bare_cr, "%zu of %zu", at, size);
        }
    }
}
