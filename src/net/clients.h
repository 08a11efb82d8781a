/*
 * clients: the gates of clients, each by its address and the listener that it comes to.
 *
 * Nobody locks them: see pacer.h.
 */
#ifndef LOCKSTEP_NET_CLIENTS_H
#define LOCKSTEP_NET_CLIENTS_H

#include "gate.h"
#include "lockstep/net/address.h"

/* Clients of which something is remembered; more are told to come later. */
#define CLIENTS_MAX 16384U
#define CLIENT_BUCKETS 1024U

struct pacer_row;

struct client {
    struct client *next; /* in its bucket */
    const struct pacer_row *listener;
    struct address address;
    struct gate gate;
};

/* Zeroed: there are none. */
struct clients {
    struct client *buckets[CLIENT_BUCKETS];
    uint32_t count;
    uint32_t fresh;     /* since some were forgotten */
    moment forget_next; /* not before, when there are too many */
};

/* With the rates that its listener has by now; until the next call. NULL: too many are remembered
 * already. */
struct client *clients_find(struct clients *clients, const struct pacer_row *listener,
                            const struct rates *rates, const struct address *address, moment now);
/* Is anything remembered of those of that listener? How many messages of theirs wait? */
bool clients_use(const struct clients *clients, const struct pacer_row *listener);
uint32_t clients_waiting(const struct clients *clients, const struct pacer_row *listener);
void clients_clear(struct clients *clients);

#endif
