/* Writes over what is said, byte for byte (F-01, F-02 c, F-04, F-05). */
#include "faults.h"

void fault_mask(const struct fault_rule *rule, const struct fault_scene *scene,
                struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    struct span keep = fault_text(rule, ARGUMENT_KEEP);
    char over = fault_text(rule, ARGUMENT_TEXT).at[0];
    struct text room = fault_room(plan);
    bool all = true;
    size_t i;

    for (i = 0; i < said.size; i++) {
        char byte = said.at[i];
        bool end = byte == '\r' || byte == '\n';

        all = all && !(fault_has(rule, ARGUMENT_WORD) && byte == ' ');
        text_add_byte(&room, end || !all || span_find(keep, byte) < keep.size ? byte : over);
    }
    fault_becomes(scene, plan, &room);
}
