/*
 * Answers in the relay's place: a refusal, or with `ask` an acknowledgement that is not its own
 * (F-10, F-21).
 */
#include "faults.h"

void fault_answer(const struct fault_rule *rule, const struct fault_scene *scene,
                  struct fault_plan *plan)
{
    (void)scene;
    plan->fate = FAULT_HERE;
    plan->answer = fault_text(rule, ARGUMENT_TEXT);
    plan->ask = fault_has(rule, ARGUMENT_ASK);
    plan->end = (enum fault_end)fault_number(rule, ARGUMENT_THEN, FAULT_NO_END);
}
