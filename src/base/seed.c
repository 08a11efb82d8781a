/* Seeded random numbers: splitmix64 (Steele, Lea, Flood 2014), small and good enough for choices.
 */
#include "lockstep/base/seed.h"

uint64_t seed_next(struct seed *seed)
{
    uint64_t mix;

    seed->state += 0x9e3779b97f4a7c15U;
    mix = seed->state;
    mix = (mix ^ (mix >> 30)) * 0xbf58476d1ce4e5b9U;
    mix = (mix ^ (mix >> 27)) * 0x94d049bb133111ebU;
    return mix ^ (mix >> 31);
}

uint64_t seed_below(struct seed *seed, uint64_t limit)
{
    return limit == 0 ? 0 : seed_next(seed) % limit;
}
