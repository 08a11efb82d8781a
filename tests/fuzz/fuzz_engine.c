/* The whole engine between the simulator's models: two bytes of seed, then bytes that decide what
 * the client says, what the upstream is like, and what happens when. */
#include "lockstep/base/must.h"

#include "fuzz.h"
#include "sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *world;
    struct span choices = span_tail(span_of((const char *)data, size), 2);
    uint64_t seed = size >= 2 ? data[0] | (uint64_t)data[1] << 8 : 0;

    if (!world)
        world = world_new();
    must(world_run(world, seed, choices, false, CUT_RANDOM) == NULL);
    return 0;
}
