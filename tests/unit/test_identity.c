#include <criterion/criterion.h>

#include "lockstep/smtp/extension.h"
#include "lockstep/smtp/identity.h"

#define BIT(name) ATTRIBUTE_BIT(ATTRIBUTE_##name)

Test(identity, the_two_commands_have_the_attributes_of_their_documents)
{
    cr_assert_eq(xclient_attributes(), BIT(NAME) | BIT(ADDR) | BIT(PORT) | BIT(PROTO) | BIT(HELO) |
                                           BIT(LOGIN) | BIT(DESTADDR) | BIT(DESTPORT));
    cr_assert_eq(xforward_attributes(), BIT(NAME) | BIT(ADDR) | BIT(PORT) | BIT(PROTO) | BIT(HELO) |
                                            BIT(IDENT) | BIT(SOURCE));
}

Test(identity, offers_are_read_and_shown)
{
    char bytes[80];
    struct text text = text_over(bytes, sizeof(bytes));

    cr_assert_eq(attributes_parse(SPAN("")), 0);
    cr_assert_eq(attributes_parse(SPAN("name ADDR  TTL SESSION")), BIT(NAME) | BIT(ADDR));
    attributes_show(BIT(DESTPORT) | BIT(NAME), &text);
    cr_assert(span_equal(text_span(&text), SPAN(" NAME DESTPORT")));
}

Test(identity, offers_stand_in_the_answer_to_ehlo)
{
    struct capabilities capabilities;
    struct reply reply;

    cr_assert_eq(reply_parse(SPAN("250-mx\r\n250-XFORWARD ADDR LOGIN SOURCE\r\n"
                                  "250-xclient ADDR IDENT\r\n250 XCLIENT LOGIN\r\n"),
                             512, &reply),
                 PARSED);
    capabilities_parse(&reply, &capabilities);
    cr_assert_eq(capabilities.xclient, BIT(ADDR) | BIT(LOGIN));
    cr_assert_eq(capabilities.xforward, BIT(ADDR) | BIT(SOURCE));
}

static const struct {
    enum attribute attribute;
    struct span value, said;
} said[] = {
    {ATTRIBUTE_ADDR, SPAN_INIT("192.0.2.1"), SPAN_INIT(" ADDR=192.0.2.1")},
    {ATTRIBUTE_ADDR, SPAN_INIT("::1"), SPAN_INIT(" ADDR=IPV6:::1")},
    {ATTRIBUTE_DESTADDR, SPAN_INIT("2001:db8::1"), SPAN_INIT(" DESTADDR=IPV6:2001:db8::1")},
    {ATTRIBUTE_ADDR, SPAN_INIT(""), SPAN_INIT(" ADDR=[UNAVAILABLE]")},
    {ATTRIBUTE_HELO, SPAN_INIT("a:b c+\xff="), SPAN_INIT(" HELO=a:b+20c+2B+FF+3D")},
};

Test(identity, values_are_said_in_xtext)
{
    char bytes[80];
    size_t i;

    for (i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        struct text text = text_over(bytes, sizeof(bytes));

        attribute_say(said[i].attribute, said[i].value, &text);
        cr_assert(span_equal(text_span(&text), said[i].said), "%zu", i);
    }
}

/* One attribute, and what is read of it; NULL: it is refused. */
static const struct {
    enum attribute attribute;
    const char *words, *value;
} rows[] = {
    {ATTRIBUTE_NAME, "NAME=mx_1.example.org", "mx_1.example.org"},
    {ATTRIBUTE_NAME, "name=[unavailable]", ""},
    {ATTRIBUTE_NAME, "NAME=[TEMPUNAVAIL]", ""},
    {ATTRIBUTE_NAME, "NAME=", NULL},
    {ATTRIBUTE_NAME, "NAME=a/b", NULL},
    {ATTRIBUTE_NAME, "NAME=a+20b", NULL},
    {ATTRIBUTE_ADDR, "ADDR=192.0.2.1", "192.0.2.1"},
    {ATTRIBUTE_ADDR, "ADDR=192.0.2+2e1", "192.0.2.1"},
    {ATTRIBUTE_ADDR, "ADDR=ipv6:2001:DB8::1", "2001:DB8::1"},
    {ATTRIBUTE_ADDR, "ADDR=IPV6:::ffff:192.0.2.1", "::ffff:192.0.2.1"},
    {ATTRIBUTE_ADDR, "ADDR=[TEMPUNAVAIL]", NULL},
    {ATTRIBUTE_ADDR, "ADDR=::1", NULL},
    {ATTRIBUTE_ADDR, "ADDR=IPV6:", NULL},
    {ATTRIBUTE_ADDR, "ADDR=IPV6:fe80::1%eth0", NULL},
    {ATTRIBUTE_ADDR, "ADDR=192.0.2", NULL},
    {ATTRIBUTE_ADDR, "ADDR=192.0.2.256", NULL},
    {ATTRIBUTE_ADDR, "ADDR=0192.0.2.1", NULL},
    {ATTRIBUTE_ADDR, "ADDR=192.0.2.1+00", NULL},
    {ATTRIBUTE_PORT, "PORT=0", "0"},
    {ATTRIBUTE_PORT, "PORT=65535", "65535"},
    {ATTRIBUTE_PORT, "PORT=65536", NULL},
    {ATTRIBUTE_PORT, "PORT=-1", NULL},
    {ATTRIBUTE_PORT, "PORT=000025", NULL},
    {ATTRIBUTE_PROTO, "PROTO=smtp", "smtp"},
    {ATTRIBUTE_PROTO, "PROTO=ESMTP", "ESMTP"},
    {ATTRIBUTE_PROTO, "PROTO=ESMTPS", NULL},
    {ATTRIBUTE_HELO, "HELO=[192.0.2.1]", "[192.0.2.1]"},
    {ATTRIBUTE_HELO, "HELO=a+3Db", "a=b"},
    {ATTRIBUTE_HELO, "HELO=a=b", NULL},
    {ATTRIBUTE_HELO, "HELO=a+", NULL},
    {ATTRIBUTE_HELO, "HELO=a+4", NULL},
    {ATTRIBUTE_HELO, "HELO=a+4G", NULL},
    {ATTRIBUTE_HELO, "HELO=a+0Ab", NULL},
    {ATTRIBUTE_HELO, "HELO=a\x80", NULL},
    {ATTRIBUTE_LOGIN, "LOGIN=Anna+20M+C3+BCller", "Anna M\xc3\xbcller"},
    {ATTRIBUTE_LOGIN, "LOGIN=a+0D", NULL},
    {ATTRIBUTE_LOGIN, "LOGIN=a+7F", NULL},
    {ATTRIBUTE_DESTADDR, "DESTADDR=IPV6:::1", "::1"},
    {ATTRIBUTE_DESTPORT, "DESTPORT=[Unavailable]", ""},
    {ATTRIBUTE_IDENT, "IDENT=4F2", "4F2"},
    {ATTRIBUTE_SOURCE, "SOURCE=local", "local"},
    {ATTRIBUTE_SOURCE, "SOURCE=here", NULL},
};

#define ALL ((uint16_t)(ATTRIBUTE_BIT(ATTRIBUTE_COUNT) - 1U))

Test(identity, each_value_is_read_or_refused_in_its_own_words)
{
    char bytes[IDENTITY_BYTES_MAX];
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text memory = text_over(bytes, sizeof(bytes));
        enum attribute attribute = rows[i].attribute;
        struct identity identity;
        struct span wrong = identity_parse(span_of_string(rows[i].words), ALL, &memory, &identity);

        if (rows[i].value == NULL) {
            cr_assert(span_starts(wrong, attribute_word(attribute)), "%s", rows[i].words);
            continue;
        }
        cr_assert_eq(wrong.size, 0, "%s", rows[i].words);
        cr_assert_eq(identity.given, ATTRIBUTE_BIT(attribute));
        cr_assert(span_equal(identity.values[attribute], span_of_string(rows[i].value)), "%s",
                  rows[i].words);
    }
}

Test(identity, a_command_has_each_of_the_known_attributes_once)
{
    static const struct {
        struct span words;
        uint16_t known;
        bool good;
    } commands[] = {
        {SPAN_INIT(""), ALL, false},
        {SPAN_INIT("  "), ALL, false},
        {SPAN_INIT("ADDR"), ALL, false},
        {SPAN_INIT("=192.0.2.1"), ALL, false},
        {SPAN_INIT("ADDRESS=192.0.2.1"), ALL, false},
        {SPAN_INIT("LOGIN=x"), ALL & ~BIT(LOGIN), false},
        {SPAN_INIT("PORT=1 ADDR=192.0.2.1 Port=1"), ALL, false},
        {SPAN_INIT("PORT=1 ADDR=192.0.2.1 HELO=a"), ALL, true},
        {SPAN_INIT("PORT=1\tADDR=192.0.2.1  "), BIT(PORT) | BIT(ADDR), true},
    };
    char bytes[IDENTITY_BYTES_MAX];
    size_t i;

    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct text memory = text_over(bytes, sizeof(bytes));
        struct identity identity;
        struct span wrong =
            identity_parse(commands[i].words, commands[i].known, &memory, &identity);

        cr_assert_eq(wrong.size == 0, commands[i].good, "%zu", i);
    }
}

/* RFC 5321 4.5.3.1.2: a domain has 255 bytes at most; in xtext each may take three. */
Test(identity, a_value_of_255_bytes_is_read_and_no_longer_one)
{
    char bytes[IDENTITY_BYTES_MAX], words[5 + 3 * 256];
    struct text line = text_over(words, sizeof(words));
    struct text memory = text_over(bytes, sizeof(bytes));
    struct identity identity;
    size_t i;

    text_add(&line, SPAN("HELO="));
    for (i = 0; i < ATTRIBUTE_BYTES_MAX; i++)
        text_add(&line, SPAN("+3D"));
    cr_assert_eq(identity_parse(text_span(&line), ALL, &memory, &identity).size, 0);
    cr_assert_eq(identity.values[ATTRIBUTE_HELO].size, ATTRIBUTE_BYTES_MAX);
    text_clear(&memory);
    text_add(&line, SPAN("+3D"));
    cr_assert_gt(identity_parse(text_span(&line), ALL, &memory, &identity).size, 0);
}
