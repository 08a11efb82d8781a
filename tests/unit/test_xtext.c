#include <criterion/criterion.h>

#include "lockstep/smtp/xtext.h"

static const struct {
    struct span bytes, text;
} both[] = {
    {SPAN_INIT(""), SPAN_INIT("")},
    {SPAN_INIT("plain.example"), SPAN_INIT("plain.example")},
    {SPAN_INIT("a b"), SPAN_INIT("a+20b")},
    {SPAN_INIT("+=~!"), SPAN_INIT("+2B+3D~!")},
    {SPAN_INIT("\r\n\0\x7f\xff"), SPAN_INIT("+0D+0A+00+7F+FF")},
};

Test(xtext, what_was_encoded_is_decoded)
{
    char bytes[64];
    size_t i;

    for (i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
        struct text text = text_over(bytes, sizeof(bytes));

        xtext_encode(both[i].bytes, &text);
        cr_assert(span_equal(text_span(&text), both[i].text), "%zu", i);
        text_clear(&text);
        cr_assert(xtext_decode(both[i].text, &text), "%zu", i);
        cr_assert(span_equal(text_span(&text), both[i].bytes), "%zu", i);
    }
}

Test(xtext, what_is_none_is_refused)
{
    static const struct span none[] = {SPAN_INIT("a b"),  SPAN_INIT("a=b"), SPAN_INIT("+"),
                                       SPAN_INIT("+4"),   SPAN_INIT("+4G"), SPAN_INIT("+G4"),
                                       SPAN_INIT("\xff"), SPAN_INIT("a\r"), SPAN_INIT("++20")};
    char bytes[64];
    size_t i;

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct text text = text_over(bytes, sizeof(bytes));

        cr_assert_not(xtext_decode(none[i], &text), "%zu", i);
    }
}

Test(xtext, digits_in_lower_case_are_read)
{
    char bytes[4];
    struct text text = text_over(bytes, sizeof(bytes));

    cr_assert(xtext_decode(SPAN("+2b+3D"), &text));
    cr_assert(span_equal(text_span(&text), SPAN("+=")));
}

Test(xtext, what_does_not_fit_is_refused)
{
    char bytes[3];
    struct text text = text_over(bytes, sizeof(bytes));

    cr_assert_not(xtext_decode(SPAN("abcd"), &text));
}
