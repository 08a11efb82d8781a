/* Takes parameters out of MAIL and RCPT (F-56). */
#include "faults.h"

void fault_strip_parameters(const struct fault_rule *rule, const struct fault_scene *scene,
                            struct fault_plan *plan)
{
    struct span said = fault_said(scene, plan);
    size_t start = span_find(said, '>');
    struct text room = fault_room(plan);
    struct span rest;

    start = start < said.size ? start + 1 : start; /* else there is no path to stand behind */
    rest = span_tail(said, start);
    text_add(&room, span_head(said, start));
    while (rest.size > 0) {
        struct span word = span_tail(rest, 1);

        word = span_head(rest, 1 + span_find(word, ' ')); /* and the blank before it */
        if (!fault_listed(fault_text(rule, ARGUMENT_TEXT),
                          span_head(span_tail(word, 1), span_find(span_tail(word, 1), '='))))
            text_add(&room, word);
        rest = span_tail(rest, word.size);
    }
    fault_becomes(scene, plan, &room);
}
