/* Cuts a line off (F-50). */
#include "faults.h"

void fault_truncate(const struct fault_rule *rule, const struct fault_scene *scene,
                    struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    size_t limit = (size_t)fault_number(rule, ARGUMENT_COUNT, 0);
    bool reply = scene->event != FAULT_COMMAND;
    struct text room = fault_room(plan);

    if (reply)
        said = span_head(said, said.size - (span_ends(said, SPAN("\r\n")) ? 2 : 0));
    if (said.size <= limit) {
        plan->same = true;
        return;
    }
    text_add(&room, span_head(said, limit));
    if (fault_has(rule, ARGUMENT_REST)) {
        text_add(&room, SPAN("\r\n"));
        text_add(&room, span_tail(said, limit));
    }
    if (reply)
        text_add(&room, SPAN("\r\n"));
    fault_becomes(scene, plan, &room);
}
