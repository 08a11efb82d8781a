/* Loses what it has read and not passed on (F-41). */
#include "faults.h"

void fault_forget(const struct fault_rule *rule, const struct fault_scene *scene,
                  struct fault_plan *plan)
{
    (void)rule;
    (void)scene;
    plan->forget = true;
}
