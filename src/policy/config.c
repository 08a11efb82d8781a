/* The whole configuration: its defaults, single settings, and what its words mean together. */
#include "lockstep/policy/config.h"

#include <string.h>

#include "lockstep/base/must.h"

#include "address.h"
#include "build.h"
#include "value.h"

static void row_defaults(enum base base, void *object)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text error = text_over(memory, sizeof(memory));
    size_t i;

    for (i = 0; i < schema_count; i++) {
        const struct row *row = &schema_rows[i];

        if (row->base == base && row->initial)
            must(value_set(row, object, span_of_string(row->initial), &error));
    }
}

void config_default(struct config *config_r)
{
    /* Too large for a second one on the stack. */
    memset(config_r, 0, sizeof(*config_r));
    row_defaults(BASE_CONFIG, config_r);
    policy_default(&config_r->policy);
}

struct config_listener *config_add_listener(struct config *config)
{
    struct config_listener *listener = &config->listeners[config->listener_count++];

    *listener = (struct config_listener){.policy = config->policy, .relay = CONFIG_RELAY_NONE};
    row_defaults(BASE_LISTENER, listener);
    return listener;
}

struct config_relay *config_add_relay(struct config *config, struct span name)
{
    struct config_relay *relay = &config->relays[config->relay_count++];

    *relay = (struct config_relay){.name = name};
    row_defaults(BASE_RELAY, relay);
    return relay;
}

void config_single(struct config *config, bool relay)
{
    struct config_listener *listener = config_add_listener(config);

    listener->name = SPAN("main");
    if (relay) {
        config_add_relay(config, SPAN("upstream"));
        listener->relay_name = SPAN("upstream");
    }
}

struct span config_copy(struct text *arena, struct span text)
{
    size_t start = arena->size;

    text_add(arena, text);
    return span_tail(text_span(arena), start);
}

static void *single_base(struct config *config, const struct row *row, struct text *error)
{
    uint32_t count = row->base == BASE_LISTENER ? config->listener_count : config->relay_count;

    if (row->base == BASE_CONFIG)
        return config;
    if (count == 1)
        return row->base == BASE_LISTENER ? (void *)config->listeners : config->relays;
    schema_path(row, error);
    text_add(error, row->base == BASE_LISTENER ? SPAN(" needs exactly one listener, there are ")
                                               : SPAN(" needs exactly one relay, there are "));
    text_add_number(error, count);
    text_add(error, SPAN(": write it in the file"));
    return NULL;
}

/* The policy's words say the same of every listener. */
static bool set_everywhere(struct config *config, const struct row *row, struct span value,
                           struct text *error)
{
    uint32_t i;

    if (!value_set(row, &config->policy, value, error))
        return false;
    for (i = 0; i < config->listener_count; i++)
        must(value_set(row, &config->listeners[i].policy, value, error));
    return true;
}

bool config_set(struct config *config, struct span path, struct span value, struct text *arena,
                struct text *error)
{
    const struct row *row = schema_find_path(BASE_BIT(BASE_POLICY), path);
    void *object;

    if (!row)
        row = schema_find_path(~0U, path);
    if (!row) {
        schema_unknown_path(~0U, path, error);
        return false;
    }
    if (row->type >= TYPE_VERSION) {
        schema_path(row, error);
        text_add(error, SPAN(" is more than one value: write it in a file"));
        return false;
    }
    if (text_left(arena) < value.size) {
        text_add(error, SPAN("too much text in all: write less"));
        return false;
    }
    value = config_copy(arena, value);
    if (row->base == BASE_POLICY)
        return set_everywhere(config, row, value, error);
    object = single_base(config, row, error);
    return object && value_set(row, object, value, error);
}

static bool same_address(const struct config_address *one, const struct config_address *other)
{
    return one->port == other->port && one->port != 0 && span_equal_fold(one->host, other->host);
}

/* Who before entry `index` of that listener listens on the same address; NULL: nobody. */
static const struct config_listener *address_owner(const struct config *config, uint32_t number,
                                                   uint32_t index)
{
    const struct config_address *wanted = &config->listeners[number].listen.rows[index];
    uint32_t i, k;

    for (i = 0; i <= number; i++) {
        const struct config_listener *other = &config->listeners[i];

        for (k = 0; k < (i < number ? other->listen.count : index); k++) {
            if (same_address(wanted, &other->listen.rows[k]))
                return other;
        }
    }
    return NULL;
}

static struct span listen_conflict(const struct config *config, uint32_t number, struct text *error)
{
    const struct config_listener *listener = &config->listeners[number];
    const struct config_listener *owner;
    uint32_t i;

    for (i = 0; i < listener->listen.count; i++) {
        owner = address_owner(config, number, i);
        if (!owner)
            continue;
        text_add_byte(error, '`');
        address_show(&listener->listen.rows[i], error);
        text_add(error, SPAN("` is already listened on by `"));
        text_add(error, owner->name);
        text_add(error, SPAN("`: keep one of them"));
        return SPAN("listen");
    }
    return SPAN("");
}

struct span config_conflict(const struct config *config, uint32_t number, struct text *error)
{
    const struct config_listener *listener = &config->listeners[number];
    uint32_t i;

    for (i = 0; i < number; i++) {
        if (!span_equal(config->listeners[i].name, listener->name) || listener->name.size == 0)
            continue;
        text_add(error, SPAN("another listener is called `"));
        text_add(error, listener->name);
        text_add(error, SPAN("`: give each a name of its own"));
        return SPAN("name");
    }
    if (listener->relay_name.size > 0 && listener->relay == CONFIG_RELAY_NONE) {
        text_add(error, SPAN("there is no relay `"));
        text_add(error, listener->relay_name);
        text_add(error, SPAN("`: name one of those under `relays`"));
        return SPAN("relay");
    }
    if (listener->sessions_per_client > listener->sessions) {
        text_add(error, SPAN("`sessions-per-client` is more than `sessions`: write at most "));
        text_add_number(error, listener->sessions);
        return SPAN("sessions-per-client");
    }
    if (listen_conflict(config, number, error).size > 0)
        return SPAN("listen");
    return policy_conflict(&listener->policy, error);
}

void config_settle(struct config *config)
{
    uint32_t i, k;

    for (i = 0; i < config->listener_count; i++) {
        struct config_listener *listener = &config->listeners[i];

        listener->relay = CONFIG_RELAY_NONE;
        for (k = 0; k < config->relay_count; k++) {
            if (span_equal(config->relays[k].name, listener->relay_name))
                listener->relay = k;
        }
        if (listener->relay != CONFIG_RELAY_NONE &&
            config->relays[listener->relay].session.pipelining == PIPELINING_NEVER)
            listener->policy.pipelining = PIPELINING_NEVER;
        listener->policy.record = config->transcripts.directory.size > 0;
    }
}

bool config_check(struct config *config, struct text *error)
{
    uint32_t i;

    config_settle(config);
    for (i = 0; i < config->listener_count; i++) {
        if (config_conflict(config, i, error).size > 0)
            return false;
    }
    return true;
}
