/*
 * pacer: the rates of relays and of clients, and the places at relays, for all workers together.
 * What is not configured costs nothing; else an ask is a few instructions under a lock. Who has to
 * wait is answered through its worker's desk, by a thread that is there once somebody waits.
 *
 * Rates go by the names of relays and listeners, so they survive a new configuration.
 */
#ifndef LOCKSTEP_NET_PACER_H
#define LOCKSTEP_NET_PACER_H

#include "gate.h"
#include "lockstep/net/address.h"
#include "lockstep/net/adviser.h"
#include "lockstep/net/limits.h"

#define PACER_WORDS_MAX 96U

struct pacer;
struct pacer_row;

struct pacer *pacer_new(void);
/* Nobody waits any more. */
void pacer_close(struct pacer **pacer);
/* Any thread. These rates hold from now on. */
void pacer_configure(struct pacer *pacer, const struct config *config);
/* Any thread. What there is to be seen: relays and listeners that have limits. */
uint32_t pacer_look(struct pacer *pacer, struct limits_row *rows, uint32_t room);

/* How a session is reached whose answer comes later. */
struct reach {
    struct desk *desk;
    void *session;
    uint64_t id;
    uint32_t serial;
};

/* A session's message that wants to begin, and whose it is. Zeroed; then the session's, but while
 * it waits. */
struct held {
    struct waiter waiter; /* first, so that it is found again */
    struct reach reach;
    struct pacer_row *rows[GATES];
    char words[PACER_WORDS_MAX];
};

struct mail {
    struct span listener;
    const struct address *client; /* NULL: it has no rate */
    struct span relay;
};

/* True: answered, in `answer_r`, which borrows from `held`. False: the desk will have it, before
 * `wait_ms` are over. */
bool pacer_ask(struct pacer *pacer, struct held *held, const struct mail *mail, uint32_t wait_ms,
               struct answer *answer_r);
/* Nobody waits for the answer any more. */
void pacer_leave(struct pacer *pacer, struct held *held);
/* What went beside what asked. */
void pacer_count(struct pacer *pacer, const struct mail *mail, const struct spent *spent);
/* The relay refused a message for a rate of its own; or (`well`) took one. */
void pacer_learn(struct pacer *pacer, const struct mail *mail, bool well);

/* A connection to a relay. Zeroed: it has no place. */
struct seat {
    struct seat *next, *before;
    struct pacer_row *row; /* that it has a place of, or waits for; only its session changes this */
    bool held, waits;      /* any thread, under the lock */
    moment until;
    struct reach reach;
};

/* The serial of an answer that a seat is there, or (not TOLD_DONE) will not be. */
#define SEAT_SERIAL 0U

/* True: it has a place. False: the desk will say. */
bool pacer_sit(struct pacer *pacer, struct seat *seat, struct span relay, uint32_t wait_ms);
/* How it is with it now: its answer may have been another's. */
enum seating { SEATED, SEAT_AWAITED, SEAT_DENIED };
enum seating pacer_seating(struct pacer *pacer, const struct seat *seat);
/* The place is for others, or is not waited for any more. */
void pacer_rise(struct pacer *pacer, struct seat *seat);

#endif
