/*
 * listener: one listening TCP socket on one loop. It hands over accepted sockets, non-blocking and
 * with the listening socket's TCP_NODELAY, together with the peer's address.
 */
#ifndef LOCKSTEP_NET_LISTENER_H
#define LOCKSTEP_NET_LISTENER_H

#include <uv.h>

#include "lockstep/net/address.h"

struct listener;

/* `fd` is the callee's to open as a link or to close. */
typedef void listener_accepted(struct listener *listener, int fd, const struct address *peer);

struct listener {
    uv_poll_t poll;
    uv_timer_t pause;
    listener_accepted *accepted;
    /* May be set: accepting has to rest a moment because the system is short of something; a
     * libuv error says of what. */
    void (*rests)(struct listener *listener, int error);
    /* May be set: it has stopped, and its memory is nobody's any more. */
    void (*stopped)(struct listener *listener);
    void *data; /* the user's */
    int fd;
    uint32_t closing; /* handles */
};

enum listener_share {
    LISTENER_ALONE,  /* nobody else may listen there */
    LISTENER_FIRST,  /* nobody else does yet, but sockets of this program will join */
    LISTENER_JOINED, /* joins: the kernel spreads connections over all of them */
};

/* A bound and listening socket, or a negative libuv error. An IPv6 socket never takes IPv4. Port 0
 * in `address` is replaced by the one the system chose. */
int listener_bind(struct address *address, enum listener_share share);
/* Starts accepting on a socket of listener_bind, which is the listener's from now on. */
void listener_start(struct listener *listener, uv_loop_t *loop, int fd, listener_accepted *accepted,
                    void *data);
/* Accepts at once whoever is waiting; called before it is stopped. */
void listener_empty(struct listener *listener);
/* Closes the socket; the memory must stay until the loop has turned once more. Harmless twice. */
void listener_stop(struct listener *listener);

#endif
