/* What one listener's sessions are to do, by the words of the schema. */
#include "lockstep/policy/policy.h"

#include "lockstep/base/must.h"

#include "build.h"
#include "value.h"

void policy_default(struct policy *policy_r)
{
    size_t stage, does;

    *policy_r = (struct policy){.mode = MODE_REPAIR, .relay_count = 1};
    for (stage = 0; stage < STAGE_COUNT; stage++) {
        for (does = 0; does < DOES_COUNT; does++)
            policy_r->repairs_at[stage][does] =
                repairs_at((enum repair_stage)stage, (enum verb_does)does);
    }
    value_defaults(BASE_SESSION, &policy_r->relays[0]);
    value_defaults(BASE_POLICY, policy_r);
}

struct route *policy_add_route(struct policy *policy)
{
    struct route *route = &policy->routes[policy->route_count++];

    *route = (struct route){.relay = NOTHING, .credential = NOTHING};
    return route;
}

void policy_settle(struct policy *policy)
{
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        struct route *route = &policy->routes[i];

        route->repairs =
            (policy->repairs & ~route->repairs_given) | (route->repairs & route->repairs_given);
    }
}

/* --- the words of a script: relays, credentials and routes, made when they are first named --- */

/* The number of the relay so named, also of one that is yet to be made; NOTHING: there are too
 * many. */
static uint32_t relay_number(const struct policy *policy, struct span name)
{
    uint32_t i;

    for (i = 0; i < policy->relay_count; i++) {
        if (span_equal(policy->relays[i].name, name))
            return i;
    }
    return i < POLICY_RELAYS_MAX ? i : NOTHING;
}

static uint32_t credential_number(const struct policy *policy, struct span name)
{
    uint32_t i;

    for (i = 0; i < policy->credential_count; i++) {
        if (span_equal(policy->credentials[i].name, name))
            return i;
    }
    return i < POLICY_CREDENTIALS_MAX ? i : NOTHING;
}

static void make_relay(struct policy *policy, uint32_t number, struct span name)
{
    if (number < policy->relay_count)
        return;
    policy->relays[number] = (struct relay){.name = name};
    value_defaults(BASE_SESSION, &policy->relays[number]);
    policy->relay_count = number + 1;
}

static bool refuse(struct text *error, struct span sentence)
{
    text_add(error, sentence);
    return false;
}

/* One word into a copy of what it changes; so that nothing has changed when it is wrong. */
static bool set_word(unsigned bases, void *copy, struct span path, struct span value,
                     struct text *error)
{
    const struct row *row = schema_find_path(bases, path);

    if (row)
        return value_set(row, copy, value, error);
    schema_unknown_path(bases, path, error);
    return false;
}

static bool set_relay(struct policy *policy, struct span name, struct span path, struct span value,
                      struct text *error)
{
    uint32_t number = name.size > 0 ? relay_number(policy, name) : policy->relay;
    struct relay relay = {.name = name};

    if (number == NOTHING)
        return refuse(error, SPAN("too many relays"));
    if (number < policy->relay_count)
        relay = policy->relays[number];
    else
        value_defaults(BASE_SESSION, &relay);
    if (!set_word(BASE_BIT(BASE_SESSION) | BASE_BIT(BASE_SCRIPT), &relay, path, value, error))
        return false;
    make_relay(policy, number, name);
    policy->relays[number] = relay;
    return true;
}

static bool set_route(struct policy *policy, uint64_t number, struct span path, struct span value,
                      struct text *error)
{
    struct route route = {.relay = NOTHING, .credential = NOTHING};

    if (number > policy->route_count || number == ROUTES_MAX)
        return refuse(error, SPAN("routes are numbered from 1, without a gap, to 64"));
    if (number < policy->route_count)
        route = policy->routes[number];
    if (!set_word(BASE_BIT(BASE_ROUTE), &route, path, value, error))
        return false;
    if (route.relay_name.size > 0)
        route.relay = relay_number(policy, route.relay_name);
    if (route.credential_name.size > 0)
        route.credential = credential_number(policy, route.credential_name);
    if ((route.relay_name.size > 0 && route.relay == NOTHING) ||
        (route.credential_name.size > 0 && route.credential == NOTHING))
        return refuse(error, SPAN("too many relays or credentials"));
    if (route.relay != NOTHING)
        make_relay(policy, route.relay, route.relay_name);
    if (route.credential == policy->credential_count)
        policy->credentials[policy->credential_count++].name = route.credential_name;
    if (number == policy->route_count)
        policy->route_count++;
    policy->routes[number] = route;
    return true;
}

/* The one word of a credential that a session knows of. */
static bool set_credential(struct policy *policy, struct span name, struct span path,
                           struct span value, struct text *error)
{
    uint32_t number = credential_number(policy, name);

    if (!span_equal(path, SPAN("user")) || !value_is_name(name))
        return refuse(error, SPAN("name the credential and its user: credentials.NAME.user"));
    if (number == NOTHING)
        return refuse(error, SPAN("too many credentials"));
    if (number == policy->credential_count)
        policy->credentials[policy->credential_count++].name = name;
    policy->credentials[number].user = value;
    return true;
}

/* "relays.mx.example.security" to "mx.example" and "security"; a name has dots, a word of relays
 * has none. */
static struct span cut_name(struct span *path)
{
    size_t size = path->size;
    struct span name;

    while (size > 0 && path->at[size - 1] != '.')
        size--;
    name = span_head(*path, size > 0 ? size - 1 : 0);
    *path = span_tail(*path, size);
    return name;
}

static bool set_any(struct policy *policy, struct span path, struct span value, struct text *error)
{
    struct span rest = span_tail(path, span_find(path, '.') + 1);
    size_t dot = span_find(rest, '.');
    uint64_t number;

    if (span_starts(path, SPAN("relay.")))
        return set_relay(policy, SPAN(""), rest, value, error);
    if (span_starts(path, SPAN("relays."))) {
        struct span name = cut_name(&rest);

        if (!value_is_name(name))
            return refuse(error, SPAN("name the relay and its word: relays.NAME.WORD"));
        return set_relay(policy, name, rest, value, error);
    }
    if (span_starts(path, SPAN("credentials."))) {
        struct span name = cut_name(&rest);

        return set_credential(policy, name, rest, value, error);
    }
    if (span_starts(path, SPAN("routes."))) {
        if (!span_number(span_head(rest, dot), &number) || number == 0)
            return refuse(error, SPAN("number the route and name its word: routes.1.WORD"));
        return set_route(policy, number - 1, span_tail(rest, dot + 1), value, error);
    }
    return set_word(BASE_BIT(BASE_POLICY), policy, path, value, error);
}

bool policy_set(struct policy *policy, struct span path, struct span value, struct text *error)
{
    if (!set_any(policy, path, value, error))
        return false;
    policy_settle(policy);
    return true;
}

static bool tells(const struct policy *policy, uint32_t relay)
{
    return relay != NOTHING && (policy->relays[relay].xclient || policy->relays[relay].xforward);
}

bool policy_tells(const struct policy *policy)
{
    bool any = tells(policy, policy->relay);
    uint32_t i;

    for (i = 0; i < policy->route_count; i++)
        any = any || tells(policy, policy->routes[i].relay);
    return any;
}

bool policy_identifies(const struct policy *policy)
{
    return policy->xclient_from.count > 0 || policy_tells(policy);
}

bool policy_check(const struct policy *policy, struct text *error)
{
    bool good = policy_conflict(policy, error).size == 0;
    uint32_t i;

    for (i = 0; good && i < policy->route_count; i++)
        good = route_conflict(policy, i, error).size == 0;
    return good;
}
