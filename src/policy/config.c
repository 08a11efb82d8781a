/* The whole configuration: its defaults, single settings, and what its words mean together. */
#include "lockstep/policy/config.h"

#include <string.h>

#include "lockstep/base/must.h"

#include "build.h"
#include "value.h"

void config_default(struct config *config_r)
{
    /* Too large for a second one on the stack. */
    memset(config_r, 0, sizeof(*config_r));
    value_defaults(BASE_CONFIG, config_r);
    policy_default(&config_r->policy);
}

struct config_listener *config_add_listener(struct config *config)
{
    struct config_listener *listener = &config->listeners[config->listener_count++];

    memset(listener, 0, sizeof(*listener));
    listener->policy = config->policy;
    listener->relay = CONFIG_RELAY_NONE;
    value_defaults(BASE_LISTENER, listener);
    return listener;
}

struct config_relay *config_add_relay(struct config *config, struct span name)
{
    struct config_relay *relay = &config->relays[config->relay_count++];

    *relay = (struct config_relay){.name = name};
    value_defaults(BASE_RELAY, relay);
    value_defaults(BASE_SESSION, &relay->session);
    return relay;
}

struct config_credential *config_add_credential(struct config *config, struct span name)
{
    struct config_credential *credential = &config->credentials[config->credential_count++];

    *credential = (struct config_credential){.name = name};
    value_defaults(BASE_CREDENTIAL, credential);
    return credential;
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

/* What stands once in a configuration from a command line. */
static void *single_base(struct config *config, const struct row *row, struct text *error)
{
    bool listener = row->base == BASE_LISTENER;
    uint32_t count = listener ? config->listener_count : config->relay_count;

    if (row->base == BASE_CONFIG)
        return config;
    if (count == 1 && listener)
        return config->listeners;
    if (count == 1)
        return row->base == BASE_RELAY ? (void *)config->relays : &config->relays[0].session;
    schema_path(row, error);
    text_add(error, listener ? SPAN(" needs exactly one listener, there are ")
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
    const unsigned bases = BASE_BIT(BASE_CONFIG) | BASE_BIT(BASE_LISTENER) | BASE_BIT(BASE_RELAY) |
                           BASE_BIT(BASE_SESSION);
    const struct row *row = schema_find_path(BASE_BIT(BASE_POLICY), path);
    void *object;

    if (!row)
        row = schema_find_path(bases, path);
    if (!row) {
        schema_unknown_path(bases | BASE_BIT(BASE_POLICY), path, error);
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

/* --- what follows from the rest --- */

static uint32_t relay_number(const struct config *config, struct span name)
{
    uint32_t i;

    for (i = 0; i < config->relay_count; i++) {
        if (name.size > 0 && span_equal(config->relays[i].name, name))
            return i;
    }
    return NOTHING;
}

static uint32_t credential_number(const struct config *config, struct span name)
{
    uint32_t i;

    for (i = 0; i < config->credential_count; i++) {
        if (name.size > 0 && span_equal(config->credentials[i].name, name))
            return i;
    }
    return NOTHING;
}

/* Nothing but its name makes it what it is, so it is there where it is named. */
static void settle_original(struct config *config)
{
    bool named = false;
    uint32_t i, k;

    for (i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        named = named || span_equal(listener->relay_name, SPAN(CONFIG_RELAY_ORIGINAL));
        for (k = 0; k < listener->policy.route_count; k++)
            named = named ||
                    span_equal(listener->policy.routes[k].relay_name, SPAN(CONFIG_RELAY_ORIGINAL));
    }
    if (named && relay_number(config, SPAN(CONFIG_RELAY_ORIGINAL)) == NOTHING &&
        config->relay_count < CONFIG_RELAYS_MAX)
        config_add_relay(config, SPAN(CONFIG_RELAY_ORIGINAL));
}

bool config_is_original(const struct config_relay *relay)
{
    return span_equal(relay->name, SPAN(CONFIG_RELAY_ORIGINAL));
}

static void settle_relay(struct config_relay *relay)
{
    /* It has no address that could say how it is spoken to. */
    if (config_is_original(relay) && relay->address.count == 0)
        relay->address.scheme = relay->tls == RELAY_TLS_AUTO ? SCHEME_SMTP : SCHEME_STARTTLS;
    relay->session.name = relay->name;
    relay->session.alternatives = relay->address.count > 0 ? relay->address.count - 1 : 0;
    switch (relay->address.scheme) {
    case SCHEME_SMTP:
        relay->session.security = SECURITY_NONE;
        break;
    case SCHEME_STARTTLS:
        relay->session.security =
            relay->tls == RELAY_TLS_OFFERED ? SECURITY_OFFERED : SECURITY_STARTTLS;
        break;
    case SCHEME_SMTPS:
        relay->session.security = SECURITY_IMPLICIT;
        break;
    }
}

/* Whom no rate concerns is never asked about one. */
static void settle_pace(const struct config *config, const struct config_listener *listener,
                        struct policy *policy)
{
    uint32_t i;

    for (i = 0; i < config->relay_count; i++)
        policy->relays[i].paced =
            rates_given(&listener->rates) || rates_given(&config->relays[i].rates);
}

/* The names of a listener's policy: all relays and credentials, by their numbers in the config. */
static void settle_names(const struct config *config, struct policy *policy)
{
    uint32_t i;

    for (i = 0; i < config->relay_count; i++)
        policy->relays[i] = config->relays[i].session;
    policy->relay_count = config->relay_count > 0 ? config->relay_count : 1;
    for (i = 0; i < config->credential_count; i++)
        policy->credentials[i] = (struct credential){.name = config->credentials[i].name,
                                                     .user = config->credentials[i].user};
    policy->credential_count = config->credential_count;
    for (i = 0; i < policy->route_count; i++) {
        struct route *route = &policy->routes[i];

        route->relay = relay_number(config, route->relay_name);
        route->credential = credential_number(config, route->credential_name);
    }
}

bool config_keeps_sessions(const struct config_admin *admin)
{
    return admin->listen.count > 0 && admin->sessions > 0;
}

static void settle_listener(const struct config *config, struct config_listener *listener)
{
    struct policy *policy = &listener->policy;

    _Static_assert(CONFIG_RELAY_NONE == NOTHING, "a relay that is not there has one number");
    listener->relay = relay_number(config, listener->relay_name);
    settle_names(config, policy);
    settle_pace(config, listener, policy);
    policy->relay = listener->relay == CONFIG_RELAY_NONE ? 0 : listener->relay;
    if (policy->relays[policy->relay].pipelining == PIPELINING_NEVER)
        policy->pipelining = PIPELINING_NEVER;
    /* Without a certificate it stays as it is, which engines take for none: one may yet be said. */
    if (policy->tls_offer == TLS_OFFER_AUTO && config_has_certificate(&listener->tls) &&
        policy->mode == MODE_REPAIR)
        policy->tls_offer = TLS_OFFER_STARTTLS;
    policy->record =
        config->transcripts.directory.size > 0 || config_keeps_sessions(&config->admin);
    policy_settle(policy);
}

void config_settle(struct config *config)
{
    uint32_t i;

    settle_original(config);
    for (i = 0; i < config->relay_count; i++)
        settle_relay(&config->relays[i]);
    for (i = 0; i < config->listener_count; i++)
        settle_listener(config, &config->listeners[i]);
}

static bool check_parts(const struct config *config, enum base base, uint32_t listener,
                        struct text *error)
{
    struct subject subject = {.base = base, .listener = listener};

    for (; subject_exists(config, &subject); subject.number++) {
        if (config_conflict(config, &subject, error).size > 0)
            return false;
    }
    return true;
}

bool config_check(struct config *config, struct text *error)
{
    bool good;
    uint32_t i;

    config_settle(config);
    good = check_parts(config, BASE_CONFIG, 0, error) &&
           check_parts(config, BASE_RELAY, 0, error) &&
           check_parts(config, BASE_CREDENTIAL, 0, error) &&
           check_parts(config, BASE_LISTENER, 0, error);
    for (i = 0; good && i < config->listener_count; i++)
        good = check_parts(config, BASE_ROUTE, i, error);
    return good;
}
