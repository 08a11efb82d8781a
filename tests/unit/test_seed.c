#include <criterion/criterion.h>

#include "lockstep/base/seed.h"

/* The published sequence, so that a seed printed on one machine means the same on another. */
Test(seed, gives_the_published_sequence)
{
    static const uint64_t expected[] = {6457827717110365317U, 3203168211198807973U,
                                        9817491932198370423U, 4593380528125082431U,
                                        16408922859458223821U};
    struct seed seed = {1234567};
    size_t i;

    for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        cr_assert_eq(seed_next(&seed), expected[i], "number %zu", i);
}

Test(seed, below_stays_below_and_reaches_all)
{
    struct seed seed = {7};
    unsigned seen = 0;
    int i;

    for (i = 0; i < 1000; i++) {
        uint64_t number = seed_below(&seed, 5);

        cr_assert_lt(number, 5U);
        seen |= 1U << number;
    }
    cr_assert_eq(seen, 31U);
    cr_assert_eq(seed_below(&seed, 0), 0U);
    cr_assert_eq(seed_below(&seed, 1), 0U);
}
