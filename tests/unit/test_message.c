#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/engine/engine.h"

/* What depends on which bytes came in one read can't be a scenario: those are cut in every way. */

static struct policy policy;
static struct lender lender;
static struct engine *engine;
static char heard[SIDE_COUNT][4096];

static void set_up(void)
{
    policy_default(&policy);
    pool_init(&lender.pool, malloc(8 * BLOCK_SIZE), 8);
    lender.outboxes[SIDE_CLIENT].scratch = malloc(SCRATCH_SEND_BYTES);
    lender.outboxes[SIDE_UPSTREAM].scratch = malloc(SCRATCH_SEND_BYTES);
    engine = engine_init(malloc(engine_size(&policy)), &policy, &lender, 1, 0);
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

TestSuite(message, .init = set_up, .fini = tear_down);

static void happen(enum event_kind kind, enum side side, const char *bytes)
{
    struct event event = {.kind = kind, .side = side, .bytes = span_of_string(bytes)};
    struct effect effect;
    uint32_t i;

    memset(heard, 0, sizeof(heard));
    engine_step(engine, &event);
    while (engine_take(engine, &effect)) {
        for (i = 0; effect.kind == EFFECT_SEND && i < effect.piece_count; i++)
            strncat(heard[effect.side], effect.pieces[i].at, effect.pieces[i].size);
    }
}

static void say(enum side side, const char *bytes)
{
    happen(EVENT_BYTES, side, bytes);
}

/* Up to a message that lies ready behind DATA, which is not answered yet. */
static void type_ahead(const char *last)
{
    happen(EVENT_OPENED, SIDE_CLIENT, "");
    happen(EVENT_OPENED, SIDE_UPSTREAM, "");
    say(SIDE_UPSTREAM, "220 up.example ESMTP\r\n");
    say(SIDE_CLIENT, "EHLO c.example\r\n");
    say(SIDE_UPSTREAM, "250 up.example\r\n");
    say(SIDE_CLIENT, "MAIL FROM:<a@b.example>\r\n");
    say(SIDE_UPSTREAM, "250 ok\r\n");
    say(SIDE_CLIENT, "RCPT TO:<c@d.example>\r\n");
    say(SIDE_UPSTREAM, "250 ok\r\n");
    say(SIDE_CLIENT, last);
}

Test(message, is_not_accepted_by_a_reply_that_came_before_its_dot)
{
    type_ahead("DATA\r\nSubject: x\r\n.\r\n");
    say(SIDE_UPSTREAM, "354 go on\r\n250 2.0.0 queued\r\n");
    cr_assert_str_eq(heard[SIDE_UPSTREAM], "");
    cr_assert_str_eq(heard[SIDE_CLIENT],
                     "354 go on\r\n"
                     "451 4.3.0 The relay answered before the message had ended\r\n");
}

Test(message, is_not_accepted_by_a_reply_that_began_before_its_dot)
{
    type_ahead("DATA\r\nSubject: x\r\n.\r\n");
    say(SIDE_UPSTREAM, "354 go on\r\n25");
    cr_assert_str_eq(heard[SIDE_CLIENT],
                     "354 go on\r\n"
                     "451 4.3.0 The relay answered before the message had ended\r\n");
}

Test(message, of_chunks_is_not_accepted_by_a_reply_that_came_before_its_dot)
{
    type_ahead("BDAT 3 LAST\r\nx\r\n");
    cr_assert_str_eq(heard[SIDE_UPSTREAM], "DATA\r\n");
    say(SIDE_UPSTREAM, "354 go on\r\n25");
    cr_assert_str_eq(heard[SIDE_CLIENT],
                     "451 4.3.0 The relay answered before the message had ended\r\n");
}

Test(message, refused_early_is_answered_with_the_refusal)
{
    type_ahead("DATA\r\nSubject: x\r\n.\r\n");
    say(SIDE_UPSTREAM, "354 go on\r\n552 5.3.4 too big\r\n");
    cr_assert_str_eq(heard[SIDE_CLIENT], "354 go on\r\n552 5.3.4 too big\r\n");
}
