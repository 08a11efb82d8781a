/*
 * pair: two links that talk to each other on one loop, and the wire between them, which can pass
 * on byte by byte, or end. What the links tell is kept for the test to look at.
 */
#ifndef LOCKSTEP_TESTS_NET_PAIR_H
#define LOCKSTEP_TESTS_NET_PAIR_H

#include "lockstep/net/link.h"

#define PEER_BYTES_MAX (4U << 20)

struct peer {
    struct link link; /* first: the tests find the peer by it */
    size_t room;      /* it takes at a time */
    size_t size;      /* of what was said */
    char *bytes;      /* PEER_BYTES_MAX */
    size_t sent;      /* told by `sent` and by link_send */
    uint32_t secured;
    uint32_t ended;
    uint32_t gone;
    int error; /* told by `lost` */
    char why[320];
    size_t skips; /* bytes taken out before anything is read */
    int sniffed;  /* -1: not told, 0: no TLS, 1: TLS */
    size_t most;  /* said at once */
    /* Called with what was said, if set, once it is kept. */
    void (*heard)(struct peer *peer);
    struct tls_context *context; /* for `heard` */
};

struct pair {
    uv_loop_t uv;
    struct link_loop loop;
    struct peer client;
    struct peer server;
    int wire[2];      /* the client's other end, and the server's */
    size_t cut;       /* bytes passed on at a time; 0: all there are */
    size_t passed[2]; /* from the client, from the server */
    size_t stop;      /* of the server's bytes: then the wire ends without a word; 0: never */
    bool ended[2];
    size_t broken[2]; /* which byte from the client, from the server, arrives as another; 0: none */
};

/* Two open links. */
struct pair *pair_new(void);
/* Turns the loop until `done`, or for some seconds: then the test has failed. */
void pair_run(struct pair *pair, bool (*done)(const struct pair *pair));
/* As often as anything still moves. */
void pair_settle(struct pair *pair);
/* Shuts both links, and closes all. */
void pair_close(struct pair *pair);

void peer_say(struct peer *peer, const char *text);
void peer_say_bytes(struct peer *peer, const char *bytes, size_t size);
bool peer_heard(const struct peer *peer, const char *text);

/* Some conditions. */
bool both_secured(const struct pair *pair);
bool either_lost(const struct pair *pair);

#endif
