/* A narrow path. */
#include "faults.h"

void fault_bandwidth(const struct fault_rule *rule, struct fault_shape *shape)
{
    uint64_t rate = fault_number(rule, ARGUMENT_COUNT, 0);

    if (shape->rate == 0 || rate < shape->rate)
        shape->rate = rate;
}
