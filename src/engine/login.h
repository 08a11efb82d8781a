/* login: the client's STARTTLS and AUTH, where they are between it and us; for the files of the
 * engine only. */
#ifndef LOCKSTEP_SRC_ENGINE_LOGIN_H
#define LOCKSTEP_SRC_ENGINE_LOGIN_H

#include "state.h"

/* The client must do something else first; false: nothing. */
bool login_owed(struct engine *engine, enum verb verb, struct plan *plan_r);
/* Answers a STARTTLS, AUTH or response of the client, or asks about it. */
void login_answer(struct engine *engine, struct row *row);
/* What the client's certificate allows it. */
void login_certify(struct engine *engine, const struct arrival *arrival);
/* Its answer was said. */
void login_answered(struct engine *engine, const struct row *row);
void login_told(struct engine *engine, const struct advice *advice, struct span words);
/* The client's TLS is up. */
void login_secured(struct engine *engine, const struct arrival *arrival);
/* Does the client's AUTH go to the upstream? */
bool login_passes(const struct engine *engine);
/* The mechanisms we offer the client ourselves. */
uint32_t login_offers(const struct engine *engine);
/* The relay answered the client's STARTTLS, which was passed. If it agrees, what follows is for
 * nobody to read. False: somebody has said more already, and the session ends. */
bool login_splice(struct engine *engine, const struct reply *reply);
/* Is its login checked here, or taken as it comes? And may it still come? */
bool login_is_ours(const struct engine *engine);
bool login_may_come(const struct engine *engine);
/* Is the client within a transaction? */
bool within_transaction(const struct engine *engine);

#endif
