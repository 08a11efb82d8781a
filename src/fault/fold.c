/* Breaks long lines of a message (F-51). */
#include "faults.h"

void fault_fold(const struct fault_rule *rule, const struct fault_scene *scene,
                struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    uint64_t most = fault_number(rule, ARGUMENT_COUNT, 998);
    uint64_t column = scene->column;
    struct text room = fault_room(plan);
    size_t i;

    for (i = 0; i < said.size; i++) {
        char byte = said.at[i];

        if (most > 0 && column > 0 && column % most == 0 && byte != '\r' && byte != '\n')
            text_add(&room, SPAN("\r\n "));
        text_add_byte(&room, byte);
        column = byte == '\n' ? 0 : column + 1;
    }
    fault_becomes(scene, plan, &room);
}
