/*
 * session: an engine between two links. It carries events in and effects out, and nothing else.
 */
#ifndef LOCKSTEP_NET_SESSION_H
#define LOCKSTEP_NET_SESSION_H

#include "worker.h"

/* Takes over an accepted socket. */
void session_open(struct port *port, int fd, const struct address *client);
/* Tells the session to end soon; at once. */
void session_stop(struct session *session);
void session_kill(struct session *session);
/* Steps those that waited for a block, while there are blocks. */
void session_feed_starved(struct worker *worker);
/* The next of the worker's sessions. */
struct session *session_next(const struct session *session);
/* Gives a free session's memory back to the system, with the loop's next turns. */
void session_dispose(struct session *session);
size_t session_size(const struct policy *policy);

#endif
