/* Cuts what is said into segments (F-04, F-42). */
#include "faults.h"

void fault_split(const struct fault_rule *rule, const struct fault_scene *scene,
                 struct fault_plan *plan)
{
    (void)scene;
    plan->slice = (uint32_t)fault_number(rule, ARGUMENT_COUNT, 0);
    plan->gap_ms = (uint32_t)fault_number(rule, ARGUMENT_GAP, 1);
}
