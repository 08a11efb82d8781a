/*
 * seed: seeded random numbers (the splitmix64 sequence). Same seed, same numbers, on every machine.
 * For tests, faults and spreading load; never for secrets.
 */
#ifndef LOCKSTEP_BASE_SEED_H
#define LOCKSTEP_BASE_SEED_H

#include <stdint.h>

struct seed {
    uint64_t state;
};

uint64_t seed_next(struct seed *seed);
/* A number from 0 to limit - 1; limit 0 gives 0. */
uint64_t seed_below(struct seed *seed, uint64_t limit);

#endif
