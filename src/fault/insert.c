/* Says something of its own (F-38). */
#include "faults.h"

void fault_insert(const struct fault_rule *rule, const struct fault_scene *scene,
                  struct fault_plan *plan)
{
    (void)scene;
    if (fault_has(rule, ARGUMENT_BEHIND))
        plan->behind = fault_text(rule, ARGUMENT_TEXT);
    else
        plan->before = fault_text(rule, ARGUMENT_TEXT);
    plan->absorb = plan->absorb || fault_has(rule, ARGUMENT_ABSORB);
}
