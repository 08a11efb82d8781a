/* identify: who the client is, as the upstream is told it; for the files of the engine only. */
#ifndef LOCKSTEP_SRC_ENGINE_IDENTIFY_H
#define LOCKSTEP_SRC_ENGINE_IDENTIFY_H

#include "state.h"

/* How far it was told, with XCLIENT. */
enum naming identify_state(const struct engine *engine);
/* It is another connection, which knows nothing; `same`: to the same relay. */
void identify_forget(struct engine *engine, bool same);
/* Must it be told who the client is before a command that does that? */
bool identify_due(const struct engine *engine, enum verb_does does);
/* The same for its log, before MAIL. */
bool identify_forward_due(const struct engine *engine, enum verb_does does);
/* Does nobody know how much of it the leg took? */
bool identify_spoiled(const struct engine *engine);
/* Was the leg told of somebody else than the client is now? */
bool identify_outdated(const struct engine *engine);
/* Says the next line, or notes why none can be said. */
void identify_say(struct engine *engine);
void identify_forward_say(struct engine *engine);
/* The relay's answers. */
void identify_answered(struct engine *engine, const struct reply *reply);
void identify_forward_answered(struct engine *engine, const struct reply *reply);
/* A command goes: whatever ends or opens a transaction ends what XFORWARD said. */
void identify_forward_spent(struct engine *engine, enum verb_does does);

#endif
