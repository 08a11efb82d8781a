/* believe: who the client is, as it tells with XCLIENT; for the files of the engine only. */
#ifndef LOCKSTEP_SRC_ENGINE_BELIEVE_H
#define LOCKSTEP_SRC_ENGINE_BELIEVE_H

#include "state.h"

/* The attributes that this client may tell; none: it may not say XCLIENT. */
uint16_t believe_offers(const struct engine *engine);
/* Has it told that one, and does it still hold? */
bool believe_told(const struct engine *engine, enum attribute attribute);
/* Who comes. */
void believe_arrive(struct engine *engine, const struct event *event);
/* What it told came in clear, and does not hold in TLS: it is whoever connected. */
void believe_forget(struct engine *engine);
/* The client greets. */
void believe_greets(struct engine *engine, bool extended);
/* Answers its XCLIENT. */
void believe_answer(struct engine *engine, struct row *row);
/* The relay that is connected to anew for it has greeted: the client that waits to begin anew hears
 * that greeting, or refusal, and nobody asks that relay once more. False: none waits. */
bool believe_welcomed(struct engine *engine, const struct reply *reply);
/* XCLIENT passed, and the upstream took it: both begin anew. */
void believe_passed(struct engine *engine);

#endif
