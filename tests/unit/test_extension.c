#include <criterion/criterion.h>

#include "lockstep/smtp/extension.h"

static struct capabilities parsed(struct span answer)
{
    struct capabilities capabilities;
    struct reply reply;

    cr_assert_eq(reply_parse(answer, 4096, &reply), PARSED);
    capabilities_parse(&reply, &capabilities);
    return capabilities;
}

Test(extension, find)
{
    static const struct {
        struct span line;
        enum extension extension;
        struct span parameters;
    } rows[] = {
        {SPAN_INIT("PIPELINING"), EXTENSION_PIPELINING, SPAN_INIT("")},
        {SPAN_INIT("pipelining"), EXTENSION_PIPELINING, SPAN_INIT("")},
        {SPAN_INIT("SIZE 1000 "), EXTENSION_SIZE, SPAN_INIT("1000")},
        {SPAN_INIT("AUTH PLAIN LOGIN"), EXTENSION_AUTH, SPAN_INIT("PLAIN LOGIN")},
        {SPAN_INIT("AUTH=LOGIN PLAIN"), EXTENSION_AUTH, SPAN_INIT("LOGIN PLAIN")},
        {SPAN_INIT("auth="), EXTENSION_AUTH, SPAN_INIT("")},
        {SPAN_INIT("PIPELININGX"), EXTENSION_NONE, SPAN_INIT("")},
        {SPAN_INIT("XXXXXXXA"), EXTENSION_NONE, SPAN_INIT("")},
        {SPAN_INIT(""), EXTENSION_NONE, SPAN_INIT("")},
    };
    struct span parameters;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(extension_find(rows[i].line, &parameters), rows[i].extension, "row %zu", i);
        cr_expect(span_equal(parameters, rows[i].parameters), "row %zu", i);
        cr_expect_eq(extension_find(rows[i].line, NULL), rows[i].extension, "row %zu", i);
    }
    for (i = 0; i < EXTENSION_NONE; i++)
        cr_expect_eq(extension_find(extension_facts((enum extension)i)->keyword, NULL), i);
}

Test(extension, capabilities_are_whole_where_no_parameter_is_lost)
{
    struct capabilities whole = parsed(SPAN("250-x\r\n250-SIZE 1000\r\n250-AUTH PLAIN\r\n"
                                            "250-DELIVERBY\r\n250 BURL imap\r\n"));
    struct capabilities lost = parsed(SPAN("250-x\r\n250 DELIVERBY 240\r\n"));
    struct capabilities nothing = {0};

    cr_assert(capabilities_whole(&whole));
    cr_assert(capabilities_whole(&nothing));
    cr_assert_not(capabilities_whole(&lost));
}

Test(extension, capabilities_are_what_the_reply_says)
{
    struct capabilities offer = parsed(SPAN("250-PIPELINING is my name\r\n250-SIZE 1000\r\n"
                                            "250-8bitmime\r\n250 AUTH=PLAIN\r\n"));

    cr_assert(capabilities_offer(&offer, EXTENSION_SIZE));
    cr_assert(capabilities_offer(&offer, EXTENSION_EIGHTBITMIME));
    cr_assert(capabilities_offer(&offer, EXTENSION_AUTH));
    cr_assert_not(capabilities_offer(&offer, EXTENSION_PIPELINING), "the greeting offers nothing");
    cr_assert_eq(offer.size_bytes, 1000U);
}

Test(extension, a_size_that_is_no_number_is_no_limit)
{
    struct capabilities offer = parsed(SPAN("250-x\r\n250 SIZE many\r\n"));

    cr_assert(capabilities_offer(&offer, EXTENSION_SIZE));
    cr_assert_eq(offer.size_bytes, 0U);
    offer = parsed(SPAN("250 SIZE 10\r\n"));
    cr_assert_eq(offer.offered, 0U, "a reply of one line offers nothing");
}
