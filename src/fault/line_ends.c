/*
 * Makes CRLF of every lone CR and LF (F-53): what was text by the client's framing
 * may then end the message.
 */
#include "faults.h"

void fault_line_ends(const struct fault_rule *rule, const struct fault_scene *scene,
                     struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    char previous = scene->previous;
    struct text room = fault_room(plan);
    size_t i;

    (void)rule;
    for (i = 0; i < said.size; i++) {
        char byte = said.at[i];

        if (byte == '\n' && previous != '\r')
            text_add_byte(&room, '\r');
        else if (previous == '\r' && byte != '\n')
            text_add_byte(&room, '\n');
        text_add_byte(&room, byte);
        previous = byte;
    }
    fault_becomes(scene, plan, &room);
}
