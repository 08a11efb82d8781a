/* The way out in `mode: fault`: a ring of bytes, and the moments at which they may leave. */
#include "wire.h"

#include <string.h>

#include "lockstep/base/secret.h"
#include "lockstep/record/record.h"
#include "trouble.h"

static char *block_of(const struct engine *engine, const struct wire *wire)
{
    return pool_at(&engine->lender->pool, wire->block);
}

bool wire_has_room(const struct wire *wire)
{
    return wire->size + WIRE_ITEM_BYTES_MAX <= BLOCK_SIZE && wire->count < PARCELS_MAX / 2;
}

void wire_drop(struct engine *engine, struct wire *wire)
{
    if (wire->block != 0) {
        if (wire->secret)
            secret_wipe(block_of(engine, wire), BLOCK_SIZE);
        pool_return(&engine->lender->pool, wire->block);
    }
    wire->secret = false;
    wire->block = wire->start = wire->size = wire->count = 0;
}

static void ring_write(struct engine *engine, struct wire *wire, struct span bytes)
{
    uint32_t end = (wire->start + wire->size) % BLOCK_SIZE;
    size_t first = BLOCK_SIZE - end;
    struct span head = span_head(bytes, first);
    struct span tail = span_tail(bytes, first);

    must(wire->size + bytes.size <= BLOCK_SIZE);
    memcpy(block_of(engine, wire) + end, head.at, head.size);
    if (tail.size > 0)
        memcpy(block_of(engine, wire), tail.at, tail.size);
    wire->size += (uint32_t)bytes.size;
}

static struct parcel *last_of(struct wire *wire)
{
    return &wire->parcels[(wire->first + wire->count - 1) % PARCELS_MAX];
}

/* The moment it may leave: never before what was said before it. */
static moment due_of(struct engine *engine, struct wire *wire, const struct wire_terms *terms)
{
    const struct fault_shape *shape = &wire->shape;
    moment due = engine->now + terms->hold_ms + shape->latency_ms;

    if (shape->jitter_ms > 0)
        due +=
            (moment)seed_below(&engine->seed, 2ULL * shape->jitter_ms + 1) -
            (moment)(shape->jitter_ms < shape->latency_ms ? shape->jitter_ms : shape->latency_ms);
    if (shape->gather_ms > 0 && wire->count == 0)
        due += shape->gather_ms;
    if (wire->count > 0 && due < last_of(wire)->due)
        due = last_of(wire)->due;
    return due;
}

/* Does it leave just as the last one does? Then both are one, where the places run out. */
static bool joins(struct wire *wire, const struct wire_terms *terms)
{
    const struct parcel *last = last_of(wire);

    return wire->count == PARCELS_MAX ||
           (wire->count > 0 && terms->content && last->terms.content &&
            last->terms.end == FAULT_NO_END && terms->end == FAULT_NO_END &&
            wire->shape.latency_ms == 0);
}

static void leave(struct engine *engine, enum side side, struct parcel *parcel, uint32_t size)
{
    struct wire *wire = &trouble_of(engine)->wires[side];

    while (size > 0) {
        uint32_t run = BLOCK_SIZE - wire->start < size ? BLOCK_SIZE - wire->start : size;
        struct span bytes = span_of(block_of(engine, wire) + wire->start, run);

        trouble_leaves(engine, side, bytes, parcel->size - run, &parcel->terms);
        wire->start = (wire->start + run) % BLOCK_SIZE;
        wire->size -= run;
        parcel->size -= run;
        wire->passed += run;
        size -= run;
    }
}

/* All that waits leaves now. */
static void hurry(struct engine *engine, enum side side)
{
    struct wire *wire = &trouble_of(engine)->wires[side];

    for (; wire->count > 0; wire->count--) {
        struct parcel *parcel = &wire->parcels[wire->first];

        if (engine->peers[side].open)
            leave(engine, side, parcel, parcel->size);
        wire->first = (wire->first + 1) % PARCELS_MAX;
    }
    wire_drop(engine, wire);
}

/* What nothing keeps back leaves before the next thing is read, so that the record tells of it
 * there. An end comes when all has been said: see trouble_pump(). */
static void leave_at_once(struct engine *engine, enum side side)
{
    struct wire *wire = &trouble_of(engine)->wires[side];
    struct parcel *parcel = &wire->parcels[wire->first];
    const struct fault_shape *shape = &wire->shape;
    bool plain = shape->slice == 0 && shape->rate == 0 && shape->largest == 0 && !shape->limited &&
                 !shape->silent && parcel->terms.slice == 0 && parcel->terms.end == FAULT_NO_END;

    if (wire->count != 1 || !plain || parcel->due > engine->now || wire->free_at > engine->now ||
        !trouble_may_leave(engine, side))
        return;
    leave(engine, side, parcel, parcel->size);
    wire->count = 0;
    wire->start = 0;
}

void wire_put(struct engine *engine, enum side side, struct span bytes,
              const struct wire_terms *terms)
{
    struct wire *wire = &trouble_of(engine)->wires[side];
    struct parcel *parcel;
    moment due;

    if (wire->lost || wire->shut != 0 || trouble_of(engine)->ending ||
        (bytes.size == 0 && terms->end == FAULT_NO_END))
        return;
    if (wire->block == 0)
        wire->block = pool_lend(&engine->lender->pool);
    /* Where there is no block, or no room, nothing can wait: that happens to a first word of ours
     * only, for engine_room() and emit_may() have seen to both for what comes of reading. */
    if (wire->block == 0 || wire->size + bytes.size > BLOCK_SIZE) {
        hurry(engine, side);
        if (engine->peers[side].open)
            trouble_leaves(engine, side, bytes, 0, terms);
        return;
    }
    due = due_of(engine, wire, terms);
    ring_write(engine, wire, bytes);
    wire->secret = wire->secret || terms->secret > 0;
    wire->used_at = engine->now;
    if (wire->count > 0 && joins(wire, terms)) {
        last_of(wire)->size += (uint32_t)bytes.size;
        return;
    }
    wire->count++;
    parcel = last_of(wire);
    *parcel = (struct parcel){.terms = *terms, .size = (uint32_t)bytes.size, .due = due};
    leave_at_once(engine, side);
    trouble_of(engine)->ending = terms->end != FAULT_NO_END && terms->end != FAULT_HALF;
}

/* --- leaving --- */

/* How much of it may leave in one segment now. */
static uint32_t segment_of(struct engine *engine, struct wire *wire, const struct parcel *parcel)
{
    const struct fault_shape *shape = &wire->shape;
    uint64_t size = parcel->size;
    uint64_t slice = parcel->terms.slice > 0 ? parcel->terms.slice : shape->slice;
    uint64_t left;

    if (parcel->terms.slice == 0 && shape->slice_spread > 0) {
        uint64_t spread = shape->slice_spread < slice ? shape->slice_spread : slice - 1;

        slice = slice - spread + seed_below(&engine->seed, 2 * spread + 1);
    }
    if (slice > 0 && size > slice)
        size = slice;
    if (shape->rate > 0 && size > 1 + shape->rate / 20)
        size = 1 + shape->rate / 20; /* twenty times a second */
    if (parcel->terms.end != FAULT_NO_END && size > parcel->terms.end_after)
        size = parcel->terms.end_after;
    left = shape->limit > wire->passed ? shape->limit - wire->passed : 0;
    if (shape->limited && size > left)
        size = left;
    return (uint32_t)size;
}

/* When the segment behind one of that size may leave. */
static void pace(struct engine *engine, struct wire *wire, const struct parcel *parcel,
                 uint32_t size)
{
    const struct fault_shape *shape = &wire->shape;
    uint32_t gap = parcel->terms.slice > 0 ? parcel->terms.gap_ms : shape->gap_ms;

    if (parcel->terms.slice == 0 && shape->slice == 0)
        gap = 0;
    else if (gap == 0)
        gap = 1;
    wire->free_at = engine->now + gap;
    if (shape->rate > 0) {
        moment narrow = engine->now + (moment)(1 + (uint64_t)size * 1000 / shape->rate);

        wire->free_at = narrow > wire->free_at ? narrow : wire->free_at;
    }
}

/* One segment; what it reaches with it. */
static enum fault_end pump_one(struct engine *engine, enum side side, struct parcel *parcel)
{
    struct wire *wire = &trouble_of(engine)->wires[side];
    const struct fault_shape *shape = &wire->shape;
    uint32_t size = segment_of(engine, wire, parcel);
    enum fault_end end = parcel->terms.end;

    if (shape->largest > 0 && size > shape->largest) {
        wire->lost = true;
        wire_drop(engine, wire);
        return FAULT_NO_END;
    }
    pace(engine, wire, parcel, size);
    leave(engine, side, parcel, size);
    if (end != FAULT_NO_END)
        parcel->terms.end_after -= size;
    if (parcel->terms.end_after == 0 || parcel->size == 0)
        parcel->terms.end = FAULT_NO_END; /* it has come */
    else
        end = FAULT_NO_END;
    if (parcel->size == 0) {
        wire->first = (wire->first + 1) % PARCELS_MAX;
        wire->count--;
    }
    if (end == FAULT_NO_END && shape->limited && wire->passed >= shape->limit)
        end = shape->then;
    return end;
}

static bool paced(const struct wire *wire)
{
    return wire->shape.slice > 0 || wire->shape.rate > 0 ||
           (wire->count > 0 && wire->parcels[wire->first].terms.slice > 0);
}

void wire_pump(struct engine *engine, enum side side, enum fault_end *end_r)
{
    struct wire *wire = &trouble_of(engine)->wires[side];

    while (*end_r == FAULT_NO_END && wire->count > 0 && !wire->shape.silent) {
        struct parcel *parcel = &wire->parcels[wire->first];
        bool slow = paced(wire);

        if (parcel->due > engine->now || wire->free_at > engine->now ||
            !trouble_may_leave(engine, side))
            break;
        *end_r = pump_one(engine, side, parcel);
        if (slow)
            break; /* the next one is another segment */
    }
    if (wire->count == 0 && wire->block != 0)
        wire_drop(engine, wire);
}

moment wire_deadline(const struct engine *engine, enum side side)
{
    const struct wire *wire = &trouble_seen(engine)->wires[side];
    moment due;

    if (wire->count == 0)
        return wire->shut != 0 ? wire->shut_at : MOMENT_NEVER;
    if (wire->shape.silent)
        return MOMENT_NEVER;
    due = wire->parcels[wire->first].due;
    return wire->free_at > due ? wire->free_at : due;
}
