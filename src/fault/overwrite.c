/* Writes another verb over the one that stands there; no byte is added or taken (F-02 b). */
#include "faults.h"

void fault_overwrite(const struct fault_rule *rule, const struct fault_scene *scene,
                     struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    struct span over = span_head(fault_text(rule, ARGUMENT_TEXT), said.size);
    struct text room = fault_room(plan);

    text_add(&room, over);
    text_add(&room, span_tail(said, over.size));
    fault_becomes(scene, plan, &room);
}
