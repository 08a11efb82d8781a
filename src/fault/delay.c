/* Keeps something back, and so all behind it (F-22, F-44, F-45, F-46). */
#include "faults.h"

void fault_delay(const struct fault_rule *rule, const struct fault_scene *scene,
                 struct fault_plan *plan)
{
    uint64_t ms = fault_number(rule, ARGUMENT_TIME, 0);

    ms += seed_below(scene->seed, fault_number(rule, ARGUMENT_JITTER, 0) + 1);
    plan->hold_ms += (uint32_t)ms;
}
