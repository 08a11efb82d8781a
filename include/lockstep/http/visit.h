/*
 * visit: one connection to one server, from looking up its name to its end, with one deadline over
 * all of it. Whatever goes wrong is told once, in words.
 *
 * It belongs to its loop's thread. It takes all that the server says, so whoever visits bounds what
 * is kept of it.
 */
#ifndef LOCKSTEP_HTTP_VISIT_H
#define LOCKSTEP_HTTP_VISIT_H

#include "lockstep/base/text.h"
#include "lockstep/net/link.h"

/* Bytes of the words for what went wrong. */
#define VISIT_WORDS_MAX 320U

struct visit;

/* Any of them may end the visit. None is called before visit_begin() has returned, nor once the
 * visit was ended. */
struct visit_user {
    void (*ready)(void *data); /* connected, and TLS is up; again after visit_secure() */
    void (*said)(void *data, struct span bytes);
    void (*ended)(void *data, bool truncated);     /* see link.h */
    void (*failed)(void *data, struct span words); /* the last one; the user still ends it */
};

struct visit_plan {
    struct link_loop *loop;
    const struct visit_user *user;
    void *data;
    struct span host; /* a name or an address; copied */
    uint16_t port;
    struct tls_context *tls; /* TLS from the first byte; NULL: none. Outlives the visit */
    uint32_t deadline_ms;    /* from now to the end */
    struct span trouble;     /* not empty: only fails with these words; copied */
};

struct visit *visit_begin(const struct visit_plan *plan);
void visit_say(struct visit *visit, const struct span *pieces, uint32_t count);
/* Starts TLS, verified by the name of the plan; `ready` follows. */
void visit_secure(struct visit *visit, struct tls_context *tls);
void visit_end(struct visit **visit, enum shut how);

#endif
