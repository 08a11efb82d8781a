/* build: the steps from a default configuration to a complete one, for its two sources. */
#ifndef LOCKSTEP_SRC_POLICY_BUILD_H
#define LOCKSTEP_SRC_POLICY_BUILD_H

#include "schema.h"

/* One more, with its defaults. There must be room for it. */
struct config_listener *config_add_listener(struct config *config);
struct config_relay *config_add_relay(struct config *config, struct span name);
struct config_credential *config_add_credential(struct config *config, struct span name);
struct route *policy_add_route(struct policy *policy);
/* The same text in the arena, where the config may point to. */
struct span config_copy(struct text *arena, struct span text);

/* Draws what follows from the words of others: who is which number, what TLS there is, what to
 * record. May be done again after more was said. */
void config_settle(struct config *config);
void policy_settle(struct policy *policy);

/* A part of the configuration: the top of the file, a listener, a route of a listener... */
struct subject {
    enum base base;
    uint32_t number;
    uint32_t listener; /* of a route */
};

bool subject_exists(const struct config *config, const struct subject *subject);
/* Words that are right one by one and wrong together: the path of the one to complain of, with
 * the sentence in `error`; empty: all is well. */
struct span config_conflict(const struct config *config, const struct subject *subject,
                            struct text *error);
struct span policy_conflict(const struct policy *policy, struct text *error);
struct span route_conflict(const struct policy *policy, uint32_t number, struct text *error);
/* Does a session that takes that route, or any, get a credential that is not the client's own? */
bool route_injects(const struct route *route);
bool policy_injects(const struct policy *policy);

#endif
