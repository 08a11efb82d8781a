/*
 * through: clients that come through somebody else, a load balancer, who says in a PROXY header
 * whose connection it is; and the header with which lockstep says the same to a relay.
 *
 * Who may speak one is not decided here, and neither is what becomes of who speaks badly.
 */
#ifndef LOCKSTEP_NET_THROUGH_H
#define LOCKSTEP_NET_THROUGH_H

#include "lockstep/smtp/proxy_header.h"
#include "session.h"

/* On the heap, of one session. */
struct through {
    struct address peer;   /* who speaks */
    struct address client; /* for whom, once that is known: perhaps for himself */
    struct address server; /* whom that client connected to; family 0: not told */
    bool known;            /* the header was read */
    bool itself;           /* and says that the peer is nobody's messenger */
    bool more;             /* there was more in the same packet */
    bool tls;              /* the client speaks TLS with the peer ... */
    bool verified;         /* ... and has a certificate that is vouched for */
    char tls_version[TLS_VERSION_MAX];
    char name[TLS_NAME_MAX]; /* in that certificate; empty: none */
    char *held;              /* of a header that does not come whole; NULL: nothing */
    size_t held_size;
};

struct through *through_new(const struct address *peer);
void through_free(struct through **through);

/* These bytes come next: how many of them are the header's is in `taken_r`, unless it is bad: then
 * `header_r` says of what. */
enum parsed through_take(struct through *through, struct span seen, size_t *taken_r,
                         struct proxy_header *header_r);

/* Does what the header says of TLS count as that of the session? */
bool through_secures(const struct session *session);

/* What a connection to a relay begins with, into PROXY_WRITTEN_BYTES_MAX bytes. */
struct span through_preface(const struct session *session, enum proxy_version version,
                            char *memory);

#endif
