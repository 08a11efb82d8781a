/* A ring of short times, with what was counted in each. */
#include "meter.h"

#include <string.h>

static moment slot_of(const struct rate *rate)
{
    return (moment)((rate->per_ms + METER_SLOTS - 3) / (METER_SLOTS - 2));
}

static uint64_t room_of(const struct meter *meter, const struct rate *rate)
{
    return meter->total < rate->amount ? rate->amount - meter->total : 0;
}

/* Puts it into the newest part, as far as there is room; the rest is a debt. */
static void meter_put(struct meter *meter, const struct rate *rate, uint64_t amount)
{
    uint64_t room = room_of(meter, rate);
    uint64_t taken = amount < room ? amount : room;
    uint64_t most = rate->amount * METER_DEBT_PERIODS_MAX;

    meter->used[meter->slot % METER_SLOTS] += taken;
    meter->total += taken;
    meter->debt += amount - taken;
    if (meter->debt > most)
        meter->debt = most;
}

static void meter_step(struct meter *meter, const struct rate *rate)
{
    uint64_t *oldest = &meter->used[++meter->slot % METER_SLOTS];
    uint64_t debt = meter->debt;

    meter->total -= *oldest;
    *oldest = 0;
    meter->debt = 0;
    meter_put(meter, rate, debt);
}

/* Other times than before: all that is remembered is taken for new. */
static void meter_begin(struct meter *meter, const struct rate *rate, moment now)
{
    uint64_t amount = meter->total + meter->debt;

    *meter = (struct meter){.slot_ms = slot_of(rate), .slot = now / slot_of(rate)};
    meter_put(meter, rate, amount);
}

static void meter_turn(struct meter *meter, const struct rate *rate, moment now)
{
    if (meter->slot_ms != slot_of(rate))
        meter_begin(meter, rate, now);
    while (meter->slot < now / meter->slot_ms && (meter->total > 0 || meter->debt > 0))
        meter_step(meter, rate);
    if (meter->slot < now / meter->slot_ms)
        meter->slot = now / meter->slot_ms;
}

bool meter_allows(struct meter *meter, const struct rate *rate, moment now)
{
    if (rate->amount == 0)
        return true;
    meter_turn(meter, rate, now);
    return room_of(meter, rate) > 0;
}

void meter_count(struct meter *meter, const struct rate *rate, uint64_t amount, moment now)
{
    if (rate->amount == 0 || amount == 0)
        return;
    meter_turn(meter, rate, now);
    meter_put(meter, rate, amount);
}

/* A full ring frees as much with each part as it then holds again, so that each time round is like
 * the one before: whole ones are not walked. And a debt is paid before as others would be. */
moment meter_when(const struct meter *meter, const struct rate *rate, uint32_t ahead, moment now)
{
    struct meter copy;
    uint64_t before;

    if (rate->amount == 0)
        return now;
    copy = *meter;
    meter_turn(&copy, rate, now);
    before = ahead + copy.debt;
    copy.debt = 0;
    for (;;) {
        uint64_t room = room_of(&copy, rate);

        if (room > before)
            return now;
        meter_put(&copy, rate, room);
        before -= room;
        if (copy.total == rate->amount) {
            copy.slot += (moment)(before / rate->amount * METER_SLOTS);
            before %= rate->amount;
        }
        meter_step(&copy, rate);
        now = copy.slot * copy.slot_ms;
    }
}

bool meter_idle(struct meter *meter, const struct rate *rate, moment now)
{
    if (rate->amount == 0)
        return true;
    meter_turn(meter, rate, now);
    return meter->total == 0 && meter->debt == 0;
}
