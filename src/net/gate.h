/*
 * gate: where messages wait for rates, first come, first served. A message goes by one gate after
 * the other, its client's and its relay's, and is counted at each as it passes.
 *
 * Nobody locks it, and its clock is the caller's: see pacer.h.
 */
#ifndef LOCKSTEP_NET_GATE_H
#define LOCKSTEP_NET_GATE_H

#include <stddef.h>

#include "meter.h"

/* Of messages at one gate; more are sent away. */
#define GATE_WAITING_MAX 20000U
/* A relay that has a rate of its own is given rest, and each time in a row twice as much. */
#define GATE_REST_MIN_MS 5000
#define GATE_REST_MAX_MS 300000
/* After a rest, how long is remembered how long it was. */
#define GATE_REST_KNOWN_MS 600000

struct waiter;

struct gate {
    struct rates rates;
    struct meter messages, recipients, bytes;
    struct waiter *first, *last;
    struct waiter *soonest; /* of those, the one whose time is over first: a heap, see gate.c */
    uint32_t waiting;
    uint32_t coming;   /* that wait at a gate before it */
    moment shut_until; /* the relay itself wanted no more */
    moment rest_ms;    /* the last time; 0: it has taken a message since */
};

/* The steps of a message: its client's gate, its relay's. */
#define GATES 2U

/* Zeroed: it waits nowhere. */
struct waiter {
    struct waiter *next, *before;          /* at its gate */
    struct waiter *under, *beside, *above; /* in its gate's heap */
    struct gate *gates[GATES];             /* NULL: there is none */
    uint32_t step;                         /* the gate it stands at, or GATES: it went by all */
    bool waits;
    moment until;
};

/* True: it may begin. False: it waits, or (`waits` is not set) may not even do that. */
bool gate_arrive(struct waiter *waiter, moment now);
/* It waits no more, and did not begin. */
void gate_leave(struct waiter *waiter);
/* The next waiter at that gate for whom waiting is over: `passed_r` says whether it may begin, or
 * has waited too long. One that comes to another gate meanwhile waits there. NULL: there is none.
 */
struct waiter *gate_next(struct gate *gate, moment now, bool *passed_r);
/* When gate_next() is due. */
moment gate_due(const struct gate *gate, moment now);
/* When the message behind `ahead` others may begin, as far as is known. */
moment gate_when(const struct gate *gate, uint32_t ahead, moment now);
/* What went, and was not counted when it came. */
void gate_count(struct gate *gate, uint64_t messages, uint64_t recipients, uint64_t bytes,
                moment now);
/* The relay refused for a rate of its own; or took a message. */
void gate_shut(struct gate *gate, moment now);
void gate_open(struct gate *gate);
/* Somebody waits at it, or will come to it. */
bool gate_awaited(const struct gate *gate);
/* It may be forgotten: that nobody does, and nothing is remembered. */
bool gate_idle(struct gate *gate, moment now);

#endif
