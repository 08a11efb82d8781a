#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/engine/engine.h"

/* When a block is lent for a message that may have to be said again, and when it is given back. */

#define BLOCKS 8U

static struct policy policy;
static struct lender lender;
static struct engine *engine;
static char heard[SIDE_COUNT][4096];
static char large[BLOCK_SIZE];

static void set_up(void)
{
    policy_default(&policy);
    pool_init(&lender.pool, malloc(BLOCKS * BLOCK_SIZE), BLOCKS);
    lender.outboxes[SIDE_CLIENT].scratch = malloc(SCRATCH_SEND_BYTES);
    lender.outboxes[SIDE_UPSTREAM].scratch = malloc(SCRATCH_SEND_BYTES);
    memset(large, 'x', sizeof(large));
    memcpy(large, "\r\n", 2);
}

static void tear_down(void)
{
    engine_close(engine);
    cr_assert_eq(lender.pool.lent, 0);
    free(engine);
    free(lender.pool.memory);
    free(lender.outboxes[SIDE_CLIENT].scratch);
    free(lender.outboxes[SIDE_UPSTREAM].scratch);
}

TestSuite(keep, .init = set_up, .fini = tear_down);

/* What is sent has left at once. */
static void happen(enum event_kind kind, enum side side, struct span bytes)
{
    struct event event = {.kind = kind, .side = side, .bytes = bytes};
    size_t sent[SIDE_COUNT] = {0};
    struct effect effect;
    uint32_t i;

    memset(heard, 0, sizeof(heard));
    engine_step(engine, &event);
    while (engine_take(engine, &effect)) {
        for (i = 0; effect.kind == EFFECT_SEND && i < effect.piece_count; i++) {
            struct span piece = effect.pieces[i];
            size_t room = sizeof(heard[0]) - 1 - strlen(heard[effect.side]);

            strncat(heard[effect.side], piece.at, piece.size < room ? piece.size : room);
            sent[effect.side] += piece.size;
        }
    }
    for (i = 0; i < SIDE_COUNT; i++) {
        event = (struct event){.kind = EVENT_SENT, .side = (enum side)i, .count = sent[i]};
        if (sent[i] > 0)
            engine_step(engine, &event);
    }
}

static void say(enum side side, const char *bytes)
{
    happen(EVENT_BYTES, side, span_of_string(bytes));
}

static void greet(void)
{
    happen(EVENT_OPENED, SIDE_UPSTREAM, SPAN(""));
    say(SIDE_UPSTREAM, "220 up.example\r\n");
}

static void take_envelope(void)
{
    say(SIDE_UPSTREAM, "250 up.example\r\n");
    say(SIDE_UPSTREAM, "250 ok\r\n");
    say(SIDE_UPSTREAM, "250 ok\r\n");
    say(SIDE_UPSTREAM, "354 go on\r\n");
}

/* Up to a message, its ledger's block being the only one that is lent. */
static void begin(void)
{
    engine = engine_init(malloc(engine_size(&policy)), &policy, &lender, 1, 0);
    happen(EVENT_OPENED, SIDE_CLIENT, SPAN(""));
    greet();
    say(SIDE_CLIENT, "EHLO c.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@b>\r\nDATA\r\n");
    take_envelope();
    cr_assert_str_eq(heard[SIDE_CLIENT], "354 go on\r\n");
}

static void lose(void)
{
    happen(EVENT_FAILED, SIDE_UPSTREAM, SPAN("reset"));
}

Test(keep, a_block_is_lent_from_the_first_part_to_the_dot)
{
    begin();
    cr_assert_eq(lender.pool.lent, 1);
    say(SIDE_CLIENT, "one\r\n");
    cr_assert_eq(lender.pool.lent, 2);
    say(SIDE_CLIENT, "two\r\n");
    cr_assert_eq(lender.pool.lent, 2);
    say(SIDE_CLIENT, ".\r\n");
    cr_assert_eq(lender.pool.lent, 1);
    say(SIDE_UPSTREAM, "250 queued\r\n");
    cr_assert_eq(lender.pool.lent, 0);
}

Test(keep, a_message_that_comes_whole_takes_none)
{
    begin();
    say(SIDE_CLIENT, "one\r\ntwo\r\n.\r\n");
    cr_assert_eq(lender.pool.lent, 1);
    cr_assert_eq(lender.pool.fresh, 1);
}

Test(keep, one_that_outgrows_its_block_gives_it_back_at_once)
{
    begin();
    say(SIDE_CLIENT, "one");
    cr_assert_eq(lender.pool.lent, 2);
    happen(EVENT_BYTES, SIDE_CLIENT, span_of(large, sizeof(large)));
    cr_assert_eq(lender.pool.lent, 1);
    say(SIDE_CLIENT, "and more");
    cr_assert_eq(lender.pool.lent, 1);
    lose();
    say(SIDE_CLIENT, "\r\n.\r\n");
    cr_assert(strncmp(heard[SIDE_CLIENT], "451 4.4.2 ", 10) == 0, "%s", heard[SIDE_CLIENT]);
}

Test(keep, a_lost_message_keeps_its_block_until_it_is_put_again)
{
    begin();
    say(SIDE_CLIENT, "one");
    lose();
    cr_assert_eq(lender.pool.lent, 2);
    say(SIDE_CLIENT, "\r\n..two\r\n");
    cr_assert_eq(lender.pool.lent, 3);
    greet();
    take_envelope();
    cr_assert_str_eq(heard[SIDE_UPSTREAM], "one\r\n..two");
    cr_assert_eq(lender.pool.lent, 2);
    say(SIDE_CLIENT, ".\r\n");
    cr_assert_str_eq(heard[SIDE_UPSTREAM], "\r\n.\r\n");
    cr_assert_eq(lender.pool.lent, 1);
}

Test(keep, a_message_that_fails_gives_it_back)
{
    begin();
    say(SIDE_CLIENT, "one");
    say(SIDE_UPSTREAM, "552 5.3.4 too large\r\n");
    cr_assert_leq(lender.pool.lent, 1);
}

/* Whoever needs a block to be read at all goes first. */
Test(keep, half_of_the_pool_is_left_to_others)
{
    uint32_t i;

    begin();
    for (i = 1; i < BLOCKS / 2; i++)
        pool_lend(&lender.pool);
    say(SIDE_CLIENT, "one");
    cr_assert_eq(lender.pool.lent, BLOCKS / 2);
    lender.pool.lent = 1;
    say(SIDE_CLIENT, "two"); /* its start is lost for good */
    cr_assert_eq(lender.pool.lent, 1);
    lose();
    say(SIDE_CLIENT, "\r\n.\r\n");
    cr_assert(strncmp(heard[SIDE_CLIENT], "451 4.4.2 ", 10) == 0, "%s", heard[SIDE_CLIENT]);
}

Test(keep, nothing_is_lent_where_nothing_would_be_said_again)
{
    policy.repairs &= ~REPAIR_BIT(REPAIR_REPLAY_ENVELOPE);
    begin();
    say(SIDE_CLIENT, "one");
    cr_assert_eq(lender.pool.lent, 0);
}

Test(keep, nothing_is_lent_by_who_only_observes)
{
    policy.mode = MODE_OBSERVE;
    begin();
    say(SIDE_CLIENT, "one two"); /* no field's front, which would wait for its end */
    cr_assert_eq(lender.pool.lent, 0);
}
