/*
 * meter: how much of something there was lately, held against a rate. Never more than its amount is
 * let begin within its period, wherever that begins: what was counted is remembered for the period
 * and a little longer, for the way to the relay takes time too.
 *
 * What is known only afterwards may have been too much. It is a debt then, which counts as soon as
 * there is room, and nothing begins before it is paid.
 *
 * Zeroed it is ready. Nobody locks it, and its clock is the caller's.
 */
#ifndef LOCKSTEP_NET_METER_H
#define LOCKSTEP_NET_METER_H

#include "lockstep/base/moment.h"
#include "lockstep/policy/rate.h"

/* The period is cut in so many parts, less two. */
#define METER_SLOTS 64U
/* Longer ones are forgiven: a single message of any size may begin. */
#define METER_DEBT_PERIODS_MAX 16U

struct meter {
    uint64_t used[METER_SLOTS];
    uint64_t total; /* of them */
    uint64_t debt;
    moment slot;    /* the newest, counted from the clock's begin */
    moment slot_ms; /* 0: nothing was counted yet */
};

/* May something begin? How much it will be is not asked. */
bool meter_allows(struct meter *meter, const struct rate *rate, moment now);
void meter_count(struct meter *meter, const struct rate *rate, uint64_t amount, moment now);
/* When the next may begin, if `ahead` others, of one each, begin before; now: at once. */
moment meter_when(const struct meter *meter, const struct rate *rate, uint32_t ahead, moment now);
/* Nothing is remembered. */
bool meter_idle(struct meter *meter, const struct rate *rate, moment now);

#endif
