/* Listeners and relays that come to a configuration which is there already. */
#include "build.h"
#include "value.h"

static struct config_listener *listener_named(struct config *config, struct span name)
{
    uint32_t i;

    for (i = 0; i < config->listener_count; i++) {
        if (span_equal(config->listeners[i].name, name))
            return &config->listeners[i];
    }
    return NULL;
}

static struct config_relay *relay_named(struct config *config, struct span name)
{
    uint32_t i;

    for (i = 0; i < config->relay_count; i++) {
        if (span_equal(config->relays[i].name, name))
            return &config->relays[i];
    }
    return NULL;
}

static bool complain(struct text *error, struct span name, struct span sentence)
{
    text_add_byte(error, '`');
    text_add(error, span_head(name, 64));
    text_add(error, SPAN("`: "));
    text_add(error, sentence);
    return false;
}

/* What the top of the file says for all listeners is said of those that put right what is wrong. */
static void begin_listener(struct config *config, struct span name)
{
    struct config_listener *listener = config_add_listener(config);

    listener->name = name;
    policy_default(&listener->policy);
    listener->policy.hostname = config->policy.hostname;
}

bool config_add_part(struct config *config, enum config_part part, struct span name,
                     struct text *arena, struct text *error)
{
    bool listener = part == PART_LISTENER;

    if (!value_is_name(name) || text_left(arena) < name.size)
        return complain(error, name, SPAN("a name has letters, digits, dots and hyphens"));
    if (listener ? listener_named(config, name) != NULL : relay_named(config, name) != NULL)
        return complain(error, name, SPAN("there is one of that name already"));
    if (listener ? config->listener_count == CONFIG_LISTENERS_MAX
                 : config->relay_count == CONFIG_RELAYS_MAX)
        return complain(error, name, SPAN("one too many: there may be 32"));
    name = config_copy(arena, name);
    if (listener)
        begin_listener(config, name);
    else
        config_add_relay(config, name);
    return true;
}

static void *object_of(struct config *config, enum config_part part, enum base base,
                       struct span name)
{
    struct config_listener *listener = listener_named(config, name);
    struct config_relay *relay = relay_named(config, name);

    if (part == PART_LISTENER && listener != NULL)
        return base == BASE_POLICY ? (void *)&listener->policy : listener;
    if (part == PART_RELAY && relay != NULL)
        return base == BASE_SESSION ? (void *)&relay->session : relay;
    return NULL;
}

bool config_set_part(struct config *config, enum config_part part, struct span name,
                     struct span path, struct span value, struct text *arena, struct text *error)
{
    const unsigned bases = part == PART_LISTENER ? BASE_BIT(BASE_LISTENER) | BASE_BIT(BASE_POLICY)
                                                 : BASE_BIT(BASE_RELAY) | BASE_BIT(BASE_SESSION);
    const struct row *row = schema_find_path(bases, path);
    void *object = row != NULL ? object_of(config, part, row->base, name) : NULL;

    if (row == NULL) {
        schema_unknown_path(bases, path, error);
        return false;
    }
    if (object == NULL || row->type >= TYPE_VERSION)
        return complain(error, name, SPAN("there is none of that name, or no such word in it"));
    if (text_left(arena) < value.size)
        return complain(error, name, SPAN("too much text in all: write less"));
    return value_set(row, object, config_copy(arena, value), error);
}
