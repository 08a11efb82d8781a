/* The source of access tokens: an item is a charge. */
#include "lockstep/vault/oauth.h"
#include "oauth_charge.h"
#include "supply.h"

static bool oauth_has(const struct config_credential *definition, const struct import_entry *entry)
{
    return entry == NULL && definition->oauth.provider != OAUTH_NONE;
}

static void item_came(void *data, const struct secret *access, uint32_t fresh_ms)
{
    item_offer(data, &(struct offer){.secret = access, .bearer = true, .fresh_ms = fresh_ms});
}

static void item_failed(void *data, struct span why)
{
    item_fail(data, SUPPLY_LATER, why);
}

static const struct oauth_charge_user item_user = {item_came, item_failed};

static void oauth_begin(struct item *item)
{
    item->memo = oauth_charge_take(item->keeper, vault_store(item->vault), item->definition,
                                   &item_user, item);
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
