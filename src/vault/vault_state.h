/* vault_state: what a vault is made of; for vault.c and supply.c. */
#ifndef LOCKSTEP_SRC_VAULT_VAULT_STATE_H
#define LOCKSTEP_SRC_VAULT_VAULT_STATE_H

#include "advise.h"
#include "health.h"
#include "supply.h"

struct holding;

/* The secrets that are kept in memory. */
struct supplies {
    uv_mutex_t lock; /* over all holdings, and who waits for them */
    uv_cond_t woken; /* `waking` has been woken */
    struct holding *first;
    struct waiter *awake; /* taken off their holding, to be woken one by one */
    struct waiter *waking;
    uint32_t waiters;
    uint64_t versions; /* given out so far */
};

struct vault {
    struct keeper keeper;
    struct supplies supplies;
    struct health health;
    struct advise *advise;
    struct store *store;    /* the keeper's thread only */
    struct store **retired; /* that were configured before: what began with one ends with it */
    size_t retired_count;
};

void supplies_open(struct vault *vault);
/* On the keeper's thread: from now on these credentials; those that stay as they were keep what is
 * known of them. Takes the copies, an array that is the caller's. */
void supplies_define(struct vault *vault, struct config_credential **copies, uint32_t count);
/* When the keeper has ended, and nothing is defined any more. */
void supplies_close(struct vault *vault);

#endif
