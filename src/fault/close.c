/* Ends the connections, or lets them hang (F-07, F-16, F-35). */
#include "faults.h"

void fault_close(const struct fault_rule *rule, const struct fault_scene *scene,
                 struct fault_plan *plan)
{
    (void)scene;
    plan->end = (enum fault_end)fault_number(rule, ARGUMENT_END, 0);
    plan->end_after = fault_number(rule, ARGUMENT_BYTES, 0);
    if (fault_has(rule, ARGUMENT_BEHIND))
        plan->end_after = UINT32_MAX; /* nothing that is said has so many */
    plan->end_within = true;
}
