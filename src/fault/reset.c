/* A path that breaks after so long. */
#include "faults.h"

void fault_reset(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->ends = true;
    shape->end_ms = (uint32_t)fault_number(rule, ARGUMENT_TIME, 0);
    shape->end = FAULT_RESET;
}
