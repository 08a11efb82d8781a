/* Carries bytes and events between the engine and its models, in an order that the dice choose. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"

#include "sim.h"

#define BLOCKS_MAX 32U
#define STEPS_MAX 2000000U
#define TIME_MAX ((moment)48 * 3600 * 1000)
/* What may be handed over and not yet sent: what stops a side, and on top of it what one step can
 * make of the bytes that came and those that were kept. */
#define UNSENT_MAX (3U * BLOCK_SIZE)
/* A step has a connect, and a send and a shut for each side, and a record. */
#define EFFECTS_MAX 12U

enum action {
    ACT_CONNECT,
    ACT_SECURED_CLIENT,
    ACT_SECURED_UPSTREAM,
    ACT_TELL,
    ACT_UPSTREAM,
    ACT_CLIENT,
    ACT_SENT_CLIENT,
    ACT_SENT_UPSTREAM,
    ACT_CLIENT_ENDS,
    ACT_UPSTREAM_ENDS,
    ACT_HOG,
    ACT_COUNT
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    must(memory != NULL);
    return memory;
}

struct world *world_new(void)
{
    struct world *world = allocate(sizeof(*world));
    struct policy policy;
    size_t size;

    policy_default(&policy);
    policy.tls_required = true; /* the largest there is */
    size = engine_size(&policy);
    policy.mode = MODE_FAULT;
    world->engine = allocate(size > engine_size(&policy) ? size : engine_size(&policy));
    world->lender.faults = allocate(sizeof(*world->lender.faults));
    world->lender.outboxes[SIDE_CLIENT].scratch = allocate(SCRATCH_SEND_BYTES);
    world->lender.outboxes[SIDE_UPSTREAM].scratch = allocate(SCRATCH_SEND_BYTES);
    world->lender.record_scratch = allocate(SCRATCH_RECORD_BYTES);
    world->lender.pool.memory = allocate((size_t)BLOCKS_MAX * BLOCK_SIZE);
    return world;
}

static struct bytes *queue_at(struct world *world, size_t i)
{
    struct bytes *const all[] = {
        &world->client.out,    &world->client.line,      &world->upstream.out,
        &world->upstream.line, &world->upstream.content, &world->heard,
        &world->carried,       &world->fed[SIDE_CLIENT], &world->fed[SIDE_UPSTREAM],
        &world->record,
    };

    return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

void world_free(struct world *world)
{
    size_t i;

    for (i = 0; queue_at(world, i); i++)
        bytes_free(queue_at(world, i));
    for (i = 0; i < MESSAGES_MAX; i++)
        bytes_free(&world->messages[i].content);
    free(world->lender.pool.memory);
    free(world->lender.record_scratch);
    free(world->lender.faults);
    free(world->lender.outboxes[SIDE_CLIENT].scratch);
    free(world->lender.outboxes[SIDE_UPSTREAM].scratch);
    free(world->engine);
    free(world);
}

void world_fail(struct world *world, const char *what)
{
    if (!world->failure)
        world->failure = what;
}

void world_doubt(struct world *world, const char *what)
{
    if (world->policy.mode != MODE_FAULT)
        world_fail(world, what);
}

/* --- a new session --- */

static void clear(struct world *world)
{
    struct world old = *world;
    size_t i;

    for (i = 0; queue_at(&old, i); i++)
        bytes_clear(queue_at(&old, i));
    *world = (struct world){.engine = old.engine, .keep_record = old.keep_record};
    for (i = 0; queue_at(world, i); i++)
        *queue_at(world, i) = *queue_at(&old, i);
    for (i = 0; i < MESSAGES_MAX; i++)
        world->messages[i].content = old.messages[i].content;
    world->lender.record_scratch = old.lender.record_scratch;
    world->lender.faults = old.lender.faults;
    *world->lender.faults = (struct fault_memory){0};
    for (i = 0; i < SIDE_COUNT; i++)
        world->lender.outboxes[i].scratch = old.lender.outboxes[i].scratch;
    world->lender.pool.memory = old.lender.pool.memory;
}

static void prepare(struct world *world, uint64_t seed, struct span choices, bool calm,
                    enum cutting cutting)
{
    clear(world);
    world->seed = seed;
    world->calm = calm;
    world->cutting = cutting;
    world->client.dice = (struct dice){{seed}, span_head(choices, choices.size / 2)};
    world->dice = (struct dice){{~seed}, span_tail(choices, choices.size / 2)};
    world->read_most = dice_chance(&world->dice, 30) ? 30 : 200;
    choose_policy(world);
    client_start(world);
    upstream_start(world);
    pool_init(&world->lender.pool, world->lender.pool.memory, BLOCKS_MAX);
    if (!calm) {
        if (dice_chance(&world->dice, 10))
            world->lender.pool.count = dice_below(&world->dice, 5);
        world->fault_chance = dice_chance(&world->dice, 30) ? 1 + dice_below(&world->dice, 10) : 0;
        world->connect_fails = dice_chance(&world->dice, 3);
        world->links[SIDE_CLIENT].slow = dice_chance(&world->dice, 8);
        world->links[SIDE_UPSTREAM].slow = dice_chance(&world->dice, 8);
    }
    engine_init(world->engine, &world->policy, &world->lender, seed, world->now);
}

/* --- effects --- */

static void digest(struct world *world, uint64_t number)
{
    world->digest = (world->digest ^ number) * 0x100000001b3U;
}

/* In `observe` what leaves is what came, byte for byte (invariant 5). */
static void check_passed(struct world *world, enum side to, struct span piece)
{
    struct bytes *came = &world->fed[to == SIDE_CLIENT ? SIDE_UPSTREAM : SIDE_CLIENT];

    if (!span_starts(bytes_span(came), piece))
        world_fail(world, "who only observes changes no byte (invariant 5)");
    else
        bytes_take(came, piece.size);
}

static void hear_piece(struct world *world, enum side side, struct span piece)
{
    size_t i;

    for (i = 0; i < piece.size; i++)
        digest(world, (unsigned char)piece.at[i]);
    bytes_add(side == SIDE_CLIENT ? &world->heard : &world->carried, piece);
    if (passes(world))
        check_passed(world, side, piece);
    if (side == SIDE_CLIENT)
        client_hear(world, piece);
    else
        upstream_hear(world, piece);
}

static void carry(struct world *world, const struct effect *effect)
{
    struct link *link = &world->links[effect->side];
    uint32_t i;

    if (!link->open || link->failed || link->shut)
        world_fail(world, "nothing is said to a side that is not there");
    for (i = 0; i < effect->piece_count; i++) {
        link->unsent += effect->pieces[i].size;
        hear_piece(world, effect->side, effect->pieces[i]);
    }
    if (link->unsent > UNSENT_MAX)
        world_fail(world, "what waits to be sent is bounded (invariant 11)");
}

static void end_side(struct world *world, const struct effect *effect)
{
    struct link *link = &world->links[effect->side];

    if (effect->how == SHUT_HALF)
        return; /* the model client goes on talking */
    if (link->shut && !(link->flushing && effect->how != SHUT_FLUSH))
        world_fail(world, "a side is shut once, or again because it does not read");
    if (effect->side == SIDE_CLIENT && !link->shut)
        client_closed(world, effect->how != SHUT_FLUSH);
    link->shut = true;
    link->flushing = effect->how == SHUT_FLUSH;
    if (effect->how != SHUT_FLUSH)
        link->unsent = 0;
    if (effect->side == SIDE_UPSTREAM) {
        upstream_lost(world);
        world->securing[SIDE_UPSTREAM] = false;
    }
}

static void keep_record(struct world *world, struct span lines)
{
    if (span_find_span(lines, SPAN("S3CRET")) < lines.size)
        world_fail(world, "no byte of a secret is in a record (invariant 9)");
    if (world->keep_record)
        bytes_add(&world->record, lines);
}

/* The engine does not record what has left, but whoever plays the transcript must know. */
static void keep_sent(struct world *world, const struct event *event)
{
    char line[64];
    int size = snprintf(line, sizeof(line), "+%lld @ sent %s %zu\n", (long long)world->now,
                        event->side == SIDE_CLIENT ? "client" : "upstream", event->count);

    bytes_add(&world->record, span_of(line, (size_t)size));
}

static void apply(struct world *world, const struct effect *effect)
{
    digest(world, (uint64_t)effect->kind << 8 | (uint64_t)effect->side);
    switch (effect->kind) {
    case EFFECT_CONNECT:
        world->connect_due = true;
        world->upstream_down = false;
        world->relay = effect->relay;
        world->links[SIDE_UPSTREAM] = (struct link){.slow = world->links[SIDE_UPSTREAM].slow};
        break;
    case EFFECT_SEND:
        carry(world, effect);
        break;
    case EFFECT_SECURE:
        outside_secure(world, effect->side);
        break;
    case EFFECT_SHUT:
        end_side(world, effect);
        break;
    case EFFECT_LEARN:
        world->traits[effect->relay] |= effect->traits;
        break;
    case EFFECT_ASK:
        outside_ask(world, effect->question);
        break;
    case EFFECT_RECORD:
        keep_record(world, effect->pieces[0]);
        break;
    }
}

static struct event event_of(enum event_kind kind, enum side side, struct span bytes, size_t count)
{
    return (struct event){.kind = kind, .side = side, .bytes = bytes, .count = count};
}

void world_step(struct world *world, struct event event)
{
    struct effect effects[EFFECTS_MAX];
    uint32_t count = 0, i;

    event.at = world->now;
    world->steps++;
    if (event.kind == EVENT_SENT && world->keep_record)
        keep_sent(world, &event);
    engine_step(world->engine, &event);
    while (count < EFFECTS_MAX && engine_take(world->engine, &effects[count])) {
        /* What is said to the client in the same breath is said because of it. */
        if (effects[count].kind == EFFECT_SHUT && effects[count].side == SIDE_UPSTREAM)
            world->upstream_down = true;
        count++;
    }
    for (i = 0; i < count; i++)
        apply(world, &effects[i]);
    client_think(world);
}

/* --- events --- */

static size_t cut(struct world *world, size_t most)
{
    switch (world->cutting) {
    case CUT_TRICKLE:
        return 1;
    case CUT_RANDOM:
        return 1 + dice_below(&world->dice,
                              most < world->read_most ? (uint32_t)most : world->read_most);
    case CUT_WHOLE:
        break;
    }
    return most;
}

/* Bytes in memory of their own, so that whoever keeps a pointer to them is seen. */
static size_t feed(struct world *world, enum side side, struct bytes *from)
{
    size_t room = engine_room(world->engine, side);
    size_t size = bytes_span(from).size < room ? bytes_span(from).size : room;
    char *copy;

    if (room > BLOCK_SIZE)
        world_fail(world, "room is never above a block");
    size = cut(world, size);
    copy = malloc(size);
    must(copy != NULL);
    memcpy(copy, bytes_span(from).at, size);
    bytes_take(from, size);
    if (side == SIDE_CLIENT)
        world->client.fed += size;
    if (passes(world))
        bytes_add(&world->fed[side], span_of(copy, size));
    world_step(world, event_of(EVENT_BYTES, side, span_of(copy, size), 0));
    memset(copy, 'z', size);
    free(copy);
    return size;
}

static void end_upstream(struct world *world)
{
    bool reset = !world->calm && dice_chance(&world->dice, 30);

    world->upstream.gone = false;
    upstream_lost(world);
    if (dice_chance(&world->client.dice, 60))
        world->upstream.lose_after = 0; /* the next one is not */
    world->links[SIDE_UPSTREAM].ended = true;
    world->links[SIDE_UPSTREAM].failed = reset;
    world_step(world,
               event_of(reset ? EVENT_FAILED : EVENT_ENDED, SIDE_UPSTREAM, SPAN("reset"), 0));
}

static void feed_upstream(struct world *world)
{
    struct upstream *upstream = &world->upstream;

    upstream->said_bytes += feed(world, SIDE_UPSTREAM, &upstream->out);
    if (upstream->lose_after > 0 && upstream->said_bytes >= upstream->lose_after &&
        !world->links[SIDE_UPSTREAM].ended && !world->links[SIDE_UPSTREAM].shut)
        end_upstream(world);
    else
        upstream_heard_out(world);
}

/* Cut off at any byte: what was not said whole is not answered. */
static void end_client(struct world *world, bool reset)
{
    struct link *link = &world->links[SIDE_CLIENT];

    client_lost(world);
    link->ended = true;
    link->failed = reset;
    world_step(world, event_of(reset ? EVENT_FAILED : EVENT_ENDED, SIDE_CLIENT, SPAN("reset"), 0));
}

static void connect_upstream(struct world *world)
{
    struct event opened = event_of(EVENT_OPENED, SIDE_UPSTREAM, SPAN(""), 0);

    world->connect_due = false;
    if (world->links[SIDE_UPSTREAM].shut)
        return;
    if (world->connect_fails) {
        world->links[SIDE_UPSTREAM].failed = true;
        world->upstream_down = true;
        world_step(world, event_of(EVENT_FAILED, SIDE_UPSTREAM, SPAN("refused"), 0));
        return;
    }
    world->links[SIDE_UPSTREAM].open = true;
    upstream_greet(world);
    opened.traits = world->traits[world->relay];
    world_step(world, opened);
}

static void say_sent(struct world *world, enum side side)
{
    struct link *link = &world->links[side];
    size_t count = world->calm || dice_chance(&world->dice, 50)
                       ? link->unsent
                       : 1 + dice_below(&world->dice, (uint32_t)link->unsent);

    link->unsent -= count;
    world_step(world, event_of(EVENT_SENT, side, SPAN(""), count));
}

/* Somebody else takes a block, or gives one back. */
static void hog(struct world *world)
{
    uint32_t block;

    if (world->hogged_count > 0 && dice_chance(&world->dice, 50)) {
        pool_return(&world->lender.pool, world->hogged[--world->hogged_count]);
        if (engine_starved(world->engine))
            world_step(world, (struct event){.kind = EVENT_TIME});
        return;
    }
    block = world->hogged_count < 8 ? pool_lend(&world->lender.pool) : 0;
    if (block)
        world->hogged[world->hogged_count++] = block;
}

static bool readable(struct world *world, enum side side, const struct bytes *out)
{
    const struct link *link = &world->links[side];

    return link->open && !link->ended && !link->failed && out->end > out->start &&
           engine_room(world->engine, side) > 0;
}

static bool sendable(struct world *world, enum side side)
{
    const struct link *link = &world->links[side];

    return link->unsent > 0 && !link->failed && (!link->slow || dice_chance(&world->dice, 3));
}

static bool possible(struct world *world, enum action action)
{
    const struct link *client = &world->links[SIDE_CLIENT];
    const struct link *upstream = &world->links[SIDE_UPSTREAM];

    switch (action) {
    case ACT_CONNECT:
        return world->connect_due;
    case ACT_SECURED_CLIENT:
        return outside_can_shake_hands(world, SIDE_CLIENT);
    case ACT_SECURED_UPSTREAM:
        return outside_can_shake_hands(world, SIDE_UPSTREAM);
    case ACT_TELL:
        return outside_can_tell(world);
    case ACT_UPSTREAM:
        return world->now >= world->upstream.hold_until &&
               readable(world, SIDE_UPSTREAM, &world->upstream.out);
    case ACT_CLIENT:
        return readable(world, SIDE_CLIENT, &world->client.out);
    case ACT_SENT_CLIENT:
        return sendable(world, SIDE_CLIENT);
    case ACT_SENT_UPSTREAM:
        return sendable(world, SIDE_UPSTREAM);
    case ACT_CLIENT_ENDS:
        return (world->client.closing || world->client.reset) && !client->ended && !client->shut &&
               world->client.out.end == world->client.out.start;
    case ACT_UPSTREAM_ENDS:
        return world->upstream.closing && upstream->open && !upstream->ended && !upstream->shut &&
               world->upstream.out.end == world->upstream.out.start;
    case ACT_HOG:
        return world->lender.pool.count < BLOCKS_MAX && dice_chance(&world->dice, 10);
    case ACT_COUNT:
        break;
    }
    return false;
}

static void act(struct world *world, enum action action)
{
    switch (action) {
    case ACT_CONNECT:
        connect_upstream(world);
        break;
    case ACT_SECURED_CLIENT:
        outside_shake_hands(world, SIDE_CLIENT);
        break;
    case ACT_SECURED_UPSTREAM:
        outside_shake_hands(world, SIDE_UPSTREAM);
        break;
    case ACT_TELL:
        outside_tell(world);
        break;
    case ACT_UPSTREAM:
        feed_upstream(world);
        break;
    case ACT_CLIENT:
        feed(world, SIDE_CLIENT, &world->client.out);
        break;
    case ACT_SENT_CLIENT:
        say_sent(world, SIDE_CLIENT);
        break;
    case ACT_SENT_UPSTREAM:
        say_sent(world, SIDE_UPSTREAM);
        break;
    case ACT_CLIENT_ENDS:
        end_client(world, world->client.reset);
        break;
    case ACT_UPSTREAM_ENDS:
        end_upstream(world);
        break;
    case ACT_HOG:
        hog(world);
        break;
    case ACT_COUNT:
        break;
    }
}

/* Nothing can move: time passes until the engine, or the upstream, has something to do. */
static void wait(struct world *world)
{
    moment until = engine_deadline(world->engine);

    if (world->upstream.hold_until > world->now && world->upstream.hold_until < until)
        until = world->upstream.hold_until;
    if (until == MOMENT_NEVER || until > TIME_MAX) {
        world_fail(world, "every session ends (invariant 12)");
        return;
    }
    world->now = until > world->now ? until : world->now;
    world_step(world, (struct event){.kind = EVENT_TIME});
}

static bool upstream_there(const struct world *world)
{
    const struct link *link = &world->links[SIDE_UPSTREAM];

    return link->open && !link->ended && !link->shut;
}

/* What nobody planned. */
static void stumble(struct world *world)
{
    struct link *links = world->links;

    if (dice_below(&world->dice, 1000) >= world->fault_chance)
        return;
    switch (dice_below(&world->dice, 5)) {
    case 0:
    case 1:
        if (!links[SIDE_CLIENT].ended && !links[SIDE_CLIENT].shut)
            end_client(world, dice_chance(&world->dice, 50));
        break;
    case 2:
        if (upstream_there(world))
            end_upstream(world);
        break;
    case 3:
        world->stopped = true;
        world_step(world, (struct event){.kind = EVENT_STOP});
        break;
    default:
        world->upstream.hold_until = world->now + dice_below(&world->dice, 900000);
        break;
    }
}

static void advance(struct world *world)
{
    enum action some[ACT_COUNT];
    uint32_t count = 0;
    int action;

    if (world->upstream.gone && upstream_there(world)) {
        end_upstream(world);
        return;
    }
    for (action = 0; action < ACT_COUNT && !(world->calm && count > 0); action++) {
        if (possible(world, (enum action)action))
            some[count++] = (enum action)action;
    }
    if (count == 0) {
        wait(world);
        return;
    }
    act(world, some[world->calm ? 0 : dice_below(&world->dice, count)]);
    if (world->calm || engine_over(world->engine))
        return;
    if (dice_chance(&world->dice, 10))
        world->now += dice_below(&world->dice, 50);
    if (world->fault_chance > 0)
        stumble(world);
}

const char *world_run(struct world *world, uint64_t seed, struct span choices, bool calm,
                      enum cutting cutting)
{
    prepare(world, seed, choices, calm, cutting);
    outside_arrive(world);
    while (!world->failure && !engine_over(world->engine)) {
        advance(world);
        if (world->steps > STEPS_MAX)
            world_fail(world, "every session ends (invariant 12)");
    }
    engine_close(world->engine);
    if (world->lender.pool.lent != world->hogged_count)
        world_fail(world, "blocks are given back");
    return world->failure;
}
