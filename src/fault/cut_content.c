/* Loses the end of a message, though not the dot that ends it. */
#include "faults.h"

void fault_cut_content(const struct fault_rule *rule, const struct fault_scene *scene,
                       struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    uint64_t most = fault_number(rule, ARGUMENT_COUNT, 0);
    uint64_t left = most > scene->before ? most - scene->before : 0;
    struct text room = fault_room(plan);

    if (said.size <= left) {
        plan->same = true;
        return;
    }
    text_add(&room, span_head(said, (size_t)left));
    fault_becomes(scene, plan, &room);
}
