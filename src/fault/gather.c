/* Several writes in one segment (F-42). */
#include "faults.h"

void fault_gather(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->gather_ms = (uint32_t)fault_number(rule, ARGUMENT_TIME, 0);
}
