/* oauth_definition: a credential's definition with texts of its own, for what may outlive the
 * configuration it stood in. */
#ifndef LOCKSTEP_SRC_VAULT_OAUTH_DEFINITION_H
#define LOCKSTEP_SRC_VAULT_OAUTH_DEFINITION_H

#include "lockstep/policy/config.h"

/* In one piece of memory, given back with free(). */
struct config_credential *oauth_definition_copy(const struct config_credential *definition);

#endif
