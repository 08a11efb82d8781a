/* Says something else, or one thing for another within what is said. */
#include "faults.h"

/* Every place of `words` becomes `instead`. */
static void exchange(struct span said, struct span words, struct span instead, struct text *out)
{
    char bytes[FAULT_RULE_BYTES_MAX];
    struct text part_text = text_over(bytes, sizeof(bytes));
    struct span part;

    fault_words(words, &part_text);
    part = text_span(&part_text);
    while (said.size > 0) {
        size_t place = span_find_span(said, part);

        text_add(out, span_head(said, place));
        if (place == said.size || part.size == 0)
            break;
        fault_words(instead, out);
        said = span_tail(said, place + part.size);
    }
}

void fault_replace(const struct fault_rule *rule, const struct fault_scene *scene,
                   struct fault_plan *plan)
{
    struct text room = fault_room(plan);

    if (fault_has(rule, ARGUMENT_WITH)) {
        exchange(fault_said(scene, plan), fault_text(rule, ARGUMENT_TEXT),
                 fault_text(rule, ARGUMENT_WITH), &room);
    } else {
        fault_words(fault_text(rule, ARGUMENT_TEXT), &room);
        if (scene->event != FAULT_COMMAND)
            text_add(&room, SPAN("\r\n"));
    }
    fault_becomes(scene, plan, &room);
}
