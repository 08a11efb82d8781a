/*
 * census: how many sessions a listener has, in all and by client address, in all workers together,
 * and how many it has had. A session enters before anything is done for it and leaves when its
 * memory is free again. It is counted by those who hold it: the shell, ports and sessions.
 */
#ifndef LOCKSTEP_NET_CENSUS_H
#define LOCKSTEP_NET_CENSUS_H

#include "lockstep/net/address.h"
#include "lockstep/policy/config.h"

struct census;

/* Born with one holder. */
struct census *census_new(void);
struct census *census_hold(struct census *census);
void census_drop(struct census **census);
/* The session's number in its listener, from 1; 0: the listener, or this client at it, has as many
 * as it may have. */
uint32_t census_enter(struct census *census, const struct address *client, uint32_t most,
                      uint32_t most_of_client);
/* A session that entered turns out to be another client's; false: who has as many as it may have,
 * and nothing has changed. */
bool census_move(struct census *census, const struct address *from, const struct address *to,
                 uint32_t most_of_client);
/* Gives the hold up too. */
void census_leave(struct census **census, const struct address *client);

#endif
