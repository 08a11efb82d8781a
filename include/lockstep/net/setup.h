/*
 * setup: a whole configuration in use, immutable, with everything it points to and the TLS contexts
 * made of it. It is counted by those who hold it: the shell holds the newest, every session the one
 * it began with.
 */
#ifndef LOCKSTEP_NET_SETUP_H
#define LOCKSTEP_NET_SETUP_H

#include <stdatomic.h>

#include "lockstep/base/moment.h"
#include "lockstep/net/tls.h"
#include "lockstep/policy/config.h"
#include "lockstep/smtp/middlebox.h"

/* Clients that get no session, and what the log and the counters call it. */
/* clang-format off */
#define REFUSALS(X)                                                                                \
    X(FULL,        "too-many")    /* as many as there may be are served already */                 \
    X(OUTSIDE,     "not-allowed") /* not of those who may connect */                               \
    X(DENIED,      "denied")      /* of those who may not */                                       \
    X(CERTIFICATE, "certificate") /* it had a session, and showed no certificate that may send */  \
    X(DESTINATION, "destination") /* was going where intercepted connections may not */            \
    X(DIRECT,      "direct")      /* was going nowhere else, where connections are intercepted */  \
    X(LOOP,        "loop")        /* lockstep's own connection to a relay */                       \
    X(ENDING,      "ending")      /* no session begins any more */
/* clang-format on */

enum refused {
#define REFUSED_NAME(name, ...) REFUSED_##name,
    REFUSALS(REFUSED_NAME)
#undef REFUSED_NAME
        REFUSED_COUNT
};

/* What a listener speaks TLS with; NULL where it doesn't. */
struct setup_listener {
    struct tls_context *tls;
    struct tls_context *legacy;          /* for clients of legacy networks */
    struct span refusals[REFUSED_COUNT]; /* what those hear before they are let go */
    struct span farewell;                /* the same before words of ours; empty: say nothing */
};

/* What was learnt of a relay; it goes from setup to setup for as long as the relay keeps its name
 * and its addresses. */
struct relay_memory;
struct pick;

struct setup_relay {
    struct tls_context *tls; /* NULL: in clear */
    struct relay_memory *memory;
};

struct setup {
    atomic_uint holders;
    void (*dispose)(struct setup *setup); /* when nobody holds it any more */
    const struct config *config;
    bool intercepts;                                       /* some listener does */
    struct setup_listener listeners[CONFIG_LISTENERS_MAX]; /* numbered as in `config` */
    struct setup_relay relays[CONFIG_RELAYS_MAX];
};

void setup_hold(struct setup *setup);
void setup_drop(struct setup *setup);

/*
 * Fills in what follows from `config`; `before` is the setup in use, if there is one. False: `why`
 * says what of the configuration could not be used. Either way setup_clear() gives it back.
 */
bool setup_secure(struct setup *setup, const struct setup *before, struct text *why);
void setup_clear(struct setup *setup);

/* Are they the same relay, at the same addresses? */
bool setup_same_relay(const struct config_relay *one, const struct config_relay *other);

/* What is known of the path to it, a set of enum trait. Any thread; moments are of the loops. */
uint32_t setup_traits(const struct setup *setup, uint32_t relay, moment now);
void setup_learn(const struct setup *setup, uint32_t relay, uint32_t traits, moment until);
/* Which of its addresses to choose. */
struct pick *setup_pick(const struct setup *setup, uint32_t relay);
/* For a client of that listener with that address; NULL: no TLS there. */
struct tls_context *setup_server(const struct setup *setup, uint32_t listener, struct span client);

#endif
