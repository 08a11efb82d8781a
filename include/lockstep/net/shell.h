/*
 * shell: runs the sessions. N worker threads, each with its own loop and its own listening socket
 * for every address; they share nothing but the setup and the count of sessions.
 *
 * A setup is a whole configuration, immutable, with everything it points to. It is counted by those
 * who hold it: the shell holds the newest, every session the one it began with.
 */
#ifndef LOCKSTEP_NET_SHELL_H
#define LOCKSTEP_NET_SHELL_H

#include <stdatomic.h>

#include "lockstep/engine/engine.h"
#include "lockstep/net/address.h"
#include "lockstep/policy/config.h"

struct setup {
    atomic_uint holders;
    void (*dispose)(struct setup *setup); /* when nobody holds it any more */
    const struct config *config;
    /* What a client of that listener hears, before it is let go, when there is no room for it. */
    struct span full[CONFIG_LISTENERS_MAX];
};

void setup_hold(struct setup *setup);
void setup_drop(struct setup *setup);

/* What a session came to. All of it is borrowed. */
struct report {
    uint64_t id; /* also the seed its engine was given */
    struct span listener;
    struct address client;
    struct address relay; /* the last that was tried; family 0: none was */
    struct summary summary;
    uint64_t duration_ms;
};

/* How the shell tells its owner; called from the workers' threads, so each must be one write. */
struct shell_user {
    void (*report)(const struct report *report);
    /* Something went wrong that ends no session; `error` is a libuv error. */
    void (*warn)(const char *text, int error);
    /* All workers have ended after shell_drain(); from the last one's thread. */
    void (*over)(void *data);
    void *data;
};

struct shell;

/*
 * Binds every address of every listener and starts the workers. On failure nothing is left behind:
 * NULL, `*error_r` is a negative libuv error and `where_r` says in ADDRESS_TEXT_MAX bytes where.
 */
struct shell *shell_start(struct setup *setup, const struct shell_user *user, int *error_r,
                          char *where_r);
/* The listening addresses, with their real ports, in the order of the configuration. */
uint32_t shell_addresses(const struct shell *shell, const struct address **addresses_r);
/* New sessions begin under this setup; listeners are matched by name, and one that the new setup
 * does not name stays as it was. */
void shell_reload(struct shell *shell, struct setup *setup);
/* No new sessions; the open ones are told to end, and after the `drain` time-out are ended. */
void shell_drain(struct shell *shell);
/* Waits for the workers' threads; then everything is given back. */
void shell_close(struct shell **shell);
/* Bytes of one session, its engine included. */
size_t shell_session_size(const struct policy *policy);

#endif
