/* lockstep net: the rule and the route per family that deliver marked packets here, by `ip`. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lockstep/base/must.h"
#include "net_parts.h"

#define STRING(number) #number
#define DIGITS(number) STRING(number)
#define ROUTES DIGITS(PATH_RULES_ROUTES)
#define MARK DIGITS(PATH_RULES_MARK_HERE)
#define STEP_BYTES 256U
#define STEP_WORDS_MAX 24U

static const char *const options[PATH_FAMILIES] = {[PATH_IPV4] = "-4", [PATH_IPV6] = "-6"};

/* --- what is there --- */

/* What `ip -j` prints as a number or as a text with one in it, by its version. */
static long number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_integer(value))
        return (long)json_integer_value(value);
    return json_is_string(value) ? strtol(json_string_value(value), NULL, 0) : -1;
}

static bool says(const json_t *object, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL && strcmp(value, text) == 0;
}

/* Nothing narrows it but the mark. */
static bool is_our_rule(const json_t *rule)
{
    static const char *const narrow[] = {"dst",    "iif",   "oif",   "not",
                                         "fwmask", "sport", "dport", "ipproto"};
    size_t i;

    for (i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
        if (json_object_get(rule, narrow[i]) != NULL)
            return false;
    }
    return number_of(rule, "priority") == PATH_RULES_ROUTES && says(rule, "src", "all") &&
           number_of(rule, "fwmark") == PATH_RULES_MARK_HERE &&
           number_of(rule, "table") == PATH_RULES_ROUTES &&
           number_of(rule, "protocol") == PATH_RULES_PROTOCOL;
}

/* RTN_LOCAL is 2 where names are not wanted. */
static bool is_our_route(const json_t *route)
{
    return number_of(route, "protocol") == PATH_RULES_PROTOCOL &&
           (says(route, "type", "local") || number_of(route, "type") == 2) &&
           says(route, "dst", "default") && says(route, "dev", "lo");
}

static int list_objects(enum path_family family, bool routes, json_t **objects_r)
{
    const char *words[] = {"ip",
                           "-N",
                           "-j",
                           options[family],
                           routes ? "route" : "rule",
                           "show",
                           routes ? "table" : NULL,
                           ROUTES,
                           NULL};
    struct tool_result result;
    json_error_t error;

    *objects_r = NULL;
    if (!tool_run(words, SPAN(""), &result)) {
        bool none = strstr(result.complained, "FIB table does not exist") != NULL;

        if (!none)
            return net_tool_failed("ip", "listing rules and routes", &result);
        *objects_r = json_array();
    } else {
        /* Of an empty table some versions print nothing at all. */
        *objects_r = result.said[0] != 0 ? json_loads(result.said, 0, &error) : json_array();
    }
    tool_clear(&result);
    if (json_is_array(*objects_r))
        return 0;
    fputs("lockstep net: `ip -j` prints what is no JSON here\n", stderr);
    json_decref(*objects_r);
    *objects_r = NULL;
    return EX_OSERR;
}

static int read_family(enum path_family family, bool routes, struct net_routing *routing)
{
    json_t *objects;
    int code = list_objects(family, routes, &objects);
    bool found = false;
    size_t i;

    for (i = 0; i < json_array_size(objects); i++) {
        const json_t *object = json_array_get(objects, i);
        bool ours = routes ? is_our_route(object) : is_our_rule(object);

        found = found || ours;
        routing->foreign[family] = routing->foreign[family] || (routes && !ours);
    }
    for (i = 0; i < PATH_STEPS; i++) {
        if (path_steps[i].family == family &&
            span_equal(path_steps[i].object, SPAN("route")) == routes)
            routing->there[i] = found;
    }
    json_decref(objects);
    return code;
}

int net_routing_read(struct net_routing *routing_r)
{
    int code = 0;
    unsigned family;

    *routing_r = (struct net_routing){0};
    for (family = 0; family < PATH_FAMILIES && code == 0; family++) {
        code = read_family((enum path_family)family, false, routing_r);
        if (code == 0)
            code = read_family((enum path_family)family, true, routing_r);
    }
    return code;
}

/* Of those that are nobody's (RFC 5737, RFC 3849). Where there is no way at all `ip` fails. */
int net_routing_try(enum path_family family, bool *here_r)
{
    static const char *const addresses[PATH_FAMILIES] = {
        [PATH_IPV4] = "192.0.2.1", [PATH_IPV6] = "2001:db8::1"};
    const char *words[] = {"ip",   "-N", "-j", options[family], "route", "get", addresses[family],
                           "mark", MARK, NULL};
    struct tool_result result;
    json_error_t error;
    json_t *routes;
    int code = 0;

    *here_r = false;
    if (!tool_run(words, SPAN(""), &result)) {
        if (result.error != 0)
            code = net_tool_failed("ip", "asking for a route", &result);
    } else {
        routes = json_loads(result.said, 0, &error);
        *here_r = number_of(json_array_get(routes, 0), "table") == PATH_RULES_ROUTES;
        json_decref(routes);
    }
    tool_clear(&result);
    return code;
}

/* --- what is done --- */

static void add_words(const struct path_step *step, bool add, struct text *out)
{
    text_add(out, span_of_string(options[step->family]));
    text_add_byte(out, ' ');
    text_add(out, step->object);
    text_add(out, add ? SPAN(" add ") : SPAN(" del "));
    text_add(out, step->what);
}

void net_step_show(const struct path_step *step, struct text *out)
{
    text_add(out, SPAN("ip "));
    add_words(step, true, out);
}

int net_step_do(const struct path_step *step, bool add)
{
    const char *words[STEP_WORDS_MAX + 1] = {"ip"};
    char line[STEP_BYTES], at[STEP_BYTES + 16];
    struct text text = text_over(line, sizeof(line) - 1);
    struct tool_result result;
    size_t count = 1;
    char *word, *rest = line;

    add_words(step, add, &text);
    must(!text.cut);
    line[text.size] = 0;
    snprintf(at, sizeof(at), "`ip %s`", line);
    while ((word = strsep(&rest, " ")) != NULL) {
        must(count < STEP_WORDS_MAX);
        words[count++] = word;
    }
    if (!tool_run(words, SPAN(""), &result))
        return net_tool_failed("ip", at, &result);
    tool_clear(&result);
    return 0;
}
