/*
 * pass: a connection that lockstep only carries: from its client, by the client's own address, to
 * where it was going, byte by byte and with its ends where they were. No engine looks at it.
 */
#ifndef LOCKSTEP_SRC_NET_PASS_H
#define LOCKSTEP_SRC_NET_PASS_H

#include "path.h"

/* Takes over an accepted socket. False, and nothing is taken: there are as many as may be. */
bool pass_open(struct worker *worker, const struct caller *caller);
/* Ends all of the worker's, at once. */
void pass_kill_all(struct worker *worker);

#endif
