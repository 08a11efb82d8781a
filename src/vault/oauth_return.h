/*
 * oauth_return: where a browser returns to after a login: a port of ours on loopback, which takes
 * what the browser was sent with and answers with a sentence (RFC 8252 7.3).
 */
#ifndef LOCKSTEP_SRC_VAULT_OAUTH_RETURN_H
#define LOCKSTEP_SRC_VAULT_OAUTH_RETURN_H

#include <uv.h>

#include "lockstep/base/text.h"

/* Browsers that are listened to at the same time. */
#define OAUTH_VISITORS_MAX 8U
/* Of a request, of which only the first line is looked at. */
#define OAUTH_VISIT_BYTES 8192U

struct oauth_return;

struct oauth_visitor {
    uv_tcp_t tcp;
    uv_write_t write;
    struct oauth_return *place;
    bool open;
    bool answered;
    size_t size;
    char heard[OAUTH_VISIT_BYTES];
    char said[512];
};

struct oauth_return {
    uv_tcp_t tcp;
    uint16_t port;
    /* What the browser asks for, "/?code=...": true when it is what was waited for, and a sentence
     * for who sits there either way. */
    bool (*visited)(void *data, struct span target, struct text *says);
    void *data;
    bool waiting; /* one more is there than can be listened to */
    struct oauth_visitor visitors[OAUTH_VISITORS_MAX];
};

/* 0, or a libuv error. `port` is then told. */
int oauth_return_open(struct oauth_return *place, uv_loop_t *uv);
/* What was being said is still said; everything closes with the next turns of the loop. */
void oauth_return_close(struct oauth_return *place);

#endif
