/* A queue in front of three meters. */
#include "gate.h"

#include "lockstep/base/must.h"

static bool gate_allows(struct gate *gate, moment now)
{
    return now >= gate->shut_until && meter_allows(&gate->messages, &gate->rates.messages, now) &&
           meter_allows(&gate->recipients, &gate->rates.recipients, now) &&
           meter_allows(&gate->bytes, &gate->rates.bytes, now);
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

static struct waiter *gate_late(const struct gate *gate, moment now)
{
    struct waiter *waiter = gate->first;

    while (waiter != NULL && waiter->until > now)
        waiter = waiter->next;
    return waiter;
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
    waiter = gate_late(gate, now);
    if (waiter != NULL)
        gate_leave(waiter);
    *passed_r = false;
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
    const struct waiter *waiter = gate->first;
    moment due = MOMENT_NEVER;

    if (waiter != NULL)
        due = gate_when(gate, 0, now);
    for (; waiter != NULL; waiter = waiter->next)
        due = waiter->until < due ? waiter->until : due;
    return due;
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

bool gate_idle(struct gate *gate, moment now)
{
    return gate->first == NULL && now >= gate->shut_until &&
           meter_idle(&gate->messages, &gate->rates.messages, now) &&
           meter_idle(&gate->recipients, &gate->rates.recipients, now) &&
           meter_idle(&gate->bytes, &gate->rates.bytes, now);
}
