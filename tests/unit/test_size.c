#include <criterion/criterion.h>

#include "lockstep/engine/engine.h"
#include "lockstep/record/record.h"
#include "lockstep/smtp/command.h"
#include "lockstep/smtp/reply.h"

/* There is one engine per session, idle or not: what it grows by, every session grows by. */
Test(size, an_engine_stays_small)
{
    struct policy policy;

    policy_default(&policy);
    cr_assert_leq(engine_size(&policy), 896);
}

/* These are made and copied for every line. */
Test(size, values_stay_small)
{
    cr_assert_leq(sizeof(struct command), 64);
    cr_assert_leq(sizeof(struct reply), 96);
    cr_assert_leq(sizeof(struct record), 96);
    cr_assert_leq(sizeof(struct event), 80);
    cr_assert_leq(sizeof(struct effect), 168);
}
