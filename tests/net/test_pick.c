/* Which address comes next, by a clock of the test's own. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "lockstep/base/must.h"
#include "net/pick.h"

static struct pick pick;
static struct candidates three;
static struct wish wish;

static void setup(void)
{
    uint32_t i;

    pick_init(&pick);
    three = (struct candidates){.count = 3};
    for (i = 0; i < three.count; i++)
        must(address_literal(SPAN("192.0.2.1"), (uint16_t)(25 + i), &three.addresses[i]));
    wish = (struct wish){.balance = BALANCE_ORDER};
}

static void teardown(void)
{
    pick_clear(&pick);
}

static uint32_t choose(moment now)
{
    three.tried = 0;
    return pick_choose(&pick, &three, &wish, true, now);
}

static void learn(uint32_t number, bool well, moment now)
{
    pick_leave(&pick, &three.addresses[number]);
    pick_learn(&pick, &three.addresses[number], well, now);
}

/* How often each is chosen, of so many connections that end at once. */
static void tally(uint32_t *counts, uint32_t connections, moment now)
{
    uint32_t i;

    counts[0] = counts[1] = counts[2] = 0;
    for (i = 0; i < connections; i++) {
        uint32_t chosen = choose(now);

        counts[chosen]++;
        pick_leave(&pick, &three.addresses[chosen]);
    }
}

TestSuite(pick, .init = setup, .fini = teardown);

Test(pick, takes_the_first_that_is_well)
{
    cr_assert_eq(choose(0), 0);
    learn(0, false, 0);
    cr_assert_eq(choose(1), 1);
    learn(1, false, 1);
    cr_assert_eq(choose(2), 2);
    learn(2, false, 2);
    cr_assert_eq(choose(3), 0, "all rest: the one whose time comes first");
}

Test(pick, leaves_those_alone_that_rest_while_there_may_be_others)
{
    choose(0);
    learn(0, false, 0);
    three.tried = 6;
    cr_assert_eq(pick_choose(&pick, &three, &wish, false, 1), PICK_NONE);
    cr_assert_eq(pick_choose(&pick, &three, &wish, true, 1), 0);
    three.tried = 7;
    cr_assert_eq(pick_choose(&pick, &three, &wish, true, 1), PICK_NONE);
}

Test(pick, has_one_ask_first)
{
    moment later = PICK_REST_MIN_MS;

    choose(0);
    learn(0, false, 0);
    cr_assert_eq(choose(later - 1), 1);
    cr_assert_eq(choose(later), 0);
    cr_assert_eq(choose(later), 1, "somebody asks");
    cr_assert_eq(choose(later + PICK_PROBE_MS), 0, "and never says how it went");
    learn(0, true, later + PICK_PROBE_MS);
    cr_assert_eq(choose(later + PICK_PROBE_MS), 0);
    cr_assert_eq(choose(later + PICK_PROBE_MS), 0);
}

Test(pick, lets_it_rest_longer_each_time)
{
    moment now = 0, rest = PICK_REST_MIN_MS;
    uint64_t failures;
    uint32_t i;

    choose(now);
    learn(0, false, now);
    for (i = 0; i < 12; i++) {
        pick_learn(&pick, &three.addresses[0], false, now); /* another that had tried it too */
        cr_assert_eq(pick_resting(&pick, now, &failures), 1);
        cr_assert_eq(choose(now + rest - 1), 1);
        now += rest;
        cr_assert_eq(choose(now), 0);
        learn(0, false, now);
        rest = 2 * rest < PICK_REST_MAX_MS ? 2 * rest : PICK_REST_MAX_MS;
    }
    cr_assert_eq(rest, PICK_REST_MAX_MS);
    cr_assert_eq(failures, 24);
    pick_learn(&pick, &three.addresses[0], true, now);
    cr_assert_eq(pick_resting(&pick, now, &failures), 0);
}

Test(pick, gives_each_as_many)
{
    uint32_t counts[3];

    wish.balance = BALANCE_EVEN;
    tally(counts, 300, 0);
    cr_assert(counts[0] == 100 && counts[1] == 100 && counts[2] == 100);
    pick_learn(&pick, &three.addresses[1], false, 0);
    tally(counts, 300, 1);
    cr_assert(counts[0] == 150 && counts[1] == 0 && counts[2] == 150);
}

Test(pick, takes_the_one_with_the_fewest)
{
    uint32_t counts[3] = {0}, i;

    wish.balance = BALANCE_LEAST;
    for (i = 0; i < 30; i++)
        counts[choose(0)]++;
    cr_assert(counts[0] == 10 && counts[1] == 10 && counts[2] == 10);
    for (i = 0; i < 5; i++)
        pick_leave(&pick, &three.addresses[2]);
    for (i = 0; i < 5; i++)
        cr_assert_eq(choose(0), 2);
}

Test(pick, does_not_begin_where_it_failed_before)
{
    wish.balance = BALANCE_LEAST;
    wish.avoid = three.addresses[0];
    cr_assert_neq(choose(0), 0);
    three.tried = 6;
    cr_assert_eq(pick_choose(&pick, &three, &wish, true, 0), 0, "there is no other");
}

Test(pick, gives_one_that_comes_back_more_and_more)
{
    enum config_balance balance;
    uint32_t counts[3], before, i;

    wish.slow_start_ms = 64000;
    for (balance = BALANCE_ORDER; balance <= BALANCE_EVEN; balance++) {
        moment back = 1000000 * (moment)(1 + balance);

        wish.balance = balance;
        tally(counts, 3, back);
        pick_learn(&pick, &three.addresses[0], false, back);
        pick_learn(&pick, &three.addresses[0], true, back);
        for (i = 0, before = 0; i <= 4; i++) {
            tally(counts, 640, back + (moment)i * 16000);
            cr_assert_gt(counts[0], before, "balance %d, after %u: %u", (int)balance, i, counts[0]);
            before = counts[0];
            if (i == 0)
                cr_assert_lt(counts[0], 20);
        }
        cr_assert_geq(counts[0], 212);
    }
}

Test(pick, forgets_what_nobody_uses_when_there_are_too_many)
{
    struct candidates many = {.count = 1};
    char text[32];
    uint32_t i;

    for (i = 0; i < 4 * PICK_PLACES_MAX; i++) {
        snprintf(text, sizeof(text), "198.51.%u.%u", i / 200, i % 200);
        must(address_literal(span_of_string(text), 25, &many.addresses[0]));
        many.tried = 0;
        cr_assert_eq(pick_choose(&pick, &many, &wish, true, 0), 0);
        if (i % 2 == 0)
            pick_leave(&pick, &many.addresses[0]);
    }
}

/* The names of a relay have had so many addresses that all places are taken, and now give the one
 * that was used the longest ago, or the next, and one that is new. */
static void fill_places(uint32_t known_at)
{
    struct candidates one = {.count = 1};
    uint32_t i;

    for (i = 0; i < PICK_PLACES_MAX; i++) {
        must(address_literal(SPAN("192.0.2.2"), (uint16_t)(1000 + i), &one.addresses[0]));
        cr_assert_eq(pick_choose(&pick, &one, &wish, true, 0), 0);
        pick_leave(&pick, &one.addresses[0]);
    }
    three.count = 2;
    must(address_literal(SPAN("192.0.2.2"), 1000, &three.addresses[known_at]));
    must(address_literal(SPAN("192.0.2.3"), 25, &three.addresses[1 - known_at]));
}

static uint32_t open_connections(void)
{
    uint32_t open = 0, i;

    for (i = 0; i < PICK_PLACES_MAX; i++)
        open += pick.places[i].open;
    return open;
}

Test(pick, has_a_place_for_each_candidate)
{
    static const enum config_balance balances[] = {BALANCE_EVEN, BALANCE_LEAST};
    uint32_t which, known_at, counts[3];

    for (which = 0; which < 2; which++) {
        for (known_at = 0; known_at < 2; known_at++) {
            teardown();
            setup();
            wish.balance = balances[which];
            fill_places(known_at);
            tally(counts, 100, 1);
            cr_assert_eq(counts[0], 50, "balance %u: %u", which, counts[0]);
            cr_assert_eq(open_connections(), 0);
        }
    }
}

/* It was there before, and failed: that is not forgotten for a new one beside it. */
Test(pick, knows_a_candidate_that_was_used_the_longest_ago)
{
    fill_places(1);
    pick_learn(&pick, &three.addresses[1], false, 0);
    cr_assert_eq(choose(1), 0);
    cr_assert_eq(pick_resting(&pick, 1, &pick.failures), 1);
}

/* Two names of a relay may have an address in common. */
Test(pick, counts_an_address_once_that_is_there_twice)
{
    three.addresses[2] = three.addresses[0];
    wish.balance = BALANCE_LEAST;
    cr_assert_eq(choose(0), 0);
    cr_assert_eq(choose(0), 1);
    pick_leave(&pick, &three.addresses[0]);
    cr_assert_neq(choose(0), 1);
    cr_assert_eq(open_connections(), 2);
}
