/*
 * replay: putting an envelope to an upstream once more, and what is learnt of the path to it; for
 * the files of the engine only.
 */
#ifndef LOCKSTEP_SRC_ENGINE_REPLAY_H
#define LOCKSTEP_SRC_ENGINE_REPLAY_H

#include "state.h"

/* How often in a row, until a message is accepted, and the pause before the second. */
#define REPLAYS_MAX 4U
#define REPLAY_PAUSE_MS ((moment)1000)
/* The upstream failed. True: what it was told and has not answered will be put to another one;
 * false: that is switched off, was tried often enough, or nobody could do it. */
bool replay(struct engine *engine, struct span why);
bool replay_possible(const struct engine *engine);
/* Is all that the upstream has taken of the session and the envelope known here? */
bool replay_remembers(const struct engine *engine);
/* The same before the client has heard any greeting: true when another address of the relay is
 * tried. */
bool replay_greeting(struct engine *engine, struct span why);
/* The answer does not fit what was said there, as if something on the path had changed it: true
 * when all is put to another one. */
bool replay_misfit(struct engine *engine, const struct row *row, const struct reply *reply);
/* Is one of the marks among these words, in any case? */
bool speaks_of(struct span words, const struct span *marks, size_t count);
/* What is seen of the path in a reply, the greeting or one to a command that does that. */
void replay_look(struct engine *engine, const struct reply *reply, enum verb_does does);
/* The upstream has answered what nobody said. */
void replay_look_unasked(struct engine *engine);
/* Remembers something of the path. */
void learn_trait(struct engine *engine, enum trait trait);
static inline bool has_trait(const struct engine *engine, enum trait trait)
{
    return (engine->leg.traits >> trait & 1U) != 0;
}

#endif
