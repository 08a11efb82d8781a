/* Says a command twice (F-37). */
#include "faults.h"

void fault_repeat(const struct fault_rule *rule, const struct fault_scene *scene,
                  struct fault_plan *plan)
{
    (void)scene;
    plan->twice = true;
    plan->absorb = plan->absorb || fault_has(rule, ARGUMENT_ABSORB);
}
