/* Takes off the dot that protects another one (F-54). */
#include "faults.h"

void fault_unstuff(const struct fault_rule *rule, const struct fault_scene *scene,
                   struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    char previous = scene->previous;
    uint64_t column = scene->column;
    struct text room = fault_room(plan);
    size_t i;

    (void)rule;
    for (i = 0; i < said.size; i++) {
        char byte = said.at[i];

        if (column != 1 || byte != '.' || previous != '.')
            text_add_byte(&room, byte);
        column = byte == '\n' ? 0 : column + 1;
        previous = byte;
    }
    fault_becomes(scene, plan, &room);
}
