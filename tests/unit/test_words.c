/* Words of rules, and the lines and keywords of replies. */
#include <criterion/criterion.h>

#include "fault/faults.h"

Test(words, undo_their_escapes)
{
    static const struct {
        const char *words;
        const char *text;
    } rows[] = {
        {"", ""},
        {"250 ok", "250 ok"},
        {"a\\nb", "a\r\nb"},
        {"a\\rb\\tc", "a\rb\tc"},
        {"\\\\n", "\\n"},
        {"\\\"x\\\"", "\"x\""},
        {"\\x41\\x0a\\xfF", "A\n\xff"},
        {"\\x4", "x4"}, /* no such number */
        {"\\xzz", "xzz"},
        {"end\\", "end"},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char bytes[64];
        struct text out = text_over(bytes, sizeof(bytes));

        fault_words(span_of_string(rows[i].words), &out);
        cr_expect(span_equal(text_span(&out), span_of_string(rows[i].text)), "%s", rows[i].words);
    }
}

Test(words, lines_keep_their_ends)
{
    struct span rest = SPAN("250-a\r\n250 b\r\nrest");
    struct span line;

    cr_assert(fault_line(&rest, &line));
    cr_assert(span_equal(line, SPAN("250-a\r\n")));
    cr_assert(fault_line(&rest, &line));
    cr_assert(fault_line(&rest, &line));
    cr_assert(span_equal(line, SPAN("rest")));
    cr_assert_not(fault_line(&rest, &line));
}

Test(words, keywords_end_at_their_values)
{
    cr_assert(span_equal(fault_keyword(SPAN("250-SIZE 1000\r\n")), SPAN("SIZE")));
    cr_assert(span_equal(fault_keyword(SPAN("250 AUTH=LOGIN\r\n")), SPAN("AUTH")));
    cr_assert(span_equal(fault_keyword(SPAN("250 DSN\r\n")), SPAN("DSN")));
    cr_assert(span_equal(fault_keyword(SPAN("250\r\n")), SPAN("")));
}

Test(words, lists_name_or_leave_out)
{
    cr_assert(fault_listed(SPAN("SIZE,DSN"), SPAN("dsn")));
    cr_assert_not(fault_listed(SPAN("SIZE,DSN"), SPAN("DS")));
    cr_assert_not(fault_listed(SPAN("!SIZE,DSN"), SPAN("SIZE")));
    cr_assert(fault_listed(SPAN("!SIZE,DSN"), SPAN("AUTH")));
}
