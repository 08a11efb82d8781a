/*
 * refuse: clients that get no session: each hears why in one reply and is let go.
 */
#ifndef LOCKSTEP_NET_REFUSE_H
#define LOCKSTEP_NET_REFUSE_H

#include "path.h"

/* Tells what became of it instead of a session, and nothing else; `passed`: it went on untouched.
 */
void refuse_report(const struct worker *worker, const struct config_listener *listener,
                   const struct caller *caller, enum refused why, bool passed);
/* Takes over an accepted socket. */
void refuse(struct port *port, const struct caller *caller, enum refused why);

/* One that had a session hears so there; here it is told to others. */
void refuse_in_session(const struct session *session, const struct address *client,
                       enum refused why);

#endif
