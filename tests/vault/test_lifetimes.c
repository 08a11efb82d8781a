/*
 * A device that says HELO and MAIL and knows nothing else, an engine that logs in for it, a relay
 * that looks whether the token is good at that moment, and an endpoint that is slow, fails, and
 * takes tokens back: weeks of it, on a virtual clock.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/seed.h"
#include "lockstep/engine/engine.h"
#include "vault/token.h"

#define SECOND ((moment)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define TOKENS_MAX 4096U
#define HEARD_MAX 16384U

/* What one side said and the other has not heard yet. */
struct pipe {
    char bytes[HEARD_MAX];
    size_t size;
};

struct endpoint {
    moment life;
    moment outage_most; /* how long it is away, now and then; 0: never */
    uint32_t whims;     /* in a hundred renewals: the old token ends at once */
    moment away_until;
    moment ends[TOKENS_MAX]; /* of each token given out */
    uint32_t count;
    /* The request under way. */
    bool asked;
    moment asked_at;
    moment answer_at;
    uint32_t answer; /* the token; 0: a failure */
    moment put_off;
};

struct world {
    struct seed seed;
    moment now;
    struct endpoint endpoint;
    struct token token;
    uint32_t held;  /* the token in memory */
    uint32_t shown; /* the last that a relay was shown */
    struct policy policy;
    struct lender lender;
    struct engine *engine;
    struct pipe to[SIDE_COUNT], from[SIDE_COUNT];
    size_t unsent[SIDE_COUNT];
    bool shut[SIDE_COUNT];
    bool connect_due;
    bool question_due;
    struct question question;
    bool entered; /* the relay let it in */
    bool body;
    uint32_t said; /* lines of the device */
    uint16_t code; /* of the last reply it heard */
    bool done;
};

static struct world world;

static moment below(moment limit)
{
    return (moment)seed_below(&world.seed, (uint64_t)limit);
}

static bool chance(uint32_t percent)
{
    return below(100) < percent;
}

/* --- the endpoint, and who asks it --- */

static void endpoint_ask(struct endpoint *endpoint)
{
    moment latency = chance(90) ? 50 + below(2 * SECOND) : below(20 * SECOND);

    token_asked(&world.token);
    endpoint->asked = true;
    endpoint->asked_at = world.now;
    endpoint->answer = 0;
    endpoint->put_off = 0;
    /* Once per token: more than a third of its life no token could bear. */
    if (world.token.failures == 0 && endpoint->outage_most > 0 && chance(25))
        endpoint->away_until = world.now + below(endpoint->outage_most);
    if (world.now < endpoint->away_until) {
        latency = chance(30) ? 20 * SECOND : latency; /* nobody answers at all */
        endpoint->put_off = chance(30) ? below(MINUTE) : 0;
    } else {
        cr_assert_lt(endpoint->count + 1, TOKENS_MAX);
        endpoint->answer = ++endpoint->count;
        endpoint->ends[endpoint->answer] = world.now + latency / 2 + endpoint->life;
        if (chance(endpoint->whims))
            endpoint->ends[world.held] = world.now + latency / 2;
    }
    endpoint->answer_at = world.now + latency;
}

static void endpoint_answer(struct endpoint *endpoint)
{
    endpoint->asked = false;
    if (endpoint->answer == 0) {
        token_failed(&world.token, world.now, TOKEN_AWAY, endpoint->put_off);
        return;
    }
    token_came(&world.token, endpoint->asked_at, endpoint->life);
    world.held = endpoint->answer;
}

/* Time goes by. */
static void wait(moment ms)
{
    struct endpoint *endpoint = &world.endpoint;
    moment until = world.now + ms;

    for (;;) {
        moment next = endpoint->asked ? endpoint->answer_at : token_due(&world.token, world.now);

        if (next > until)
            break;
        world.now = next > world.now ? next : world.now;
        if (endpoint->asked)
            endpoint_answer(endpoint);
        else
            endpoint_ask(endpoint);
    }
    world.now = until;
}

/* --- the engine --- */

static void pipe_add(struct pipe *pipe, struct span bytes)
{
    cr_assert_leq(pipe->size + bytes.size, sizeof(pipe->bytes));
    if (bytes.size > 0)
        memcpy(pipe->bytes + pipe->size, bytes.at, bytes.size);
    pipe->size += bytes.size;
}

static void pipe_say(struct pipe *pipe, const char *text)
{
    pipe_add(pipe, span_of_string(text));
}

/* Takes the next whole line off; false: there is none. */
static bool pipe_line(struct pipe *pipe, char line_r[HEARD_MAX])
{
    size_t size = span_find(span_of(pipe->bytes, pipe->size), '\n') + 1;

    if (size > pipe->size)
        return false;
    memcpy(line_r, pipe->bytes, size);
    line_r[size] = 0;
    pipe->size -= size;
    memmove(pipe->bytes, pipe->bytes + size, pipe->size);
    return true;
}

static void apply(const struct effect *effect)
{
    uint32_t i;

    switch (effect->kind) {
    case EFFECT_CONNECT:
        world.connect_due = true;
        break;
    case EFFECT_SEND:
        for (i = 0; i < effect->piece_count; i++) {
            pipe_add(&world.to[effect->side], effect->pieces[i]);
            world.unsent[effect->side] += effect->pieces[i].size;
        }
        break;
    case EFFECT_SHUT:
        world.shut[effect->side] = true;
        break;
    case EFFECT_ASK:
        world.question = *effect->question;
        world.question_due = true;
        break;
    case EFFECT_SECURE:
    case EFFECT_LEARN:
    case EFFECT_RECORD:
        cr_assert_fail("nobody asked for that");
    }
}

static void step(struct event event)
{
    struct effect effect;

    event.at = world.now;
    engine_step(world.engine, &event);
    while (engine_take(world.engine, &effect))
        apply(&effect);
}

static void tell(enum told told, const char *words)
{
    const struct advice advice = {
        .told = told, .serial = world.question.serial, .credential = NOTHING};

    world.question_due = false;
    step((struct event){.kind = EVENT_TOLD, .bytes = span_of_string(words), .advice = &advice});
}

/* As the supply and the adviser do; false: the token has to come first. */
static bool answer_question(void)
{
    char line[64];

    wait(0); /* what is due is asked for before anybody is answered */
    cr_assert(world.question.kind == QUESTION_AUTH || world.question.kind == QUESTION_OUTCOME);
    if (world.question.kind == QUESTION_OUTCOME && world.question.code == 235) {
        tell(TOLD_DONE, "");
    } else if (world.question.kind == QUESTION_OUTCOME) {
        /* Another may have come since that one was shown. */
        bool again = world.held != world.shown || token_refused(&world.token, world.now);

        tell(again ? TOLD_AGAIN : TOLD_LATER, "refused");
    } else if (token_state(&world.token, world.now) == TOKEN_USABLE) {
        world.shown = world.held;
        snprintf(line, sizeof(line), "XOAUTH2 %u", world.shown);
        tell(TOLD_LINE, line);
    } else if (world.endpoint.asked) {
        return false;
    } else {
        tell(TOLD_LATER, "no token now");
    }
    return true;
}

/* --- the relay and the device --- */

static bool is_good(const char *shown)
{
    unsigned long token = strtoul(shown, NULL, 10);

    return token > 0 && token <= world.endpoint.count && world.now < world.endpoint.ends[token];
}

static void relay_hear(const char *line)
{
    struct pipe *reply = &world.from[SIDE_UPSTREAM];

    if (world.body) {
        world.body = strcmp(line, ".\r\n") != 0;
        if (!world.body)
            pipe_say(reply, "250 stored\r\n");
    } else if (strncmp(line, "EHLO", 4) == 0) {
        pipe_say(reply, "250-relay.example\r\n250 AUTH PLAIN XOAUTH2\r\n");
    } else if (strncmp(line, "AUTH XOAUTH2 ", 13) == 0) {
        world.entered = is_good(line + 13);
        pipe_say(reply, world.entered ? "235 welcome\r\n" : "535 5.7.8 who are you\r\n");
    } else if (strncmp(line, "DATA", 4) == 0) {
        world.body = true;
        pipe_say(reply, "354 go on\r\n");
    } else if (strncmp(line, "QUIT", 4) == 0) {
        pipe_say(reply, "221 bye\r\n");
    } else {
        pipe_say(reply, world.entered ? "250 ok\r\n" : "530 5.7.0 log in first\r\n");
    }
}

static void device_hear(const char *line)
{
    static const char *const lines[] = {
        "HELO scanner\r\n", "MAIL FROM:<scanner@a.example>\r\n",  "RCPT TO:<b@b.example>\r\n",
        "DATA\r\n",         "Subject: scan\r\n\r\npage\r\n.\r\n",
    };

    world.code = (uint16_t)strtoul(line, NULL, 10);
    world.done = world.code >= 400 || world.said == sizeof(lines) / sizeof(lines[0]);
    if (!world.done)
        pipe_say(&world.from[SIDE_CLIENT], lines[world.said++]);
}

/* --- one session --- */

static bool feed(enum side side)
{
    struct pipe *from = &world.from[side];
    char bytes[HEARD_MAX];
    size_t size = from->size;

    if (size == 0 || engine_room(world.engine, side) < size)
        return false;
    memcpy(bytes, from->bytes, size);
    from->size = 0;
    step((struct event){.kind = EVENT_BYTES, .side = side, .bytes = span_of(bytes, size)});
    return true;
}

static bool settle_sent(enum side side)
{
    size_t count = world.unsent[side];

    world.unsent[side] = 0;
    if (count > 0)
        step((struct event){.kind = EVENT_SENT, .side = side, .count = count});
    return count > 0;
}

/* Something happens; false: only time can. */
static bool turn(void)
{
    char line[HEARD_MAX];

    if (settle_sent(SIDE_CLIENT) || settle_sent(SIDE_UPSTREAM))
        return true;
    if (world.connect_due) {
        world.connect_due = false;
        wait(below(SECOND));
        step((struct event){.kind = EVENT_OPENED, .side = SIDE_UPSTREAM});
        pipe_say(&world.from[SIDE_UPSTREAM], "220 relay.example\r\n");
        return true;
    }
    if (pipe_line(&world.to[SIDE_UPSTREAM], line)) {
        wait(below(4 * SECOND)); /* the way there, and the way back */
        relay_hear(line);
        wait(below(4 * SECOND));
        return true;
    }
    if (pipe_line(&world.to[SIDE_CLIENT], line)) {
        wait(below(SECOND));
        device_hear(line);
        return true;
    }
    return feed(SIDE_UPSTREAM) || feed(SIDE_CLIENT) || (world.question_due && answer_question());
}

/* The code of the reply that ended it: to the dot, or a refusal before. */
static uint16_t deliver(void)
{
    static max_align_t memory[4096];

    cr_assert_leq(engine_size(&world.policy), sizeof(memory));
    memset(world.to, 0, sizeof(world.to));
    memset(world.from, 0, sizeof(world.from));
    memset(world.unsent, 0, sizeof(world.unsent));
    memset(world.shut, 0, sizeof(world.shut));
    world.connect_due = world.question_due = world.entered = world.body = world.done = false;
    world.said = 0;
    world.engine = engine_init(memory, &world.policy, &world.lender, 1, world.now);
    step((struct event){.kind = EVENT_OPENED, .bytes = SPAN("192.0.2.1")});
    while (!world.done && !world.shut[SIDE_CLIENT]) {
        if (!turn())
            wait(100);
        step((struct event){.kind = EVENT_TIME});
    }
    engine_close(world.engine);
    return world.code;
}

/* --- weeks --- */

static void set_up(void)
{
    world = (struct world){.now = (moment)1750000000 * SECOND, .seed = {1}};
    world.endpoint.life = HOUR;
    policy_default(&world.policy);
    world.policy.relay_count = 1;
    world.policy.relays[0].name = SPAN("relay");
    world.policy.relays[0].allow_clear = true;
    world.policy.relays[0].mechanisms = MECHANISM_BIT(MECHANISM_XOAUTH2);
    world.policy.credential_count = 1;
    world.policy.credentials[0].name = SPAN("scanner");
    world.policy.route_count = 1;
    world.policy.routes[0] = (struct route){.relay = NOTHING, .credential = 0};
    world.policy.record = false;
    pool_init(&world.lender.pool, calloc(16, BLOCK_SIZE), 16);
    world.lender.outboxes[SIDE_CLIENT].scratch = malloc(SCRATCH_SEND_BYTES);
    world.lender.outboxes[SIDE_UPSTREAM].scratch = malloc(SCRATCH_SEND_BYTES);
    token_init(&world.token, SPAN("scanner"), true);
    wait(MINUTE);
    cr_assert_eq(world.held, 1);
}

static void tear_down(void)
{
    free(world.lender.pool.memory);
    free(world.lender.outboxes[SIDE_CLIENT].scratch);
    free(world.lender.outboxes[SIDE_UPSTREAM].scratch);
}

TestSuite(lifetimes, .init = set_up, .fini = tear_down);

/* Until mail comes again: at any time, and often when the token ends or is renewed. */
static moment until_mail(void)
{
    moment due = token_due(&world.token, world.now);
    moment aim = chance(50)            ? world.now + below(40 * MINUTE)
                 : chance(50)          ? world.token.ends - MINUTE + below(2 * MINUTE)
                 : due != MOMENT_NEVER ? due - 10 * SECOND + below(30 * SECOND)
                                       : world.now;

    return aim > world.now ? aim - world.now : 0;
}

Test(lifetimes, a_thousand_and_not_one_message_fails, .timeout = 60)
{
    uint32_t sessions = 0;

    world.endpoint.outage_most = 8 * MINUTE;
    world.endpoint.whims = 10;
    while (world.endpoint.count < 1000) {
        wait(until_mail());
        cr_assert_eq(deliver(), 250, "message %u, token %u of %u", sessions, world.held,
                     world.endpoint.count);
        sessions++;
    }
    cr_assert_gt(sessions, 1000);
    printf("%u messages through %u tokens\n", sessions, world.endpoint.count);
}

Test(lifetimes, an_endpoint_away_for_too_long_costs_a_delay_and_no_message, .timeout = 60)
{
    uint32_t put_off = 0, delivered = 0;

    while (world.endpoint.count < 100) {
        uint16_t code;

        if (world.now > world.endpoint.away_until && chance(10))
            world.endpoint.away_until = world.now + 2 * HOUR;
        wait(below(20 * MINUTE));
        code = deliver();
        cr_assert(code == 250 || code == 454, "%u", code);
        delivered += code == 250;
        put_off += code == 454;
    }
    cr_assert_gt(put_off, 20);
    cr_assert_gt(delivered, put_off);
    world.endpoint.away_until = 0;
    wait(TOKEN_AGAIN_MAX_MS + 20 * SECOND);
    cr_assert_eq(deliver(), 250, "it goes on by itself");
}

Test(lifetimes, a_token_nobody_uses_is_renewed_every_day)
{
    uint32_t day;

    world.endpoint.life = 60 * 24 * HOUR;
    world.endpoint.outage_most = 8 * MINUTE;
    for (day = 0; day < 400; day++) {
        uint32_t before = world.endpoint.count;

        wait(24 * HOUR + 30 * MINUTE);
        cr_assert_gt(world.endpoint.count, before, "day %u", day);
    }
}

Test(lifetimes, a_token_taken_back_is_replaced_while_the_device_waits)
{
    uint32_t i;

    for (i = 0; i < 100; i++) {
        wait(TOKEN_REFUSED_MS + below(HOUR));
        world.endpoint.ends[world.held] = world.now;
        cr_assert_eq(deliver(), 250);
    }
}
