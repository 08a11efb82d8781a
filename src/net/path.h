/*
 * path: where an intercepted connection was going, and whether it may be taken up at all: lockstep
 * must never connect to itself.
 */
#ifndef LOCKSTEP_SRC_NET_PATH_H
#define LOCKSTEP_SRC_NET_PATH_H

#include "lockstep/net/path.h"
#include "worker.h"

/* A connection that was accepted and is nobody's yet. */
struct caller {
    int fd;
    struct address client;
    struct address destination; /* of an intercepted one; else of family 0 */
};

/* Fills in the destination. REFUSED_COUNT: it may come in. */
enum refused path_look(const struct port *port, struct caller *caller);

/* One host and its port, as a relay's addresses are written. */
struct original {
    struct address address;
    struct config_addresses where; /* points into `host` */
    char host[ADDRESS_TEXT_MAX];
};

struct original *original_new(const struct address *destination);

#endif
