/* conflict: words that are right one by one and wrong together, part by part of a configuration.
 * Each function returns the path of the word to complain of, with the sentence in `error`; empty:
 * all is well. */
#ifndef LOCKSTEP_SRC_POLICY_CONFLICT_H
#define LOCKSTEP_SRC_POLICY_CONFLICT_H

#include "build.h"

struct span top_conflict(const struct config *config, struct text *error);
struct span relay_conflict(const struct config_relay *relay, struct text *error);
struct span credential_conflict(const struct config *config, uint32_t number, struct text *error);
/* Of being on the path; and of a route's relay, where that is the original one. */
struct span path_conflict(const struct config *config, const struct config_listener *listener,
                          struct text *error);
struct span original_conflict(const struct config *config, const struct config_listener *listener,
                              const struct route *route, struct text *error);

struct span limits_conflict(const struct config *config, const struct config_listener *listener,
                            struct text *error);

/* The sentence into `error`; returns `path`. */
struct span conflict_at(struct span path, struct text *error, struct span sentence);
/* Is it an address of this machine that only this machine reaches? */
bool address_is_loopback(struct span host);

#endif
