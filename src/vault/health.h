/*
 * health: what ails each configured credential, as far as somebody has tried it: whoever brings its
 * secret, and the relays. Any thread.
 */
#ifndef LOCKSTEP_SRC_VAULT_HEALTH_H
#define LOCKSTEP_SRC_VAULT_HEALTH_H

#include <uv.h>

#include "lockstep/vault/vault.h"

enum ail {
    AIL_SECRET, /* it can't be brought */
    AIL_LOGIN,  /* a relay refused it */
    AIL_COUNT
};

struct health_row {
    char name[VAULT_NAME_MAX];
    char why[AIL_COUNT][VAULT_WHY_MAX]; /* empty: well */
};

struct health {
    uv_mutex_t lock;
    uint32_t count;
    struct health_row rows[CONFIG_CREDENTIALS_MAX];
};

void health_open(struct health *health);
void health_close(struct health *health);
/* From now on these credentials, of which nothing is known. */
void health_define(struct health *health, struct config_credential *const *credentials,
                   uint32_t count);
/* `why` empty: it is well. Names that are not configured are ignored. */
void health_say(struct vault *vault, struct span name, enum ail ail, struct span why);

#endif
