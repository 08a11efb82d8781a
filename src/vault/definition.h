/*
 * definition: a credential's definition that outlives the configuration it was read from.
 */
#ifndef LOCKSTEP_SRC_VAULT_DEFINITION_H
#define LOCKSTEP_SRC_VAULT_DEFINITION_H

#include "lockstep/policy/config.h"

/* In one block with all its texts; to be given back with free(). */
struct config_credential *definition_copy(const struct config_credential *credential);
/* Word for word? */
bool definition_same(const struct config_credential *one, const struct config_credential *other);

#endif
