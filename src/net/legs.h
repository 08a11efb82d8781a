/*
 * legs: the connections that lockstep itself makes to relays, of all workers, so that one of them
 * that is led back to lockstep is known for what it is. No mark is needed for that.
 */
#ifndef LOCKSTEP_SRC_NET_LEGS_H
#define LOCKSTEP_SRC_NET_LEGS_H

#include "lockstep/net/link.h"

struct legs;
struct leg; /* one of them */

struct legs *legs_new(void);
void legs_free(struct legs **legs);
/* As link_connect_by(), and the leg is known before anybody can accept it. `leg_r` gets it, or NULL
 * when there is no connection. */
int legs_connect(struct legs *legs, struct leg **leg_r, struct link *link, struct link_loop *loop,
                 const struct link_user *user, const struct address *address,
                 const struct link_way *way);
/* It is there no more; NULL does no harm. */
void legs_leave(struct legs *legs, struct leg **leg);
/* Is a connection from there to that destination one of ours? One that came from an address of our
 * own need not still be going where it was sent to. */
bool legs_hold(struct legs *legs, const struct address *from, const struct address *to);

#endif
