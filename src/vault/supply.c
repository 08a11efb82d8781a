/* Secrets in memory, who waits for them, and when they are brought anew. */
#include "supply.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "definition.h"
#include "lockstep/base/must.h"
#include "private.h"
#include "vault_state.h"

/* A secret serves for this long at the least, so that whoever was woken for it finds it. */
#define FRESH_LEAST_MS 1000U

static const struct source *const sources[] = {
    &file_source,  &environment_source, &command_source, &systemd_source,
    &store_source, &import_source,      &oauth_source,   &certificate_source,
};

/* What is known of one item; all of it under the lock, but for what is marked. */
struct holding {
    struct item item; /* first, so that it is found again; the keeper's thread */
    struct holding *next;
    const struct source *source;          /* NULL: nothing can bring it */
    struct config_credential *definition; /* NULL: it is the parent's */
    struct holding *children;             /* made of entries of the import */
    struct import *import;
    struct job job;
    struct waiter *waiters;
    bool posted; /* the job waits for the keeper */
    bool gone;   /* and there is nothing left for it to do but to free this */
    bool begun;  /* the keeper's thread */
    bool fetching;
    bool again; /* to be brought although it is there: it was refused */
    bool present;
    bool bearer;
    moment fresh_until;
    moment failed_until;
    moment refused_until; /* it was refused: not to be brought anew for that before */
    uint64_t version;
    uint64_t refused; /* this version was */
    enum supply failed;
    struct text why;
    struct text user;
    char why_memory[SUPPLY_WORDS_MAX];
    char user_memory[SUPPLY_USER_MAX];
    struct secret secret;
};

void supplies_open(struct vault *vault)
{
    vault->supplies = (struct supplies){0};
    must(uv_mutex_init(&vault->supplies.lock) == 0);
    must(uv_cond_init(&vault->supplies.woken) == 0);
}

void supplies_close(struct vault *vault)
{
    must(vault->supplies.first == NULL && vault->supplies.waiters == 0);
    uv_cond_destroy(&vault->supplies.woken);
    uv_mutex_destroy(&vault->supplies.lock);
}

void supplied_clear(struct supplied *supplied)
{
    secret_wipe(supplied, sizeof(*supplied));
}

/* --- waiting --- */

static void waiter_unlink(struct supplies *supplies, struct waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next != NULL)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
    supplies->waiters--;
}

static void waiter_link(struct supplies *supplies, struct waiter *waiter, struct waiter **list)
{
    waiter->next = *list;
    waiter->link = list;
    if (waiter->next != NULL)
        waiter->next->link = &waiter->next;
    *list = waiter;
    supplies->waiters++;
}

/* On the keeper's thread, without the lock: for they may ask again, or end, while being woken. */
static void wake_all(struct vault *vault, struct holding *holding)
{
    struct supplies *supplies = &vault->supplies;
    struct waiter *waiter;

    uv_mutex_lock(&supplies->lock);
    supplies->awake = holding->waiters;
    if (supplies->awake != NULL)
        supplies->awake->link = &supplies->awake;
    holding->waiters = NULL;
    while ((waiter = supplies->awake) != NULL) {
        waiter_unlink(supplies, waiter);
        supplies->waking = waiter;
        uv_mutex_unlock(&supplies->lock);
        waiter->wake(waiter);
        uv_mutex_lock(&supplies->lock);
        supplies->waking = NULL;
        uv_cond_broadcast(&supplies->woken);
    }
    uv_mutex_unlock(&supplies->lock);
}

void supply_forget(struct vault *vault, struct waiter *waiter)
{
    struct supplies *supplies = &vault->supplies;

    uv_mutex_lock(&supplies->lock);
    if (waiter->link != NULL)
        waiter_unlink(supplies, waiter);
    while (supplies->waking == waiter)
        uv_cond_wait(&supplies->woken, &supplies->lock);
    uv_mutex_unlock(&supplies->lock);
}

/* --- holdings --- */

static const struct source *find_source(const struct item *item)
{
    size_t i;

    for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (sources[i]->has(item->definition, item->entry))
            return sources[i];
    return NULL;
}

/* What has a name of its own in the store must not need bytes that no name may have. */
static void name_item(struct item *item)
{
    struct text name = text_over(item->name, STORE_NAME_MAX);
    size_t i;

    text_add(&name, item->definition->name);
    if (item->entry != NULL) {
        text_add_byte(&name, '.');
        text_add(&name, item->entry->user);
    }
    for (i = 0; i < name.size; i++)
        if (!store_name_valid(span_of(&name.at[i], 1)) && (i == 0 || name.at[i] != '.'))
            name.at[i] = '_';
}

/* Takes the definition, unless it is made from an entry. */
static struct holding *holding_open(struct vault *vault, struct config_credential *definition,
                                    const struct import_entry *entry)
{
    struct holding *holding = calloc(1, sizeof(*holding));

    must(holding != NULL);
    holding->item = (struct item){
        .vault = vault, .keeper = &vault->keeper, .definition = definition, .entry = entry};
    name_item(&holding->item);
    holding->definition = entry == NULL ? definition : NULL;
    holding->source = find_source(&holding->item);
    holding->why = text_over(holding->why_memory, sizeof(holding->why_memory));
    holding->user = text_over(holding->user_memory, sizeof(holding->user_memory));
    return holding;
}

static void holding_free(struct holding *holding)
{
    secret_clear(&holding->secret);
    import_close(&holding->import);
    free(holding->definition);
    free(holding);
}

/* On the keeper's thread; it stands in no list any more, so that nobody asks for it. */
static void holding_close(struct holding *holding)
{
    struct vault *vault = holding->item.vault;
    bool posted;

    while (holding->children != NULL) {
        struct holding *child = holding->children;

        holding->children = child->next;
        holding_close(child);
    }
    if (holding->begun && holding->source->end != NULL)
        holding->source->end(&holding->item);
    wake_all(vault, holding);
    uv_mutex_lock(&vault->supplies.lock);
    posted = holding->posted;
    holding->gone = true;
    uv_mutex_unlock(&vault->supplies.lock);
    if (!posted)
        holding_free(holding);
}

static void holding_begin(struct holding *holding)
{
    if (holding->begun || holding->source == NULL)
        return;
    holding->begun = true;
    if (holding->source->begin != NULL)
        holding->source->begin(&holding->item);
}

/* The keeper was asked to bring it. */
static void holding_run(struct job *job)
{
    struct holding *holding = (struct holding *)((char *)job - offsetof(struct holding, job));
    uv_mutex_t *lock = &holding->item.vault->supplies.lock;
    bool again;

    uv_mutex_lock(lock);
    holding->posted = false;
    again = holding->again;
    holding->again = false;
    uv_mutex_unlock(lock);
    if (holding->gone) {
        holding_free(holding);
        return;
    }
    holding_begin(holding);
    if (holding->source != NULL)
        holding->source->fetch(&holding->item, again);
    else
        item_fail(&holding->item, SUPPLY_NONE, SPAN("nothing says where its secret comes from"));
}

/* --- what sources say, on the keeper's thread --- */

static bool same_secret(const struct holding *holding, const struct offer *offer, struct span user)
{
    struct span old = secret_reveal(&holding->secret);
    struct span new = secret_reveal(offer->secret);

    return holding->present && holding->bearer == offer->bearer &&
           old.size == new.size &&CRYPTO_memcmp(old.at, new.at, old.size) == 0 &&
           span_equal(text_span(&holding->user), user);
}

static void holding_fresh(struct holding *holding, uint32_t fresh_ms)
{
    if (fresh_ms == 0)
        fresh_ms = holding->source->fresh_ms;
    if (fresh_ms < FRESH_LEAST_MS)
        fresh_ms = FRESH_LEAST_MS;
    holding->fresh_until = keeper_now(holding->item.keeper) + fresh_ms;
    holding->failed_until = 0;
    holding->fetching = false;
    health_say(holding->item.vault, holding->item.definition->name, AIL_SECRET, SPAN(""));
}

void item_offer(struct item *item, const struct offer *offer)
{
    struct holding *holding = (struct holding *)item;
    struct supplies *supplies = &item->vault->supplies;
    struct span user = offer->user;

    if (user.size == 0 && item->entry != NULL)
        user = item->entry->user;
    if (user.size == 0)
        user = item->definition->user;
    if (user.size > SUPPLY_USER_MAX) {
        item_fail(item, SUPPLY_NONE, SPAN("the name of its user is too long"));
        return;
    }
    uv_mutex_lock(&supplies->lock);
    if (!same_secret(holding, offer, user)) {
        holding->version = ++supplies->versions;
        text_clear(&holding->user);
        text_add(&holding->user, user);
        secret_set(&holding->secret, secret_reveal(offer->secret));
        holding->bearer = offer->bearer;
        holding->present = true;
    }
    holding_fresh(holding, offer->fresh_ms);
    uv_mutex_unlock(&supplies->lock);
    wake_all(item->vault, holding);
}

void item_offer_many(struct item *item, struct import *import)
{
    struct holding *holding = (struct holding *)item;
    struct supplies *supplies = &item->vault->supplies;
    struct holding *children;
    struct import *old;

    uv_mutex_lock(&supplies->lock);
    children = holding->children;
    holding->children = NULL;
    old = holding->import;
    holding->import = import;
    holding->version = ++supplies->versions;
    holding->present = true;
    holding_fresh(holding, 0);
    uv_mutex_unlock(&supplies->lock);
    while (children != NULL) {
        struct holding *child = children;

        children = child->next;
        holding_close(child);
    }
    import_close(&old);
    wake_all(item->vault, holding);
}

bool item_has(const struct item *item)
{
    const struct holding *holding = (const struct holding *)item;

    return holding->present; /* which only this thread changes */
}

void item_confirm(struct item *item)
{
    struct holding *holding = (struct holding *)item;

    uv_mutex_lock(&item->vault->supplies.lock);
    must(holding->present);
    holding_fresh(holding, 0);
    uv_mutex_unlock(&item->vault->supplies.lock);
    wake_all(item->vault, holding);
}

void item_fail(struct item *item, enum supply how, struct span why)
{
    item_fail_plainly(item, how, why, SPAN("it can't be used: " ASK_THE_LOG));
}

void item_fail_plainly(struct item *item, enum supply how, struct span why, struct span plain)
{
    struct holding *holding = (struct holding *)item;
    struct span name = item->definition->name;

    keeper_say(item->keeper, VAULT_WARNING, "credential %.*s: %.*s", (int)name.size, name.at,
               (int)why.size, why.at);
    health_say(item->vault, name, AIL_SECRET, why);
    uv_mutex_lock(&item->vault->supplies.lock);
    holding->present = false;
    secret_clear(&holding->secret);
    text_clear(&holding->why);
    text_format(&holding->why, "credential %.*s: %.*s", (int)name.size, name.at, (int)plain.size,
                plain.at);
    holding->failed = how;
    holding->failed_until = keeper_now(item->keeper) + SUPPLY_FAILED_MS;
    holding->fetching = false;
    uv_mutex_unlock(&item->vault->supplies.lock);
    wake_all(item->vault, holding);
}

/* --- asking, under the lock --- */

/* NULL: `how_r` and `why` say what to tell the asker. */
static struct holding *find_holding(struct vault *vault, const struct wanted *wanted,
                                    enum supply *how_r, struct text *why)
{
    struct span name = wanted->credential->name;
    struct holding *holding = vault->supplies.first;

    while (holding != NULL && !span_equal(holding->definition->name, name))
        holding = holding->next;
    if (holding != NULL && definition_same(holding->definition, wanted->credential))
        return holding;
    *how_r = SUPPLY_LATER;
    text_format(why, "credential %.*s: it was configured anew meanwhile", (int)name.size, name.at);
    return NULL;
}

static struct holding *find_child(struct holding *parent, const struct import_entry *entry)
{
    struct holding *child = parent->children;

    while (child != NULL && (!span_equal(child->item.entry->user, entry->user) ||
                             !span_equal(child->item.entry->secret, entry->secret)))
        child = child->next;
    if (child == NULL) {
        child = holding_open(parent->item.vault, parent->definition, entry);
        child->next = parent->children;
        parent->children = child;
    }
    return child;
}

static bool holding_is_fresh(const struct holding *holding)
{
    return holding->present && keeper_now(holding->item.keeper) < holding->fresh_until;
}

/* It is not there: what does the asker hear? */
static enum supply holding_want(struct holding *holding, struct text *why, struct waiter *waiter)
{
    struct supplies *supplies = &holding->item.vault->supplies;
    struct keeper *keeper = holding->item.keeper;

    if (!holding->fetching && keeper_now(keeper) < holding->failed_until) {
        text_add(why, text_span(&holding->why));
        return holding->failed;
    }
    if (waiter != NULL && supplies->waiters == SUPPLY_WAITERS_MAX) {
        text_add(why, SPAN("too many sessions wait for their credentials"));
        return SUPPLY_LATER;
    }
    if (waiter != NULL)
        waiter_link(supplies, waiter, &holding->waiters);
    /* A source that had it by itself ends the fetch, but not the job that is still posted. */
    if (!holding->fetching && !holding->posted) {
        holding->posted = true;
        holding->job.run = holding_run;
        keeper_post(keeper, &holding->job);
    }
    holding->fetching = true;
    return SUPPLY_COMING;
}

static enum supply supplied_set(struct supplied *supplied_r, const struct holding *holding,
                                struct span user, struct span secret, struct text *why)
{
    if (user.size == 0)
        user = holding->item.definition->user;
    if (user.size > SUPPLY_USER_MAX) {
        text_add(why, SPAN("the name of the credential's user is too long"));
        return SUPPLY_NONE;
    }
    supplied_r->version = holding->version;
    supplied_r->bearer = holding->bearer;
    supplied_r->user_size = user.size;
    if (user.size > 0)
        memcpy(supplied_r->user, user.at, user.size);
    must(secret_set(&supplied_r->secret, secret));
    return SUPPLIED;
}

/* The entry of an import that fits; NULL: the asker hears that there is none. */
static const struct import_entry *find_entry(const struct holding *holding,
                                             const struct wanted *wanted, struct text *why)
{
    const struct config_credential *definition = holding->definition;
    struct import_wish wish = {wanted->sender, wanted->host, wanted->port, definition->user};
    const struct import_entry *entry = import_find(holding->import, &wish);

    if (entry == NULL)
        text_format(why, "credential %.*s: it has no entry for relay %.*s and sender <%.*s>",
                    (int)definition->name.size, definition->name.at, (int)wanted->relay.size,
                    wanted->relay.at, (int)wanted->sender.size, wanted->sender.at);
    return entry;
}

/* What is fresh in it, if it is no import. */
static enum supply holding_supply(struct holding *holding, struct supplied *supplied_r,
                                  struct text *why, struct waiter *waiter)
{
    if (!holding_is_fresh(holding))
        return holding_want(holding, why, waiter);
    return supplied_set(supplied_r, holding, text_span(&holding->user),
                        secret_reveal(&holding->secret), why);
}

static enum supply import_supply(struct holding *holding, const struct wanted *wanted,
                                 struct supplied *supplied_r, struct text *why,
                                 struct waiter *waiter)
{
    const struct import_entry *entry;

    if (!holding_is_fresh(holding))
        return holding_want(holding, why, waiter);
    entry = find_entry(holding, wanted, why);
    if (entry == NULL)
        return SUPPLY_NONE;
    if (entry->kind == IMPORT_PASSWORD)
        return supplied_set(supplied_r, holding, entry->user, entry->secret, why);
    return holding_supply(find_child(holding, entry), supplied_r, why, waiter);
}

enum supply supply_get(struct vault *vault, const struct wanted *wanted,
                       struct supplied *supplied_r, struct text *why, struct waiter *waiter)
{
    struct holding *holding;
    enum supply how;

    uv_mutex_lock(&vault->supplies.lock);
    holding = find_holding(vault, wanted, &how, why);
    if (holding != NULL && holding->import != NULL)
        how = import_supply(holding, wanted, supplied_r, why, waiter);
    else if (holding != NULL)
        how = holding_supply(holding, supplied_r, why, waiter);
    uv_mutex_unlock(&vault->supplies.lock);
    return how;
}

/* --- refused --- */

bool supply_blamed(uint16_t code)
{
    return code >= 530 && code < 560 && code != 534 && code != 538;
}

/* That version is thrown away, if that may help. */
static bool holding_refuse(struct holding *holding, uint64_t version, uint16_t code)
{
    moment now = keeper_now(holding->item.keeper);

    if (holding->version != version)
        return true;
    if (!supply_blamed(code) || holding->refused == version || now < holding->refused_until)
        return false;
    holding->refused = version;
    holding->refused_until = now + SUPPLY_REFUSED_MS;
    holding->fresh_until = 0;
    holding->again = true;
    return true;
}

bool supply_refused(struct vault *vault, const struct wanted *wanted, uint64_t version,
                    uint16_t code)
{
    const struct import_entry *entry;
    struct holding *holding;
    struct text nowhere = {0};
    enum supply how;
    bool worth = false;

    uv_mutex_lock(&vault->supplies.lock);
    holding = find_holding(vault, wanted, &how, &nowhere);
    if (holding != NULL && holding->import != NULL) {
        entry = find_entry(holding, wanted, &nowhere);
        if (entry == NULL)
            holding = NULL;
        else if (entry->kind != IMPORT_PASSWORD)
            holding = find_child(holding, entry);
    }
    if (holding != NULL)
        worth = holding_refuse(holding, version, code);
    uv_mutex_unlock(&vault->supplies.lock);
    return worth;
}

/* --- definitions, on the keeper's thread --- */

bool vault_reads_variable(struct vault *vault, struct span name)
{
    bool place = span_equal(name, SPAN("CREDENTIALS_DIRECTORY"));
    const struct holding *holding;

    for (holding = vault->supplies.first; holding != NULL; holding = holding->next)
        if (span_equal(holding->definition->password_env, name) ||
            (place && holding->definition->credential.size > 0))
            return true;
    return place && private_systemd_used();
}

/* Takes the holding of that definition out of the list; NULL: there is none. */
static struct holding *take_same(struct holding **list, const struct config_credential *definition)
{
    struct holding *holding;

    for (; (holding = *list) != NULL; list = &holding->next) {
        if (definition_same(holding->definition, definition)) {
            *list = holding->next;
            return holding;
        }
    }
    return NULL;
}

void supplies_define(struct vault *vault, struct config_credential **copies, uint32_t count)
{
    struct supplies *supplies = &vault->supplies;
    struct holding *old;
    struct holding *holding;
    uint32_t i;

    uv_mutex_lock(&supplies->lock);
    old = supplies->first;
    supplies->first = NULL;
    for (i = 0; i < count; i++) {
        holding = take_same(&old, copies[i]);
        if (holding != NULL)
            free(copies[i]);
        else
            holding = holding_open(vault, copies[i], NULL);
        holding->next = supplies->first;
        supplies->first = holding;
    }
    uv_mutex_unlock(&supplies->lock);
    while ((holding = old) != NULL) {
        old = holding->next;
        holding_close(holding);
    }
    /* Only this thread changes the list. */
    for (holding = supplies->first; holding != NULL; holding = holding->next)
        holding_begin(holding);
}
