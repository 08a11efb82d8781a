/* A path whose routers can't say that a segment is too large for it (F-33). */
#include "faults.h"

void fault_largest(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->largest = (uint32_t)fault_number(rule, ARGUMENT_COUNT, 0);
}
