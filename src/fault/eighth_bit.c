/* Passes seven bits of a byte (F-52); what this makes of 0x8D and 0x8A is its danger. */
#include "faults.h"

void fault_eighth_bit(const struct fault_rule *rule, const struct fault_scene *scene,
                      struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    struct text room = fault_room(plan);
    size_t i;

    (void)rule;
    for (i = 0; i < said.size; i++)
        text_add_byte(&room, (char)((unsigned char)said.at[i] & 0x7fU));
    fault_becomes(scene, plan, &room);
}
