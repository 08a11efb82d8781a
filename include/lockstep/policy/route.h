/*
 * route: which relay, which credential, which repairs, by who asks and for whom. One ordered list,
 * the first match wins.
 *
 * What a route may ask for becomes known bit by bit: the address when the client comes, its name
 * with HELO, the sender with MAIL. A trail keeps, per fact, which routes it allows; so no text has
 * to be kept, and a decision is a few bits.
 */
#ifndef LOCKSTEP_POLICY_ROUTE_H
#define LOCKSTEP_POLICY_ROUTE_H

#include "lockstep/base/text.h"
#include "lockstep/repair/repair.h"

/* One bit of a trail each. */
#define ROUTES_MAX 64U
#define NETWORKS_MAX 8U
/* "No relay of its own", "no credential", "asks nobody". */
#define NOTHING UINT32_MAX

/* clang-format off */
#define FACTS(X)                                                                                   \
    /*  name         word            what it is matched with */                                    \
    X(CLIENT,        "client",       "The client's address: networks, 192.168.10.0/24.")           \
    X(DESTINATION,   "destination",  "The address and port the client connected to.")              \
    X(CERTIFICATE,   "certificate",  "The name in the client's verified certificate.")             \
    X(HELO,          "helo",         "The name the client gave with HELO or EHLO.")                \
    X(LOGIN,         "login",        "The name the client logged in with.")                        \
    X(SENDER,        "sender",       "The sender's address, <> being empty.")                      \
    X(RECIPIENT,     "recipient",    "The first recipient's address.")
/* clang-format on */

enum fact {
#define FACT_NAME(name, ...) FACT_##name,
    FACTS(FACT_NAME)
#undef FACT_NAME
        FACT_COUNT
};

/* An IP network; IPv4 stands mapped into IPv6 (RFC 4291 2.5.5.2). */
struct network {
    uint8_t bytes[16];
    uint8_t bits;
};

struct networks {
    uint32_t count; /* 0: any */
    struct network rows[NETWORKS_MAX];
};

/* "192.168.10.0/24", "2001:db8::/32", "10.0.0.1"; host bits behind the prefix must be zero. False:
 * `advice` says what would be right. */
bool network_parse(struct span text, struct network *network_r, struct text *advice);
/* Is it so large that its hosts are nobody's own: below /8, in IPv6 below /16? */
bool network_is_wide(const struct network *network);
void network_show(const struct network *network, struct text *out);
/* Is the address, as text without port, in one of them? None given: every address is. */
bool networks_hold(const struct networks *networks, struct span address);
/* Is every IPv4 address in them, or every IPv6 address? */
bool networks_hold_all(const struct networks *networks);
/* Letters in any case; `*` stands for any bytes, also none. */
bool pattern_matches(struct span pattern, struct span text);

struct route {
    struct networks client;
    struct span wants[FACT_COUNT]; /* patterns; empty: any (client has networks instead) */
    struct span relay_name;        /* as configured; empty: the listener's */
    struct span credential_name;
    uint32_t relay;         /* number in the policy, or NOTHING */
    uint32_t credential;    /* number in the policy, or NOTHING */
    struct span ask;        /* URL of a live source (nginx's auth_http); empty: none */
    struct span pop;        /* POP before SMTP: URL of the server to log in to first (B-50) */
    uint64_t repairs_given; /* one bit per repair: the route says on or off; 0: it says nothing */
    uint64_t repairs;       /* then all of them, instead of the policy's */
    struct rewrite rewrite; /* empty: the policy's */
};

struct trail {
    uint64_t allowed[FACT_COUNT]; /* of the known facts: routes they allow */
    uint8_t known;                /* one bit per fact */
};

enum chosen {
    CHOSEN,    /* by what is known now and can't change any more */
    UNDECIDED, /* a fact is wanted that is not known yet */
    UNROUTED,  /* no route matches */
};

struct policy;

void trail_learn(struct trail *trail, const struct policy *policy, enum fact fact,
                 struct span value);
void trail_forget(struct trail *trail, enum fact fact);
/* The first route that no known fact rules out, if all it wants is known. */
enum chosen route_choose(const struct policy *policy, const struct trail *trail, uint32_t *route_r);
/* Does any route want that fact? */
bool routes_want(const struct policy *policy, enum fact fact);

#endif
