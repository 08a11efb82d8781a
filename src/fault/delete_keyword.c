/* Takes keywords out of EHLO's answer (F-06, F-10 to F-12, F-31). */
#include "faults.h"

void fault_delete_keyword(const struct fault_rule *rule, const struct fault_scene *scene,
                          struct fault_plan *plan)
{
    struct span rest = fault_said(scene, plan);
    struct text room = fault_room(plan);
    size_t last = 0;
    struct span line;
    bool first = true;

    for (; fault_line(&rest, &line); first = false) {
        if (!first && fault_listed(fault_text(rule, ARGUMENT_TEXT), fault_keyword(line)))
            continue;
        last = room.size;
        text_add(&room, line);
        if (room.size > last + 3)
            room.at[last + 3] = '-';
    }
    if (room.size > last + 3)
        room.at[last + 3] = ' ';
    fault_becomes(scene, plan, &room);
}
