/*
 * shell: runs the sessions. N worker threads, each with its own loop and its own listening socket
 * for every address; they share nothing but the setup and the count of sessions.
 */
#ifndef LOCKSTEP_NET_SHELL_H
#define LOCKSTEP_NET_SHELL_H

#include "lockstep/engine/engine.h"
#include "lockstep/net/address.h"
#include "lockstep/net/adviser.h"
#include "lockstep/net/limits.h"
#include "lockstep/net/setup.h"

struct history; /* see history.h */

/* What a session came to. All of it is borrowed. */
struct report {
    uint64_t id; /* also the seed its engine was given */
    struct span listener;
    struct address client;  /* family 0: nobody knows */
    struct address through; /* who spoke for it, in a PROXY header or with XCLIENT */
    struct address relay;   /* the last that was tried; family 0: none was */
    struct span
        relay_name; /* as configured; "live": a live source named it; empty: none was tried */
    struct summary summary;
    struct span tls[SIDE_COUNT]; /* "TLSv1.3"; empty: in clear */
    struct span credential;      /* name of the one that the relay took; empty: none */
    struct span relay_error;     /* what a connection to a relay last failed of; empty: none did */
    struct span why;             /* of an ending before there was a session, may be empty */
    uint64_t duration_ms;
    uint32_t held; /* times that a message had to wait for a rate */
    uint64_t held_ms;
    /* What repairs did in any session of this worker since its report before, one per row. */
    const struct repair_count *repairs;
};

/* A client that got no session, but a refusal or, by `fail-open`, what it would have had without
 * lockstep. */
struct refusal {
    enum refused why;
    struct span listener; /* borrowed */
    struct address client;
    struct address destination; /* of an intercepted connection; else of family 0 */
    bool passed;                /* it goes on untouched */
};

/* How the shell tells its owner; called from the workers' threads, so each must be one write. */
struct shell_user {
    void (*report)(const struct report *report);
    void (*refused)(const struct refusal *refusal); /* may be NULL */
    /* Something went wrong that ends no session; `error` is a libuv error. */
    void (*warn)(const char *text, int error);
    /* All workers have ended after shell_drain(); from the last one's thread. */
    void (*over)(void *data);
    void *data;
    /* Answers the sessions' questions, and outlives the shell; NULL: each is answered with no. */
    const struct adviser *adviser;
    /* Remembers what happens, and outlives the shell; NULL: nothing is remembered. */
    struct history *history;
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
/* The first of that listener; false: it listens nowhere. */
bool shell_address(const struct shell *shell, struct span listener, struct address *address_r);
/*
 * New sessions begin under this setup, and listeners are those of it: new addresses are listened on
 * when this returns, former ones no more. Sessions go on under the setup they began with, but where
 * their listener is switched off they are ended. In `mode: fault` the faults of their listener's
 * name hold from now on, and they are ended also where it is gone or leads to another relay.
 * Returns 0, or a negative libuv error: then nothing has changed, and `where_r` says in
 * ADDRESS_TEXT_MAX bytes where.
 */
int shell_reload(struct shell *shell, struct setup *setup, char *where_r);
/* Any thread. What there is to be seen of rates and places; how many rows there are, up to `room`.
 */
uint32_t shell_limits(const struct shell *shell, struct limits_row *rows, uint32_t room);
/* No new sessions; the open ones are told to end, and after the `drain` time-out are ended. */
void shell_drain(struct shell *shell);
/* Waits for the workers' threads; then everything is given back. */
void shell_close(struct shell **shell);
/* Bytes of one session, its engine included. */
size_t shell_session_size(const struct policy *policy);

#endif
