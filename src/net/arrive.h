/*
 * arrive: from an accepted socket to a session whose engine knows its client. Who may not come in
 * is refused; who has to say in a PROXY header whose connection it is does that first of all; who
 * comes by TLS from the first byte shakes hands before the engine hears of it.
 */
#ifndef LOCKSTEP_NET_ARRIVE_H
#define LOCKSTEP_NET_ARRIVE_H

#include "session.h"

/* Takes over an accepted socket. */
void arrive(struct port *port, int fd, const struct address *client);

/* What the engine hears of a client beside what it says; the spans point into the texts. */
struct visitor {
    struct arrival arrival;
    struct span address; /* without port */
    char host[ADDRESS_TEXT_MAX];
    char destination[ADDRESS_TEXT_MAX];
    char through[ADDRESS_TEXT_MAX];
    char certificate[TLS_NAME_MAX];
};

/* Where the client connected to, as far as it is known: false, it has left. */
bool visitor_reached(const struct session *session, struct address *there_r);
void visitor_look(const struct session *session, struct visitor *visitor_r);
/* What the client is to be spoken TLS with. */
struct tls_context *visitor_context(const struct session *session);
/* Whom a certificate is made for when the client names nobody: the address that it connected to.
 * Empty where none are made; `memory` holds ADDRESS_TEXT_MAX bytes. */
struct span visitor_host(const struct session *session, char *memory);

#endif
