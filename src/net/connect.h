/* connect: how a session comes to its relay. */
#ifndef LOCKSTEP_NET_CONNECT_H
#define LOCKSTEP_NET_CONNECT_H

#include "session.h"

/* The engine has done with the upstream before; what that has still to send is not waited for. */
void session_connect(struct session *session, const struct effect *effect);
/* There is a place at the relay; or (not `there`) there will be none. */
void session_seated(struct session *session, bool there);

#endif
