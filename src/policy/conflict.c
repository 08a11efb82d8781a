/* Listeners and their routes: words that contradict each other, or the rest of the file. First of
 * all: no listener becomes an open relay. */
#include "conflict.h"

#include <string.h>

#include "address.h"

bool address_is_loopback(struct span host)
{
    static const struct network loopbacks[] = {
        {{[10] = 0xFF, [11] = 0xFF, [12] = 127}, 104}, /* 127.0.0.0/8 */
        {{[15] = 1}, 128},                             /* ::1 */
    };
    struct networks networks = {.count = 2};

    memcpy(networks.rows, loopbacks, sizeof(loopbacks));
    return span_equal_fold(host, SPAN("localhost")) || networks_hold(&networks, host);
}

/* --- who may use it --- */

/* Nothing given: nobody. */
static bool spares_everybody(const struct networks *networks)
{
    return networks->count > 0 && networks_hold_all(networks);
}

/* Does it say who may have the credentials of its routes? */
static bool is_guarded(const struct config_listener *listener)
{
    const struct policy *policy = &listener->policy;
    bool tls = policy->tls_required || policy->tls_offer == TLS_OFFER_IMPLICIT;

    return !networks_hold_all(&listener->allow) ||
           (policy->client_auth.required && policy->client_auth.logins == LOGINS_CHECK &&
            !spares_everybody(&policy->client_auth.hidden_from)) ||
           (tls && listener->tls.client_certificate == CLIENT_CERTIFICATE_REQUIRE);
}

static struct span open_conflict(const struct config *config,
                                 const struct config_listener *listener, struct text *error)
{
    uint32_t i;

    (void)config;
    if (!policy_injects(&listener->policy) || is_guarded(listener))
        return SPAN("");
    for (i = 0; i < listener->listen.count; i++) {
        const struct config_address *address = &listener->listen.rows[i];

        /* What is intercepted comes from anywhere, and so does what a load balancer here passes. */
        if (address_is_loopback(address->host) && listener->path.intercept == INTERCEPT_NONE &&
            listener->proxy_from.count == 0)
            continue;
        text_add(error, SPAN("anybody who reaches `"));
        address_show(address, error);
        return conflict_at(SPAN("listen"), error,
                           SPAN("` could send with its credentials: write who may, with `allow: "
                                "[192.168.10.0/24]`, or `auth: {clients: check, required: on}`, or "
                                "`tls: {required: on, client-certificate: require}`"));
    }
    return SPAN("");
}

/* --- names and addresses --- */

static struct span name_conflict(const struct config *config,
                                 const struct config_listener *listener, struct text *error)
{
    const struct config_listener *other;

    for (other = config->listeners; other < listener; other++) {
        if (!span_equal(other->name, listener->name) || listener->name.size == 0)
            continue;
        text_add(error, SPAN("another listener is called `"));
        text_add(error, listener->name);
        return conflict_at(SPAN("name"), error, SPAN("`: give each a name of its own"));
    }
    return SPAN("");
}

static struct span unknown_conflict(struct span path, struct span name, struct text *error)
{
    text_add(error, SPAN("there is no "));
    text_add(error, path);
    text_add(error, SPAN(" `"));
    text_add(error, name);
    text_add(error, SPAN("`: name one of those under `"));
    text_add(error, path);
    return conflict_at(path, error, SPAN("s`"));
}

static struct span relay_name_conflict(const struct config *config,
                                       const struct config_listener *listener, struct text *error)
{
    (void)config;
    if (listener->relay_name.size == 0 || listener->relay != CONFIG_RELAY_NONE)
        return SPAN("");
    return unknown_conflict(SPAN("relay"), listener->relay_name, error);
}

static struct span sessions_conflict(const struct config *config,
                                     const struct config_listener *listener, struct text *error)
{
    (void)config;
    if (listener->sessions_per_client <= listener->sessions)
        return SPAN("");
    text_add(error, SPAN("`sessions-per-client` is more than `sessions`: write at most "));
    text_add_number(error, listener->sessions);
    return SPAN("sessions-per-client");
}

static bool same_address(const struct config_address *one, const struct config_address *other)
{
    return one->port == other->port && one->port != 0 && span_equal_fold(one->host, other->host);
}

/* Who before entry `index` of that listener listens on the same address; NULL: nobody. */
static const struct config_listener *
address_owner(const struct config *config, const struct config_listener *listener, uint32_t index)
{
    const struct config_address *wanted = &listener->listen.rows[index];
    const struct config_listener *other;
    uint32_t k;

    for (other = config->listeners; other <= listener; other++) {
        for (k = 0; k < (other < listener ? other->listen.count : index); k++) {
            if (same_address(wanted, &other->listen.rows[k]))
                return other;
        }
    }
    return NULL;
}

static struct span listen_conflict(const struct config *config,
                                   const struct config_listener *listener, struct text *error)
{
    const struct config_listener *owner;
    uint32_t i;

    for (i = 0; i < listener->listen.count; i++) {
        owner = address_owner(config, listener, i);
        if (!owner)
            continue;
        text_add_byte(error, '`');
        address_show(&listener->listen.rows[i], error);
        text_add(error, SPAN("` is already listened on by `"));
        text_add(error, owner->name);
        return conflict_at(SPAN("listen"), error, SPAN("`: keep one of them"));
    }
    return SPAN("");
}

/* --- TLS and logins of clients --- */

/* Is anything said of TLS beside when it is offered? */
static bool speaks_of_tls(const struct config_tls *tls)
{
    return tls->minimum != CONFIG_TLS_1_2 || tls->legacy_minimum != CONFIG_TLS_1_2 ||
           tls->legacy_networks.count > 0 || tls->ciphers.size > 0 || tls->client_ca.size > 0 ||
           tls->client_certificate != CLIENT_CERTIFICATE_NONE;
}

static bool offers_tls(const struct config_listener *listener)
{
    enum tls_offer offer = listener->policy.tls_offer;

    return offer == TLS_OFFER_IMPLICIT || tls_offers_starttls(offer);
}

/* Or TLS that a load balancer ends, and tells of in a PROXY header. */
static bool has_tls(const struct config_listener *listener)
{
    return offers_tls(listener) || listener->proxy_from.count > 0;
}

static struct span required_conflict(const struct config *config,
                                     const struct config_listener *listener, struct text *error)
{
    enum tls_offer offer = listener->policy.tls_offer;

    (void)config;
    if (!listener->policy.tls_required || listener->proxy_from.count > 0 ||
        (offer != TLS_OFFER_NONE && offer != TLS_OFFER_AUTO))
        return SPAN("");
    return conflict_at(SPAN("tls.required"), error,
                       SPAN("`tls.required` where none is offered: write `offer: starttls`, "
                            "implicit or both, with certificate and key"));
}

static struct span certificate_conflict(const struct config *config,
                                        const struct config_listener *listener, struct text *error)
{
    const struct config_tls *tls = &listener->tls;
    bool offered = offers_tls(listener);

    (void)config;
    if (!config_has_certificate(tls) && (offered || speaks_of_tls(tls)))
        return conflict_at(offered ? SPAN("tls.offer") : SPAN("tls"), error,
                           SPAN("no TLS without a certificate: write certificate and key"));
    if (config_has_certificate(tls) && listener->policy.tls_offer == TLS_OFFER_PASS)
        return conflict_at(
            SPAN("tls.offer"), error,
            SPAN("`offer: pass` leaves TLS to the relay, so no certificate is shown: "
                 "leave certificate and authority out, or write starttls"));
    if (tls->certificate.size > 0 && tls->key.size == 0)
        return conflict_at(SPAN("tls.certificate"), error,
                           SPAN("a certificate without its key: write key"));
    if (tls->certificate.size == 0 && tls->key.size > 0)
        return conflict_at(SPAN("tls.key"), error,
                           SPAN("a key without its certificate: write certificate"));
    return SPAN("");
}

static struct span authority_conflict(const struct config *config,
                                      const struct config_listener *listener, struct text *error)
{
    const struct config_tls *tls = &listener->tls;

    (void)config;
    if (tls->authority.size > 0 && tls->certificate.size > 0)
        return conflict_at(SPAN("tls.authority"), error,
                           SPAN("one certificate, or an authority that signs one for each name: "
                                "leave certificate or authority out"));
    if (tls->authority.size > 0 && tls->authority_key.size == 0)
        return conflict_at(SPAN("tls.authority"), error,
                           SPAN("an authority without its key signs nothing: write authority-key"));
    if (tls->authority.size == 0 && tls->authority_key.size > 0)
        return conflict_at(SPAN("tls.authority-key"), error,
                           SPAN("a key without its authority: write authority"));
    return SPAN("");
}

static struct span client_certificate_conflict(const struct config *config,
                                               const struct config_listener *listener,
                                               struct text *error)
{
    const struct config_tls *tls = &listener->tls;
    bool asked = tls->client_certificate != CLIENT_CERTIFICATE_NONE;

    (void)config;
    if (asked && !offers_tls(listener))
        return conflict_at(SPAN("tls.client-certificate"), error,
                           SPAN("clients show certificates in TLS only: write `offer: starttls`, "
                                "implicit or both"));
    if (asked && tls->client_ca.size == 0)
        return conflict_at(SPAN("tls.client-certificate"), error,
                           SPAN("who signs the clients' certificates? write client-ca"));
    if (!asked && tls->client_ca.size > 0)
        return conflict_at(SPAN("tls.client-ca"), error,
                           SPAN("no client is asked for a certificate: write `client-certificate: "
                                "ask` or require"));
    return SPAN("");
}

static struct span legacy_conflict(const struct config *config,
                                   const struct config_listener *listener, struct text *error)
{
    const struct config_tls *tls = &listener->tls;
    bool older = tls->legacy_minimum < tls->minimum;

    (void)config;
    if (older && tls->legacy_networks.count == 0)
        return conflict_at(SPAN("tls.legacy-minimum"), error,
                           SPAN("whose devices are that old? write `legacy-networks: "
                                "[192.168.10.0/24]`"));
    if (!older && tls->legacy_networks.count > 0)
        return conflict_at(SPAN("tls.legacy-networks"), error,
                           SPAN("these networks may not do more than others: write "
                                "`legacy-minimum: TLSv1.0`"));
    return SPAN("");
}

static struct span check_conflict(const struct config *config,
                                  const struct config_listener *listener, struct text *error)
{
    const struct config_auth *auth = &listener->auth;
    unsigned count = (unsigned)(auth->file.size > 0) + (unsigned)(auth->socket.size > 0) +
                     (unsigned)(auth->http.size > 0);
    const struct client_auth *client = &listener->policy.client_auth;
    bool check = client->logins == LOGINS_CHECK;

    (void)config;
    if ((check || client->logins == LOGINS_ACCEPT) && !client->allow_clear && !has_tls(listener))
        return conflict_at(SPAN("auth.clients"), error,
                           SPAN("no client can log in without TLS: write `tls: {certificate: ..., "
                                "key: ...}`, or `clear: on`"));
    if (check && count == 0)
        return conflict_at(SPAN("auth.clients"), error,
                           SPAN("`auth.clients: check` needs something to check with: write file, "
                                "socket or http"));
    if (count > 1)
        return conflict_at(SPAN("auth"), error,
                           SPAN("logins are checked in one place: keep one of file, socket and "
                                "http"));
    if (!check && count > 0)
        return conflict_at(SPAN("auth"), error,
                           SPAN("no login is checked here: write `clients: check`"));
    return SPAN("");
}

static struct span listener_conflict(const struct config *config,
                                     const struct config_listener *listener, struct text *error)
{
    static struct span (*const rules[])(const struct config *, const struct config_listener *,
                                        struct text *) = {
        name_conflict,   relay_name_conflict,  sessions_conflict,
        listen_conflict, certificate_conflict, client_certificate_conflict,
        legacy_conflict, check_conflict,       path_conflict,
        open_conflict,   authority_conflict,   limits_conflict,
    };
    struct span path = SPAN("");
    size_t i;

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]) && path.size == 0; i++)
        path = rules[i](config, listener, error);
    if (path.size == 0)
        path = policy_conflict(&listener->policy, error);
    return path.size > 0 ? path : required_conflict(config, listener, error);
}

/* --- routes --- */

static struct span login_conflict(const struct config *config,
                                  const struct config_listener *listener, const struct route *route,
                                  struct text *error)
{
    const struct relay *relay =
        &listener->policy.relays[route->relay == NOTHING ? listener->policy.relay : route->relay];
    const uint32_t bearers =
        MECHANISM_BIT(MECHANISM_XOAUTH2) | MECHANISM_BIT(MECHANISM_OAUTHBEARER);
    bool token = config->credentials[route->credential].oauth.provider != OAUTH_NONE;

    if (route->pop.size > 0) /* it goes to the POP3 server, and never to the relay */
        return SPAN("");
    if (relay->security == SECURITY_NONE && !relay->allow_clear) {
        text_add_byte(error, '`');
        text_add(error, route->credential_name);
        text_add(error, SPAN("` would go to `"));
        text_add(error, relay->name);
        return conflict_at(SPAN("credential"), error,
                           SPAN("` in clear: write starttls:// or smtps:// in that relay's "
                                "address, or `allow_clear: on` in that relay"));
    }
    if (token && (relay->mechanisms & bearers) == 0) {
        text_add_byte(error, '`');
        text_add(error, route->credential_name);
        text_add(error, SPAN("` is a token, which `"));
        text_add(error, relay->name);
        return conflict_at(SPAN("credential"), error,
                           SPAN("` may not be given: write XOAUTH2 or OAUTHBEARER in its `auth`"));
    }
    return SPAN("");
}

static struct span part_of_route_conflict(const struct config *config,
                                          const struct config_listener *listener, uint32_t number,
                                          struct text *error)
{
    const struct route *route = &listener->policy.routes[number];
    struct span path;

    if (route->relay_name.size > 0 && route->relay == NOTHING)
        return unknown_conflict(SPAN("relay"), route->relay_name, error);
    if (route->credential_name.size > 0 && route->credential == NOTHING)
        return unknown_conflict(SPAN("credential"), route->credential_name, error);
    if (route->pop.size > 0 && networks_hold_all(&listener->allow))
        return conflict_at(SPAN("pop"), error,
                           SPAN("`pop` opens a relay for this machine's address: write who may use "
                                "it, with `allow: [192.168.10.0/24]` in the listener"));
    if (route->pop.size > 0 && route->credential == NOTHING)
        return conflict_at(SPAN("pop"), error,
                           SPAN("`pop` needs something to log in with: write credential"));
    if (route->wants[FACT_CERTIFICATE].size > 0 && listener->proxy_from.count == 0 &&
        listener->tls.client_certificate == CLIENT_CERTIFICATE_NONE)
        return conflict_at(SPAN("certificate"), error,
                           SPAN("no client is asked for a certificate: write `tls: "
                                "{client-certificate: ask}` in the listener"));
    path = original_conflict(config, listener, route, error);
    if (path.size == 0 && route->credential != NOTHING)
        path = login_conflict(config, listener, route, error);
    return path.size > 0 ? path : route_conflict(&listener->policy, number, error);
}

/* --- all parts --- */

bool subject_exists(const struct config *config, const struct subject *subject)
{
    switch (subject->base) {
    case BASE_CONFIG:
        return subject->number == 0;
    case BASE_LISTENER:
        return subject->number < config->listener_count;
    case BASE_ROUTE:
        return subject->number < config->listeners[subject->listener].policy.route_count;
    case BASE_RELAY:
        return subject->number < config->relay_count;
    case BASE_CREDENTIAL:
        return subject->number < config->credential_count;
    case BASE_POLICY:
    case BASE_SESSION:
    case BASE_SCRIPT:
    case BASE_COUNT:
        return false;
    }
    return false;
}

struct span config_conflict(const struct config *config, const struct subject *subject,
                            struct text *error)
{
    uint32_t number = subject->number;

    switch (subject->base) {
    case BASE_CONFIG:
        return top_conflict(config, error);
    case BASE_LISTENER:
        return listener_conflict(config, &config->listeners[number], error);
    case BASE_ROUTE:
        return part_of_route_conflict(config, &config->listeners[subject->listener], number, error);
    case BASE_RELAY:
        return relay_conflict(&config->relays[number], error);
    case BASE_CREDENTIAL:
        return credential_conflict(config, number, error);
    case BASE_POLICY:
    case BASE_SESSION:
    case BASE_SCRIPT:
    case BASE_COUNT:
        return SPAN("");
    }
    return SPAN("");
}
