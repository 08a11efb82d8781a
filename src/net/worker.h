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

/* A listening socket and the listener of the setup that its next sessions belong to. */
struct port {
    struct listener listener;
    struct worker *worker;
    struct setup *setup;
    struct heading *heading; /* of its next sessions; NULL: not made yet */
    uint32_t index;          /* in the setup */
    uint32_t census;         /* in the census: the index at the start, whatever reloads bring */
    int fd;                  /* until the listener has it */
};

/* Orders from outside, taken by the worker when it wakes up. */
struct orders {
    uv_mutex_t lock;
    struct setup *setup; /* to be used from now on */
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
    struct census *census;
    struct transcripts *transcripts; /* NULL: none are written */
    struct history_part *history;    /* NULL: nothing is remembered */
    void (*over)(void *data);        /* the thread is about to end */
    void *data;
    struct orders orders;
    struct desk desk;
    struct answered answered; /* to the engine that steps */
    bool draining;
    moment warn_at;   /* no warning of the same kind before */
    uint32_t refused; /* links to clients there was no room for */
    struct setup *setup;
    struct session *sessions; /* all that hold memory and are not free */
    struct session *starved;  /* those whose engine waits for a block */
    struct session *free;
    uint32_t port_count;
    struct port *ports;
};

/* Takes `port_count` zeroed ports, of which `fd`, `index` and `census` are set. */
void worker_init(struct worker *worker, struct setup *setup, struct port *ports,
                 uint32_t port_count);
int worker_start(struct worker *worker);
/* Any thread. */
void worker_reload(struct worker *worker, struct setup *setup);
/* Any thread. */
void worker_drain(struct worker *worker);
/* After worker_start: waits for the thread to end. Then frees what it had. */
void worker_close(struct worker *worker);
/* Called by sessions: one has become free. */
void worker_released(struct worker *worker);

#endif
