#include <criterion/criterion.h>

#include "lockstep/smtp/domain.h"

struct row {
    const char *text;
    bool good;
};

#define CHECK(function, rows)                                                            \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                        \
    cr_assert_eq(function(span_of_string((rows)[i].text)), (rows)[i].good, "%s: not %d", \
                 (rows)[i].text, (rows)[i].good)

Test(domain, names_are_labels_of_letters_digits_and_hyphens)
{
    static const struct row rows[] = {
        {"mx.example.com", true},
        {"localhost", true},
        {"a-b.c", true},
        {"3com.example", true},
        {"xn--mller-kva.example", true},
        {"X", true},
        {"", false},
        {".", false},
        {".a", false},
        {"a.", false},
        {"a..b", false},
        {"-a.b", false},
        {"a-.b", false},
        {"my_pc", false},
        {"my pc", false},
        {"(null)", false},
        {"m\xc3\xbcller.example", false},
        {"192.0.2.1", false},
        {"10.0", false},
        {"1234", false},
        {"a\tb", false},
        {"[a]", false},
    };
    char label[2 * DOMAIN_LABEL_BYTES_MAX] = {0};
    struct span rest = span_of(label, sizeof(label));

    CHECK(domain_is_name, rows);
    for (size_t i = 0; i < sizeof(label); i++)
        label[i] = 'a';
    cr_assert(domain_is_name(span_head(rest, DOMAIN_LABEL_BYTES_MAX)));
    cr_assert_not(domain_is_name(span_head(rest, DOMAIN_LABEL_BYTES_MAX + 1)));
}

Test(domain, names_are_not_longer_than_the_dns_takes)
{
    char name[DOMAIN_BYTES_MAX + 1] = {0};

    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = i % 2 ? '.' : 'a';
    cr_assert(domain_is_name(span_of(name, DOMAIN_BYTES_MAX)));
    name[DOMAIN_BYTES_MAX - 1] = 'b';
    name[DOMAIN_BYTES_MAX] = 'b';
    cr_assert_not(domain_is_name(span_of(name, DOMAIN_BYTES_MAX + 1)));
}

Test(domain, ipv4_is_four_numbers)
{
    static const struct row rows[] = {
        {"192.0.2.1", true},  {"0.0.0.0", true}, {"255.255.255.255", true}, {"1.2.3", false},
        {"1.2.3.4.5", false}, {"1.2.3.", false}, {"1.2.3.256", false},      {"1.2.3.0004", false},
        {"1..2.3", false},    {"", false},       {"1.2.3.4:25", false},     {"1.2.3.x", false},
        {"1.2.3.4.", false},
    };

    CHECK(domain_is_ipv4, rows);
}

Test(domain, ipv6_is_eight_groups_or_shortened)
{
    static const struct row rows[] = {
        {"2001:db8::1", true},
        {"::", true},
        {"::1", true},
        {"1::", true},
        {"1:2:3:4:5:6:7:8", true},
        {"1:2:3:4:5:6:192.0.2.1", true},
        {"::ffff:192.0.2.1", true},
        {"1:2:3:4:5:6:7::", true},
        {"", false},
        {":", false},
        {":::", false},
        {"1:", false},
        {":1", false},
        {"1::2::3", false},
        {"1:2:3:4:5:6:7", false},
        {"1:2:3:4:5:6:7:8:9", false},
        {"1:2:3:4:5:6:7:8::", false},
        {"1:2:3:4:5:6:7:192.0.2.1", false},
        {"12345::", false},
        {"g::1", false},
        {"192.0.2.1", false},
        {"1:2:3:4:5:6:7:", false},
        {"fe80::1%eth0", false},
        {"::192.0.2.1:1", false},
    };

    CHECK(domain_is_ipv6, rows);
}

Test(domain, literals_stand_in_brackets)
{
    static const struct row rows[] = {
        {"[192.0.2.1]", true},
        {"[IPv6:2001:db8::1]", true},
        {"[ipv6:::1]", true},
        {"[x:~1~]", true},
        {"[]", false},
        {"[", false},
        {"", false},
        {"192.0.2.1", false},
        {"[192.0.2.300]", false},
        {"[2001:db8::1]", false},
        {"[::1]", false},
        {"[IPv6:192.0.2.1]", false},
        {"[x:]", false},
        {"[x:a b]", false},
        {"[x:a]b]", false},
        {"[192.0.2.1] ", false},
        {"[192.0.2.1", false},
        {"[x-:a]", false},
    };

    CHECK(domain_is_literal, rows);
}
