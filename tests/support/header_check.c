#include "header_check.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/engine/engine.h"

#define BLOCKS 8U
#define SENDER "scanner@shop.example"
#define SAID_BYTES_MAX (4U * HEADER_CHECK_BYTES_MAX)
#define KEPT SPAN("X-Original-From:")
#define MAILBOX_LINE SPAN("X-Mailbox-Line: ")
#define HEADER_REPAIRS (REPAIR_BIT(REPAIR_MATCH_HEADER_FROM) | REPAIR_BIT(REPAIR_FROM_LINE))

/* What was said to each side since the message began. */
struct run {
    struct text said[SIDE_COUNT];
    bool mended;
};

struct bench {
    struct policy policy;
    struct lender lender;
    struct engine *engine;
    struct run run;
};

static struct lender lender_new(void)
{
    struct lender lender = {.question = {.serial = 0}};
    size_t side;

    pool_init(&lender.pool, malloc(BLOCKS * (size_t)BLOCK_SIZE), BLOCKS);
    for (side = 0; side < SIDE_COUNT; side++)
        lender.outboxes[side].scratch = malloc(SCRATCH_SEND_BYTES);
    return lender;
}

static void lender_free(struct lender *lender)
{
    free(lender->pool.memory);
    free(lender->outboxes[SIDE_CLIENT].scratch);
    free(lender->outboxes[SIDE_UPSTREAM].scratch);
}

static void happen(struct bench *bench, enum event_kind kind, enum side side, struct span bytes)
{
    struct event event = {.kind = kind, .side = side, .bytes = bytes};
    size_t sent[SIDE_COUNT] = {0};
    struct effect effect;
    uint32_t i;

    engine_step(bench->engine, &event);
    while (engine_take(bench->engine, &effect)) {
        for (i = 0; effect.kind == EFFECT_SEND && i < effect.piece_count; i++) {
            text_add(&bench->run.said[effect.side], effect.pieces[i]);
            sent[effect.side] += effect.pieces[i].size;
        }
    }
    for (i = 0; i < SIDE_COUNT; i++) {
        event = (struct event){.kind = EVENT_SENT, .side = (enum side)i, .count = sent[i]};
        engine_step(bench->engine, &event);
        while (engine_take(bench->engine, &effect))
            must(effect.kind != EFFECT_SEND);
    }
}

static void say(struct bench *bench, enum side side, const char *bytes)
{
    happen(bench, EVENT_BYTES, side, span_of_string(bytes));
}

static void reach_the_message(struct bench *bench)
{
    happen(bench, EVENT_OPENED, SIDE_CLIENT, SPAN(""));
    happen(bench, EVENT_OPENED, SIDE_UPSTREAM, SPAN(""));
    say(bench, SIDE_UPSTREAM, "220 up.example ESMTP\r\n");
    say(bench, SIDE_CLIENT, "EHLO c.example\r\n");
    say(bench, SIDE_UPSTREAM, "250 up.example\r\n");
    say(bench, SIDE_CLIENT, "MAIL FROM:<a@b.example>\r\n");
    say(bench, SIDE_UPSTREAM, "250 ok\r\n");
    say(bench, SIDE_CLIENT, "RCPT TO:<c@d.example>\r\n");
    say(bench, SIDE_UPSTREAM, "250 ok\r\n");
    say(bench, SIDE_CLIENT, "DATA\r\n");
    say(bench, SIDE_UPSTREAM, "354 go on\r\n");
    text_clear(&bench->run.said[SIDE_CLIENT]);
    text_clear(&bench->run.said[SIDE_UPSTREAM]);
}

/* One session; `most`: bytes of a read, at most; 0: one read. */
static void play(struct run *run, struct span message, uint64_t repairs, uint32_t most,
                 uint64_t seed)
{
    struct bench bench = {.lender = lender_new()};
    struct seed dice = {seed};

    policy_default(&bench.policy);
    bench.policy.repairs |= repairs;
    bench.policy.rewrite.sender = SPAN(SENDER);
    bench.run = *run;
    bench.engine =
        engine_init(malloc(engine_size(&bench.policy)), &bench.policy, &bench.lender, 1, 0);
    reach_the_message(&bench);
    while (message.size > 0 && engine_room(bench.engine, SIDE_CLIENT) > 0) {
        size_t size = most == 0 ? message.size : 1 + (size_t)seed_below(&dice, most);

        happen(&bench, EVENT_BYTES, SIDE_CLIENT, span_head(message, size));
        message = span_tail(message, size);
    }
    happen(&bench, EVENT_ENDED, SIDE_CLIENT, SPAN(""));
    bench.run.mended = bench.lender.repairs[REPAIR_MATCH_HEADER_FROM].done > 0 ||
                       bench.lender.repairs[REPAIR_FROM_LINE].done > 0;
    *run = bench.run;
    engine_close(bench.engine);
    free(bench.engine);
    lender_free(&bench.lender);
}

/* --- what it was, read off what became of it --- */

/* The size of the field there without its last line end. */
static size_t field_size(struct span text)
{
    size_t size = span_find_span(text, SPAN("\r\n"));

    while (span_starts(span_tail(text, size), SPAN("\r\n ")) ||
           span_starts(span_tail(text, size), SPAN("\r\n\t")))
        size += 2 + span_find_span(span_tail(text, size + 2), SPAN("\r\n"));
    return size;
}

/* The kept value in the place of what stands in the From behind it. */
static bool undone_is(struct span mended, size_t at, struct span plain, struct text *undone)
{
    struct span kept = span_head(span_tail(mended, at), field_size(span_tail(mended, at)));
    struct span from = span_tail(mended, at + kept.size + 2);
    size_t size = field_size(from);

    text_clear(undone);
    text_add(undone, span_head(mended, at));
    text_add(undone, span_head(from, span_find(from, ':') + 1));
    text_add(undone, span_tail(kept, KEPT.size));
    text_add(undone, span_tail(from, size));
    return span_equal(text_span(undone), plain) &&
           span_find_span(span_head(from, size), SPAN(SENDER)) < size;
}

static bool is_undone(struct span mended, struct span plain, struct text *undone)
{
    size_t at = 0;

    if (span_equal(mended, plain))
        return true;
    while ((at += span_find_span(span_tail(mended, at), KEPT)) < mended.size) {
        if (undone_is(mended, at, plain, undone))
            return true;
        at++;
    }
    return false;
}

static const char *compare(const struct run *plain, const struct run *mended)
{
    struct span was = text_span(&plain->said[SIDE_UPSTREAM]);
    struct span is = text_span(&mended->said[SIDE_UPSTREAM]);
    struct text undone = text_over(malloc(SAID_BYTES_MAX), SAID_BYTES_MAX);
    bool same;

    if (span_starts(is, MAILBOX_LINE) && !span_starts(was, MAILBOX_LINE))
        is = span_tail(is, MAILBOX_LINE.size);
    same = is_undone(is, was, &undone);
    free(undone.at);
    if (!same)
        return "what the message was can be read off what became of it";
    if (!mended->mended && was.size != mended->said[SIDE_UPSTREAM].size)
        return "what changes a message is recorded";
    if (!span_equal(text_span(&plain->said[SIDE_CLIENT]), text_span(&mended->said[SIDE_CLIENT])))
        return "the client hears the same";
    return NULL;
}

const char *header_check(struct span message, uint64_t seed, bool *mended_r)
{
    uint64_t others = (seed & 1U ? REPAIR_BIT(REPAIR_BARE_LF) : 0) |
                      (seed & 2U ? REPAIR_BIT(REPAIR_DOUBLED_CR) : 0);
    uint64_t repairs = HEADER_REPAIRS | others;
    struct run runs[3]; /* nothing mended; mended; and cut */
    const char *failure = NULL;
    size_t i, side;

    must(message.size <= HEADER_CHECK_BYTES_MAX);
    for (i = 0; i < 3; i++) {
        for (side = 0; side < SIDE_COUNT; side++)
            runs[i].said[side] = text_over(malloc(SAID_BYTES_MAX), SAID_BYTES_MAX);
    }
    play(&runs[0], message, others, 0, seed);
    play(&runs[1], message, repairs, 0, seed);
    play(&runs[2], message, repairs, 1 + (uint32_t)(seed >> 2) % 64, seed);
    for (side = 0; side < SIDE_COUNT; side++) {
        if (!span_equal(text_span(&runs[1].said[side]), text_span(&runs[2].said[side])))
            failure = "how it was cut makes no difference";
    }
    if (failure == NULL)
        failure = compare(&runs[0], &runs[1]);
    *mended_r = runs[1].mended;
    for (i = 0; i < 3; i++) {
        for (side = 0; side < SIDE_COUNT; side++)
            free(runs[i].said[side].at);
    }
    return failure;
}
