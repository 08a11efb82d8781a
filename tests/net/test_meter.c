/* What a meter lets begin, by a clock of the test's own. */
#include <criterion/criterion.h>

#include "lockstep/base/seed.h"
#include "net/meter.h"

#define EVENTS_MAX 20000U

static moment begun[EVENTS_MAX];
static uint32_t count;

/* The most of them in any time that long. */
static uint32_t most_within(moment period)
{
    uint32_t most = 0, first = 0, i;

    for (i = 0; i < count; i++) {
        while (begun[i] - begun[first] >= period)
            first++;
        most = i - first + 1 > most ? i - first + 1 : most;
    }
    return most;
}

/* As many as are let begin, looked at so often. */
static void offer(const struct rate *rate, moment from, moment until, uint64_t step, uint64_t seed)
{
    struct meter meter = {0};
    struct seed dice = {seed};
    moment now;

    count = 0;
    for (now = from; now < until; now += 1 + (moment)(seed_next(&dice) % step)) {
        while (meter_allows(&meter, rate, now)) {
            cr_assert_lt(count, EVENTS_MAX);
            meter_count(&meter, rate, 1, now);
            begun[count++] = now;
        }
    }
}

Test(meter, lets_never_more_begin_in_any_period)
{
    static const struct rate rates[] = {{100, 60000}, {1, 1000},     {7, 10000}, {1000, 1000},
                                        {3, 60000},   {60, 3600000}, {2, 1001}};
    size_t i;
    uint64_t seed;

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        for (seed = 1; seed <= 20; seed++) {
            moment from = (moment)(seed * 7919);

            offer(&rates[i], from, from + 12 * (moment)rates[i].per_ms,
                  1 + rates[i].per_ms / (10 * seed), seed);
            cr_assert_leq(most_within(rates[i].per_ms), rates[i].amount, "rate %zu seed %zu", i,
                          (size_t)seed);
            /* A little is lost to the margin, and to how rarely this looks: not much. */
            cr_assert_geq(count, rates[i].amount * 9, "rate %zu seed %zu: %u", i, (size_t)seed,
                          count);
        }
    }
}

Test(meter, leaves_time_for_the_way)
{
    const struct rate rate = {100, 60000};

    offer(&rate, 0, 10 * 60000, 1, 1);
    cr_assert_leq(most_within(60000 + 900), rate.amount);
}

Test(meter, has_debts_paid_before_the_next)
{
    const struct rate rate = {1000, 60000};
    struct meter meter = {0};
    moment free_at;

    cr_assert(meter_allows(&meter, &rate, 0));
    meter_count(&meter, &rate, 3500, 0); /* a single one may be larger than all there may be */
    cr_assert_not(meter_allows(&meter, &rate, 3 * 60000));
    free_at = meter_when(&meter, &rate, 0, 0);
    cr_assert_gt(free_at, 3 * 60000);
    cr_assert_lt(free_at, 4 * 60000);
    cr_assert_not(meter_allows(&meter, &rate, free_at - 1));
    cr_assert(meter_allows(&meter, &rate, free_at));
}

Test(meter, says_when_the_one_behind_others_may_begin)
{
    const struct rate rate = {10, 10000};
    struct meter meter = {0};
    moment first, eleventh;

    meter_count(&meter, &rate, 10, 500);
    first = meter_when(&meter, &rate, 0, 500);
    eleventh = meter_when(&meter, &rate, 10, 500);
    cr_assert_gt(first, 10500);
    cr_assert_lt(first, 11000);
    cr_assert_eq(meter_when(&meter, &rate, 9, 500), first);
    cr_assert_gt(eleventh, first + 10000);
    cr_assert(meter_allows(&meter, &rate, first));
}

Test(meter, remembers_when_the_rate_is_another)
{
    struct rate rate = {10, 60000};
    struct meter meter = {0};

    meter_count(&meter, &rate, 10, 0);
    rate = (struct rate){20, 1000};
    cr_assert(meter_allows(&meter, &rate, 10));
    meter_count(&meter, &rate, 10, 10);
    cr_assert_not(meter_allows(&meter, &rate, 10));
    cr_assert(meter_allows(&meter, &rate, 2000));
    cr_assert(meter_idle(&meter, &rate, 3000));
}

Test(meter, counts_nothing_without_a_rate)
{
    const struct rate none = {0, 60000};
    struct meter meter = {0};

    meter_count(&meter, &none, 1000000, 0);
    cr_assert(meter_allows(&meter, &none, 0) && meter_idle(&meter, &none, 0));
    cr_assert_eq(meter_when(&meter, &none, 1000, 5), 5);
}

/* One after the other, each as soon as it may: that is what whole times are left out of. */
Test(meter, says_it_for_any_number_of_others)
{
    static const struct rate rates[] = {{1, 60000}, {3, 1000}, {10, 10000}, {97, 620}};
    uint32_t which, i;

    for (which = 0; which < sizeof(rates) / sizeof(rates[0]); which++) {
        const struct rate *rate = &rates[which];
        struct meter meter = {0}, walked;
        moment now = 0, then;

        for (i = 0; i < 2 * rate->amount; i++) { /* some of it a debt, and unevenly spread */
            now += (moment)(i * 7919U % 5U) * rate->per_ms / (moment)(4 * rate->amount);
            meter_count(&meter, rate, 1 + i % 3, now);
        }
        walked = meter;
        then = now;
        for (i = 0; i < 500; i++) {
            then = meter_when(&walked, rate, 0, then);
            cr_assert_eq(meter_when(&meter, rate, i, now), then, "rate %u, behind %u", which, i);
            meter_count(&walked, rate, 1, then);
        }
    }
}
