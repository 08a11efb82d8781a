/*
 * refuse: clients that get no session: each hears why in one reply and is let go.
 */
#ifndef LOCKSTEP_NET_REFUSE_H
#define LOCKSTEP_NET_REFUSE_H

#include "worker.h"

/* Tells of it, and nothing else. */
void refuse_report(const struct worker *worker, const struct config_listener *listener,
                   const struct address *client, enum refused why);
/* Takes over an accepted socket. */
void refuse(struct port *port, int fd, const struct address *client, enum refused why);

/* One that had a session hears so there; here it is told to others. */
void refuse_in_session(const struct session *session);

#endif
