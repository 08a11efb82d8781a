/* Secrets that somebody else keeps in this machine: files, the environment, systemd, the store. */
#include <stdlib.h>

#include "lockstep/base/must.h"
#include "private.h"
#include "supply.h"

/* Files are looked at again after this; whether they changed costs one system call. */
#define FILE_FRESH_MS 1000U
/* Bytes of a file whose first line is a secret. */
#define FILE_BYTES_MAX 65536U

/* The secret's bytes have come. */
static void offer_bytes(struct item *item, struct span bytes)
{
    struct secret secret = {0};
    struct offer offer = {.secret = &secret};

    if (bytes.size == 0)
        item_fail(item, SUPPLY_LATER, SPAN("its secret is empty"));
    else if (!secret_set(&secret, bytes))
        item_fail(item, SUPPLY_LATER, SPAN("its secret is too long"));
    else
        item_offer(item, &offer);
    secret_clear(&secret);
}

/* --- a file --- */

static bool file_has(const struct config_credential *definition, const struct import_entry *entry)
{
    return entry == NULL && definition->password_file.size > 0;
}

static void file_end(struct item *item)
{
    free(item->memo);
}

static void read_path(struct item *item, struct span path, enum privacy privacy)
{
    char memory[SUPPLY_WORDS_MAX];
    struct text why = text_over(memory, sizeof(memory));
    struct stamp *stamp = item->memo;
    struct private private;

    if (stamp == NULL)
        item->memo = stamp = calloc(1, sizeof(*stamp));
    must(stamp != NULL);
    if (item_has(item) && private_same(path, stamp)) {
        item_confirm(item);
        return;
    }
    if (!private_read(path, privacy, FILE_BYTES_MAX, &private, &why)) {
        item_fail(item, SUPPLY_LATER, text_span(&why));
        return;
    }
    *stamp = private.stamp;
    offer_bytes(item, private_line(span_of(private.at, private.size)));
    private_close(&private);
}

static void file_fetch(struct item *item, bool again)
{
    (void)again;
    read_path(item, item->definition->password_file, PRIVACY_OWNER);
}

const struct source file_source = {
    .kind = "file",
    .fresh_ms = FILE_FRESH_MS,
    .has = file_has,
    .end = file_end,
    .fetch = file_fetch,
};

/* --- systemd --- */

static bool systemd_has(const struct config_credential *definition,
                        const struct import_entry *entry)
{
    return entry == NULL && definition->credential.size > 0;
}

static void systemd_fetch(struct item *item, bool again)
{
    char path_memory[PRIVATE_PATH_MAX];
    char memory[SUPPLY_WORDS_MAX];
    struct text path = text_over(path_memory, sizeof(path_memory));
    struct text why = text_over(memory, sizeof(memory));

    (void)again;
    if (private_systemd_path(item->definition->credential, &path, &why))
        read_path(item, text_span(&path), PRIVACY_SYSTEMD);
    else
        item_fail(item, SUPPLY_LATER, text_span(&why));
}

const struct source systemd_source = {
    .kind = "systemd",
    .fresh_ms = FILE_FRESH_MS,
    .has = systemd_has,
    .end = file_end,
    .fetch = systemd_fetch,
};

/* --- the environment, which never changes --- */

static bool environment_has(const struct config_credential *definition,
                            const struct import_entry *entry)
{
    return entry == NULL && definition->password_env.size > 0;
}

static void environment_fetch(struct item *item, bool again)
{
    char name[PRIVATE_PATH_MAX];
    const char *value = NULL;

    (void)again;
    if (private_path(item->definition->password_env, name))
        value = getenv(name);
    if (value != NULL)
        offer_bytes(item, span_of_string(value));
    else
        item_fail(item, SUPPLY_LATER, SPAN("its environment variable is not set"));
}

const struct source environment_source = {
    .kind = "environment",
    .fresh_ms = UINT32_MAX,
    .has = environment_has,
    .fetch = environment_fetch,
};

/* --- the store --- */

static bool store_has(const struct config_credential *definition, const struct import_entry *entry)
{
    return entry == NULL && definition->store.size > 0;
}

static void store_fetch(struct item *item, bool again)
{
    char memory[SUPPLY_WORDS_MAX];
    struct text why = text_over(memory, sizeof(memory));
    struct store *store = vault_store(item->vault);
    struct secret secret = {0};
    struct offer offer = {.secret = &secret};

    (void)again;
    if (store == NULL)
        item_fail(item, SUPPLY_LATER, SPAN("no store is configured"));
    else if (store_read(store, item->definition->store, &secret, NULL, &why) == STORE_DONE)
        item_offer(item, &offer);
    else
        item_fail(item, SUPPLY_LATER, text_span(&why));
    secret_clear(&secret);
}

const struct source store_source = {
    .kind = "store",
    .fresh_ms = FILE_FRESH_MS,
    .has = store_has,
    .fetch = store_fetch,
};

/* --- lockstep's own certificate: there is a user at most, and nothing to keep --- */

static bool certificate_has(const struct config_credential *definition,
                            const struct import_entry *entry)
{
    return entry == NULL &&
           definition->password_file.size + definition->password_command.size +
                   definition->password_env.size + definition->credential.size +
                   definition->store.size + definition->import.size ==
               0 &&
           definition->oauth.provider == OAUTH_NONE;
}

static void certificate_fetch(struct item *item, bool again)
{
    static const struct secret nothing;
    struct offer offer = {.secret = &nothing};

    (void)again;
    item_offer(item, &offer);
}

const struct source certificate_source = {
    .kind = "certificate",
    .fresh_ms = UINT32_MAX,
    .has = certificate_has,
    .fetch = certificate_fetch,
};
