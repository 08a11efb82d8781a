/*
 * advise: answers what the engines ask: logs in at relays with the vault's secrets, and says
 * whether clients may log in here. It is what vault_adviser() hands out.
 *
 * A session's memo is its own: the credential it logs in with, the exchange that is under way, and
 * the one question that is still owed an answer. No secret outlives its exchange in it.
 */
#ifndef LOCKSTEP_SRC_VAULT_ADVISE_H
#define LOCKSTEP_SRC_VAULT_ADVISE_H

#include "supply.h"

struct advise;

/* The vault's keeper runs already; the vault outlives it. */
struct advise *advise_open(struct vault *vault);
/* Lives as long as `advise`. */
const struct adviser *advise_adviser(struct advise *advise);
/* Another configuration: what a relay refused may be tried once more. Any thread. */
void advise_renew(struct advise *advise);
/* When no session is left and the keeper has ended. */
void advise_close(struct advise **advise);

#endif
