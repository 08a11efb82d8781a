/* Writes over keywords in EHLO's answer, so that none is shorter or longer (F-06). */
#include "faults.h"

void fault_mask_keyword(const struct fault_rule *rule, const struct fault_scene *scene,
                        struct fault_plan *plan)
{
    struct span rest = fault_said(scene, plan);
    struct text room = fault_room(plan);
    bool first = true;
    struct span line;
    size_t i;

    for (; fault_line(&rest, &line); first = false) {
        struct span keyword = fault_keyword(line);
        size_t start = room.size + 4;

        text_add(&room, line);
        if (first || room.cut || !fault_listed(fault_text(rule, ARGUMENT_TEXT), keyword))
            continue;
        for (i = 0; i < keyword.size; i++)
            room.at[start + i] = i + 1 < keyword.size ? 'X' : 'A';
    }
    fault_becomes(scene, plan, &room);
}
