/*
 * pick: which of a relay's addresses comes next, by what became of those before, in all workers
 * together. An address that failed rests, each time in a row twice as long; then one session asks
 * it first, and the others come back to it, little by little, when that went well.
 *
 * Its clock is the caller's.
 */
#ifndef LOCKSTEP_NET_PICK_H
#define LOCKSTEP_NET_PICK_H

#include <uv.h>

#include "lockstep/base/moment.h"
#include "lockstep/net/address.h"
#include "lockstep/policy/config.h"

/* Addresses that one connection may be tried at, with all that names resolve to. */
#define PICK_CANDIDATES_MAX 64U
/* Addresses of which something is known. */
#define PICK_PLACES_MAX 96U
#define PICK_NONE UINT32_MAX

#define PICK_REST_MIN_MS 1000
#define PICK_REST_MAX_MS 300000
/* As long as the one that asks first is waited for by the others. */
#define PICK_PROBE_MS 60000

struct place_of_relay {
    struct address address; /* family 0: free */
    uint32_t open;          /* connections, and those that are being made */
    uint32_t failures;      /* in a row */
    moment rest_until;
    moment probe_until; /* somebody asks it */
    moment back_at;     /* since when it is well again; 0: it was never away */
    int64_t credit;     /* its turn comes nearer with each connection that others get */
    uint64_t last;      /* its last connection, counted by `connections` */
    uint64_t choice;    /* the last that it was a candidate of, counted by `choices` */
};

struct pick {
    uv_mutex_t lock;
    struct place_of_relay places[PICK_PLACES_MAX];
    uint64_t connections;
    uint64_t choices;
    uint64_t failures;
};

struct candidates {
    uint32_t count;
    struct address addresses[PICK_CANDIDATES_MAX]; /* in the order of the configuration */
    uint64_t tried;                                /* one bit each */
};

struct wish {
    enum config_balance balance;
    uint32_t slow_start_ms;
    struct address avoid; /* not at first; family 0: none */
};

void pick_init(struct pick *pick);
void pick_clear(struct pick *pick);
/* The next one to try, which counts as open from now on; `tired` ones, if all are. PICK_NONE: none.
 */
uint32_t pick_choose(struct pick *pick, const struct candidates *candidates,
                     const struct wish *wish, bool tired, moment now);
/* The connection is over, or was never made. */
void pick_leave(struct pick *pick, const struct address *address);
/* It serves; or it does not: no connection, no TLS, no greeting. */
void pick_learn(struct pick *pick, const struct address *address, bool well, moment now);
/* How many rest, and how often any failed. */
uint32_t pick_resting(struct pick *pick, moment now, uint64_t *failures_r);

#endif
