/* From the words of a configuration to TLS contexts. */
#include "lockstep/net/setup.h"

#include <stdlib.h>

#include "lockstep/base/must.h"
#include "pick.h"

struct relay_memory {
    atomic_uint holders;
    _Atomic(moment) until[TRAIT_COUNT]; /* each trait of the path is believed */
    struct pick pick;
};

void setup_hold(struct setup *setup)
{
    atomic_fetch_add(&setup->holders, 1);
}

void setup_drop(struct setup *setup)
{
    if (atomic_fetch_sub(&setup->holders, 1) == 1)
        setup->dispose(setup);
}

/* --- what is remembered of relays --- */

bool setup_same_relay(const struct config_relay *one, const struct config_relay *other)
{
    const struct config_addresses *here = &one->address;
    const struct config_addresses *there = &other->address;
    uint32_t i;

    if (!span_equal(one->name, other->name) || here->count != there->count)
        return false;
    for (i = 0; i < here->count; i++)
        if (here->rows[i].port != there->rows[i].port ||
            !span_equal(here->rows[i].host, there->rows[i].host))
            return false;
    return true;
}

static struct relay_memory *memory_new(void)
{
    struct relay_memory *memory = calloc(1, sizeof(*memory));

    must(memory != NULL);
    atomic_store(&memory->holders, 1);
    pick_init(&memory->pick);
    return memory;
}

static struct relay_memory *memory_of(const struct setup *before, const struct config_relay *relay)
{
    uint32_t i;

    for (i = 0; before != NULL && i < before->config->relay_count; i++) {
        struct relay_memory *memory = before->relays[i].memory;

        if (memory == NULL || !setup_same_relay(&before->config->relays[i], relay))
            continue;
        atomic_fetch_add(&memory->holders, 1);
        return memory;
    }
    return memory_new();
}

static void memory_drop(struct relay_memory *memory)
{
    if (atomic_fetch_sub(&memory->holders, 1) > 1)
        return;
    pick_clear(&memory->pick);
    free(memory);
}

struct pick *setup_pick(const struct setup *setup, uint32_t relay)
{
    struct relay_memory *memory = setup->relays[relay].memory;

    return memory != NULL ? &memory->pick : NULL;
}

uint32_t setup_traits(const struct setup *setup, uint32_t relay, moment now)
{
    const struct relay_memory *memory = setup->relays[relay].memory;
    uint32_t traits = 0;
    size_t i;

    for (i = 0; memory != NULL && i < TRAIT_COUNT; i++)
        traits |= atomic_load(&memory->until[i]) > now ? 1U << i : 0U;
    return traits;
}

void setup_learn(const struct setup *setup, uint32_t relay, uint32_t traits, moment until)
{
    struct relay_memory *memory = setup->relays[relay].memory;
    size_t i;

    for (i = 0; memory != NULL && i < TRAIT_COUNT; i++) {
        if ((traits >> i & 1U) != 0)
            atomic_store(&memory->until[i], until);
    }
}

/* --- contexts --- */

static const enum tls_version versions[] = {[CONFIG_TLS_1_0] = TLS_1_0,
                                            [CONFIG_TLS_1_1] = TLS_1_1,
                                            [CONFIG_TLS_1_2] = TLS_1_2,
                                            [CONFIG_TLS_1_3] = TLS_1_3};
static const enum tls_ask asks[] = {[CLIENT_CERTIFICATE_NONE] = TLS_ASK_NONE,
                                    [CLIENT_CERTIFICATE_ASK] = TLS_ASK_OPTIONAL,
                                    [CLIENT_CERTIFICATE_REQUIRE] = TLS_ASK_REQUIRED};
static const enum tls_verify verifies[] = {[VERIFY_FULL] = TLS_VERIFY_FULL,
                                           [VERIFY_CA] = TLS_VERIFY_CA,
                                           [VERIFY_PIN] = TLS_VERIFY_PIN,
                                           [VERIFY_NONE] = TLS_VERIFY_NONE};

static void say_where(struct text *why, struct span kind, struct span name)
{
    text_add(why, kind);
    text_add(why, name);
    text_add(why, SPAN(": "));
}

static bool secure_listener(struct setup_listener *made, const struct config_listener *listener,
                            struct text *why)
{
    const struct config_tls *tls = &listener->tls;
    struct tls_server settings = {
        .identity = {.certificate = tls->certificate, .key = tls->key},
        .authority = {.certificate = tls->authority, .key = tls->authority_key},
        .rules = {.minimum = versions[tls->minimum], .ciphers = tls->ciphers},
        .client_ca = tls->client_ca,
        .client_certificate = asks[tls->client_certificate],
    };

    if (!config_has_certificate(tls))
        return true;
    say_where(why, SPAN("listener "), listener->name);
    made->tls = tls_server_new(&settings, why);
    if (made->tls != NULL && tls->legacy_networks.count > 0) {
        settings.rules.minimum = versions[tls->legacy_minimum];
        made->legacy = tls_server_new(&settings, why);
    }
    if (made->tls == NULL || (made->legacy == NULL && tls->legacy_networks.count > 0))
        return false;
    text_clear(why);
    return true;
}

static bool secure_relay(struct setup_relay *made, const struct config_relay *relay,
                         struct text *why)
{
    struct tls_client settings = {
        .identity = {.certificate = relay->certificate, .key = relay->key},
        .rules = {.minimum = versions[relay->minimum], .ciphers = relay->ciphers},
        .verify = verifies[relay->verify],
        .ca = relay->ca,
        .pin_count = relay->fingerprint.count,
    };
    uint32_t i;

    _Static_assert(CONFIG_FINGERPRINTS_MAX <= TLS_PINS_MAX, "every fingerprint is looked at");
    if (relay->address.scheme == SCHEME_SMTP)
        return true;
    for (i = 0; i < relay->fingerprint.count; i++)
        settings.pins[i] = relay->fingerprint.rows[i];
    say_where(why, SPAN("relay "), relay->name);
    made->tls = tls_client_new(&settings, why);
    if (made->tls == NULL)
        return false;
    text_clear(why);
    return true;
}

bool setup_secure(struct setup *setup, const struct setup *before, struct text *why)
{
    const struct config *config = setup->config;
    uint32_t i;

    for (i = 0; i < config->relay_count; i++) {
        /* Wherever clients want to go there is no one path to learn of. */
        if (!config_is_original(&config->relays[i]))
            setup->relays[i].memory = memory_of(before, &config->relays[i]);
        if (!secure_relay(&setup->relays[i], &config->relays[i], why))
            return false;
    }
    for (i = 0; i < config->listener_count; i++) {
        if (!secure_listener(&setup->listeners[i], &config->listeners[i], why))
            return false;
        setup->intercepts |= config->listeners[i].path.intercept != INTERCEPT_NONE;
    }
    return true;
}

static void context_drop(struct tls_context **context)
{
    if (*context != NULL)
        tls_context_drop(*context);
    *context = NULL;
}

void setup_clear(struct setup *setup)
{
    uint32_t i;

    for (i = 0; i < CONFIG_LISTENERS_MAX; i++) {
        context_drop(&setup->listeners[i].tls);
        context_drop(&setup->listeners[i].legacy);
    }
    for (i = 0; i < CONFIG_RELAYS_MAX; i++) {
        context_drop(&setup->relays[i].tls);
        if (setup->relays[i].memory != NULL)
            memory_drop(setup->relays[i].memory);
        setup->relays[i].memory = NULL;
    }
}

struct tls_context *setup_server(const struct setup *setup, uint32_t listener, struct span client)
{
    const struct setup_listener *made = &setup->listeners[listener];
    const struct networks *legacy = &setup->config->listeners[listener].tls.legacy_networks;

    return made->legacy != NULL && networks_hold(legacy, client) ? made->legacy : made->tls;
}
