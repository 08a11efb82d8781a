/* A vault opens, is configured anew, and closes: what its keeper does and has is made here. */
#include <stdlib.h>

#include "definition.h"
#include "lockstep/base/must.h"
#include "oauth_charge.h"
#include "private.h"
#include "vault_state.h"

/* A configuration, ready to be taken over without a failure; handed to the keeper as a job. */
struct change {
    struct job job; /* first, so that it is found again */
    struct vault *vault;
    struct store *store;
    uint32_t count;
    struct config_credential *copies[CONFIG_CREDENTIALS_MAX];
    uv_sem_t done;
};

/* With another store everything begins anew. */
static void change_store(struct vault *vault, struct store *store)
{
    supplies_define(vault, NULL, 0);
    vault->retired = realloc(vault->retired, (vault->retired_count + 1) * sizeof(*vault->retired));
    must(vault->retired != NULL);
    vault->retired[vault->retired_count++] = vault->store;
    vault->store = store;
}

static void change_run(struct job *job)
{
    struct change *change = (struct change *)job;

    if (change->store != change->vault->store)
        change_store(change->vault, change->store);
    health_define(&change->vault->health, change->copies, change->count);
    supplies_define(change->vault, change->copies, change->count);
    uv_sem_post(&change->done);
}

/* Waits until the keeper goes by it. */
static void change_do(struct change *change)
{
    change->job.run = change_run;
    must(uv_sem_init(&change->done, 0) == 0);
    keeper_post(&change->vault->keeper, &change->job);
    uv_sem_wait(&change->done);
    uv_sem_destroy(&change->done);
}

/* False: `error` says why, and nothing is to be given back. */
static bool change_read(struct change *change_r, struct vault *vault, const struct config *config,
                        struct text *error)
{
    struct store_place place = {config->store.directory, config->store.key_file,
                                config->store.key_credential};
    uint32_t i;

    *change_r = (struct change){.vault = vault, .store = vault->store};
    if (!store_is(vault->store, &place)) {
        change_r->store = place.directory.size > 0 ? store_open(&place, error) : NULL;
        if (change_r->store == NULL && place.directory.size > 0)
            return false;
    }
    change_r->count = config->credential_count;
    for (i = 0; i < change_r->count; i++)
        change_r->copies[i] = definition_copy(&config->credentials[i]);
    return true;
}

struct vault *vault_open(const struct config *config, const struct vault_user *user,
                         struct text *error)
{
    struct vault *vault = calloc(1, sizeof(*vault));
    struct change change;
    int failure;

    must(vault != NULL);
    failure = keeper_open(&vault->keeper, user);
    if (failure != 0) {
        text_format(error, "the thread for credentials: %s", uv_strerror(failure));
        free(vault);
        return NULL;
    }
    supplies_open(vault);
    health_open(&vault->health);
    vault->advise = advise_open(vault);
    if (!change_read(&change, vault, config, error)) {
        vault_close(&vault);
        return NULL;
    }
    change_do(&change);
    return vault;
}

bool vault_reload(struct vault *vault, const struct config *config, struct text *error)
{
    struct change change;

    if (!change_read(&change, vault, config, error))
        return false;
    change_do(&change);
    advise_renew(vault->advise);
    return true;
}

void vault_close(struct vault **vault)
{
    struct vault *old = *vault;
    struct change nothing = {.vault = old, .store = old->store};

    change_do(&nothing);
    oauth_charge_settle(&old->keeper);
    keeper_close(&old->keeper);
    advise_close(&old->advise);
    supplies_close(old);
    health_close(&old->health);
    store_close(&old->store);
    while (old->retired_count > 0)
        store_close(&old->retired[--old->retired_count]);
    free(old->retired);
    free(old);
    *vault = NULL;
}

const struct adviser *vault_adviser(struct vault *vault)
{
    return advise_adviser(vault->advise);
}

struct keeper *vault_keeper(struct vault *vault)
{
    return &vault->keeper;
}

struct store *vault_store(struct vault *vault)
{
    return vault->store;
}
