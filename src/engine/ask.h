/* ask: questions to the outside, and who asks them: to log in, and before a message begins. */
#ifndef LOCKSTEP_SRC_ENGINE_ASK_H
#define LOCKSTEP_SRC_ENGINE_ASK_H

#include "state.h"

/* --- ask.c --- */
void ask(struct engine *engine, enum question_kind kind, struct span text, struct span more,
         uint16_t code);
bool asking(const struct engine *engine);
void ask_told(struct engine *engine, const struct advice *advice, struct span words);
moment ask_deadline(const struct engine *engine);
void ask_overdue(struct engine *engine);
/* Nobody waits for the answer any more; false: somebody does, whatever becomes of the upstream. */
bool ask_drop(struct engine *engine);

/* --- inject.c --- */
void inject_begin(struct engine *engine);
void inject_pop(struct engine *engine);
/* What both the upstream offers and the policy allows. */
uint32_t inject_mechanisms(const struct engine *engine);
void inject_answered(struct engine *engine, const struct reply *reply);
void inject_told(struct engine *engine, enum question_kind kind, const struct advice *advice,
                 struct span words);
void inject_refuse(struct engine *engine, bool forever, struct span words);
/* What the client says of who sent the message does not stand as ours. */
void inject_disclaim(struct engine *engine, struct row *row);
/* MAIL is answered by what the policy says of a refused credential; false: it may go. */
bool inject_refused(struct engine *engine, struct row *row);

/* --- pace.c --- */
/* Has the row to wait for a rate, before anything is said for it? */
bool pace_due(const struct engine *engine, enum verb_does does);
void pace_ask(struct engine *engine);
void pace_told(struct engine *engine, const struct advice *advice, struct span words);
/* That was said to the relay; behind MAIL the next one asks again. */
void pace_said(struct engine *engine, enum verb_does does);
/* The message has its answer. */
void pace_spent(struct engine *engine);
/* The client hears an answer to it. */
void pace_over(struct engine *engine);
/* How long it is held at most. */
moment pace_deadline(const struct engine *engine);
/* How much of that is left. */
uint32_t pace_room(const struct engine *engine);
/* A message is held, and nothing else is under way. */
bool pace_holds(const struct engine *engine);
/* A message is held of which the client can say no more: it has left. */
bool pace_hopeless(const struct engine *engine);
/* Is the refusal one of a rate that the relay has itself? */
bool speaks_of_rate(const struct reply *reply);
/* It refuses MAIL so: true when that is held, to be said again. */
bool pace_again(struct engine *engine, struct row *row, const struct reply *reply);
/* It refuses MAIL so, and there is no other address: to ask it again at once would not help. */
bool pace_insists(const struct engine *engine, const struct row *row, const struct reply *reply);

/* --- guide.c --- */
/* What was to decide on the envelope has decided nothing: the row hears why. */
void guide_refuse(struct engine *engine, struct row *row, const struct plan *plan,
                  struct span words);

#endif
