/*
 * Events in, effects out. A step lets everything move that can: replies are heard, commands read,
 * rows sent and released, until nothing moves any more (house section 4).
 */
#include <string.h>

#include "ask.h"
#include "believe.h"
#include "keep.h"
#include "lockstep/base/secret.h"
#include "login.h"
#include "message.h"
#include "prepare.h"
#include "trouble.h"

struct engine *engine_init(void *memory, const struct policy *policy, struct lender *lender,
                           uint64_t seed, moment now)
{
    struct engine *engine = memory;

    *engine = (struct engine){
        .policy = policy,
        .lender = lender,
        .seed = {seed},
        .started = now,
        .now = now,
        .connect_at = MOMENT_NEVER,
    };
    guide_init(engine);
    engine->troubled = policy->mode == MODE_FAULT;
    if (engine->troubled)
        trouble_init(engine);
    return engine;
}

/* How many blocks the engine may need in one step that brings bytes from that side. */
static uint32_t blocks_needed(const struct engine *engine, enum side from)
{
    return (engine->peers[from].inbox.block == 0 ? 1U : 0U) +
           (engine->ledger.block == 0 ? 1U : 0U) + (engine->troubled ? 2U : 0U);
}

static bool blocks_missing(const struct engine *engine, enum side from)
{
    const struct pool *pool = &engine->lender->pool;

    return pool->count - pool->lent < blocks_needed(engine, from);
}

static bool message_streams(const struct engine *engine)
{
    return engine->input == INPUT_OPAQUE ||
           ((engine->input == INPUT_BODY || engine->input == INPUT_CHUNK) &&
            engine->message.fate != FATE_SWALLOW);
}

/* Would that side be read if blocks were there? */
static bool wanted(const struct engine *engine, enum side from)
{
    const struct peer *peer = &engine->peers[from];

    if (!peer->open || peer->ended || peer->securing || engine->phase == PHASE_CLOSING)
        return false;
    if (from == SIDE_UPSTREAM && engine->upstream_lost)
        return false;
    if (engine->troubled && from == SIDE_UPSTREAM && engine->now < trouble_seen(engine)->greet_at)
        return false;
    if (!emit_may(engine, SIDE_CLIENT))
        return false;
    return from == SIDE_UPSTREAM || !message_streams(engine) || emit_may(engine, SIDE_UPSTREAM);
}

size_t engine_room(const struct engine *engine, enum side from)
{
    if (!wanted(engine, from) || blocks_missing(engine, from))
        return 0;
    return BLOCK_SIZE - engine->peers[from].inbox.size;
}

bool engine_starved(const struct engine *engine)
{
    if (engine->starved && engine->phase != PHASE_CLOSING)
        return true;
    return (wanted(engine, SIDE_CLIENT) && blocks_missing(engine, SIDE_CLIENT)) ||
           (wanted(engine, SIDE_UPSTREAM) && blocks_missing(engine, SIDE_UPSTREAM));
}

/*
 * All that follows from one reply or line comes before the next one is read. So the record tells
 * causes before effects, and how the bytes were cut into reads changes nothing (invariant 6). Only
 * a message never overtakes a reply that is there already: it can't be the reply to its dot.
 */
static void pump(struct engine *engine)
{
    bool moved = true;

    if (engine->troubled && trouble_seen(engine)->stalled)
        return;
    while (moved && engine->phase != PHASE_CLOSING) {
        bool overtaking = message_open(engine) && client_of(engine)->inbox.view.size > 0;

        moved = release_next(engine) || send_next(engine) ||
                (overtaking && upstream_read(engine)) || client_read(engine);
        if (!moved)
            session_conclude(engine);
        moved = moved || (engine->phase != PHASE_CLOSING && upstream_read(engine));
    }
}

void connect_when_due(struct engine *engine)
{
    if (engine->now < engine->connect_at)
        return;
    engine->connect_at = MOMENT_NEVER;
    engine->connect_due = true;
    upstream_of(engine)->shut = false;
    engine->answer_since = engine->now;
    note_life(engine, SIDE_UPSTREAM, SPAN("connect"), SPAN(""));
}

static void opened(struct engine *engine, const struct event *event)
{
    enum side side = event->side;
    struct peer *peer = &engine->peers[side];

    peer->open = true;
    peer->view.secured = event->secured;
    note_open(engine, event);
    if (engine->guided && side == SIDE_CLIENT)
        guide_arrive(engine, event);
    if (side == SIDE_UPSTREAM) {
        engine->leg.traits |= (uint8_t)event->traits;
        note_proxy(engine);
    }
    if (side == SIDE_CLIENT) {
        brief_keep(&engine->address, event->bytes);
        engine->along = event->arrival != NULL && event->arrival->along;
        engine->phase = PHASE_CONNECTING;
        if (engine->troubled && !trouble_opened(engine, event))
            return;
        engine->connect_due = true;
        note_life(engine, SIDE_UPSTREAM, SPAN("connect"), SPAN(""));
    } else if (engine->phase == PHASE_CONNECTING) {
        engine->phase = PHASE_GREETING;
    }
    engine->answer_since = engine->now;
}

/* Behind the handshake nothing holds that was said before it. */
static void secured(struct engine *engine, const struct event *event)
{
    if (!engine->peers[event->side].securing || engine->phase == PHASE_CLOSING)
        return;
    note_life(engine, event->side, SPAN("secured"), event->bytes);
    if (event->side == SIDE_CLIENT)
        login_secured(engine, event->arrival);
    else
        prepare_secured(engine);
}

static void ended(struct engine *engine, enum side side)
{
    engine->peers[side].ended = true;
    end_tell(engine, side, false);
}

static void failed(struct engine *engine, enum side side, struct span why)
{
    struct peer *peer = &engine->peers[side];

    if (side == SIDE_CLIENT) {
        client_gone(engine, why);
        return;
    }
    note_life(engine, side, SPAN("fail"), why);
    peer->open = false;
    peer->ended = peer->end_told = true;
    peer->shut = true; /* nothing is left to shut */
    peer->unsent = 0;
    if (engine->phase != PHASE_CLOSING && !engine->upstream_lost)
        upstream_gone(engine, why);
}

static void sent(struct engine *engine, enum side side, size_t count)
{
    struct peer *peer = &engine->peers[side];

    must(count <= peer->unsent || peer->shut);
    peer->unsent -= count < peer->unsent ? (uint32_t)count : peer->unsent;
    peer->unsent_since = engine->now;
    if (side == SIDE_UPSTREAM)
        engine->client_since = engine->now; /* it may have had to wait for this */
}

static void stop(struct engine *engine)
{
    if (engine->stopping)
        return;
    engine->stopping = true;
    engine->stop_at = engine->now;
    note_stop(engine);
}

static void happen(struct engine *engine, const struct event *event)
{
    switch (event->kind) {
    case EVENT_OPENED:
        opened(engine, event);
        break;
    case EVENT_BYTES:
        break;
    case EVENT_SECURED:
        secured(engine, event);
        break;
    case EVENT_TOLD:
        ask_told(engine, event->advice, event->bytes);
        break;
    case EVENT_ENDED:
        ended(engine, event->side);
        break;
    case EVENT_FAILED:
        failed(engine, event->side, event->bytes);
        break;
    case EVENT_SENT:
        sent(engine, event->side, event->count);
        break;
    case EVENT_TIME:
        connect_when_due(engine);
        if (event->at >= session_deadline(engine))
            session_overdue(engine);
        break;
    case EVENT_STOP:
        stop(engine);
        break;
    case EVENT_FAULTS:
        if (engine->troubled)
            trouble_change(engine, event->faults);
        break;
    }
}

/* After every step all that can move has moved; what has left since makes room only for those who
 * wait for it, and there are none while a side is not full. */
static bool moves_nothing(const struct engine *engine, const struct event *event)
{
    return event->kind == EVENT_SENT && !engine->troubled &&
           engine->peers[event->side].unsent < UNSENT_BYTES_MAX;
}

/* What the last step borrowed from the scratch was taken by now. */
static void wipe_scratch(struct lender *lender)
{
    size_t side;

    for (side = 0; side < SIDE_COUNT; side++) {
        struct outbox *outbox = &lender->outboxes[side];

        secret_wipe(outbox->scratch, outbox->secret);
        outbox->secret = 0;
    }
}

void engine_step(struct engine *engine, const struct event *event)
{
    struct lender *lender = engine->lender;
    size_t side;

    must(event->at >= engine->now);
    must(lender->outboxes[SIDE_CLIENT].size == 0 && lender->outboxes[SIDE_UPSTREAM].size == 0 &&
         lender->record_size == 0);
    wipe_scratch(lender);
    engine->now = event->at;
    if (moves_nothing(engine, event)) {
        happen(engine, event);
        return;
    }
    engine->starved = false;
    if (engine->troubled)
        trouble_begin(engine, event);
    for (side = 0; side < SIDE_COUNT; side++) {
        bool bytes = event->kind == EVENT_BYTES && event->side == side;

        inbox_begin(engine, (enum side)side, bytes ? event->bytes : SPAN(""));
    }
    happen(engine, event);
    pump(engine);
    if (engine->troubled)
        trouble_pump(engine);
    end_tell(engine, SIDE_CLIENT, false);
    end_tell(engine, SIDE_UPSTREAM, false);
    for (side = 0; side < SIDE_COUNT; side++)
        inbox_keep(engine, (enum side)side);
    ledger_rest(engine);
}

static bool take_send(struct engine *engine, enum side side, struct effect *effect_r)
{
    struct outbox *outbox = &engine->lender->outboxes[side];
    struct peer *peer = &engine->peers[side];

    if (outbox->size == 0)
        return false;
    *effect_r = (struct effect){.kind = EFFECT_SEND, .side = side, .piece_count = outbox->count};
    memcpy(effect_r->pieces, outbox->pieces, outbox->count * sizeof(outbox->pieces[0]));
    if (peer->unsent == 0)
        peer->unsent_since = engine->now;
    peer->unsent += (uint32_t)outbox->size;
    outbox->size = outbox->used = 0;
    outbox->count = 0;
    return true;
}

static bool take_shut(struct engine *engine, enum side side, struct effect *effect_r)
{
    uint8_t due = engine->shut_due[side];

    if (due == 0)
        return false;
    engine->shut_due[side] = 0;
    *effect_r = (struct effect){.kind = EFFECT_SHUT, .side = side, .how = (enum shut)(due - 1)};
    if (effect_r->how != SHUT_FLUSH && effect_r->how != SHUT_HALF)
        engine->peers[side].unsent = 0;
    return true;
}

static bool take_secure(struct engine *engine, enum side side, struct effect *effect_r)
{
    if (!engine->peers[side].secure_due)
        return false;
    engine->peers[side].secure_due = false;
    *effect_r = (struct effect){.kind = EFFECT_SECURE, .side = side};
    return true;
}

static bool take_connect(struct engine *engine, struct effect *effect_r)
{
    if (!engine->connect_due)
        return false;
    engine->connect_due = false;
    *effect_r = (struct effect){.kind = EFFECT_CONNECT,
                                .side = SIDE_UPSTREAM,
                                .live = engine->leg.choice.live,
                                .turn = engine->turn,
                                .relay = (uint32_t)(relay_of(engine) - engine->policy->relays)};
    return true;
}

static bool take_learnt(struct engine *engine, struct effect *effect_r)
{
    if (engine->learn_due == 0)
        return false;
    *effect_r = (struct effect){.kind = EFFECT_LEARN,
                                .side = SIDE_UPSTREAM,
                                .relay = (uint32_t)(relay_of(engine) - engine->policy->relays),
                                .traits = engine->learn_due};
    engine->learn_due = 0;
    return true;
}

static bool take_question(struct engine *engine, struct effect *effect_r)
{
    if (!engine->guided || !guide_of(engine)->ask_due)
        return false;
    guide_of(engine)->ask_due = false;
    *effect_r = (struct effect){.kind = EFFECT_ASK, .question = &engine->lender->question};
    return true;
}

static bool take_record(struct lender *lender, struct effect *effect_r)
{
    if (lender->record_size == 0)
        return false;
    *effect_r = (struct effect){.kind = EFFECT_RECORD, .piece_count = 1};
    effect_r->pieces[0] = span_of(lender->record_scratch, lender->record_size);
    lender->record_size = 0;
    lender->record_cut = false;
    return true;
}

/* What was said is recorded before it leaves: whoever has heard it finds it in the record. */
bool engine_take(struct engine *engine, struct effect *effect_r)
{
    return take_record(engine->lender, effect_r) || take_send(engine, SIDE_CLIENT, effect_r) ||
           take_send(engine, SIDE_UPSTREAM, effect_r) ||
           take_secure(engine, SIDE_CLIENT, effect_r) ||
           take_secure(engine, SIDE_UPSTREAM, effect_r) ||
           take_shut(engine, SIDE_CLIENT, effect_r) || take_shut(engine, SIDE_UPSTREAM, effect_r) ||
           take_learnt(engine, effect_r) || take_connect(engine, effect_r) ||
           take_question(engine, effect_r);
}

moment engine_deadline(const struct engine *engine)
{
    moment due = session_deadline(engine);
    moment trouble = engine->troubled ? trouble_deadline(engine) : MOMENT_NEVER;

    return trouble < due ? trouble : due;
}

bool engine_idle(const struct engine *engine)
{
    return engine->phase == PHASE_TALKING && ledger_empty(engine) &&
           (engine->input == INPUT_COMMAND || engine->input == INPUT_OPAQUE) &&
           engine->message.convert != CONVERT_OPEN && engine->peers[SIDE_CLIENT].inbox.size == 0 &&
           engine->peers[SIDE_UPSTREAM].inbox.size == 0;
}

bool engine_over(const struct engine *engine)
{
    if (engine->troubled && trouble_pending(engine))
        return false;
    return engine->phase == PHASE_CLOSING && engine->peers[SIDE_CLIENT].unsent == 0 &&
           engine->peers[SIDE_UPSTREAM].unsent == 0 && engine->shut_due[SIDE_CLIENT] == 0 &&
           engine->shut_due[SIDE_UPSTREAM] == 0;
}

bool engine_client(const struct engine *engine, struct span *address_r, uint16_t *port_r)
{
    if (!believe_told(engine, ATTRIBUTE_ADDR))
        return false;
    *address_r = brief_span(&engine->address);
    *port_r = guide_of(engine)->known.port;
    return true;
}

void engine_summary(const struct engine *engine, struct summary *summary_r)
{
    const struct guide *guide;

    *summary_r = engine->summary;
    summary_r->credential = NOTHING;
    if (!engine->guided)
        return;
    guide = guide_of(engine);
    if (engine->leg.auth == AUTH_DONE)
        summary_r->credential = engine->leg.choice.credential;
    if (engine->peers[SIDE_CLIENT].view.authenticated)
        summary_r->login = name_span(&guide->user);
}

void engine_close(struct engine *engine)
{
    size_t side;

    for (side = 0; side < SIDE_COUNT; side++) {
        engine->peers[side].inbox.view = span_of("", 0);
        inbox_keep(engine, (enum side)side);
    }
    engine->phase = PHASE_CLOSING;
    if (engine->troubled)
        trouble_drop(engine);
    keep_drop(engine);
    ledger_drop(engine);
    ledger_rest(engine);
}
