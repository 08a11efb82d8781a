/* Offers less room than the relay has (F-10). */
#include "faults.h"

void fault_lower_size(const struct fault_rule *rule, const struct fault_scene *scene,
                      struct fault_plan *plan)
{
    struct span rest = fault_said(scene, plan);
    uint64_t most = fault_number(rule, ARGUMENT_COUNT, 0);
    struct text room = fault_room(plan);
    struct span line;

    while (fault_line(&rest, &line)) {
        struct span digits = span_tail(line, 9);
        uint64_t size = 0;

        digits = span_head(digits, span_find(digits, '\r'));
        if (span_equal_fold(fault_keyword(line), SPAN("SIZE")) &&
            (!span_number(digits, &size) || size == 0 || size > most)) {
            text_add(&room, span_head(line, 8));
            text_add_byte(&room, ' ');
            text_add_number(&room, most);
            text_add(&room, SPAN("\r\n"));
        } else {
            text_add(&room, line);
        }
    }
    fault_becomes(scene, plan, &room);
}
