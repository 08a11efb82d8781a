/*
 * desk: where answers to the questions of a worker's sessions are handed in, from any thread, and
 * taken in by the worker. Its copies are wiped, for an answer may hold a secret.
 */
#ifndef LOCKSTEP_NET_DESK_H
#define LOCKSTEP_NET_DESK_H

#include <uv.h>

#include "lockstep/net/adviser.h"

struct letter;

struct desk {
    uv_mutex_t lock;
    uv_async_t bell;
    struct letter *first;
    struct letter *last;
};

/* What came, in its order, is given to session_told(). */
void desk_open(struct desk *desk, uv_loop_t *uv);
/* Every session has ended: what came too late is dropped. The memory must stay until the loop has
 * turned once more. */
void desk_close(struct desk *desk);

#endif
