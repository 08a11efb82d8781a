/* What a configuration allows that somebody should hear of. */
#include "build.h"
#include "conflict.h"

static bool logs_in_clear(const struct config *config, uint32_t number)
{
    return config->relays[number].session.allow_clear;
}

static bool trusts_anybody(const struct config *config, uint32_t number)
{
    return config->relays[number].verify == VERIFY_NONE &&
           config->relays[number].address.scheme != SCHEME_SMTP;
}

static bool may_be_stripped(const struct config *config, uint32_t number)
{
    return config->relays[number].tls == RELAY_TLS_OFFERED;
}

static bool reaches_by_old_tls(const struct config *config, uint32_t number)
{
    return config->relays[number].minimum < CONFIG_TLS_1_2;
}

static bool serves_by_old_tls(const struct config *config, uint32_t number)
{
    return config->listeners[number].tls.minimum < CONFIG_TLS_1_2;
}

static bool serves_legacy(const struct config *config, uint32_t number)
{
    const struct config_tls *tls = &config->listeners[number].tls;

    return tls->legacy_minimum < CONFIG_TLS_1_2 && tls->legacy_minimum < tls->minimum;
}

static bool stands_in(const struct config *config, uint32_t number)
{
    return config->listeners[number].tls.authority.size > 0;
}

static bool injects_before_tls_only(const struct config *config, uint32_t number)
{
    const struct policy *policy = &config->listeners[number].policy;

    return policy->tls_offer == TLS_OFFER_PASS && policy_injects(policy);
}

static bool takes_clear_logins(const struct config *config, uint32_t number)
{
    return config->listeners[number].policy.client_auth.allow_clear;
}

/* On loopback it is people of this machine, who are many things already. */
static bool believes_anybody(const struct config *config, uint32_t number)
{
    const struct config_listener *listener = &config->listeners[number];
    uint32_t i;

    if (listener->proxy_from.count == 0 || !networks_hold_all(&listener->proxy_from))
        return false;
    for (i = 0; i < listener->listen.count; i++) {
        if (!address_is_loopback(listener->listen.rows[i].host))
            return true;
    }
    return false;
}

static bool opens_by_pop(const struct config *config, uint32_t number)
{
    const struct policy *policy = &config->listeners[number].policy;
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        if (policy->routes[i].pop.size > 0)
            return true;
    }
    return false;
}

static bool pops_in_clear(const struct config *config, uint32_t number)
{
    const struct policy *policy = &config->listeners[number].policy;
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        if (span_starts_fold(policy->routes[i].pop, SPAN("pop3+clear://")))
            return true;
    }
    return false;
}

static bool has_paced_relay(const struct policy *policy)
{
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        if (policy->routes[i].relay != NOTHING && policy->relays[policy->routes[i].relay].paced)
            return true;
    }
    return policy->relays[policy->relay].paced;
}

static bool passes_by_rates(const struct config *config, uint32_t number)
{
    const struct policy *policy = &config->listeners[number].policy;

    return policy->mode != MODE_REPAIR && has_paced_relay(policy);
}

/* RFC 5321 4.5.3.2.2 */
static bool holds_too_long(const struct config *config, uint32_t number)
{
    const struct policy *policy = &config->listeners[number].policy;

    return policy->mode == MODE_REPAIR && has_paced_relay(policy) &&
           policy->wait_ms[WAIT_PACE] >= 5 * 60 * 1000;
}

/* Repairs that some of the listener's sessions have. */
static uint64_t repairs_of(const struct config *config, uint32_t number)
{
    const struct policy *policy = &config->listeners[number].policy;
    uint64_t on = policy->repairs;
    uint32_t i;

    for (i = 0; i < policy->route_count; i++)
        on |= policy->routes[i].repairs;
    return policy->mode == MODE_REPAIR ? on : 0;
}

static bool breaks_signatures(const struct config *config, uint32_t number)
{
    return (repairs_of(config, number) & REPAIR_BIT(REPAIR_MATCH_HEADER_FROM)) != 0;
}

/* Of these, those that only clients one knows should have. */
static uint64_t trusted_repairs(const struct config *config, uint32_t number)
{
    return repairs_of(config, number) & repairs_trusted();
}

static bool trusts_clients(const struct config *config, uint32_t number)
{
    return trusted_repairs(config, number) != 0;
}

static void name_trusted(const struct config *config, uint32_t number, struct text *says)
{
    uint64_t set = trusted_repairs(config, number);
    struct span between = SPAN(" ");
    size_t i;

    for (i = 0; i < REPAIR_COUNT; i++) {
        if ((set & REPAIR_BIT(i)) == 0)
            continue;
        text_add(says, between);
        text_add(says, repair_row((enum repair_id)i)->name);
        between = SPAN(", ");
    }
}

/* What a client must do first it need not do where lockstep is not. */
static bool opens_what_is_required(const struct config *config, uint32_t number)
{
    const struct config_listener *listener = &config->listeners[number];

    return listener->path.fail_open &&
           (listener->policy.tls_required || listener->policy.client_auth.required ||
            rates_given(&listener->rates));
}

/* The first network of those who are believed that is as good as everybody's. */
static const struct network *believed_by_all(const struct config *config, uint32_t number)
{
    const struct networks *networks = &config->listeners[number].policy.xclient_from;
    uint32_t i;

    for (i = 0; i < networks->count; i++) {
        if (network_is_wide(&networks->rows[i]))
            return &networks->rows[i];
    }
    return NULL;
}

static bool believes_all(const struct config *config, uint32_t number)
{
    return believed_by_all(config, number) != NULL;
}

static void name_believed(const struct config *config, uint32_t number, struct text *says)
{
    text_add_byte(says, ' ');
    network_show(believed_by_all(config, number), says);
}

static const struct {
    enum base base;
    bool (*holds)(const struct config *config, uint32_t number);
    struct span says;
    void (*names)(const struct config *config, uint32_t number, struct text *says); /* or NULL */
} warnings[] = {
    {BASE_LISTENER, serves_by_old_tls,
     SPAN_INIT("`tls.minimum` lets clients speak TLS that is broken: keep their network apart"),
     NULL},
    {BASE_LISTENER, serves_legacy,
     SPAN_INIT("`tls.legacy-minimum` lets those networks speak TLS that is broken: keep them "
               "apart"),
     NULL},
    {BASE_LISTENER, stands_in,
     SPAN_INIT("`tls.authority`: whoever has its key is any server to those who trust it: keep it "
               "for lockstep alone"),
     NULL},
    {BASE_LISTENER, injects_before_tls_only,
     SPAN_INIT("`tls.offer: pass`: behind a client's STARTTLS no credential is put in and nothing "
               "is repaired"),
     NULL},
    {BASE_LISTENER, takes_clear_logins,
     SPAN_INIT("`auth.clear: on`: passwords of clients may cross the line in clear"), NULL},
    {BASE_LISTENER, passes_by_rates,
     SPAN_INIT("`mode: observe` or `fault` holds no message: the `rates` of its relay are not kept "
               "by its clients"),
     NULL},
    {BASE_LISTENER, holds_too_long,
     SPAN_INIT(
         "`timeouts.pace` is as long as clients wait for an answer to MAIL, five minutes: they "
         "may give up and come again"),
     NULL},
    {BASE_LISTENER, believes_anybody,
     SPAN_INIT("`proxy-from` holds everybody, and whoever is in it can pretend to be any client: "
               "write the addresses of your load balancers"),
     NULL},
    {BASE_LISTENER, opens_by_pop,
     SPAN_INIT("`pop` opens the provider's relay for all who share this machine's address"), NULL},
    {BASE_LISTENER, pops_in_clear,
     SPAN_INIT("`pop3+clear://`: that password crosses the line in clear"), NULL},
    {BASE_LISTENER, breaks_signatures,
     SPAN_INIT("`match-header-from` breaks clients' signatures (DKIM, DMARC) and tells readers "
               "another author"),
     NULL},
    {BASE_LISTENER, trusts_clients,
     SPAN_INIT("these repairs are only for clients that you trust, see lockstep(1):"),
     name_trusted},
    {BASE_LISTENER, opens_what_is_required,
     SPAN_INIT("`fail-open: on`: whoever passes does so without the TLS, login or rate that is "
               "asked for here"),
     NULL},
    {BASE_LISTENER, believes_all,
     SPAN_INIT("`xclient-from` believes whoever connects that he is somebody else, and logged in "
               "where logins are checked:"),
     name_believed},
    {BASE_RELAY, logs_in_clear,
     SPAN_INIT("`allow_clear: on`: passwords may cross the line in clear"), NULL},
    {BASE_RELAY, trusts_anybody, SPAN_INIT("`verify: none`: anybody on the way can pose as it"),
     NULL},
    {BASE_RELAY, may_be_stripped,
     SPAN_INIT("`tls: offered`: anybody on the way can take STARTTLS out of its offers"), NULL},
    {BASE_RELAY, reaches_by_old_tls,
     SPAN_INIT("`minimum` lets it speak TLS that is broken: anybody on the way may read along"),
     NULL},
};

bool config_warning(const struct config *config, size_t number, struct text *says)
{
    size_t i;

    for (i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++) {
        bool listener = warnings[i].base == BASE_LISTENER;
        struct subject subject = {.base = warnings[i].base};

        for (; subject_exists(config, &subject); subject.number++) {
            if (!warnings[i].holds(config, subject.number) || number-- > 0)
                continue;
            text_add(says, listener ? SPAN("listener `") : SPAN("relay `"));
            text_add(says, listener ? config->listeners[subject.number].name
                                    : config->relays[subject.number].name);
            text_add(says, SPAN("`: "));
            text_add(says, warnings[i].says);
            if (warnings[i].names != NULL)
                warnings[i].names(config, subject.number, says);
            return true;
        }
    }
    return false;
}
