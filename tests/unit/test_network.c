#include <criterion/criterion.h>

#include "lockstep/policy/route.h"

struct row {
    const char *text;
    const char *shown;  /* NULL: it is no network */
    const char *advice; /* then what would be right */
};

#define NETWORK "a network such as 192.168.10.0/24 or \"2001:db8::/32\""

static const struct row rows[] = {
    {"192.168.10.0/24", "192.168.10.0/24", ""},
    {"10.0.0.1", "10.0.0.1", ""},
    {"10.0.0.1/32", "10.0.0.1", ""},
    {"0.0.0.0/0", "0.0.0.0/0", ""},
    {"10.128.0.0/9", "10.128.0.0/9", ""},
    {"2001:DB8::/32", "2001:db8::/32", ""},
    {"::/0", "::/0", ""},
    {"::1", "::1", ""},
    {"fe80::/10", "fe80::/10", ""},
    {"1:0:0:2:0:0:0:3", "1:0:0:2::3", ""},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", ""},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", ""},
    {"1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201", ""},
    {"::ffff:192.0.2.1", "192.0.2.1", ""},
    {"::ffff:192.0.2.0/120", "192.0.2.0/24", ""},
    {"192.168.10.7/24", NULL, "192.168.10.0/24, or a longer prefix"},
    {"2001:db8::1/32", NULL, "2001:db8::/32, or a longer prefix"},
    {"10.64.0.0/9", NULL, "10.0.0.0/9, or a longer prefix"},
    {"10.0.0.0/33", NULL, "a prefix from 0 to 32 behind the \"/\""},
    {"10.0.0.0/", NULL, "a prefix from 0 to 32 behind the \"/\""},
    {"::/129", NULL, "a prefix from 0 to 128 behind the \"/\""},
    {"::/-1", NULL, "a prefix from 0 to 128 behind the \"/\""},
    {"", NULL, NETWORK},
    {"/24", NULL, NETWORK},
    {"10.0.0/24", NULL, NETWORK},
    {"10.0.0.256", NULL, NETWORK},
    {"10.0.0.010", NULL, NETWORK},
    {"10.0.0.0.0", NULL, NETWORK},
    {"scanner.example", NULL, NETWORK},
    {"fe80::1%eth0", NULL, NETWORK},
    {"[::1]", NULL, NETWORK},
    {":", NULL, NETWORK},
    {":::", NULL, NETWORK},
    {"1:2", NULL, NETWORK},
    {"1::2::3", NULL, NETWORK},
    {"1.2.3.4::", NULL, NETWORK},
    {"::1.2.3.4:1", NULL, NETWORK},
    {"1:2:3:4:5:6:7:8::", NULL, NETWORK},
    {"1:2:3:4::5:6:7:8", NULL, NETWORK},
    {"1:2:3:4:5:6:7:8:9", NULL, NETWORK},
    {"12345::", NULL, NETWORK},
    {"g::", NULL, NETWORK},
};

Test(network, is_wide_when_nobody_has_all_of_it)
{
    static const struct {
        struct span text;
        bool wide;
    } widths[] = {
        {SPAN_INIT("0.0.0.0/0"), true},  {SPAN_INIT("128.0.0.0/1"), true},
        {SPAN_INIT("10.0.0.0/7"), true}, {SPAN_INIT("10.0.0.0/8"), false},
        {SPAN_INIT("10.0.0.1"), false},  {SPAN_INIT("::/0"), true},
        {SPAN_INIT("2000::/3"), true},   {SPAN_INIT("2001:db8::/32"), false},
        {SPAN_INIT("::1"), false},
    };
    char memory[100];
    size_t i;

    for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        struct text advice = text_over(memory, sizeof(memory));
        struct network network;

        cr_assert(network_parse(widths[i].text, &network, &advice), "%zu", i);
        cr_assert_eq(network_is_wide(&network), widths[i].wide, "%zu", i);
    }
}

Test(network, parse_takes_or_explains)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char shown[64], sentence[120];
        struct text out = text_over(shown, sizeof(shown));
        struct text advice = text_over(sentence, sizeof(sentence));
        struct network network;
        bool good = network_parse(span_of_string(rows[i].text), &network, &advice);

        cr_assert_eq(good, rows[i].shown != NULL, "%s", rows[i].text);
        cr_assert(span_equal(text_span(&advice), span_of_string(rows[i].advice)), "%s: %.*s",
                  rows[i].text, (int)advice.size, advice.at);
        if (!good)
            continue;
        network_show(&network, &out);
        cr_assert(span_equal(text_span(&out), span_of_string(rows[i].shown)), "%s: %.*s",
                  rows[i].text, (int)out.size, out.at);
    }
}

struct held {
    const char *network;
    const char *address;
    bool in;
};

static const struct held held[] = {
    {"192.168.10.0/24", "192.168.10.7", true},
    {"192.168.10.0/24", "192.168.10.255", true},
    {"192.168.10.0/24", "192.168.11.0", false},
    {"192.168.10.0/24", "::ffff:192.168.10.7", true},
    {"192.168.10.0/24", "::c0a8:a07", false},
    {"10.128.0.0/9", "10.128.0.1", true},
    {"10.128.0.0/9", "10.127.255.255", false},
    {"0.0.0.0/0", "203.0.113.9", true},
    {"0.0.0.0/0", "2001:db8::1", false},
    {"::/0", "203.0.113.9", true},
    {"::/0", "2001:db8::1", true},
    {"2001:db8::/33", "2001:db8:7fff::1", true},
    {"2001:db8::/33", "2001:db8:8000::1", false},
    {"fe80::/10", "fe80::1%eth0", true},
    {"10.0.0.1", "10.0.0.1", true},
    {"10.0.0.1", "10.0.0.2", false},
    {"::/0", "", false},
    {"::/0", "scanner", false},
    {"10.0.0.0/8", "10.0.0.1:25", false},
};

Test(network, holds_what_begins_alike)
{
    size_t i;

    for (i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
        char sentence[120];
        struct text advice = text_over(sentence, sizeof(sentence));
        /* Any of several will do. */
        struct networks networks = {.count = 2};

        cr_assert(network_parse(SPAN("198.51.100.1"), &networks.rows[0], &advice));
        cr_assert(network_parse(span_of_string(held[i].network), &networks.rows[1], &advice));
        cr_assert_eq(networks_hold(&networks, span_of_string(held[i].address)), held[i].in,
                     "%s in %s", held[i].address, held[i].network);
    }
}

Test(network, none_given_holds_everybody)
{
    struct networks none = {.count = 0};

    cr_assert(networks_hold(&none, SPAN("203.0.113.9")));
}
