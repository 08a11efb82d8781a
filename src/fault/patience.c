/* A box that gives up long before the relay has answered (F-22). */
#include "faults.h"

void fault_patience(const struct fault_rule *rule, const struct fault_scene *scene,
                    struct fault_plan *plan)
{
    (void)scene;
    plan->patience_ms = (uint32_t)fault_number(rule, ARGUMENT_TIME, 0);
    plan->patience_end = (enum fault_end)fault_number(rule, ARGUMENT_THEN, FAULT_CLOSE);
}
