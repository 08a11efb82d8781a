/* A vault opens, is configured anew, and closes: what its keeper does and has is made here. */
#include <stdlib.h>

#include "definition.h"
#include "lockstep/base/must.h"
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

static void change_run(struct job *job)
{
    struct change *change = (struct change *)job;
    struct store *old = change->vault->store;

    change->vault->store = change->store;
    supplies_define(change->vault, change->copies, change->count);
    store_close(&old);
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

    *change_r = (struct change){.vault = vault};
    if (place.directory.size > 0) {
        change_r->store = store_open(&place, error);
        if (change_r->store == NULL)
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
    return true;
}

void vault_close(struct vault **vault)
{
    struct change nothing = {.vault = *vault};

    change_do(&nothing);
    keeper_close(&(*vault)->keeper);
    supplies_close(*vault);
    free(*vault);
    *vault = NULL;
}

struct keeper *vault_keeper(struct vault *vault)
{
    return &vault->keeper;
}

struct store *vault_store(struct vault *vault)
{
    return vault->store;
}
