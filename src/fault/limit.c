/* A path that breaks after so much. */
#include "faults.h"

void fault_limit(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->limited = true;
    shape->limit = fault_number(rule, ARGUMENT_COUNT, 0);
    shape->then = (enum fault_end)fault_number(rule, ARGUMENT_THEN, FAULT_CLOSE);
}
