/* connect: how a session comes to its relay. */
#ifndef LOCKSTEP_NET_CONNECT_H
#define LOCKSTEP_NET_CONNECT_H

#include "session.h"

/* The engine has done with the upstream before; what that has still to send is not waited for. */
void session_connect(struct session *session, const struct effect *effect);
/* There may be a place at the relay by now, or there will be none. */
void session_seated(struct session *session);

/* The link is open; the address is the dial's. */
void connect_opened(struct session *session);
/* After a step: does it serve there? */
void connect_follow(struct session *session);
/* The connection is of no use any more; `tls`: because there was none to be had. */
void connect_lost(struct session *session, bool tls);
/* TLS is up with the relay. */
void connect_secured(struct session *session);
/* The link is closed. */
void connect_over(struct session *session);

#endif
