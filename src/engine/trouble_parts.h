/* trouble_parts: what the files that carry out the plans of faults share; for trouble*.c only. */
#ifndef LOCKSTEP_SRC_ENGINE_TROUBLE_PARTS_H
#define LOCKSTEP_SRC_ENGINE_TROUBLE_PARTS_H

#include "trouble.h"

/* A command's CRLF, which rules do not see. */
#define LINE_END_BYTES_MAX 2U

/* What a plan may write into, for as long as it is carried out. */
struct rooms {
    char bytes[2][FAULT_TEXT_BYTES_MAX + LINE_END_BYTES_MAX];
};

/* What is known when that happens. */
struct fault_scene trouble_scene(struct engine *engine, enum fault_event event, enum verb verb,
                                 struct span said);
/* Asks, and tells the record who acts; of a message's parts only who acts for the first time. */
bool trouble_judge(struct engine *engine, struct fault_scene *scene, struct rooms *rooms,
                   struct fault_plan *plan_r);
/* Asks how bytes leave from now on, for both sides. */
void trouble_shape(struct engine *engine);
/* The end that a plan asks for, now. */
void trouble_come_to_end(struct engine *engine, enum fault_end end);
/* The words of a rule as whole lines. */
void trouble_add_lines(struct span words, struct text *text);
/* Those lines are said; empty: nothing. */
void trouble_put_words(struct engine *engine, enum side side, struct span words,
                       const struct wire_terms *terms);
/* The client hears the plan's answer, and the end that may follow. */
void trouble_put_answer(struct engine *engine, const struct fault_plan *plan);
/* The client hears of the row what the plan says, in its turn. */
void trouble_answer_row(struct engine *engine, struct row *row, const struct fault_plan *plan);
/* What was sent last is to be answered in time. */
void trouble_lose_patience(struct engine *engine, const struct fault_plan *plan);
/* The next message begins with a line of its own. */
void trouble_follow_anew(struct trouble *trouble);

#endif
