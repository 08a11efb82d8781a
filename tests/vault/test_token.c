#include <criterion/criterion.h>

#include "vault/token.h"

#define SECOND ((moment)1000)
#define HOUR (3600 * SECOND)
/* When all of it happens. */
#define START ((moment)1750000000 * SECOND)

static struct token token_made(bool renewable)
{
    struct token token;

    token_init(&token, SPAN("scanner"), renewable);
    return token;
}

static struct token token_of(moment life)
{
    struct token token = token_made(true);

    token_asked(&token);
    token_came(&token, START, life);
    return token;
}

Test(token, nothing_to_show_needs_a_login_and_asks_nothing)
{
    struct token token = token_made(false);

    cr_assert_eq(token_state(&token, START), TOKEN_LOGIN);
    cr_assert_eq(token_due(&token, START), MOMENT_NEVER);
    token_known(&token, START, 0, true);
    cr_assert_eq(token_state(&token, START), TOKEN_WAITING);
    cr_assert_eq(token_due(&token, START), START);
    token_asked(&token);
    cr_assert_eq(token_due(&token, START + HOUR), MOMENT_NEVER, "one request at a time");
}

struct life_row {
    moment life;
    moment renewal_least, renewal_most; /* after it came */
    moment usable;                      /* so long */
};

Test(token, is_renewed_in_time_whatever_its_life)
{
    static const struct life_row rows[] = {
        {1, TOKEN_PACE_MS, TOKEN_PACE_MS, 1},
        {10 * SECOND, 6562, 7500, 9 * SECOND},
        {300 * SECOND, 196875, 225 * SECOND, 270 * SECOND},
        {HOUR, 2362500, 2700 * SECOND, HOUR - 30 * SECOND},
        {24 * HOUR, 56700 * SECOND, 18 * HOUR, 24 * HOUR - 30 * SECOND},
        {90 * 24 * HOUR, 21 * HOUR, 24 * HOUR, 90 * 24 * HOUR - 30 * SECOND},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct token token = token_of(rows[i].life);
        moment wait = token_due(&token, START) - START;

        cr_assert(wait >= rows[i].renewal_least && wait <= rows[i].renewal_most, "row %zu: %lld", i,
                  (long long)wait);
        cr_assert_eq(token_state(&token, START + rows[i].usable - 1), TOKEN_USABLE, "row %zu", i);
        cr_assert_eq(token_state(&token, START + rows[i].usable), TOKEN_WAITING, "row %zu", i);
    }
}

Test(token, names_do_not_all_ask_at_once)
{
    static const char *const names[] = {"a", "b", "printer-1", "printer-2"};
    moment seen[4];
    size_t i, j;

    for (i = 0; i < 4; i++) {
        struct token token;

        token_init(&token, span_of_string(names[i]), true);
        token_came(&token, START, HOUR);
        seen[i] = token_due(&token, START);
        for (j = 0; j < i; j++)
            cr_assert_neq(seen[i], seen[j]);
    }
}

struct failure_row {
    enum token_failure failure;
    moment put_off;
    moment least, most; /* until it is tried again */
    enum token_state state;
};

/* In a row, one after the other. */
Test(token, failures_wait_longer_and_longer_and_never_for_ever)
{
    static const struct failure_row rows[] = {
        {TOKEN_AWAY, 0, 875, 1000, TOKEN_WAITING},
        {TOKEN_AWAY, 0, 1750, 2000, TOKEN_WAITING},
        {TOKEN_AWAY, 500, 3500, 4000, TOKEN_WAITING},
        {TOKEN_AWAY, 30 * SECOND, 30 * SECOND, 30 * SECOND, TOKEN_WAITING},
        {TOKEN_AWAY, 0, 14 * SECOND, 16 * SECOND, TOKEN_WAITING},
        {TOKEN_AWAY, 9 * HOUR, TOKEN_HOPE_MS, TOKEN_HOPE_MS, TOKEN_WAITING},
        {TOKEN_AWAY, 0, 56 * SECOND, 64 * SECOND, TOKEN_WAITING},
        {TOKEN_AWAY, 0, 105 * SECOND, 120 * SECOND, TOKEN_WAITING},
        {TOKEN_AWAY, 0, 105 * SECOND, 120 * SECOND, TOKEN_WAITING},
        {TOKEN_BARRED, 0, TOKEN_HOPE_MS, TOKEN_HOPE_MS, TOKEN_LOGIN},
        /* That the endpoint is away now does not undo what it said. */
        {TOKEN_AWAY, 0, 105 * SECOND, TOKEN_HOPE_MS, TOKEN_LOGIN},
    };
    struct token token = token_made(true);
    moment now = START;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        moment wait;

        token_asked(&token);
        token_failed(&token, now, rows[i].failure, rows[i].put_off);
        wait = token_due(&token, now) - now;
        cr_assert(wait >= rows[i].least && wait <= rows[i].most, "row %zu: %lld", i,
                  (long long)wait);
        cr_assert_eq(token_state(&token, now), rows[i].state, "row %zu", i);
        now += wait;
    }
    for (i = 0; i < 100; i++)
        token_failed(&token, now, TOKEN_AWAY, 0);
    cr_assert_leq(token_due(&token, now) - now, TOKEN_HOPE_MS);
    token_asked(&token);
    token_came(&token, now, HOUR);
    cr_assert_eq(token_state(&token, now), TOKEN_USABLE);
    token_asked(&token);
    token_failed(&token, now, TOKEN_AWAY, 0);
    cr_assert_leq(token_due(&token, now) - now, 1000, "success forgets what was before");
}

Test(token, one_that_lives_is_used_while_the_next_is_out_of_reach)
{
    struct token token = token_of(HOUR);
    moment now = token_due(&token, START);

    for (; now < START + HOUR - TOKEN_MARGIN_MS; now = token_due(&token, now)) {
        cr_assert_eq(token_state(&token, now), TOKEN_USABLE);
        token_asked(&token);
        cr_assert_eq(token_state(&token, now), TOKEN_USABLE);
        token_failed(&token, now, token.failures < 3 ? TOKEN_AWAY : TOKEN_BARRED, 0);
    }
    cr_assert_eq(token_state(&token, now), TOKEN_LOGIN);
}

Test(token, a_login_ends_what_a_person_had_to_act_on)
{
    struct token token = token_made(true);

    token_asked(&token);
    token_failed(&token, START, TOKEN_BARRED, 0);
    cr_assert_eq(token_state(&token, START), TOKEN_LOGIN);
    token_known(&token, START, START + HOUR, true);
    cr_assert_eq(token_state(&token, START), TOKEN_USABLE);
    cr_assert_eq(token_state(&token, START + HOUR), TOKEN_WAITING);
}

Test(token, a_refusal_fetches_one_other_and_not_one_each_time)
{
    struct token token = token_of(HOUR);
    moment now = START + 60 * SECOND;

    cr_assert(token_refused(&token, now));
    cr_assert_eq(token_state(&token, now), TOKEN_WAITING);
    cr_assert_eq(token_due(&token, now), now);
    token_asked(&token);
    token_came(&token, now, HOUR);
    cr_assert_not(token_refused(&token, now + SECOND), "the other one is refused too");
    cr_assert_eq(token_state(&token, now + SECOND), TOKEN_USABLE);
    cr_assert(token_refused(&token, now + TOKEN_REFUSED_MS));
    token = token_made(false);
    cr_assert_not(token_refused(&token, now), "there is nothing to fetch another with");
}

Test(token, a_clock_that_is_put_back_stops_nothing)
{
    struct token token = token_of(HOUR);
    moment before = START - 1000 * HOUR;

    cr_assert_gt(token_due(&token, START - SECOND), START, "a little is nothing");
    cr_assert_eq(token_due(&token, before), before);
    token_asked(&token);
    token_failed(&token, START, TOKEN_AWAY, 0);
    cr_assert_eq(token_due(&token, before), before);
    cr_assert(token_refused(&token, START));
    cr_assert(token_refused(&token, before));
}
