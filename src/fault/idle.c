/* A firewall that forgets connections nobody uses (F-34). */
#include "faults.h"

void fault_idle(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->idle_ms = (uint32_t)fault_number(rule, ARGUMENT_TIME, 0);
    shape->then = (enum fault_end)fault_number(rule, ARGUMENT_THEN, FAULT_STALL);
}
