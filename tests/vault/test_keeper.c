#include <criterion/criterion.h>
#include <stdatomic.h>

#include "vault/keeper.h"

static void say(void *data, enum vault_weight weight, struct span line)
{
    (void)data;
    (void)weight;
    (void)line;
}

static const struct vault_user user = {.say = say};

struct count {
    struct job job;
    atomic_int *runs;
    int at; /* which run it was */
};

static void count_run(struct job *job)
{
    struct count *count = (struct count *)job;

    count->at = atomic_fetch_add(count->runs, 1);
}

Test(keeper, does_jobs_in_their_order_before_it_ends)
{
    static struct count counts[100];
    struct keeper keeper;
    atomic_int runs = 0;
    int i;

    cr_assert_eq(keeper_open(&keeper, &user), 0);
    for (i = 0; i < 100; i++) {
        counts[i] = (struct count){.job.run = count_run, .runs = &runs};
        keeper_post(&keeper, &counts[i].job);
    }
    keeper_close(&keeper);
    cr_assert_eq(runs, 100);
    for (i = 0; i < 100; i++)
        cr_expect_eq(counts[i].at, i);
}

/* A guest with a handle that would keep the loop alive for an hour. */
struct sleeper {
    struct job job;
    struct guest guest;
    struct keeper *keeper;
    uv_timer_t timer;
    bool ended;
};

static void sleeper_end(struct guest *guest)
{
    struct sleeper *sleeper = (struct sleeper *)((char *)guest - offsetof(struct sleeper, guest));

    sleeper->ended = true;
    uv_close((uv_handle_t *)&sleeper->timer, NULL);
}

static void sleeper_due(uv_timer_t *timer)
{
    (void)timer;
}

static void sleeper_run(struct job *job)
{
    struct sleeper *sleeper = (struct sleeper *)job;

    sleeper->guest.end = sleeper_end;
    keeper_join(sleeper->keeper, &sleeper->guest);
    uv_timer_init(&sleeper->keeper->uv, &sleeper->timer);
    uv_timer_start(&sleeper->timer, sleeper_due, 3600000, 0);
}

Test(keeper, ends_its_guests, .timeout = 20)
{
    static struct sleeper sleepers[3];
    struct keeper keeper;
    int i;

    cr_assert_eq(keeper_open(&keeper, &user), 0);
    for (i = 0; i < 3; i++) {
        sleepers[i].job.run = sleeper_run;
        sleepers[i].keeper = &keeper;
        keeper_post(&keeper, &sleepers[i].job);
    }
    keeper_close(&keeper);
    for (i = 0; i < 3; i++)
        cr_expect(sleepers[i].ended);
}
