/* build: the steps from a default configuration to a complete one, for its two sources. */
#ifndef LOCKSTEP_SRC_POLICY_BUILD_H
#define LOCKSTEP_SRC_POLICY_BUILD_H

#include "lockstep/policy/config.h"

/* One more, with its defaults. There must be room for it. */
struct config_listener *config_add_listener(struct config *config);
struct config_relay *config_add_relay(struct config *config, struct span name);
/* The same text in the arena, where the config may point to. */
struct span config_copy(struct text *arena, struct span text);

/* Draws what follows from the words of others: which relay, what pipelining, what to record. */
void config_settle(struct config *config);
/* Words that are right one by one and wrong together: the path of the one to complain of, with
 * the sentence in `error`; empty: all is well. */
struct span policy_conflict(const struct policy *policy, struct text *error);
/* The same for the listener of that number, by itself and with those before it. */
struct span config_conflict(const struct config *config, uint32_t number, struct text *error);

#endif
