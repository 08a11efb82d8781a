/*
 * adviser: whoever answers the questions of the engines: credentials, logins, live routes. The
 * shell carries questions to it and answers back; what they mean it does not know.
 *
 * `ask` is called on the session's own thread and either answers at once or later, from any
 * thread, through the desk. Each session has one `memo`, NULL at first, for whatever the adviser
 * keeps between its questions; it is only touched on the session's thread.
 */
#ifndef LOCKSTEP_NET_ADVISER_H
#define LOCKSTEP_NET_ADVISER_H

#include "lockstep/engine/engine.h"
#include "lockstep/policy/config.h"

/* Bytes of an answer: a line of an AUTH exchange (RFC 4954 4). */
#define ANSWER_BYTES_MAX 12288U

/* Where answers are handed in; one per worker. */
struct desk;

/* Who asks; all of it is borrowed for the call. */
struct asker {
    struct desk *desk;
    void *session; /* with `id`, what the desk knows the session by */
    uint64_t id;
    const struct config *config;            /* what the session began under */
    const struct config_listener *listener; /* of it */
    struct span client;                     /* its address, without port */
    bool secured;                           /* it speaks TLS */
    struct config_address original; /* where it wanted to go, the upstream of relays without an
                                       address; empty: here */
    struct span binding; /* of the upstream's TLS: "tls-exporter" bytes (RFC 9266), or empty */
    struct span binding_unique; /* "tls-unique" (RFC 5929) below TLS 1.3, or empty */
};

/* The answer to a question, as the engine will hear it. */
struct answer {
    enum told told;
    uint32_t credential;
    bool moved;
    struct config_address relay; /* moved: connect there; borrowed like `bytes` */
    struct span bytes;           /* borrowed until the memo's next question; a desk copies them */
};

struct adviser {
    void *data;
    /* True: answered, in `answer_r`. False: desk_answer() will be called, once. */
    bool (*ask)(void *data, const struct asker *asker, const struct question *question, void **memo,
                struct answer *answer_r);
    /* The session has ended: an answer that is still owed to it is dropped, and its desk is not
     * touched again. Frees the memo, which may be NULL. */
    void (*forget)(void *data, void *session, uint64_t id, void **memo);
};

/* Any thread. Ignored when the session has ended or asks something else by now. */
void desk_answer(struct desk *desk, void *session, uint64_t id, uint32_t serial,
                 const struct answer *answer);

#endif
