/* Changes the order: a command goes on behind those that follow it (F-37). */
#include "faults.h"

void fault_hold(const struct fault_rule *rule, const struct fault_scene *scene,
                struct fault_plan *plan)
{
    (void)scene;
    plan->fate = FAULT_WAITS;
    plan->past_verb = (uint8_t)fault_number(rule, ARGUMENT_PAST, 0);
    plan->past = (uint32_t)fault_number(rule, ARGUMENT_COUNT, 1);
    plan->hold_ms = (uint32_t)fault_number(rule, ARGUMENT_FOR, 200);
}
