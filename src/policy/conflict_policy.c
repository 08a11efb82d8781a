/* Words of one policy, its routes included, that contradict each other. */
#include "conflict.h"

struct span conflict_at(struct span path, struct text *error, struct span sentence)
{
    text_add(error, sentence);
    return path;
}

bool route_injects(const struct route *route)
{
    return route->credential_name.size > 0 || route->ask.size > 0 || route->pop.size > 0;
}

bool policy_injects(const struct policy *policy)
{
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        if (route_injects(&policy->routes[i]))
            return true;
    }
    return false;
}

static bool is_upgraded(const struct policy *policy, uint32_t relay)
{
    return relay != NOTHING && (policy->relays[relay].security == SECURITY_STARTTLS ||
                                policy->relays[relay].security == SECURITY_OFFERED);
}

/* Does any session of it begin TLS in the middle of the conversation with a relay? */
static bool upgrades(const struct policy *policy)
{
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        if (is_upgraded(policy, policy->routes[i].relay))
            return true;
    }
    return is_upgraded(policy, policy->relay);
}

/* LF "." LF can't end a message whose bare LFs are refused. */
static bool ends_at_lf_alone(uint64_t repairs)
{
    return (repairs & REPAIR_BIT(REPAIR_LF_END_OF_DATA)) != 0 &&
           (repairs & REPAIR_BIT(REPAIR_BARE_LF)) == 0;
}

static bool ends_at_refused_lf(const struct policy *policy)
{
    return ends_at_lf_alone(policy->repairs);
}

static bool observes_and_upgrades(const struct policy *policy)
{
    return policy->mode != MODE_REPAIR && upgrades(policy);
}

static bool observes_and_offers(const struct policy *policy)
{
    return policy->mode != MODE_REPAIR && tls_offers_starttls(policy->tls_offer);
}

/* What lockstep has encrypted itself nobody can begin to encrypt. */
static bool passes_secured_starttls(const struct policy *policy)
{
    bool secured = policy->relays[policy->relay].security != SECURITY_NONE;
    uint32_t i;

    for (i = 0; i < policy->route_count && !secured; i++)
        secured = policy->routes[i].relay != NOTHING &&
                  policy->relays[policy->routes[i].relay].security != SECURITY_NONE;
    return secured && policy->tls_offer == TLS_OFFER_PASS;
}

/* A relay that takes XCLIENT from this machine takes it from whoever speaks through it. */
static bool passes_starttls_unnamed(const struct policy *policy)
{
    return policy->mode == MODE_REPAIR && policy->tls_offer == TLS_OFFER_PASS &&
           policy_tells(policy);
}

static bool observes_and_injects(const struct policy *policy)
{
    return policy->mode != MODE_REPAIR && policy_injects(policy);
}

static bool observes_and_takes_logins(const struct policy *policy)
{
    return policy->mode != MODE_REPAIR && policy->client_auth.logins != LOGINS_AUTO &&
           policy->client_auth.logins != LOGINS_PASS;
}

static bool observes_and_requires_tls(const struct policy *policy)
{
    return policy->mode != MODE_REPAIR && policy->tls_required &&
           policy->tls_offer != TLS_OFFER_IMPLICIT;
}

static bool observes_and_requires_login(const struct policy *policy)
{
    return policy->mode != MODE_REPAIR && policy->client_auth.required;
}

static bool observes_and_wants_certificates(const struct policy *policy)
{
    return policy->mode != MODE_REPAIR && policy->certificates.count > 0;
}

static bool observes_and_is_told(const struct policy *policy)
{
    return policy->mode != MODE_REPAIR && policy->xclient_from.count > 0;
}

static bool faults_elsewhere(const struct policy *policy)
{
    return policy->mode != MODE_FAULT && policy->faults.count > 0;
}

static bool requires_login_unoffered(const struct policy *policy)
{
    return policy->client_auth.required &&
           (policy->client_auth.logins == LOGINS_HIDE || policy->client_auth.logins == LOGINS_AUTO);
}

static bool passes_login_and_injects(const struct policy *policy)
{
    return policy->client_auth.logins == LOGINS_PASS && policy_injects(policy);
}

#define ENDS_AT_REFUSED_LF                                                                         \
    "`lf-end-of-data` without `bare-lf` ends nothing: write `bare-lf: on` beside it, or leave it " \
    "out"

static const struct {
    bool (*holds)(const struct policy *policy);
    struct span path;
    struct span says;
} rules[] = {
    {ends_at_refused_lf, SPAN_INIT("repairs.lf-end-of-data"), SPAN_INIT(ENDS_AT_REFUSED_LF)},
    {observes_and_upgrades, SPAN_INIT("relay"),
     SPAN_INIT(
         "`mode: observe` or `fault` starts no TLS, which starttls:// of a relay asks for: write "
         "smtp:// or smtps://, or `mode: repair`")},
    {observes_and_offers, SPAN_INIT("tls.offer"),
     SPAN_INIT("`mode: observe` or `fault` offers no STARTTLS of its own: write none or implicit, "
               "or `mode: "
               "repair`")},
    {passes_secured_starttls, SPAN_INIT("tls.offer"),
     SPAN_INIT(
         "`offer: pass` passes the relay's own STARTTLS, which there is none of where lockstep "
         "speaks TLS with it: write smtp:// in its address, or `offer: starttls`")},
    {passes_starttls_unnamed, SPAN_INIT("tls.offer"),
     SPAN_INIT("`offer: pass` leaves all behind STARTTLS to the client and the relay, which then "
               "hears no XCLIENT but the client's own, and believes that: write `offer: starttls`, "
               "or leave xclient and xforward out of the relay")},
    {observes_and_injects, SPAN_INIT("routes"),
     SPAN_INIT("`mode: observe` or `fault` logs in nowhere: leave credential, ask and pop out of "
               "these routes, "
               "or write `mode: repair`")},
    {observes_and_takes_logins, SPAN_INIT("auth.clients"),
     SPAN_INIT(
         "`mode: observe` or `fault` leaves logins to the relay: write pass, or `mode: repair`")},
    {observes_and_requires_tls, SPAN_INIT("tls.required"),
     SPAN_INIT("`mode: observe` or `fault` refuses nothing itself: leave `tls.required` out, or "
               "write `mode: "
               "repair`")},
    {observes_and_requires_login, SPAN_INIT("auth.required"),
     SPAN_INIT("`mode: observe` or `fault` refuses nothing itself: leave `auth.required` out, or "
               "write `mode: "
               "repair`")},
    {observes_and_wants_certificates, SPAN_INIT("certificates"),
     SPAN_INIT("`mode: observe` or `fault` refuses nothing itself: leave `certificates` out, or "
               "write `mode: repair`")},
    {observes_and_is_told, SPAN_INIT("xclient-from"),
     SPAN_INIT("`mode: observe` or `fault` answers no XCLIENT itself: leave `xclient-from` out, or "
               "write `mode: repair`")},
    {faults_elsewhere, SPAN_INIT("faults"),
     SPAN_INIT("faults happen in `mode: fault` only: write that, or leave them out")},
    {requires_login_unoffered, SPAN_INIT("auth.required"),
     SPAN_INIT("`auth.required` where no login is offered: write `clients: check`, or pass or "
               "accept")},
    {passes_login_and_injects, SPAN_INIT("auth.clients"),
     SPAN_INIT("`auth.clients: pass` and routes with a credential are two logins for one session: "
               "write check, accept or hide, or leave the credentials out")},
};

struct span policy_conflict(const struct policy *policy, struct text *error)
{
    size_t i;

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].holds(policy))
            return conflict_at(rules[i].path, error, rules[i].says);
    }
    return SPAN("");
}

/* Does it match every session there is? */
static bool catches_all(const struct route *route)
{
    size_t fact;

    for (fact = 0; fact < FACT_COUNT; fact++) {
        if (route->wants[fact].size > 0)
            return false;
    }
    return route->client.count == 0;
}

struct span route_conflict(const struct policy *policy, uint32_t number, struct text *error)
{
    if (ends_at_lf_alone(policy->routes[number].repairs))
        return conflict_at(SPAN("repairs.lf-end-of-data"), error, SPAN(ENDS_AT_REFUSED_LF));
    if (number == 0 || !catches_all(&policy->routes[number - 1]))
        return SPAN("");
    return conflict_at(SPAN("routes"), error,
                       SPAN("the route above matches every session, so this one is never taken: "
                            "write it above, or leave it out"));
}
