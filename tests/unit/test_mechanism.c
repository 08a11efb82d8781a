#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/smtp/mechanism.h"

#define BIT(name) MECHANISM_BIT(MECHANISM_##name)

Test(mechanism, is_found_by_its_name_in_any_case)
{
    size_t i;

    for (i = 0; i < MECHANISM_COUNT; i++) {
        const struct mechanism_facts *facts = mechanism_facts((enum mechanism)i);

        cr_assert_eq(mechanism_find(facts->word), i);
        /* RFC 4422 3.1; GNU SASL wants it to end in NUL, too. */
        cr_assert(facts->word.size > 0 && facts->word.size <= 20);
        cr_assert_eq(strlen(facts->word.at), facts->word.size);
        cr_assert_eq(strspn(facts->word.at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"),
                     facts->word.size);
    }
    cr_assert_eq(mechanism_find(SPAN("plain")), MECHANISM_PLAIN);
    cr_assert_eq(mechanism_find(SPAN("Scram-Sha-256-Plus")), MECHANISM_SCRAM_SHA_256_PLUS);
    cr_assert_eq(mechanism_find(SPAN("PLAI")), MECHANISM_COUNT);
    cr_assert_eq(mechanism_find(SPAN("PLAINX")), MECHANISM_COUNT);
    cr_assert_eq(mechanism_find(SPAN("")), MECHANISM_COUNT);
}

Test(mechanism, says_who_learns_the_secret)
{
    uint32_t clear = 0, bearer = 0, bound = 0;
    size_t i;

    for (i = 0; i < MECHANISM_COUNT; i++) {
        const struct mechanism_facts *facts = mechanism_facts((enum mechanism)i);

        clear |= facts->clear ? MECHANISM_BIT(i) : 0;
        bearer |= facts->bearer ? MECHANISM_BIT(i) : 0;
        bound |= facts->bound ? MECHANISM_BIT(i) : 0;
    }
    cr_assert_eq(clear, BIT(PLAIN) | BIT(LOGIN) | BIT(XOAUTH2) | BIT(OAUTHBEARER));
    cr_assert_eq(bearer, BIT(XOAUTH2) | BIT(OAUTHBEARER));
    cr_assert_eq(bound, BIT(SCRAM_SHA_256_PLUS) | BIT(SCRAM_SHA_1_PLUS));
}

Test(mechanism, is_read_from_what_a_relay_offers)
{
    static const struct {
        const char *names;
        uint32_t set;
    } rows[] = {
        {"", 0},
        {" ,, \t", 0},
        {"LOGIN PLAIN", BIT(LOGIN) | BIT(PLAIN)},
        {"login  PLAIN\tlogin", BIT(LOGIN) | BIT(PLAIN)},
        {"XOAUTH2,PLAIN, LOGIN", BIT(XOAUTH2) | BIT(PLAIN) | BIT(LOGIN)},
        {"MBS_BASIC LOGIN GSSAPI", BIT(LOGIN)},
        {"PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH", BIT(OAUTHBEARER)},
        {"SCRAM-SHA-1-PLUS SCRAM-SHA-1", BIT(SCRAM_SHA_1_PLUS) | BIT(SCRAM_SHA_1)},
        {"=LOGIN", 0},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(mechanisms_parse(span_of_string(rows[i].names)), rows[i].set, "row %zu", i);
}

Test(mechanism, is_shown_strongest_first)
{
    char memory[256];
    struct text shown = text_over(memory, sizeof(memory));

    mechanisms_show(0, &shown);
    cr_assert_eq(shown.size, 0);
    mechanisms_show(mechanisms_parse(SPAN("LOGIN PLAIN CRAM-MD5 SCRAM-SHA-256")), &shown);
    cr_assert(span_equal(text_span(&shown), SPAN("SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN")));
    text_clear(&shown);
    mechanisms_show(MECHANISMS_ALL, &shown);
    cr_assert_eq(mechanisms_parse(text_span(&shown)), MECHANISMS_ALL);
}
