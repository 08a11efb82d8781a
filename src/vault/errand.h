/*
 * errand: what a session has the keeper find out for it, from somebody outside: a server that is
 * asked by HTTP (auth_http.h), a POP3 server that is logged in to (pop.h). It is sent from any
 * thread; its outcome comes on the keeper's.
 */
#ifndef LOCKSTEP_SRC_VAULT_ERRAND_H
#define LOCKSTEP_SRC_VAULT_ERRAND_H

#include "keeper.h"
#include "lockstep/base/secret.h"

/* What came of it; all of it is borrowed while it is told. */
struct outcome {
    enum told told;    /* DONE, LATER or NO */
    struct span words; /* LATER and NO: why, for the client; never a secret */
    struct span host;  /* DONE: connect there; empty: no word about where */
    uint16_t port;
    struct span user; /* DONE: log in there as that user, with `secret`; empty: no word about it */
    const struct secret *secret;
};

/* The asker's memory, zeroed but for the first two, until it is done or forgotten. */
struct errand {
    /* On the keeper's thread, once, but never before it was sent. Must not send or forget errands.
     */
    void (*done)(struct errand *errand, const struct outcome *outcome);
    void *data;
    struct trip *trip; /* the rest is the messenger's business */
};

/* --- for those who run errands --- */

/* Over the bonds between errands and trips. */
struct errands {
    uv_mutex_t lock;
};

/* One under way; part of what the messenger keeps of it. */
struct trip {
    struct errand *errand; /* NULL: forgotten */
};

void errands_open(struct errands *errands);
void errands_close(struct errands *errands);
void trip_begin(struct errands *errands, struct trip *trip, struct errand *errand);
/* False: it was forgotten, and need not be gone through with. */
bool trip_wanted(struct errands *errands, const struct trip *trip);
/* Tells the outcome, unless it was forgotten. */
void trip_end(struct errands *errands, struct trip *trip, const struct outcome *outcome);
/* The errand will not be done any more, and is not being done when this returns. The caller holds
 * no lock that `done` takes. */
void errands_forget(struct errands *errands, struct errand *errand);

#endif
