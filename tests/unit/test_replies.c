#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/engine/engine.h"

/* What stands in the record when a reply is made anew on its way to the client; the scenarios see
 * what is said, and count a secret's bytes only where the record has it as one. */

#define SECRET "AGpvZQBzZXNhbWUtc3RyZWV0"

static struct policy policy;
static struct lender lender;
static struct engine *engine;
static char heard[65536], record[262144];

static void set_up(void)
{
    policy_default(&policy);
    policy.record = true;
    pool_init(&lender.pool, malloc(8 * BLOCK_SIZE), 8);
    lender.outboxes[SIDE_CLIENT].scratch = malloc(SCRATCH_SEND_BYTES);
    lender.outboxes[SIDE_UPSTREAM].scratch = malloc(SCRATCH_SEND_BYTES);
    lender.record_scratch = malloc(SCRATCH_RECORD_BYTES);
    heard[0] = record[0] = '\0';
}

static void tear_down(void)
{
    engine_close(engine);
    free(engine);
    free(lender.pool.memory);
    free(lender.outboxes[SIDE_CLIENT].scratch);
    free(lender.outboxes[SIDE_UPSTREAM].scratch);
    free(lender.record_scratch);
}

TestSuite(replies, .init = set_up, .fini = tear_down);

static void keep(char *all, size_t room, struct span more)
{
    size_t size = strlen(all);

    cr_assert_lt(size + more.size, room);
    memcpy(all + size, more.at, more.size);
    all[size + more.size] = '\0';
}

static void happen(enum event_kind kind, enum side side, const char *bytes)
{
    struct event event = {.kind = kind, .side = side, .bytes = span_of_string(bytes)};
    struct effect effect;
    uint32_t i;

    engine_step(engine, &event);
    while (engine_take(engine, &effect)) {
        for (i = 0; effect.kind == EFFECT_SEND && i < effect.piece_count; i++) {
            if (effect.side == SIDE_CLIENT)
                keep(heard, sizeof(heard), effect.pieces[i]);
        }
        if (effect.kind == EFFECT_RECORD)
            keep(record, sizeof(record), effect.pieces[0]);
    }
}

static void say(enum side side, const char *bytes)
{
    happen(EVENT_BYTES, side, bytes);
}

/* A session in which AUTH with the secret is under way. */
static void log_in(void)
{
    engine = engine_init(malloc(engine_size(&policy)), &policy, &lender, 1, 0);
    happen(EVENT_OPENED, SIDE_CLIENT, "");
    happen(EVENT_OPENED, SIDE_UPSTREAM, "");
    say(SIDE_UPSTREAM, "220 up.example ESMTP\r\n");
    say(SIDE_CLIENT, "EHLO c.example\r\n");
    say(SIDE_UPSTREAM, "250-up.example\r\n250 AUTH PLAIN\r\n");
    say(SIDE_CLIENT, "AUTH PLAIN " SECRET "\r\n");
    heard[0] = '\0';
}

static void must_hear_and_not_record(const char *part)
{
    cr_assert(strstr(heard, part), "heard %s", heard);
    cr_assert_not(strstr(record, part), "recorded %s", record);
    cr_assert(strstr(record, "C< 535 [secret "), "recorded %s", record);
}

Test(replies, that_are_cut_quote_no_credential_in_the_record)
{
    char reply[700];

    /* Made one line, it is cut in the middle of the credential. */
    snprintf(reply, sizeof(reply), "535-5.7.8 %0475d\r\n535 5.7.8 wrong: " SECRET "\r\n", 0);
    policy.repairs |= REPAIR_BIT(REPAIR_FLAT_REPLIES);
    log_in();
    say(SIDE_UPSTREAM, reply);
    must_hear_and_not_record("wrong: AGpvZQBz");
}

/* As long as a reply may be, and every line of it something to do: nothing is lost, or the session
 * ends; nothing grows beyond its room. */
Test(replies, of_16_kib_are_mended_or_not_read)
{
    static char reply[LIMIT_REPLY_BYTES_MAX + 1];
    size_t size = 0;

    policy.repairs =
        UINT64_MAX & ~REPAIR_BIT(REPAIR_REPLAY_ENVELOPE) & ~REPAIR_BIT(REPAIR_LOCAL_NOOP);
    policy.rewrite.codes = SPAN("535=454");
    log_in();
    while (size + 20 < LIMIT_REPLY_BYTES_MAX)
        size += (size_t)snprintf(reply + size, sizeof(reply) - size, "535-5.7.8 no\r\n");
    snprintf(reply + size, sizeof(reply) - size, "535 5.7.8 no\r\n");
    say(SIDE_UPSTREAM, reply);
    cr_assert_eq(strlen(heard), 512);
    cr_assert(strstr(heard, "454 4.7.8 no no no") == heard, "%.40s", heard);
    heard[0] = '\0';
    say(SIDE_CLIENT, "NOOP\r\n");
    for (size = 4; size + 8 < LIMIT_REPLY_BYTES_MAX; size++)
        reply[size] = '\n';
    memcpy(reply, "250-", 4);
    memcpy(reply + size, "250 a\r\n", 8);
    say(SIDE_UPSTREAM, reply);
    cr_assert_str_eq(heard, "421 4.3.0 The relay's answer is not an SMTP reply\r\n");
}

/* Each line said to the client begins with a code, and the whole ends with a line's end. */
Test(replies, of_16_kib_are_as_they_came_where_nothing_is_to_mend)
{
    static char reply[LIMIT_REPLY_BYTES_MAX + 1];
    size_t size = 0;

    log_in();
    while (size + 20 < LIMIT_REPLY_BYTES_MAX)
        size += (size_t)snprintf(reply + size, sizeof(reply) - size, "535-5.7.8 no\r\n");
    snprintf(reply + size, sizeof(reply) - size, "535 5.7.8 no\r\n");
    say(SIDE_UPSTREAM, reply);
    cr_assert_str_eq(heard, reply);
}
