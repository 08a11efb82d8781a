/* Every word of a proxy becomes a word of the configuration, and is checked like one of a file. */
#include "proxies.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/admin/toxic.h"
#include "lockstep/base/must.h"

/* Text of all proxies beside what stands in the file. */
#define PROXIES_BYTES_MAX (256U * 1024U)

static const struct config_listener *find_listener(const struct config *config, const char *name)
{
    uint32_t i;

    for (i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (listener->policy.mode == MODE_FAULT && span_equal(listener->name, span_of_string(name)))
            return listener;
    }
    return NULL;
}

bool proxies_configured(const struct config *config, const char *name)
{
    return find_listener(config, name) != NULL;
}

/* --- as they are --- */

static json_t *host_and_port(const char *scheme, const struct config_address *address)
{
    bool six = span_find(address->host, ':') < address->host.size;

    return json_sprintf("%s%s%.*s%s:%u", scheme, six ? "[" : "", (int)address->host.size,
                        address->host.at, six ? "]" : "", (unsigned)address->port);
}

static json_t *listen_of(const struct config_listener *listener, const struct shell *shell)
{
    struct address address;
    char text[ADDRESS_TEXT_MAX];

    if (shell_address(shell, listener->name, &address))
        return json_string(address_text(&address, text));
    return host_and_port("", &listener->listen.rows[0]);
}

static json_t *upstream_of(const struct config *config, const struct config_listener *listener)
{
    static const char *const schemes[] = {
        [SCHEME_SMTP] = "", [SCHEME_STARTTLS] = "starttls://", [SCHEME_SMTPS] = "smtps://"};
    const struct config_addresses *address;

    if (listener->relay >= config->relay_count)
        return json_string("");
    address = &config->relays[listener->relay].address;
    if (address->count == 0)
        return json_string(CONFIG_RELAY_ORIGINAL);
    return host_and_port(schemes[address->scheme], &address->rows[0]);
}

static json_t *toxics_of(const struct faults *faults)
{
    json_t *toxics = json_array();
    uint32_t i;

    for (i = 0; i < faults->count; i++)
        json_array_append_new(toxics, toxic_of_entry(faults->entries[i], i + 1));
    return toxics;
}

static json_t *proxy_of(const struct config *config, const struct config_listener *listener,
                        const struct shell *shell)
{
    json_t *proxy = json_pack(
        "{s:o,s:o,s:o,s:b,s:o}", "name", json_stringn(listener->name.at, listener->name.size),
        "listen", listen_of(listener, shell), "upstream", upstream_of(config, listener), "enabled",
        listener->enabled, "toxics", toxics_of(&listener->policy.faults));

    must(proxy != NULL);
    if (listener->seed != 0)
        json_object_set_new(proxy, "seed", json_integer((json_int_t)listener->seed));
    return proxy;
}

json_t *proxies_show(const struct config *config, const json_t *changed, const struct shell *shell)
{
    json_t *proxies = json_object();
    const char *name;
    json_t *proxy;
    uint32_t i;

    for (i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (listener->policy.mode != MODE_FAULT)
            continue;
        proxy = proxy_of(config, listener, shell);
        json_object_set_new(proxies, json_string_value(json_object_get(proxy, "name")), proxy);
    }
    json_object_foreach((json_t *)(uintptr_t)changed, name, proxy)
    {
        json_t *shown = json_deep_copy(proxy);

        json_object_del(shown, "made");
        json_object_set_new(proxies, name, shown);
    }
    return proxies;
}

json_t *proxies_changed(const struct config *config, const json_t *proxies,
                        const struct shell *shell)
{
    json_t *changed = json_object();
    const char *name;
    json_t *proxy;

    json_object_foreach((json_t *)(uintptr_t)proxies, name, proxy)
    {
        const struct config_listener *listener = find_listener(config, name);
        json_t *before = listener != NULL ? proxy_of(config, listener, shell) : NULL;
        json_t *kept = json_deep_copy(proxy);

        if (before != NULL) /* where it is stands in the configuration */
            json_object_set(kept, "listen", json_object_get(before, "listen"));
        if (before == NULL)
            json_object_set_new(kept, "made", json_true());
        if (json_object_size(proxy) == 0 || (before != NULL && json_equal(before, kept)))
            json_decref(kept);
        else
            json_object_set_new(changed, name, kept);
        json_decref(before);
    }
    return changed;
}

/* --- as they are to be --- */

struct applying {
    struct config *config;
    struct text *arena;
    struct text *why;
    struct span name;
    const json_t *proxy;
};

static struct span text_of(const struct applying *applying, const char *word)
{
    const json_t *json = json_object_get(applying->proxy, word);

    return span_of(json_string_value(json), json_string_length(json));
}

static bool set(struct applying *applying, const char *word, struct span value)
{
    return config_set_part(applying->config, PART_LISTENER, applying->name, span_of_string(word),
                           value, applying->arena, applying->why);
}

/* In front of a relay of its own. */
static bool add_listener(struct applying *applying)
{
    char memory[512];
    struct text relay = text_over(memory, sizeof(memory) / 2);
    struct text address = text_over(memory + sizeof(memory) / 2, sizeof(memory) / 2);
    struct span upstream = text_of(applying, "upstream");

    if (span_find_span(upstream, SPAN("://")) == upstream.size)
        text_add(&address, SPAN("smtp://"));
    text_add(&address, upstream);
    text_add(&relay, applying->name);
    text_add(&relay, SPAN(".upstream"));
    return config_add_part(applying->config, PART_LISTENER, applying->name, applying->arena,
                           applying->why) &&
           config_add_part(applying->config, PART_RELAY, text_span(&relay), applying->arena,
                           applying->why) &&
           config_set_part(applying->config, PART_RELAY, text_span(&relay), SPAN("address"),
                           text_span(&address), applying->arena, applying->why) &&
           set(applying, "listen", text_of(applying, "listen")) &&
           set(applying, "relay", text_span(&relay)) && set(applying, "mode", SPAN("fault"));
}

static bool set_faults(struct applying *applying, const json_t *toxic)
{
    char *memory = malloc(TOXIC_BYTES_MAX);
    struct text lines = text_over(memory, TOXIC_BYTES_MAX);
    struct span rest;
    bool good;

    must(memory != NULL);
    good = toxic_rules(toxic, &lines, applying->why);
    rest = text_span(&lines);
    while (good && rest.size > 0) {
        struct span line = span_head(rest, span_find(rest, '\n'));

        good = set(applying, "faults", line);
        rest = span_tail(rest, line.size + 1);
    }
    free(memory);
    return good;
}

static bool apply_words(struct applying *applying)
{
    json_int_t seed = json_integer_value(json_object_get(applying->proxy, "seed"));
    bool enabled = json_is_true(json_object_get(applying->proxy, "enabled"));
    char memory[24];
    struct text number = text_over(memory, sizeof(memory));
    json_t *toxic;
    size_t i;

    text_add_number(&number, (uint64_t)seed);
    if (!set(applying, "enabled", enabled ? SPAN("on") : SPAN("off")) ||
        !set(applying, "fault-seed", text_span(&number)))
        return false;
    json_array_foreach(json_object_get(applying->proxy, "toxics"), i, toxic)
    {
        if (!set_faults(applying, toxic))
            return false;
    }
    return true;
}

static void forget_faults(struct config *config, struct span name)
{
    uint32_t i;

    for (i = 0; i < config->listener_count; i++) {
        if (span_equal(config->listeners[i].name, name))
            config->listeners[i].policy.faults = (struct faults){0};
    }
}

/* One of the configuration that is no longer there is not missed. */
static bool apply_one(struct applying *applying)
{
    bool made = json_is_true(json_object_get(applying->proxy, "made"));
    char name[256];

    if (made)
        return add_listener(applying) && apply_words(applying);
    snprintf(name, sizeof(name), "%.*s", (int)applying->name.size, applying->name.at);
    if (!proxies_configured(applying->config, name))
        return true;
    forget_faults(applying->config, applying->name);
    return apply_words(applying);
}

struct running *proxies_apply(struct running *base, const json_t *changed,
                              const struct setup *before, struct text *why)
{
    struct text arena;
    struct running *running = running_copy(base, PROXIES_BYTES_MAX, &arena);
    struct applying applying = {.config = &running->loaded.config, .arena = &arena, .why = why};
    bool good = true;
    const char *name;
    json_t *proxy;

    json_object_foreach((json_t *)(uintptr_t)changed, name, proxy)
    {
        applying.name = span_of_string(name);
        applying.proxy = proxy;
        good = good && apply_one(&applying);
    }
    if (good && running_complete(running, before, why))
        return running;
    setup_drop(&running->setup);
    return NULL;
}

void proxies_settle(json_t *changed, const struct shell *shell)
{
    const char *name;
    json_t *proxy;

    json_object_foreach(changed, name, proxy)
    {
        struct address address;
        char text[ADDRESS_TEXT_MAX];

        if (shell_address(shell, span_of_string(name), &address))
            json_object_set_new(proxy, "listen", json_string(address_text(&address, text)));
    }
}
