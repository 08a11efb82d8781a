/*
 * advice: a session's questions to the adviser, and where an answer sent it.
 */
#ifndef LOCKSTEP_NET_ADVICE_H
#define LOCKSTEP_NET_ADVICE_H

#include "session.h"

/* True: answered at once, in `answer_r`, which is borrowed until the next question. False: the desk
 * will have the answer. */
bool advice_ask(struct session *session, const struct question *question, struct answer *answer_r);
/* The event that tells an answer to the engine; `advice_r` is part of it. An address in the answer
 * is remembered for the next connection. */
struct event advice_event(struct session *session, uint32_t serial, const struct answer *answer,
                          struct advice *advice_r);
/* Where to connect to, now, for that relay; `live`: or where an answer said, if one did. */
const struct config_addresses *advice_where(struct session *session, uint32_t relay, bool live);
/* The session is over: no answer will come. */
void advice_end(struct session *session);

#endif
