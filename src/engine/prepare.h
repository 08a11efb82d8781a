/* prepare: what has to happen upstream before the client's next command, and what came of it. */
#ifndef LOCKSTEP_SRC_ENGINE_PREPARE_H
#define LOCKSTEP_SRC_ENGINE_PREPARE_H

#include "state.h"

/* What DATA hears where there is nothing to quote. */
extern const struct plan needs_recipients;

enum prepared {
    PREPARED,     /* the row may go */
    PREPARE_WAIT, /* for an answer */
    PREPARE_MOVE, /* something was done */
};
enum prepared prepare(struct engine *engine, struct row *row);
/* EHLO of ours, with the client's name or ours; HELO follows where that is refused. */
void prepare_greet(struct engine *engine);
/* Is HELO said for EHLO? Not where what EHLO brings is needed. */
bool avoids_ehlo(const struct engine *engine);
/* The upstream answered a row of ours that prepares, or that puts an envelope again. */
void prepare_answered(struct engine *engine, enum verb verb, const struct reply *reply);
/* Has it said more, in clear, than 220 to STARTTLS? Then the session ends. */
bool prepare_mixed(struct engine *engine, const struct reply *reply);
/* The upstream's TLS is up. */
void prepare_secured(struct engine *engine);
/* TLS with the upstream failed; why is for the record, because it names who is there. */
void prepare_failed(struct engine *engine);
/* The relay greeted a leg that is not the first. */
void prepare_arrived(struct engine *engine, const struct reply *reply);
/* Does the refusal ask for AUTH? */
bool wants_auth(const struct reply *reply);
/* Connects to where the session belongs now; nothing of the upstream before holds there. */
void switch_leg(struct engine *engine);
/* A refusal that asks for AUTH, while there is a credential: true when the row goes once more. */
bool prepare_insists(struct engine *engine, struct row *row, const struct reply *reply);
/* Does this relay start in clear and go on with TLS? */
bool upstream_secures(const struct engine *engine);
/* One command at a time, because a refusal may yet put the envelope again. */
bool prepare_cautious(const struct engine *engine);
/* Must TLS begin before anything else is said there? */
bool prepare_owes_tls(const struct engine *engine);
/* Whom lockstep greets the upstream as. */
struct span greeting_name(const struct engine *engine);

#endif
