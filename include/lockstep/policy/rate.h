/* rate: how much there may be in a time. Never more, in any time so long, wherever it begins. */
#ifndef LOCKSTEP_POLICY_RATE_H
#define LOCKSTEP_POLICY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_PERIOD_MIN_MS 1000U

struct rate {
    uint64_t amount; /* 0: any */
    uint32_t per_ms;
};

/* What is counted. */
struct rates {
    struct rate messages;
    struct rate recipients;
    struct rate bytes;
};

static inline bool rates_given(const struct rates *rates)
{
    return rates->messages.amount > 0 || rates->recipients.amount > 0 || rates->bytes.amount > 0;
}

#endif
