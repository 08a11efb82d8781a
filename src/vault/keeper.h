/*
 * keeper: the vault's own thread and its loop. Whatever takes time is done there.
 *
 * Only keeper_post() and keeper_now() may be called from other threads. When the keeper is closed
 * it ends its guests and then runs until the last handle on its loop is closed: so whoever keeps a
 * handle open is a guest, and closes it when told to end.
 */
#ifndef LOCKSTEP_SRC_VAULT_KEEPER_H
#define LOCKSTEP_SRC_VAULT_KEEPER_H

#include "lockstep/net/link.h"
#include "lockstep/vault/vault.h"

/* What a client hears instead of paths, addresses and errors of ours, which only the log gets. */
#define ASK_THE_LOG "the mail administrator can see why in lockstep's log"

/* Something to be done on the keeper's thread; the caller's memory, until `run` is called, once. */
struct job {
    void (*run)(struct job *job);
    struct job *next;
};

/* Something under way on the keeper's loop, to be given up when the keeper ends. */
struct guest {
    void (*end)(struct guest *guest); /* called at most once, no longer a guest then */
    struct guest *next;
    struct guest *before;
};

struct keeper {
    uv_loop_t uv;
    struct link_loop links;
    const struct vault_user *user;
    /* The rest is the keeper's business. */
    uv_thread_t thread;
    uv_mutex_t lock; /* over the jobs */
    uv_async_t wake;
    struct job *first;
    struct job *last;
    struct guest *guests;
    struct job end;
};

/* Starts the thread. 0, or a libuv error and nothing is left behind. */
int keeper_open(struct keeper *keeper, const struct vault_user *user);
/* Does what was posted, ends the guests, and waits for the thread. */
void keeper_close(struct keeper *keeper);
/* Any thread; jobs run in the order in which they were posted. */
void keeper_post(struct keeper *keeper, struct job *job);
/* Any thread. */
moment keeper_now(const struct keeper *keeper);
/* Any thread: one line for the log. */
void keeper_say(const struct keeper *keeper, enum vault_weight weight, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void keeper_join(struct keeper *keeper, struct guest *guest);
void keeper_leave(struct keeper *keeper, struct guest *guest);

#endif
