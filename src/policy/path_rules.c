/* Rules for the path: one table, chains by what is done when, a chain per listener and family. */
#include "lockstep/policy/path_rules.h"

#include "conflict.h"
#include "lockstep/base/ip.h"

#define STRING(number) #number
#define DIGITS(number) STRING(number)
#define MARK_OWN DIGITS(PATH_RULES_MARK_OWN)
#define MARK_HERE DIGITS(PATH_RULES_MARK_HERE)
#define ROUTES DIGITS(PATH_RULES_ROUTES)
#define PROTOCOL DIGITS(PATH_RULES_PROTOCOL)
/* Of connection tracking. */
#define ZONE "19539"

#define IPV4_BITS 96U /* of ::ffff:0:0/96, where IPv4 networks stand */

#define RULE_STEP "pref " ROUTES " fwmark " MARK_HERE " lookup " ROUTES " protocol " PROTOCOL
#define ROUTE_STEP "local default dev lo table " ROUTES " proto " PROTOCOL

const struct path_step path_steps[PATH_STEPS] = {
    {PATH_IPV4, SPAN_INIT("route"), SPAN_INIT(ROUTE_STEP)},
    {PATH_IPV4, SPAN_INIT("rule"), SPAN_INIT(RULE_STEP)},
    {PATH_IPV6, SPAN_INIT("route"), SPAN_INIT(ROUTE_STEP)},
    {PATH_IPV6, SPAN_INIT("rule"), SPAN_INIT(RULE_STEP)},
};

bool path_step_wanted(const struct path_rules *rules, const struct path_step *step)
{
    return rules->delivers[step->family];
}

/* How a family is called where it matters. */
static const struct {
    struct span nfproto; /* in `meta nfproto` and in names of chains */
    struct span ip;      /* in front of `daddr` and behind `tproxy` */
    struct span spoken;
} families[PATH_FAMILIES] = {
    [PATH_IPV4] = {SPAN_INIT("ipv4"), SPAN_INIT("ip"), SPAN_INIT("IPv4")},
    [PATH_IPV6] = {SPAN_INIT("ipv6"), SPAN_INIT("ip6"), SPAN_INIT("IPv6")},
};

/* What a run looks at. */
struct selection {
    const struct config *config;
    bool listener[CONFIG_LISTENERS_MAX];
    bool any[INTERCEPT_TPROXY + 1]; /* of those is one intercepted like that */
    bool borrows;                   /* one may connect with the client's address */
    bool apart;                     /* one that is redirected to */
};

/* --- where a listener is reached --- */

static bool is_everywhere(struct span host)
{
    return span_equal(host, SPAN("*")) || span_equal(host, SPAN("0.0.0.0")) ||
           span_equal(host, SPAN("::"));
}

static bool is_of(struct span host, enum path_family family)
{
    bool six = span_find(host, ':') < host.size;
    uint8_t bytes[16];

    /* A name may be of both. */
    return !ip_read(host, bytes) || six == (family == PATH_IPV6);
}

/* The address that the rules of that family lead to: one that is everywhere before others. NULL:
 * the listener has none of that family. */
static const struct config_address *reached_at(const struct config_listener *listener,
                                               enum path_family family)
{
    const struct config_address *found = NULL;
    uint32_t i;

    for (i = 0; i < listener->listen.count; i++) {
        const struct config_address *address = &listener->listen.rows[i];

        if (is_of(address->host, family) && (found == NULL || is_everywhere(address->host)))
            found = address;
        if (found != NULL && is_everywhere(found->host))
            break;
    }
    return found;
}

static bool is_four(const struct network *network)
{
    return network->bits >= IPV4_BITS && ip_is_four(network->bytes);
}

/* --- text --- */

static void add_ports(const struct config_ports *ports, struct text *script)
{
    uint32_t i;

    text_add(script, SPAN("tcp dport {"));
    for (i = 0; i < ports->count; i++) {
        text_add(script, i == 0 ? SPAN(" ") : SPAN(", "));
        text_add_number(script, ports->rows[i]);
    }
    text_add(script, SPAN(" }"));
}

/* "take-1-ipv4" */
static void add_take(uint32_t number, enum path_family family, struct text *script)
{
    text_add(script, SPAN("take-"));
    text_add_number(script, number + 1);
    text_add_byte(script, '-');
    text_add(script, families[family].nfproto);
}

/* "127.0.0.1:2525", "[::1]:2525", ":2525" */
static void add_target(const struct config_address *address, struct text *script)
{
    bool six = span_find(address->host, ':') < address->host.size;

    if (!is_everywhere(address->host)) {
        text_add(script, six ? SPAN("[") : SPAN(""));
        text_add(script, address->host);
        text_add(script, six ? SPAN("]") : SPAN(""));
    }
    text_add_byte(script, ':');
    text_add_number(script, address->port);
}

static void add_chain(struct span head, struct text *script)
{
    text_add(script, SPAN("\n\tchain "));
    text_add(script, head);
}

/* --- what is caught --- */

/* Everything to a family, or (`network`) to one network of it. */
static void add_catch(const struct selection *chosen, uint32_t number, enum path_family family,
                      const struct network *network, struct text *script)
{
    const struct config_listener *listener = &chosen->config->listeners[number];
    bool whole = network == NULL || network->bits == (family == PATH_IPV4 ? IPV4_BITS : 0);

    text_add(script, SPAN("\t\t"));
    if (whole) {
        text_add(script, SPAN("meta nfproto "));
        text_add(script, families[family].nfproto);
    } else {
        text_add(script, families[family].ip);
        text_add(script, SPAN(" daddr "));
        network_show(network, script);
    }
    text_add_byte(script, ' ');
    add_ports(&listener->path.ports, script);
    text_add(script, SPAN(" jump "));
    add_take(number, family, script);
    text_add(script, SPAN(" comment \"" PATH_RULES_LISTENER));
    text_add(script, listener->name);
    text_add(script, SPAN("\"\n"));
}

static void add_catches_of(const struct selection *chosen, uint32_t number, enum path_family family,
                           struct text *script)
{
    const struct config_listener *listener = &chosen->config->listeners[number];
    const struct networks *wanted = &listener->path.destinations;
    uint32_t i;

    if (reached_at(listener, family) == NULL) {
        text_add(script, SPAN("\t\t# listener "));
        text_add(script, listener->name);
        text_add(script, SPAN(" has no address of "));
        text_add(script, families[family].spoken);
        text_add(script, SPAN(": such connections pass by\n"));
        return;
    }
    if (wanted->count == 0)
        add_catch(chosen, number, family, NULL, script);
    for (i = 0; i < wanted->count; i++) {
        if (is_four(&wanted->rows[i]) == (family == PATH_IPV4))
            add_catch(chosen, number, family, &wanted->rows[i], script);
    }
}

static bool is_chosen(const struct selection *chosen, uint32_t number, enum intercept how)
{
    return chosen->listener[number] && chosen->config->listeners[number].path.intercept == how;
}

/* What is meant for this machine itself is nobody else's. */
static void add_catches(const struct selection *chosen, enum intercept how, struct text *script)
{
    uint32_t i;

    text_add(script, SPAN("\t\tfib daddr type local return\n"));
    for (i = 0; i < chosen->config->listener_count; i++) {
        if (!is_chosen(chosen, i, how))
            continue;
        add_catches_of(chosen, i, PATH_IPV4, script);
        add_catches_of(chosen, i, PATH_IPV6, script);
    }
    text_add(script, SPAN("\t}\n"));
}

/* --- what becomes of it --- */

/* TPROXY does not act where nobody listens; then the next rule does, or none. */
static void add_tproxy(const struct config_listener *listener, enum path_family family,
                       struct text *script)
{
    text_add(script, SPAN("\t\tmeta l4proto tcp tproxy "));
    text_add(script, families[family].ip);
    text_add(script, SPAN(" to "));
    add_target(reached_at(listener, family), script);
    text_add(script, SPAN(" meta mark set " MARK_HERE " counter accept\n"));
    if (!listener->path.fail_open)
        text_add(script, SPAN("\t\tmeta l4proto tcp reject with tcp reset\n"));
}

/* REDIRECT leads to an address of the interface that the packet came by, so it serves who listens
 * everywhere. */
static void add_redirect(const struct config_listener *listener, enum path_family family,
                         struct text *script)
{
    const struct config_address *address = reached_at(listener, family);

    text_add(script, SPAN("\t\tmeta l4proto tcp counter "));
    if (is_everywhere(address->host)) {
        text_add(script, SPAN("redirect to "));
    } else {
        text_add(script, SPAN("dnat "));
        text_add(script, families[family].ip);
        text_add(script, SPAN(" to "));
    }
    add_target(address, script);
    text_add_byte(script, '\n');
}

static void add_takes(const struct selection *chosen, enum intercept how, struct text *script)
{
    uint32_t i, k;

    for (i = 0; i < chosen->config->listener_count; i++) {
        const struct config_listener *listener = &chosen->config->listeners[i];

        for (k = 0; k < PATH_FAMILIES; k++) {
            if (!is_chosen(chosen, i, how) || reached_at(listener, (enum path_family)k) == NULL)
                continue;
            add_chain(SPAN(""), script);
            add_take(i, (enum path_family)k, script);
            text_add(script, SPAN(" {\n"));
            if (how == INTERCEPT_TPROXY)
                add_tproxy(listener, (enum path_family)k, script);
            else
                add_redirect(listener, (enum path_family)k, script);
            text_add(script, SPAN("\t}\n"));
        }
    }
}

/*
 * Only what begins a connection is caught: one that began before the rules were there, or while
 * they let it pass, goes on as it is. The rest of what was caught, and answers to connections with
 * the client's address, are known by their sockets.
 */
static void add_delivery(const struct selection *chosen, struct text *script)
{
    if (chosen->any[INTERCEPT_TPROXY]) {
        add_takes(chosen, INTERCEPT_TPROXY, script);
        add_chain(SPAN("new {\n"), script);
        add_catches(chosen, INTERCEPT_TPROXY, script);
    }
    add_chain(SPAN("here {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n"
                   "\t\tmeta l4proto != tcp return\n"
                   "\t\tmeta mark " MARK_OWN " return\n"),
              script);
    if (chosen->any[INTERCEPT_TPROXY])
        text_add(script, SPAN("\t\ttcp flags & (fin | syn | rst | ack) == syn jump new\n"));
    text_add(script, SPAN("\t\tsocket transparent 1 meta mark set " MARK_HERE " accept\n\t}\n"));
}

/* Connection tracking may begin in the middle of a connection, and ask for its rewriting then. */
static void add_rewriting(const struct selection *chosen, struct text *script)
{
    add_takes(chosen, INTERCEPT_REDIRECT, script);
    add_chain(SPAN("rewrite {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
                   "\t\ttcp flags & (fin | syn | rst | ack) != syn return\n"
                   "\t\tmeta mark { " MARK_OWN ", " MARK_HERE " } return\n"),
              script);
    add_catches(chosen, INTERCEPT_REDIRECT, script);
}

/* A connection with the client's address may get the port that the client's own has; connection
 * tracking would then take it for that one, and redirect it too. */
static void add_zone(struct text *script)
{
    add_chain(SPAN("apart {\n\t\ttype filter hook output priority raw; policy accept;\n"
                   "\t\tmeta mark " MARK_OWN " fib saddr type != local ct original zone set " ZONE
                   "\n\t}\n"),
              script);
}

/* --- which listeners --- */

static bool borrows(const struct config *config, const struct config_listener *listener)
{
    const struct policy *policy = &listener->policy;
    uint32_t i, relay = listener->relay;
    bool found = relay < config->relay_count && config->relays[relay].source == SOURCE_CLIENT;

    for (i = 0; i < policy->route_count && !found; i++) {
        relay = policy->routes[i].relay;
        found = relay < config->relay_count && config->relays[relay].source == SOURCE_CLIENT;
    }
    return found;
}

static void choose(struct selection *chosen, uint32_t number)
{
    const struct config_listener *listener = &chosen->config->listeners[number];
    bool borrowing = borrows(chosen->config, listener);

    if (listener->path.intercept == INTERCEPT_NONE && !borrowing)
        return;
    chosen->listener[number] = true;
    chosen->any[listener->path.intercept] = true;
    chosen->borrows = chosen->borrows || borrowing;
    chosen->apart = chosen->apart || (borrowing && listener->path.intercept == INTERCEPT_REDIRECT);
}

static bool nothing_to_do(struct span name, bool found, struct text *error)
{
    if (name.size == 0) {
        text_add(error, SPAN("no listener intercepts: write `intercept: tproxy` (or redirect) and "
                             "`ports: [25]` in one"));
        return false;
    }
    text_add(error, found ? SPAN("listener `") : SPAN("there is no listener `"));
    text_add(error, name);
    text_add(error, found ? SPAN("` intercepts nothing: write `intercept: tproxy` (or redirect) "
                                 "and `ports: [25]` in it")
                          : SPAN("`"));
    return false;
}

static bool choose_all(struct selection *chosen, struct span name, struct text *error)
{
    bool found = false, some = false;
    uint32_t i;

    for (i = 0; i < chosen->config->listener_count; i++) {
        const struct config_listener *listener = &chosen->config->listeners[i];

        if (name.size > 0 ? !span_equal(listener->name, name) : !listener->enabled)
            continue;
        found = true;
        choose(chosen, i);
        some = some || chosen->listener[i];
    }
    return some || nothing_to_do(name, found, error);
}

/* --- what can't be --- */

static bool complain(const struct config_listener *listener, const struct config_address *address,
                     struct span why, struct text *error)
{
    text_add(error, SPAN("listener `"));
    text_add(error, listener->name);
    text_add(error, SPAN("`, `listen: "));
    text_add(error, address->host);
    text_add_byte(error, ':');
    text_add_number(error, address->port);
    text_add(error, SPAN("`: "));
    text_add(error, why);
    return false;
}

static bool can_be_reached(const struct config_listener *listener, struct text *error)
{
    uint32_t i;

    for (i = 0; i < listener->listen.count; i++) {
        const struct config_address *address = &listener->listen.rows[i];
        uint8_t bytes[16];

        if (!is_everywhere(address->host) && !ip_read(address->host, bytes))
            return complain(listener, address,
                            SPAN("rules lead to addresses, not to names: write an address, or * "
                                 "for all"),
                            error);
        if (listener->path.intercept == INTERCEPT_REDIRECT && address_is_loopback(address->host))
            return complain(listener, address,
                            SPAN("the kernel drops what is redirected to loopback from outside: "
                                 "write `*` or an address of an interface, or `intercept: "
                                 "tproxy`, which may lead to loopback"),
                            error);
        if (address->port == 0)
            return complain(listener, address,
                            SPAN("rules lead to a port that is known: write one instead of 0"),
                            error);
    }
    return true;
}

static uint16_t shared_port(const struct config_ports *one, const struct config_ports *other)
{
    uint32_t i, k;

    for (i = 0; i < one->count; i++) {
        for (k = 0; k < other->count; k++) {
            if (one->rows[i] == other->rows[k])
                return one->rows[i];
        }
    }
    return 0;
}

static bool share_family(const struct config_listener *one, const struct config_listener *other)
{
    return (reached_at(one, PATH_IPV4) != NULL && reached_at(other, PATH_IPV4) != NULL) ||
           (reached_at(one, PATH_IPV6) != NULL && reached_at(other, PATH_IPV6) != NULL);
}

/* The kernel asks TPROXY's rules before REDIRECT's; among themselves they stand as in the file. */
static bool comes_first(const struct selection *chosen, uint32_t one, uint32_t other)
{
    enum intercept how = chosen->config->listeners[one].path.intercept;
    enum intercept later = chosen->config->listeners[other].path.intercept;

    return how == later ? one < other : how == INTERCEPT_TPROXY;
}

static bool leaves_something(const struct selection *chosen, uint32_t one, uint32_t other,
                             struct text *error)
{
    const struct config_listener *first = &chosen->config->listeners[one];
    const struct config_listener *later = &chosen->config->listeners[other];
    uint16_t port = shared_port(&first->path.ports, &later->path.ports);

    if (port == 0 || first->path.destinations.count > 0 || !comes_first(chosen, one, other) ||
        !share_family(first, later))
        return true;
    text_add(error, SPAN("listener `"));
    text_add(error, later->name);
    text_add(error, SPAN("` would get no connection to port "));
    text_add_number(error, port);
    text_add(error, SPAN(": `"));
    text_add(error, first->name);
    text_add(error, SPAN("` takes them all; write `destinations` there, or leave the port out in "
                         "one of them"));
    return false;
}

static bool can_be(const struct selection *chosen, struct text *error)
{
    const struct config *config = chosen->config;
    uint32_t i, k;

    for (i = 0; i < config->listener_count; i++) {
        if (!chosen->listener[i] || config->listeners[i].path.intercept == INTERCEPT_NONE)
            continue;
        if (!can_be_reached(&config->listeners[i], error))
            return false;
        for (k = 0; k < config->listener_count; k++) {
            if (k != i && chosen->listener[k] && !leaves_something(chosen, i, k, error))
                return false;
        }
    }
    return true;
}

/* --- the whole --- */

static void need(const struct selection *chosen, struct path_rules *rules_r)
{
    uint32_t i, k;

    *rules_r = (struct path_rules){.tproxy = chosen->any[INTERCEPT_TPROXY]};
    for (i = 0; i < chosen->config->listener_count; i++) {
        const struct config_listener *listener = &chosen->config->listeners[i];
        bool tproxy = listener->path.intercept == INTERCEPT_TPROXY;

        for (k = 0; k < PATH_FAMILIES && chosen->listener[i]; k++) {
            if (reached_at(listener, (enum path_family)k) == NULL)
                continue;
            rules_r->delivers[k] =
                rules_r->delivers[k] || tproxy || borrows(chosen->config, listener);
            rules_r->passes[k] = rules_r->passes[k] || listener->path.fail_open;
        }
    }
}

bool path_rules_write(const struct config *config, struct span listener, struct path_rules *rules_r,
                      struct text *script, struct text *error)
{
    struct selection chosen = {.config = config};

    if (!choose_all(&chosen, listener, error) || !can_be(&chosen, error))
        return false;
    need(&chosen, rules_r);
    /* What is there is deleted whole, and must be there for that. */
    text_add(script, SPAN("add table inet " PATH_RULES_TABLE "\n"
                          "delete table inet " PATH_RULES_TABLE "\n"
                          "table inet " PATH_RULES_TABLE " {\n"
                          "\tcomment \"" PATH_RULES_OURS "made by lockstep net apply\"\n"));
    if (chosen.apart)
        add_zone(script);
    if (chosen.any[INTERCEPT_TPROXY] || chosen.borrows)
        add_delivery(&chosen, script);
    if (chosen.any[INTERCEPT_REDIRECT])
        add_rewriting(&chosen, script);
    text_add(script, SPAN("}\n"));
    return true;
}
