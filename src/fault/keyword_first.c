/* Puts a keyword where the greeting belongs, which clients then take for it (F-32). */
#include "faults.h"

void fault_keyword_first(const struct fault_rule *rule, const struct fault_scene *scene,
                         struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    struct text room = fault_room(plan);

    text_add(&room, span_head(said, 3));
    text_add_byte(&room, '-');
    fault_words(fault_text(rule, ARGUMENT_TEXT), &room);
    text_add(&room, SPAN("\r\n"));
    text_add(&room, said);
    fault_becomes(scene, plan, &room);
}
