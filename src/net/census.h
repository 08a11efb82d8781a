/*
 * census: how many sessions there are, by listener and by client address, in all workers together.
 * A session enters before anything is done for it and leaves when its memory is free again.
 */
#ifndef LOCKSTEP_NET_CENSUS_H
#define LOCKSTEP_NET_CENSUS_H

#include "lockstep/net/address.h"
#include "lockstep/policy/config.h"

struct census;

struct census *census_new(void);
void census_close(struct census **census);
/* False: the listener, or this client at it, has as many as it may have. */
bool census_enter(struct census *census, uint32_t listener, const struct address *client,
                  const struct config_listener *limits);
void census_leave(struct census *census, uint32_t listener, const struct address *client);

#endif
