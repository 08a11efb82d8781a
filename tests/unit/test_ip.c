#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/base/ip.h"

static const struct {
    struct span text;
    const char *shown; /* NULL: not an address */
} rows[] = {
    {SPAN_INIT("192.0.2.1"), "192.0.2.1"},
    {SPAN_INIT("255.255.255.255"), "255.255.255.255"},
    {SPAN_INIT("::ffff:192.0.2.1"), "192.0.2.1"},
    {SPAN_INIT("2001:DB8:0:0:0::1"), "2001:db8::1"},
    {SPAN_INIT("::"), "::"},
    {SPAN_INIT("1:2:3:4:5:6:7:8"), "1:2:3:4:5:6:7:8"},
    {SPAN_INIT("1:2:3:4:5:6:7:8:9"), NULL},
    {SPAN_INIT("1:2:3:4:5:6:7"), NULL},
    {SPAN_INIT("1::2::3"), NULL},
    {SPAN_INIT("192.0.2"), NULL},
    {SPAN_INIT("192.0.2.256"), NULL},
    {SPAN_INIT("192.0.2.01"), NULL},
    {SPAN_INIT("192.0.2.1 "), NULL},
    {SPAN_INIT("[::1]"), NULL},
    {SPAN_INIT("fe80::1%eth0"), NULL},
    {SPAN_INIT(""), NULL},
};

Test(ip, is_read_and_shown)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[16], again[16];
        char memory[64];
        struct text shown = text_over(memory, sizeof(memory));

        cr_assert_eq(ip_read(rows[i].text, bytes), rows[i].shown != NULL, "row %zu", i);
        if (rows[i].shown == NULL)
            continue;
        ip_show(bytes, &shown);
        cr_assert(span_equal(text_span(&shown), span_of_string(rows[i].shown)), "row %zu", i);
        cr_assert(ip_read(text_span(&shown), again) && memcmp(again, bytes, 16) == 0);
    }
}

Test(ip, of_version_4_is_shown_as_version_6_where_asked)
{
    uint8_t bytes[16];
    char memory[64];
    struct text shown = text_over(memory, sizeof(memory));

    cr_assert(ip_read(SPAN("192.0.2.1"), bytes) && ip_is_four(bytes));
    ip_show_six(bytes, &shown);
    cr_assert(span_equal(text_span(&shown), SPAN("::ffff:c000:201")));
    cr_assert(ip_read(SPAN("::1"), bytes) && !ip_is_four(bytes));
}
