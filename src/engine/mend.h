/* mend: what repairs make of lines, of replies and of their order. */
#ifndef LOCKSTEP_SRC_ENGINE_MEND_H
#define LOCKSTEP_SRC_ENGINE_MEND_H

#include "state.h"

/* What the text repairs of one stage write into; as large as any line or reply. */
struct mending {
    char bytes[2][LIMIT_LINE_BYTES_MAX + MENDED_GROWTH_MAX];
    uint8_t used; /* which of them holds what was mended last */
    struct plan beyond;
};

/* Is there any repair that would look? */
bool mend_due(const struct engine *engine, enum repair_stage stage, enum verb_does does);
/* Runs the text repairs of a stage over `*seen`, which then lies in `mending` if anything changed;
 * with BEYOND nothing may go on, and `mending->beyond` says why. In `observe` nothing changes. */
enum verdict mend_text(struct engine *engine, enum repair_stage stage, enum verb verb,
                       struct span *seen, struct mending *mending);
/* What repairs make of a reply takes its place, if it is a reply; it then lies in `mending`. */
void mend_reply(struct engine *engine, struct reply *reply, struct mending *mending);
/* Runs the order repairs; true when one acts. `reply_code` 0: before sending. In `observe` each row
 * is noted once. */
bool mend_order(struct engine *engine, struct row *row, uint16_t reply_code, struct plan *plan_r);
/* Would an order repair act on the row, as far as can be seen while others are in flight?
 * `in_group`: would it put something in front of it? */
bool mend_waits(const struct engine *engine, const struct row *row, bool in_group);
/* What an order repair would put in front of the row. */
enum plan_first mend_first(const struct engine *engine, const struct row *row);
/* A repair that the engine does itself acts now. */
void mend_note(struct engine *engine, enum repair_id id);
/* Records what the repair found; false: it is not to be done, because we only observe. */
bool mend_acts(struct engine *engine, enum repair_id id);
/* There is something to do for such a repair: is it to be done? Recorded if so, and in `observe`.
 */
bool mend_framing(struct engine *engine, enum repair_id id);
/* What is configured for the session's route. */
struct rewrite rewrite_of(const struct engine *engine);

#endif
