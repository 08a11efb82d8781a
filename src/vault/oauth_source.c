/* The source of access tokens: an item is a charge. */
#include <stdlib.h>

#include "definition.h"
#include "lockstep/vault/oauth.h"
#include "oauth_charge.h"
#include "secret_json.h"
#include "supply.h"

static bool oauth_has(const struct config_credential *definition, const struct import_entry *entry)
{
    return entry != NULL ? entry->kind == IMPORT_TOKEN : definition->oauth.provider != OAUTH_NONE;
}

/* What a token file of sasl-xoauth2 says of itself; the tokens stay in it. Where it names no
 * endpoint they are used as they are, for none is guessed: they would be shown to a stranger. To be
 * given back with free(). */
static struct config_credential *import_definition(const struct item *item)
{
    const struct import_entry *entry = item->entry;
    json_t *token = secret_json_read(entry->secret);
    struct config_credential definition = {
        .name = span_of_string(item->name),
        .user = entry->user.size > 0 ? entry->user : item->definition->user,
        .oauth =
            {
                .provider = OAUTH_GENERIC,
                .grant = GRANT_REFRESH,
                .client_id = secret_json_text(token, "client_id"),
                .token_endpoint = secret_json_text(token, "token_endpoint"),
                .scope = secret_json_text(token, "scope"),
                .token_file = entry->file.size > 0 ? entry->file : item->definition->import,
            },
    };
    struct config_credential *copy = definition_copy(&definition);

    json_decref(token);
    return copy;
}

static void item_came(void *data, const struct secret *access, uint32_t fresh_ms)
{
    item_offer(data, &(struct offer){.secret = access, .bearer = true, .fresh_ms = fresh_ms});
}

static void item_failed(void *data, struct span why, bool person)
{
    const struct item *item = data;
    struct span name = item->definition->name;
    char memory[200];
    struct text plain = text_over(memory, sizeof(memory));

    text_format(&plain, "somebody must log in, with lockstep oauth login %.*s", (int)name.size,
                name.at);
    if (person)
        item_fail_plainly(data, SUPPLY_LATER, why, text_span(&plain));
    else
        item_fail(data, SUPPLY_LATER, why);
}

static const struct oauth_charge_user item_user = {item_came, item_failed};

static void oauth_begin(struct item *item)
{
    struct config_credential *imported = item->entry != NULL ? import_definition(item) : NULL;

    item->memo =
        oauth_charge_take(item->keeper, vault_store(item->vault),
                          imported != NULL ? imported : item->definition, &item_user, item);
    free(imported);
}

static void oauth_end(struct item *item)
{
    struct oauth_charge *charge = item->memo;

    item->memo = NULL;
    oauth_charge_leave(&charge);
}

static void oauth_fetch(struct item *item, bool again)
{
    oauth_charge_want(item->memo, again);
}

const struct source oauth_source = {
    .kind = "oauth2",
    .has = oauth_has,
    .begin = oauth_begin,
    .end = oauth_end,
    .fetch = oauth_fetch,
};

size_t oauth_statuses(struct vault *vault, struct oauth_status *rows, size_t room)
{
    return oauth_charge_statuses(vault_keeper(vault), rows, room);
}
