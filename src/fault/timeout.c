/* A black hole. */
#include "faults.h"

void fault_timeout(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->silent = true;
    shape->end_ms = (uint32_t)fault_number(rule, ARGUMENT_TIME, 0);
    shape->end = FAULT_CLOSE;
}
