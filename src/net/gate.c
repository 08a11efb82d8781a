/* A queue in front of three meters, and a heap of the same waiters by when their time is over. */
#include "gate.h"

#include "lockstep/base/must.h"

static bool gate_allows(struct gate *gate, moment now)
{
    return now >= gate->shut_until && meter_allows(&gate->messages, &gate->rates.messages, now) &&
           meter_allows(&gate->recipients, &gate->rates.recipients, now) &&
           meter_allows(&gate->bytes, &gate->rates.bytes, now);
}

/* --- the heap: a pairing heap, which needs no memory of its own --- */

/* The one whose time is over first has the other under it. */
static struct waiter *heap_join(struct waiter *one, struct waiter *other)
{
    struct waiter *low, *high;

    if (one == NULL || other == NULL)
        return one == NULL ? other : one;
    low = other->until < one->until ? other : one;
    high = low == one ? other : one;
    high->above = low;
    high->beside = low->under;
    if (low->under != NULL)
        low->under->above = high;
    low->under = high;
    low->above = low->beside = NULL;
    return low;
}

/* Of a row of heaps one: joined in pairs, and those from the last to the first. */
static struct waiter *heap_gather(struct waiter *first)
{
    struct waiter *pairs = NULL, *whole = NULL;

    while (first != NULL) {
        struct waiter *second = first->beside;
        struct waiter *rest = second != NULL ? second->beside : NULL;
        struct waiter *pair;

        first->beside = first->above = NULL;
        if (second != NULL)
            second->beside = second->above = NULL;
        pair = heap_join(first, second);
        pair->beside = pairs;
        pairs = pair;
        first = rest;
    }
    while (pairs != NULL) {
        struct waiter *rest = pairs->beside;

        pairs->beside = NULL;
        whole = heap_join(whole, pairs);
        pairs = rest;
    }
    return whole;
}

static void heap_enter(struct gate *gate, struct waiter *waiter)
{
    waiter->under = waiter->beside = waiter->above = NULL;
    gate->soonest = heap_join(gate->soonest, waiter);
}

/* `above` is the one before in a row of heaps, and of the first the one that they are under. */
static void heap_leave(struct gate *gate, struct waiter *waiter)
{
    struct waiter *below = heap_gather(waiter->under);

    if (waiter == gate->soonest) {
        gate->soonest = below;
        return;
    }
    must(waiter->above != NULL);
    if (waiter->above->under == waiter)
        waiter->above->under = waiter->beside;
    else
        waiter->above->beside = waiter->beside;
    if (waiter->beside != NULL)
        waiter->beside->above = waiter->above;
    gate->soonest = heap_join(gate->soonest, below);
}

/* --- the queue --- */

/* The gates that it still comes to have to stay where they are. */
static void waiter_expect(const struct waiter *waiter, bool coming)
{
    uint32_t i;

    for (i = waiter->step + 1; i < GATES; i++) {
        if (waiter->gates[i] != NULL)
            waiter->gates[i]->coming += coming ? 1U : UINT32_MAX;
    }
}

static void gate_stand(struct gate *gate, struct waiter *waiter)
{
    must(!waiter->waits);
    if (gate->waiting == GATE_WAITING_MAX)
        return;
    waiter->waits = true;
    waiter->next = NULL;
    waiter->before = gate->last;
    if (gate->last != NULL)
        gate->last->next = waiter;
    else
        gate->first = waiter;
    gate->last = waiter;
    gate->waiting++;
    heap_enter(gate, waiter);
    waiter_expect(waiter, true);
}

void gate_leave(struct waiter *waiter)
{
    struct gate *gate;

    if (!waiter->waits)
        return;
    gate = waiter->gates[waiter->step];
    if (waiter->before != NULL)
        waiter->before->next = waiter->next;
    else
        gate->first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->before = waiter->before;
    else
        gate->last = waiter->before;
    gate->waiting--;
    heap_leave(gate, waiter);
    waiter_expect(waiter, false);
    waiter->waits = false;
}

/* Through as many gates as are open. */
static bool waiter_walk(struct waiter *waiter, moment now)
{
    for (; waiter->step < GATES; waiter->step++) {
        struct gate *gate = waiter->gates[waiter->step];

        if (gate == NULL)
            continue;
        if (gate->first != NULL || !gate_allows(gate, now)) {
            gate_stand(gate, waiter);
            return false;
        }
        meter_count(&gate->messages, &gate->rates.messages, 1, now);
    }
    return true;
}

bool gate_arrive(struct waiter *waiter, moment now)
{
    waiter->step = 0;
    return waiter_walk(waiter, now);
}

struct waiter *gate_next(struct gate *gate, moment now, bool *passed_r)
{
    struct waiter *waiter;

    while (gate->first != NULL && gate_allows(gate, now)) {
        waiter = gate->first;
        gate_leave(waiter);
        meter_count(&gate->messages, &gate->rates.messages, 1, now);
        waiter->step++;
        *passed_r = waiter_walk(waiter, now);
        if (!waiter->waits) /* it begins, or there is no room for it where it would wait */
            return waiter;
    }
    *passed_r = false;
    waiter = gate->soonest;
    if (waiter == NULL || waiter->until > now)
        return NULL;
    gate_leave(waiter);
    return waiter;
}

moment gate_when(const struct gate *gate, uint32_t ahead, moment now)
{
    moment from = gate->shut_until > now ? gate->shut_until : now;
    moment messages = meter_when(&gate->messages, &gate->rates.messages, ahead, from);
    moment recipients = meter_when(&gate->recipients, &gate->rates.recipients, 0, from);
    moment bytes = meter_when(&gate->bytes, &gate->rates.bytes, 0, from);

    if (recipients > messages)
        messages = recipients;
    return bytes > messages ? bytes : messages;
}

moment gate_due(const struct gate *gate, moment now)
{
    moment due;

    if (gate->first == NULL)
        return MOMENT_NEVER;
    due = gate_when(gate, 0, now);
    return gate->soonest->until < due ? gate->soonest->until : due;
}

void gate_count(struct gate *gate, uint64_t messages, uint64_t recipients, uint64_t bytes,
                moment now)
{
    meter_count(&gate->messages, &gate->rates.messages, messages, now);
    meter_count(&gate->recipients, &gate->rates.recipients, recipients, now);
    meter_count(&gate->bytes, &gate->rates.bytes, bytes, now);
}

void gate_shut(struct gate *gate, moment now)
{
    if (now < gate->shut_until) /* others have heard the same, of the same moment */
        return;
    gate->rest_ms = gate->rest_ms == 0 ? GATE_REST_MIN_MS : 2 * gate->rest_ms;
    if (gate->rest_ms > GATE_REST_MAX_MS)
        gate->rest_ms = GATE_REST_MAX_MS;
    gate->shut_until = now + gate->rest_ms;
}

void gate_open(struct gate *gate)
{
    gate->rest_ms = 0;
}

bool gate_awaited(const struct gate *gate)
{
    return gate->first != NULL || gate->coming > 0;
}

bool gate_idle(struct gate *gate, moment now)
{
    moment rested = gate->shut_until + (gate->rest_ms > 0 ? GATE_REST_KNOWN_MS : 0);

    return !gate_awaited(gate) && now >= rested &&
           meter_idle(&gate->messages, &gate->rates.messages, now) &&
           meter_idle(&gate->recipients, &gate->rates.recipients, now) &&
           meter_idle(&gate->bytes, &gate->rates.bytes, now);
}
