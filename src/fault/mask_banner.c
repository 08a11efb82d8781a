/* The banner as a PIX lets it through (F-01): of each line only what its own pattern keeps. */
#include "faults.h"

void fault_mask_banner(const struct fault_rule *rule, const struct fault_scene *scene,
                       struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    struct text room = fault_room(plan);
    char previous = '\0';
    size_t i;

    (void)rule;
    for (i = 0; i < said.size; i++) {
        char byte = said.at[i];
        bool kept = span_find(SPAN("20\r\n"), byte) < 4 || (byte == ' ' && previous == '0');

        text_add_byte(&room, kept ? byte : '*');
        previous = byte;
    }
    fault_becomes(scene, plan, &room);
}
