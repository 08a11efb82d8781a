/* Offers what the relay does not (F-10). */
#include "faults.h"

void fault_add_keyword(const struct fault_rule *rule, const struct fault_scene *scene,
                       struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    struct text room = fault_room(plan);
    struct span rest = said;
    struct span line;

    while (fault_line(&rest, &line)) {
        size_t start = room.size;

        text_add(&room, line);
        if (room.size > start + 3)
            room.at[start + 3] = '-';
    }
    text_add(&room, span_head(said, 3));
    text_add_byte(&room, ' ');
    fault_words(fault_text(rule, ARGUMENT_TEXT), &room);
    text_add(&room, SPAN("\r\n"));
    fault_becomes(scene, plan, &room);
}
