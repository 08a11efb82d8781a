/* Whole engines fed by events: what a message costs when nobody reads a socket for it. */
#include <stdlib.h>

#include "lockstep/base/must.h"
#include "lockstep/engine/engine.h"
#include "micro.h"

#define POOL_BLOCKS 16U
#define LINE "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij\r\n"
#define LINES_4 LINE LINE LINE LINE
#define LINES_8 LINES_4 LINES_4
#define BODY LINES_8 LINES_8 ".\r\n"
#define MAIL "MAIL FROM:<sender@client.example>\r\n"
#define RCPT "RCPT TO:<recipient@load.example>\r\n"
#define OK "250 2.1.0 Ok\r\n"
#define GO_ON "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED "250 2.0.0 Ok: queued\r\n"

/* What comes, and from where. */
struct turn {
    enum side from;
    struct span bytes;
};

#define COUNT(turns) (sizeof(turns) / sizeof((turns)[0]))
#define GREETING_TURNS 3U
#define C SIDE_CLIENT
#define U SIDE_UPSTREAM

static const struct turn greeting[GREETING_TURNS] = {
    {U, SPAN_INIT("220 load.example ESMTP\r\n")},
    {C, SPAN_INIT("EHLO client.example\r\n")},
    {U, SPAN_INIT("250-load.example\r\n250-PIPELINING\r\n250 SIZE 0\r\n")}};
static const struct turn old_greeting[GREETING_TURNS] = {
    {U, SPAN_INIT("220 load.example ESMTP\r\n")},
    {C, SPAN_INIT("EHLO client.example\r\n")},
    {U, SPAN_INIT("250-load.example\r\n250 SIZE 0\r\n")}};
static const struct turn lockstep[] = {{C, SPAN_INIT(MAIL)},       {U, SPAN_INIT(OK)},
                                       {C, SPAN_INIT(RCPT)},       {U, SPAN_INIT(OK)},
                                       {C, SPAN_INIT("DATA\r\n")}, {U, SPAN_INIT(GO_ON)},
                                       {C, SPAN_INIT(BODY)},       {U, SPAN_INIT(QUEUED)}};
static const struct turn pipelined[] = {{C, SPAN_INIT(MAIL RCPT "DATA\r\n")},
                                        {U, SPAN_INIT(OK OK GO_ON)},
                                        {C, SPAN_INIT(BODY)},
                                        {U, SPAN_INIT(QUEUED)}};
static const struct turn serialised[] = {{C, SPAN_INIT(MAIL RCPT "DATA\r\n")},
                                         {U, SPAN_INIT(OK)},
                                         {U, SPAN_INIT(OK)},
                                         {U, SPAN_INIT(GO_ON)},
                                         {C, SPAN_INIT(BODY)},
                                         {U, SPAN_INIT(QUEUED)}};
static const struct turn in_parts[] = {{C, SPAN_INIT(MAIL RCPT "DATA\r\n")},
                                       {U, SPAN_INIT(OK OK GO_ON)},
                                       {C, SPAN_INIT(LINES_8)},
                                       {C, SPAN_INIT(LINES_8 ".\r\n")},
                                       {U, SPAN_INIT(QUEUED)}};
static const struct turn farewell[] = {{C, SPAN_INIT("QUIT\r\n")},
                                       {U, SPAN_INIT("221 2.0.0 Bye\r\n")}};

struct driver {
    struct policy policy;
    struct lender lender;
    void *memory;
    struct engine *engine;
};

/* One step as the shell does it: effects carried out, and what has left told at once. */
static void feed(struct driver *driver, enum event_kind kind, enum side side, struct span bytes)
{
    struct event event = {.kind = kind, .side = side, .bytes = bytes};
    size_t sent[SIDE_COUNT] = {0};
    struct effect effect;
    uint32_t i;

    engine_step(driver->engine, &event);
    while (engine_take(driver->engine, &effect))
        for (i = 0; i < effect.piece_count && effect.kind == EFFECT_SEND; i++)
            sent[effect.side] += effect.pieces[i].size;
    for (i = 0; i < SIDE_COUNT; i++) {
        if (sent[i] == 0)
            continue;
        event = (struct event){.kind = EVENT_SENT, .side = (enum side)i, .count = sent[i]};
        engine_step(driver->engine, &event);
        must(!engine_take(driver->engine, &effect) || effect.kind == EFFECT_SHUT);
    }
}

static void play(struct driver *driver, const struct turn *turns, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        feed(driver, EVENT_BYTES, turns[i].from, turns[i].bytes);
}

static void *memory_of(size_t size)
{
    void *memory = malloc(size);

    must(memory != NULL);
    return memory;
}

static void driver_open(struct driver *driver)
{
    static char pool[POOL_BLOCKS * BLOCK_SIZE];
    static char sends[SIDE_COUNT][SCRATCH_SEND_BYTES];

    policy_default(&driver->policy);
    driver->policy.record = false;
    driver->lender = (struct lender){.outboxes = {{.scratch = sends[0]}, {.scratch = sends[1]}}};
    pool_init(&driver->lender.pool, pool, POOL_BLOCKS);
    driver->memory = memory_of(engine_size(&driver->policy));
}

static void session_open(struct driver *driver)
{
    driver->engine = engine_init(driver->memory, &driver->policy, &driver->lender, 1, 0);
    feed(driver, EVENT_OPENED, SIDE_CLIENT, SPAN(""));
    feed(driver, EVENT_OPENED, SIDE_UPSTREAM, SPAN(""));
}

/* All messages must have got through, or the time they took says nothing. */
static void session_close(struct driver *driver, uint64_t messages)
{
    struct summary summary;

    engine_summary(driver->engine, &summary);
    must(summary.messages == messages);
    engine_close(driver->engine);
    must(driver->lender.pool.lent == 0);
}

/* One session with many messages. */
static uint64_t messages_work(uint64_t times, const struct turn *hello, const struct turn *message,
                              size_t turns)
{
    struct driver driver;
    uint64_t i;

    driver_open(&driver);
    session_open(&driver);
    play(&driver, hello, GREETING_TURNS);
    for (i = 0; i < times; i++)
        play(&driver, message, turns);
    session_close(&driver, times);
    free(driver.memory);
    return times;
}

uint64_t engine_lockstep_work(uint64_t times)
{
    return messages_work(times, greeting, lockstep, COUNT(lockstep));
}

uint64_t engine_pipelined_work(uint64_t times)
{
    return messages_work(times, greeting, pipelined, COUNT(pipelined));
}

uint64_t engine_serialised_work(uint64_t times)
{
    return messages_work(times, old_greeting, serialised, COUNT(serialised));
}

uint64_t engine_parts_work(uint64_t times)
{
    return messages_work(times, greeting, in_parts, COUNT(in_parts));
}

uint64_t engine_session_work(uint64_t times)
{
    struct driver driver;
    uint64_t i;

    driver_open(&driver);
    for (i = 0; i < times; i++) {
        session_open(&driver);
        play(&driver, greeting, GREETING_TURNS);
        play(&driver, lockstep, COUNT(lockstep));
        play(&driver, farewell, COUNT(farewell));
        session_close(&driver, 1);
    }
    free(driver.memory);
    return times;
}
