/* An end that comes late. */
#include "faults.h"

void fault_slow_close(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->linger_ms = (uint32_t)fault_number(rule, ARGUMENT_TIME, 0);
}
