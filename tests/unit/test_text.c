#include <criterion/criterion.h>

#include "lockstep/base/text.h"

Test(text, takes_what_fits_and_says_when_something_did_not)
{
    char room[6] = "-----";
    struct text text = text_over(room, 5);

    text_add(&text, SPAN("abc"));
    cr_assert_eq(text_left(&text), 2U);
    cr_assert_not(text.cut);
    text_add_byte(&text, 'd');
    text_add_byte(&text, 'e');
    cr_assert_not(text.cut, "exactly full is not cut");
    text_add(&text, SPAN(""));
    cr_assert_not(text.cut);
    text_add_byte(&text, 'f');
    cr_assert(text.cut);
    cr_assert(span_equal(text_span(&text), SPAN("abcde")));
    cr_assert_eq(room[5], '\0', "nothing is written behind the room");
    text_clear(&text);
    text_add(&text, SPAN("1234567"));
    cr_assert(text.cut);
    cr_assert(span_equal(text_span(&text), SPAN("12345")));
}

Test(text, of_no_room_takes_nothing)
{
    struct text text = text_over(NULL, 0);

    text_add(&text, SPAN(""));
    cr_assert_not(text.cut);
    text_add(&text, SPAN("a"));
    cr_assert(text.cut);
    cr_assert_eq(text.size, 0U);
}

Test(text, numbers)
{
    static const struct {
        uint64_t number;
        struct span digits;
    } rows[] = {
        {0, SPAN_INIT("0")},
        {9, SPAN_INIT("9")},
        {10, SPAN_INIT("10")},
        {UINT64_MAX, SPAN_INIT("18446744073709551615")},
    };
    char room[20];
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text text = text_over(room, sizeof(room));

        text_add_number(&text, rows[i].number);
        cr_expect(span_equal(text_span(&text), rows[i].digits), "row %zu", i);
        cr_expect_not(text.cut);
    }
}
