/* Time on the way. */
#include "faults.h"

void fault_latency(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->latency_ms += (uint32_t)fault_number(rule, ARGUMENT_TIME, 0);
    shape->jitter_ms += (uint32_t)fault_number(rule, ARGUMENT_JITTER, 0);
}
