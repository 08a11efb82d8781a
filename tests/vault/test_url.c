#include <criterion/criterion.h>

#include "lockstep/http/url.h"

Test(url, parts)
{
    static const struct {
        struct span whole, scheme, host, target, authority;
        uint16_t port;
    } rows[] = {
        {SPAN_INIT("https://login.example/a/token?x=1"), SPAN_INIT("https"),
         SPAN_INIT("login.example"), SPAN_INIT("/a/token?x=1"), SPAN_INIT("login.example"), 0},
        {SPAN_INIT("HTTP://127.0.0.1:8080"), SPAN_INIT("HTTP"), SPAN_INIT("127.0.0.1"),
         SPAN_INIT(""), SPAN_INIT("127.0.0.1:8080"), 8080},
        {SPAN_INIT("http://[::1]:65535/"), SPAN_INIT("http"), SPAN_INIT("::1"), SPAN_INIT("/"),
         SPAN_INIT("[::1]:65535"), 65535},
        {SPAN_INIT("http://[fe80::1%eth0]?q"), SPAN_INIT("http"), SPAN_INIT("fe80::1%eth0"),
         SPAN_INIT("?q"), SPAN_INIT("[fe80::1%eth0]"), 0},
        {SPAN_INIT("pop3s://pop.example:995#there"), SPAN_INIT("pop3s"), SPAN_INIT("pop.example"),
         SPAN_INIT(""), SPAN_INIT("pop.example:995"), 995},
        {SPAN_INIT("a+b-c.d://h/#/?"), SPAN_INIT("a+b-c.d"), SPAN_INIT("h"), SPAN_INIT("/"),
         SPAN_INIT("h"), 0},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char words[100];
        struct text advice = text_over(words, sizeof(words));
        struct url url;

        cr_expect(url_parse(rows[i].whole, &url, &advice), "row %zu: %.*s", i, (int)advice.size,
                  words);
        cr_expect(span_equal(url.scheme, rows[i].scheme), "row %zu", i);
        cr_expect(span_equal(url.host, rows[i].host), "row %zu", i);
        cr_expect(span_equal(url.authority, rows[i].authority), "row %zu", i);
        cr_expect(span_equal(url.target, rows[i].target), "row %zu", i);
        cr_expect_eq(url.port, rows[i].port, "row %zu", i);
    }
}

Test(url, what_is_wrong_is_said)
{
    static const struct {
        struct span whole;
        const char *says;
    } rows[] = {
        {SPAN_INIT(""), "begins with a scheme"},
        {SPAN_INIT("login.example"), "begins with a scheme"},
        {SPAN_INIT("://login.example"), "begins with a scheme"},
        {SPAN_INIT("a/b://login.example"), "begins with a scheme"},
        {SPAN_INIT("https://"), "of a host is missing"},
        {SPAN_INIT("https:///path"), "of a host is missing"},
        {SPAN_INIT("https://:80"), "of a host is missing"},
        {SPAN_INIT("https://a*b"), "of a host is missing"},
        {SPAN_INIT("https://me:secret@host/"), "no user and no password"},
        {SPAN_INIT("https://[::1"), "stands in brackets"},
        {SPAN_INIT("https://[]/"), "stands in brackets"},
        {SPAN_INIT("https://[a/b]/"), "stands in brackets"},
        {SPAN_INIT("https://[::1]80/"), "from 1 to 65535"},
        {SPAN_INIT("https://h:/"), "from 1 to 65535"},
        {SPAN_INIT("https://h:0/"), "from 1 to 65535"},
        {SPAN_INIT("https://h:65536/"), "from 1 to 65535"},
        {SPAN_INIT("https://h:8o/"), "from 1 to 65535"},
        {SPAN_INIT("https://h/a b"), "no blanks"},
        {SPAN_INIT("https://h/\r\nX: y"), "no blanks"},
        {SPAN_INIT("https://h/\0"), "no blanks"},
        {SPAN_INIT("https://h/\xc3\xa9"), "no blanks"},
        {SPAN_INIT("https://h/\x7f"), "no blanks"},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char words[100];
        struct text advice = text_over(words, sizeof(words));
        struct url url;

        cr_expect_not(url_parse(rows[i].whole, &url, &advice), "row %zu", i);
        cr_expect(span_find_span(text_span(&advice), span_of_string(rows[i].says)) < advice.size,
                  "row %zu: %.*s", i, (int)advice.size, words);
    }
}

Test(url, escapes_what_means_something_elsewhere)
{
    char memory[100];
    struct text out = text_over(memory, sizeof(memory));

    url_escape(SPAN("aZ09-._~ +&=%/\r\n\xff\0"), &out);
    cr_expect(span_equal(text_span(&out), SPAN("aZ09-._~%20%2B%26%3D%25%2F%0D%0A%FF%00")));
    text_clear(&out);
    url_add_field(SPAN("grant_type"), SPAN("a b"), &out);
    url_add_field(SPAN("x"), SPAN("&"), &out);
    cr_expect(span_equal(text_span(&out), SPAN("grant_type=a%20b&x=%26")));
}
