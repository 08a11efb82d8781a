/* Small segments: stutter, tarpit, one byte at a time (F-04, F-46). */
#include "faults.h"

void fault_slice(const struct fault_rule *rule, struct fault_shape *shape)
{
    shape->slice = (uint32_t)fault_number(rule, ARGUMENT_COUNT, 0);
    shape->slice_spread = (uint32_t)fault_number(rule, ARGUMENT_SPREAD, 0);
    shape->gap_ms = (uint32_t)fault_number(rule, ARGUMENT_GAP, 1);
}
