#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/base/secret.h"

static struct secret secret;

/* Whether no byte of it is anywhere in the secret's memory. */
static bool is_gone(void)
{
    size_t i;

    for (i = 0; i < sizeof(secret.bytes); i++) {
        if (secret.bytes[i] != 0)
            return false;
    }
    return secret.size == 0;
}

Test(secret, gives_back_what_it_was_given)
{
    static const struct span rows[] = {
        SPAN_INIT(""), SPAN_INIT("x"), SPAN_INIT("a\0b\xFF"), {NULL, 0}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert(secret_set(&secret, rows[i]));
        cr_assert(span_equal(secret_reveal(&secret), rows[i]));
        cr_assert_neq(secret_reveal(&secret).at, rows[i].at);
    }
}

Test(secret, leaves_nothing_behind)
{
    cr_assert(secret_set(&secret, SPAN("a long password")));
    secret_clear(&secret);
    cr_assert(is_gone());
    cr_assert(secret_set(&secret, SPAN("a long password")));
    cr_assert(secret_set(&secret, SPAN("short")));
    cr_assert_eq(secret.bytes[5], 0);
    secret_clear(&secret);
    cr_assert(is_gone());
}

Test(secret, is_empty_when_it_does_not_fit)
{
    static char bytes[SECRET_BYTES_MAX + 1];

    memset(bytes, 'x', sizeof(bytes));
    cr_assert(secret_set(&secret, span_of(bytes, SECRET_BYTES_MAX)));
    cr_assert_eq(secret_reveal(&secret).size, SECRET_BYTES_MAX);
    cr_assert_not(secret_set(&secret, span_of(bytes, SECRET_BYTES_MAX + 1)));
    cr_assert(is_gone());
}

Test(secret, wipes_what_it_is_told_and_no_more)
{
    char bytes[] = "0123456789";

    secret_wipe(bytes + 2, 5);
    cr_assert_arr_eq(bytes,
                     "01\0\0\0\0\0"
                     "789",
                     sizeof(bytes));
    secret_wipe(bytes, 0);
    cr_assert_eq(bytes[0], '0');
}
