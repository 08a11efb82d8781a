/* Swallows what is said (F-36, F-44). */
#include "faults.h"

void fault_drop(const struct fault_rule *rule, const struct fault_scene *scene,
                struct fault_plan *plan)
{
    (void)rule;
    (void)scene;
    plan->fate = FAULT_DROPS;
}
