/* Who may begin when, by a clock of the test's own. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "net/gate.h"

#define CROWD 300U

static struct gate relay, client;
static struct waiter crowd[CROWD];

static void arrive(uint32_t number, struct gate *at_client, moment now, moment until)
{
    crowd[number] = (struct waiter){.gates = {at_client, &relay}, .until = until};
    gate_arrive(&crowd[number], now);
}

/* Lets all go whose time has come by then, in turn; returns how many, and checks their order. */
static uint32_t run(moment *now, moment until, uint32_t next)
{
    uint32_t begun = 0;
    struct waiter *waiter;
    moment due;
    bool passed;

    while ((due = gate_due(&relay, *now)) <= until) {
        *now = due > *now ? due : *now;
        waiter = gate_next(&relay, *now, &passed);
        if (waiter == NULL)
            continue;
        cr_assert(passed);
        cr_assert_eq(waiter, &crowd[next + begun], "not the one who came first");
        begun++;
    }
    return begun;
}

Test(gate, serves_who_came_first)
{
    moment now = 0;
    uint32_t begun = 0, i;

    relay.rates.messages = (struct rate){10, 60000};
    for (i = 0; i < CROWD; i++) {
        arrive(i, NULL, (moment)i, MOMENT_NEVER);
        begun += crowd[i].step == GATES;
    }
    cr_assert_eq(begun, 10);
    now = CROWD;
    for (i = 1; i <= 25; i++) {
        uint32_t more = run(&now, (moment)i * 60000, begun);

        cr_assert_leq(more, 10, "minute %u: %u", i, more);
        begun += more;
        now = (moment)i * 60000;
    }
    cr_assert_geq(begun, 10 + 24 * 9);
}

Test(gate, lets_nobody_overtake)
{
    bool passed;

    relay.rates.messages = (struct rate){1, 1000};
    arrive(0, NULL, 0, MOMENT_NEVER);
    arrive(1, NULL, 1, MOMENT_NEVER);
    cr_assert(crowd[1].waits);
    /* There would be room by now, but somebody stands there. */
    arrive(2, NULL, 5000, MOMENT_NEVER);
    cr_assert(crowd[2].waits);
    cr_assert_eq(gate_next(&relay, 5000, &passed), &crowd[1]);
    cr_assert(passed);
    cr_assert_null(gate_next(&relay, 5000, &passed));
}

Test(gate, gives_the_place_of_who_leaves_to_others)
{
    bool passed;
    uint32_t i;

    relay.rates.messages = (struct rate){1, 1000};
    for (i = 0; i < 4; i++)
        arrive(i, NULL, 0, MOMENT_NEVER);
    gate_leave(&crowd[1]);
    gate_leave(&crowd[1]);
    cr_assert_eq(relay.waiting, 2);
    cr_assert_eq(gate_next(&relay, 2000, &passed), &crowd[2]);
    gate_leave(&crowd[3]);
    cr_assert_eq(gate_due(&relay, 2000), MOMENT_NEVER);
    cr_assert_eq(relay.waiting, 0);
    cr_assert(gate_idle(&relay, 9000));
}

Test(gate, sends_away_who_has_waited_too_long)
{
    bool passed = true;

    relay.rates.messages = (struct rate){1, 60000};
    arrive(0, NULL, 0, 10);
    arrive(1, NULL, 0, 5000);
    arrive(2, NULL, 0, 4000);
    cr_assert_eq(gate_due(&relay, 0), 4000);
    cr_assert_null(gate_next(&relay, 3999, &passed));
    cr_assert_eq(gate_next(&relay, 4000, &passed), &crowd[2]);
    cr_assert_not(passed);
    cr_assert_eq(gate_next(&relay, 5000, &passed), &crowd[1]);
    cr_assert_not(passed);
}

Test(gate, holds_a_client_without_holding_others)
{
    bool passed;

    relay.rates.messages = (struct rate){100, 1000};
    client.rates.messages = (struct rate){1, 1000};
    arrive(0, &client, 0, MOMENT_NEVER);
    arrive(1, &client, 0, MOMENT_NEVER);
    arrive(2, NULL, 0, MOMENT_NEVER);
    cr_assert_eq(crowd[0].step, GATES);
    cr_assert(crowd[1].waits);
    cr_assert_eq(crowd[2].step, GATES);
    cr_assert_eq(gate_next(&client, 2000, &passed), &crowd[1]);
    cr_assert(passed);
}

Test(gate, goes_from_one_queue_to_the_other)
{
    bool passed;

    relay.rates.messages = (struct rate){1, 10000};
    client.rates.messages = (struct rate){1, 1000};
    arrive(0, &client, 0, MOMENT_NEVER);
    arrive(1, &client, 0, MOMENT_NEVER);
    cr_assert_null(gate_next(&client, 2000, &passed));
    cr_assert_eq(crowd[1].step, 1);
    cr_assert_eq(client.waiting, 0);
    cr_assert_eq(relay.waiting, 1);
    cr_assert_eq(gate_next(&relay, 11000, &passed), &crowd[1]);
    cr_assert(passed);
}

Test(gate, waits_for_what_the_last_message_brought)
{
    relay.rates.recipients = (struct rate){10, 1000};
    relay.rates.bytes = (struct rate){1000, 60000};
    arrive(0, NULL, 0, MOMENT_NEVER);
    cr_assert_eq(crowd[0].step, GATES);
    gate_count(&relay, 0, 10, 100, 0);
    arrive(1, NULL, 0, MOMENT_NEVER);
    cr_assert(crowd[1].waits);
    cr_assert_lt(gate_due(&relay, 0), 2000);
    gate_count(&relay, 0, 0, 5000, 0);
    cr_assert_gt(gate_due(&relay, 0), 4 * 60000);
}

Test(gate, gives_a_relay_rest_that_asks_for_it)
{
    relay.rates.messages = (struct rate){100, 1000};
    gate_shut(&relay, 0);
    gate_shut(&relay, 10);
    arrive(0, NULL, 20, MOMENT_NEVER);
    cr_assert(crowd[0].waits);
    cr_assert_eq(gate_due(&relay, 20), GATE_REST_MIN_MS);
    gate_shut(&relay, GATE_REST_MIN_MS);
    cr_assert_eq(gate_due(&relay, GATE_REST_MIN_MS), 3 * GATE_REST_MIN_MS);
    gate_open(&relay);
    gate_shut(&relay, 100000);
    cr_assert_eq(gate_due(&relay, 100000), 100000 + GATE_REST_MIN_MS);
}

/* In whatever order their times are over, and whoever leaves meanwhile. */
Test(gate, sends_each_away_when_its_own_time_is_over)
{
    moment last = 0;
    uint32_t seen = 0, i;
    struct waiter *waiter;
    bool passed;

    relay.rates.messages = (struct rate){1, 3600000};
    gate_count(&relay, 1, 0, 0, 0);
    for (i = 0; i < CROWD; i++)
        arrive(i, NULL, 0, 1 + (moment)(i * 7919U % 1009U));
    for (i = 0; i < CROWD; i += 3)
        gate_leave(&crowd[i * 7U % CROWD]);
    while ((waiter = gate_next(&relay, last, &passed)) != NULL || relay.waiting > 0) {
        if (waiter == NULL) {
            cr_assert_gt(gate_due(&relay, last), last);
            last = gate_due(&relay, last);
            continue;
        }
        cr_assert_not(passed);
        cr_assert_eq(waiter->until, last, "it is over at %ld, not at %ld", (long)waiter->until,
                     (long)last);
        seen++;
        if (seen == 20) /* those that come later may be the next to go */
            arrive(0, NULL, last, last + 1);
    }
    cr_assert_eq(seen, CROWD - CROWD / 3 + 1);
    cr_assert_eq(gate_due(&relay, last), MOMENT_NEVER);
}

/* Each hears when it may come again, behind all that wait: work that grows with their square would
 * hold the lock, and with it all other clients, for a minute. */
Test(gate, sends_a_whole_queue_away_in_little_time, .timeout = 10)
{
    struct waiter *all = calloc(GATE_WAITING_MAX, sizeof(*all));
    uint32_t i;

    relay.rates.messages = (struct rate){1, 60000};
    gate_count(&relay, 1, 0, 0, 0);
    for (i = 0; i < GATE_WAITING_MAX; i++) {
        all[i] = (struct waiter){.gates = {NULL, &relay}, .until = 1000 + i % 2};
        cr_assert_not(gate_arrive(&all[i], 0));
    }
    cr_assert_eq(relay.waiting, GATE_WAITING_MAX);
    for (i = 0; i < GATE_WAITING_MAX; i++) {
        bool passed;

        cr_assert_leq(gate_due(&relay, 2000), 2000);
        cr_assert_eq(gate_next(&relay, 2000, &passed)->until,
                     i < GATE_WAITING_MAX / 2 ? 1000 : 1001);
        cr_assert_gt(gate_when(&relay, relay.waiting, 2000), 60000 * (moment)relay.waiting);
    }
    cr_assert_eq(relay.waiting, 0);
    free(all);
}

Test(gate, remembers_a_relay_that_messages_come_to)
{
    bool passed;

    client.rates.messages = (struct rate){1, 1000};
    arrive(0, &client, 0, MOMENT_NEVER);
    cr_assert(gate_idle(&relay, 0));
    arrive(1, &client, 0, MOMENT_NEVER);
    cr_assert_not(gate_idle(&relay, 0),
                  "a message waits at its client's gate, and then comes here");
    cr_assert_eq(gate_next(&client, 2000, &passed), &crowd[1]);
    cr_assert(gate_idle(&relay, 2000));
    gate_shut(&relay, 2000);
    cr_assert_not(gate_idle(&relay, 2000 + GATE_REST_MIN_MS), "the next rest is a longer one");
    cr_assert(gate_idle(&relay, 2000 + GATE_REST_MIN_MS + GATE_REST_KNOWN_MS));
}
