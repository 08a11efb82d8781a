/* What was sent, made into proxies and toxics. */
#include "proxy.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/admin/toxic.h"
#include "lockstep/base/must.h"

const char *proxy_text(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL ? text : "";
}

/* As it is shown: what nobody gave is any free port, of this machine only. */
static json_t *listen_of(const char *listen)
{
    if (listen[0] == 0)
        return json_string("127.0.0.1:0");
    if (strncmp(listen, "localhost:", 10) == 0)
        return json_sprintf("127.0.0.1:%s", listen + 10);
    if (listen[0] == ':')
        return json_sprintf("*%s", listen);
    return json_string(listen);
}

bool proxy_take(json_t *proxy, const json_t *sent, struct text *why)
{
    static const struct {
        const char *name;
        const char *right;
        bool text;
    } fields[] = {
        {"listen", "listen is text, \"127.0.0.1:2525\"", true},
        {"upstream", "upstream is text, \"mx.example:25\"", true},
        {"enabled", "enabled is true or false", false},
        {"seed", "seed is a number from 0 to 4294967295", false},
    };
    size_t i;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        json_t *value = json_object_get(sent, fields[i].name);
        json_int_t number = json_integer_value(value);
        bool good = fields[i].text ? json_is_string(value)
                    : strcmp(fields[i].name, "enabled") == 0
                        ? json_is_boolean(value)
                        : json_is_integer(value) && number >= 0 && number <= UINT32_MAX;

        if (value == NULL || json_is_null(value))
            continue;
        if (!good) {
            text_add(why, span_of_string(fields[i].right));
            return false;
        }
        if (strcmp(fields[i].name, "listen") == 0)
            json_object_set_new(proxy, "listen", listen_of(json_string_value(value)));
        else
            json_object_set(proxy, fields[i].name, value);
    }
    return true;
}

static const char *const toxic_errors[] = {
    [TOXIC_WRONG_STREAM] = "stream was invalid, can be either upstream or downstream",
    [TOXIC_WRONG_TYPE] = "invalid toxic type",
};

json_t *toxic_make(const json_t *sent, struct text *why)
{
    char *memory = malloc(TOXIC_BYTES_MAX);
    struct text rules = text_over(memory, TOXIC_BYTES_MAX);
    enum toxic_fault fault;
    json_t *toxic = toxic_read(sent, &fault, why);

    must(memory != NULL);
    if (toxic == NULL && fault != TOXIC_WRONG)
        text_add(why, span_of_string(toxic_errors[fault]));
    if (toxic != NULL && !toxic_rules(toxic, &rules, why)) {
        json_decref(toxic);
        toxic = NULL;
    }
    free(memory);
    return toxic;
}

json_t *proxy_toxic(const json_t *proxy, const char *name, size_t *index_r)
{
    json_t *toxic;
    size_t i;

    json_array_foreach(json_object_get(proxy, "toxics"), i, toxic)
    {
        *index_r = i;
        if (strcmp(proxy_text(toxic, "name"), name) == 0)
            return toxic;
    }
    return NULL;
}

/* A new proxy may bring its toxics with it. */
static bool take_toxics(json_t *proxy, const json_t *sent, struct text *why)
{
    json_t *toxics = json_array();
    json_t *one;
    size_t i, index;

    json_object_set_new(proxy, "toxics", toxics);
    json_array_foreach(json_object_get(sent, "toxics"), i, one)
    {
        json_t *toxic = toxic_make(one, why);

        if (toxic != NULL && proxy_toxic(proxy, proxy_text(toxic, "name"), &index) != NULL) {
            text_add(why, SPAN("toxic already exists"));
            json_decref(toxic);
            toxic = NULL;
        }
        if (toxic == NULL)
            return false;
        json_array_append_new(toxics, toxic);
    }
    return true;
}

json_t *proxy_make(const json_t *sent, struct text *why)
{
    json_t *proxy = json_pack("{s:s,s:s,s:s,s:b}", "name", proxy_text(sent, "name"), "listen",
                              "127.0.0.1:0", "upstream", "", "enabled", 1);

    must(proxy != NULL);
    if (proxy_take(proxy, sent, why) && take_toxics(proxy, sent, why))
        return proxy;
    json_decref(proxy);
    return NULL;
}

bool proxy_is_moved(const json_t *before, const json_t *after)
{
    return strcmp(proxy_text(before, "listen"), proxy_text(after, "listen")) != 0 ||
           strcmp(proxy_text(before, "upstream"), proxy_text(after, "upstream")) != 0;
}

json_t *toxic_changed(const json_t *toxic, const json_t *sent)
{
    static const char *const fields[] = {"toxicity", "tag"};
    json_t *changed = json_deep_copy(toxic);
    json_t *attributes = json_object_get(sent, "attributes");
    size_t i;

    if (json_is_object(attributes))
        json_object_update(json_object_get(changed, "attributes"), attributes);
    else if (attributes != NULL)
        json_object_set(changed, "attributes", attributes);
    for (i = 0; i < 2; i++) {
        if (json_object_get(sent, fields[i]) != NULL)
            json_object_set(changed, fields[i], json_object_get(sent, fields[i]));
    }
    return changed;
}

/* --- where there are none --- */

static json_t *no_proxies(void *data)
{
    (void)data;
    return json_object();
}

static bool never(void *data)
{
    (void)data;
    return false;
}

static bool never_named(void *data, const char *name)
{
    (void)name;
    return never(data);
}

static enum admin_used use_nothing(void *data, json_t *proxies, struct text *why)
{
    (void)data;
    (void)proxies;
    text_add(why, SPAN("there is nothing to change here"));
    return ADMIN_REFUSED;
}

const struct admin_control no_control = {
    .proxies = no_proxies, .use = use_nothing, .is_configured = never_named, .may_make = never};
