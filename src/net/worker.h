/*
 * worker: one thread, one loop, its listening sockets and its sessions. Only the functions marked
 * "any thread" may be called from outside.
 */
#ifndef LOCKSTEP_NET_WORKER_H
#define LOCKSTEP_NET_WORKER_H

#include "census.h"
#include "desk.h"
#include "lockstep/base/seed.h"
#include "lockstep/net/link.h"
#include "lockstep/net/listener.h"
#include "lockstep/net/shell.h"
#include "past.h"
#include "transcript.h"

struct session;
struct pacer;
struct legs;
struct pass;

/* A listening socket and the listener of the setup that its next sessions belong to. On the heap;
 * it is gone when its socket is closed. */
struct port {
    struct listener listener; /* first, so that it is found again */
    struct port *next;
    struct worker *worker;
    struct setup *setup;
    struct heading *heading; /* of its next sessions; NULL: not made yet */
    struct census *census;
    struct address address; /* that is listened on */
    uint64_t serial;        /* of its place */
    uint32_t index;         /* in the setup */
    bool transparent;       /* its socket takes connections to others */
    int fd;                 /* until the listener has it */
};

/* A place that is listened on. */
struct placed {
    uint64_t serial;
    uint32_t listener; /* in the setup */
    struct port *port; /* a new one, which becomes the worker's; NULL: it has one */
};

/* What is to be used from now on: ports that are not named are closed. On the heap, with a hold on
 * the setup. */
struct order {
    struct order *next;
    struct setup *setup;
    uint32_t count;
    struct placed placed[];
};

/* Orders from outside, taken by the worker when it wakes up, in their order. */
struct orders {
    uv_mutex_t lock;
    struct order *first;
    struct order **last;
    bool drain;
};

/* What the adviser answered at once, until the step that asked is over. */
struct answered {
    bool there;
    uint32_t serial;
    struct answer answer;
    struct advice advice;
};

struct worker {
    uv_thread_t thread;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t drain;
    struct link_loop links;
    struct lender lender;
    char *memory; /* of the lender */
    size_t memory_bytes;
    struct seed seed;
    const struct shell_user *user;
    struct transcripts *transcripts; /* NULL: none are written */
    struct history_part *history;    /* NULL: nothing is remembered */
    struct pacer *pacer;             /* of all workers */
    void (*over)(void *data);        /* the thread is about to end */
    void (*carried_out)(void *data); /* an order; from its thread */
    void *data;
    struct orders orders;
    struct desk desk;
    struct answered answered; /* to the engine that steps */
    bool draining;
    moment warn_at;      /* no warning of the same kind before */
    uint32_t refused;    /* links to clients there was no room for */
    struct legs *legs;   /* of all workers */
    struct pass *passes; /* connections that pass untouched */
    uint32_t pass_count;
    struct setup *setup;
    struct session *sessions; /* all that hold memory and are not free */
    struct session *starved;  /* those whose engine waits for a block */
    struct session *free;
    struct port *ports;
    struct fault_memory faults;
};

/* Ports come with the first order. */
void worker_init(struct worker *worker, struct setup *setup);
int worker_start(struct worker *worker);
/* Any thread. The order is the worker's from now on. */
void worker_order(struct worker *worker, struct order *order);
/* Any thread. */
void worker_drain(struct worker *worker);
/* After worker_start: waits for the thread to end. Then frees what it had. */
void worker_close(struct worker *worker);
/* Called by sessions: one has become free. */
void worker_released(struct worker *worker);

#endif
