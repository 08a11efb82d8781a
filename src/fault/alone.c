/* A box that passes one command at a time. */
#include "faults.h"

void fault_alone(const struct fault_rule *rule, const struct fault_scene *scene,
                 struct fault_plan *plan)
{
    (void)rule;
    (void)scene;
    plan->alone = true;
}
