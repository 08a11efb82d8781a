/*
 * Toxiproxy's HTTP API, as its clients know it: every change is made to a copy of all proxies,
 * which is then put into use whole, or not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "lockstep/admin/toxic.h"
#include "lockstep/base/must.h"
#include "proxy.h"

#define WHY_BYTES 400U
#define NAME_BYTES_MAX 256U

/* --- answers --- */

static const struct admin_control *control_of(const struct answering *answering)
{
    return answering->snapshot->control != NULL ? answering->snapshot->control : &no_control;
}

/* What its clients look for in an error. */
static json_t *error_json(uint16_t status, const char *words)
{
    return json_pack("{s:o,s:i}", "error", answer_words(span_of_string(words)), "status",
                     (int)status);
}

static void refuse(struct answering *answering, uint16_t status, const char *words)
{
    answering->status = status;
    answer_json(answering, error_json(status, words));
}

static void refuse_because(struct answering *answering, uint16_t status, const char *words,
                           struct span why)
{
    char memory[WHY_BYTES] = "";
    struct text text = text_over(memory, sizeof(memory) - 1);

    text_add(&text, span_of_string(words));
    text_add(&text, why);
    refuse(answering, status, memory);
}

static bool may_make(struct answering *answering)
{
    if (control_of(answering)->may_make(control_of(answering)->data))
        return true;
    refuse(answering, 403,
           "proxies are not made or removed over HTTP here: allow it with admin.control: on");
    return false;
}

/* Puts them into use; false: it was answered why not. */
static bool put_into_use(struct answering *answering, json_t *proxies)
{
    static const uint16_t statuses[] = {
        [ADMIN_REFUSED] = 400, [ADMIN_UNABLE] = 500, [ADMIN_ENDING] = 503};
    char memory[WHY_BYTES] = "";
    struct text why = text_over(memory, sizeof(memory) - 1);
    enum admin_used used = control_of(answering)->use(control_of(answering)->data, proxies, &why);

    if (used == ADMIN_USED)
        return true;
    refuse(answering, statuses[used], memory);
    return false;
}

/* --- what was sent --- */

/* NULL: it was answered. */
static json_t *read_body(struct answering *answering, bool list)
{
    struct span body = answering->asked->body;
    json_error_t error;
    json_t *json = json_loadb(body.at != NULL ? body.at : "", body.size, 0, &error);

    if (json != NULL && (list ? json_is_array(json) : json_is_object(json)))
        return json;
    refuse_because(answering, 400, "bad request body: ",
                   json == NULL ? span_of_string(error.text)
                   : list       ? SPAN("write a list of proxies")
                                : SPAN("write an object"));
    json_decref(json);
    return NULL;
}

static int hex(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* A part of the path, with its percent-escapes undone. */
static const char *part(const struct answering *answering, size_t number, char name[NAME_BYTES_MAX])
{
    struct span raw = answering->parts[number];
    size_t size = 0, i;

    for (i = 0; i < raw.size && size + 1 < NAME_BYTES_MAX; i++) {
        bool escaped = raw.at[i] == '%' && i + 2 < raw.size && hex(raw.at[i + 1]) >= 0 &&
                       hex(raw.at[i + 2]) >= 0;

        name[size++] = escaped ? (char)(hex(raw.at[i + 1]) * 16 + hex(raw.at[i + 2])) : raw.at[i];
        i += escaped ? 2 : 0;
    }
    name[size] = 0;
    return name;
}

/* All proxies, to be changed, and the one of the path; NULL: it was answered. */
static json_t *find_proxy(struct answering *answering, json_t **proxy_r)
{
    json_t *proxies = control_of(answering)->proxies(control_of(answering)->data);
    char name[NAME_BYTES_MAX];

    *proxy_r = json_object_get(proxies, part(answering, 0, name));
    if (*proxy_r != NULL)
        return proxies;
    json_decref(proxies);
    refuse(answering, 404, "proxy not found");
    return NULL;
}

/* --- proxies --- */

/* The proxy as it is after it was put into use. */
static void show_proxy(struct answering *answering, uint16_t status, const char *name)
{
    json_t *proxies = control_of(answering)->proxies(control_of(answering)->data);
    json_t *proxy = json_object_get(proxies, name);

    answering->status = status;
    answer_json(answering, proxy != NULL ? json_incref(proxy) : json_object());
    json_decref(proxies);
}

static bool is_missing(struct answering *answering, const json_t *sent, const char *field)
{
    if (proxy_text(sent, field)[0] != 0)
        return false;
    refuse_because(answering, 400, "missing required field: ", span_of_string(field));
    return true;
}

static void write_proxies(struct answering *answering)
{
    answer_json(answering, control_of(answering)->proxies(control_of(answering)->data));
}

static void create_proxy(struct answering *answering, const json_t *sent)
{
    json_t *proxies = control_of(answering)->proxies(control_of(answering)->data);
    const char *name = proxy_text(sent, "name");
    char memory[WHY_BYTES];
    struct text why = text_over(memory, sizeof(memory));
    json_t *proxy = NULL;

    if (json_object_get(proxies, name) != NULL)
        refuse(answering, 409, "proxy already exists");
    else if ((proxy = proxy_make(sent, &why)) == NULL)
        refuse_because(answering, 400, "bad request body: ", text_span(&why));
    else
        json_object_set_new(proxies, name, proxy);
    if (proxy != NULL && put_into_use(answering, proxies))
        show_proxy(answering, 201, name);
    json_decref(proxies);
}

static void write_create(struct answering *answering)
{
    json_t *sent = read_body(answering, false);

    if (sent != NULL && !is_missing(answering, sent, "name") &&
        !is_missing(answering, sent, "upstream") && may_make(answering))
        create_proxy(answering, sent);
    json_decref(sent);
}

static void write_proxy(struct answering *answering)
{
    json_t *proxy;
    json_t *proxies = find_proxy(answering, &proxy);

    if (proxies != NULL)
        answer_json(answering, json_incref(proxy));
    json_decref(proxies);
}

static void update_proxy(struct answering *answering, json_t *proxies, json_t *proxy,
                         const json_t *sent)
{
    json_t *before = json_deep_copy(proxy);
    const char *name = proxy_text(before, "name");
    char memory[WHY_BYTES];
    struct text why = text_over(memory, sizeof(memory));
    bool configured = control_of(answering)->is_configured(control_of(answering)->data, name);

    if (!proxy_take(proxy, sent, &why))
        refuse_because(answering, 400, "bad request body: ", text_span(&why));
    else if (proxy_is_moved(before, proxy) && configured)
        refuse(answering, 403, "where it listens and leads to stands in the configuration");
    else if ((!proxy_is_moved(before, proxy) || may_make(answering)) &&
             put_into_use(answering, proxies))
        show_proxy(answering, 200, name);
    json_decref(before);
}

static void write_update(struct answering *answering)
{
    json_t *sent = read_body(answering, false);
    json_t *proxy;
    json_t *proxies = sent != NULL ? find_proxy(answering, &proxy) : NULL;

    if (proxies != NULL)
        update_proxy(answering, proxies, proxy, sent);
    json_decref(proxies);
    json_decref(sent);
}

static void write_delete(struct answering *answering)
{
    json_t *proxy;
    json_t *proxies = find_proxy(answering, &proxy);
    char name[NAME_BYTES_MAX];

    if (proxies == NULL)
        return;
    part(answering, 0, name);
    if (control_of(answering)->is_configured(control_of(answering)->data, name)) {
        refuse(answering, 403, "it stands in the configuration: switch it off with enabled");
    } else if (may_make(answering)) {
        json_object_del(proxies, name);
        if (put_into_use(answering, proxies))
            answering->status = 204;
    }
    json_decref(proxies);
}

/* --- all at once --- */

/* Those that are there as they should be are left alone, toxics and all. False: answered. */
static bool populate_one(struct answering *answering, json_t *proxies, const json_t *sent)
{
    const char *name = proxy_text(sent, "name");
    json_t *before = json_object_get(proxies, name);
    char memory[WHY_BYTES];
    struct text why = text_over(memory, sizeof(memory));
    json_t *proxy = proxy_make(sent, &why);

    if (proxy == NULL) {
        refuse_because(answering, 400, "bad request body: ", text_span(&why));
        return false;
    }
    if (before != NULL && !proxy_is_moved(before, proxy)) {
        json_decref(proxy);
        return true;
    }
    if (before != NULL && control_of(answering)->is_configured(control_of(answering)->data, name)) {
        json_decref(proxy);
        refuse(answering, 403, "where it listens and leads to stands in the configuration");
        return false;
    }
    json_object_set_new(proxies, name, proxy);
    return true;
}

static bool has_fields(struct answering *answering, const json_t *sent, size_t number)
{
    static const char *const fields[] = {"name", "upstream"};
    char words[64];
    size_t i;

    for (i = 0; i < 2; i++) {
        if (proxy_text(sent, fields[i])[0] != 0)
            continue;
        snprintf(words, sizeof(words), "%s at proxy %zu", fields[i], number);
        refuse_because(answering, 400, "missing required field: ", span_of_string(words));
        return false;
    }
    return true;
}

static void show_populated(struct answering *answering, const json_t *sent)
{
    json_t *proxies = control_of(answering)->proxies(control_of(answering)->data);
    json_t *list = json_array();
    json_t *one;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)sent, i, one)
        json_array_append(list, json_object_get(proxies, proxy_text(one, "name")));
    json_decref(proxies);
    answering->status = 201;
    answer_json(answering, json_pack("{s:o}", "proxies", list));
}

static void write_populate(struct answering *answering)
{
    json_t *sent = read_body(answering, true);
    json_t *proxies = NULL;
    json_t *one;
    bool good = sent != NULL;
    size_t i;

    json_array_foreach(sent, i, one)
    {
        good = good && has_fields(answering, one, i + 1);
    }
    good = good && may_make(answering);
    if (good)
        proxies = control_of(answering)->proxies(control_of(answering)->data);
    json_array_foreach(sent, i, one)
    {
        good = good && populate_one(answering, proxies, one);
    }
    if (good && put_into_use(answering, proxies))
        show_populated(answering, sent);
    json_decref(proxies);
    json_decref(sent);
}

/* A configured one goes back to what is configured: it says nothing of itself. */
static void write_reset(struct answering *answering)
{
    const struct admin_control *control = control_of(answering);
    json_t *proxies = control->proxies(control->data);
    const char *name;
    json_t *proxy;

    json_object_foreach(proxies, name, proxy)
    {
        if (control->is_configured(control->data, name)) {
            json_object_clear(proxy);
            continue;
        }
        json_object_set_new(proxy, "enabled", json_true());
        json_object_set_new(proxy, "toxics", json_array());
    }
    if (put_into_use(answering, proxies))
        answering->status = 204;
    json_decref(proxies);
}

static void write_version(struct answering *answering)
{
    answer_json(answering, json_pack("{s:s}", "version", answering->snapshot->version));
}

/* --- toxics --- */

static void write_toxics(struct answering *answering)
{
    json_t *proxy;
    json_t *proxies = find_proxy(answering, &proxy);

    if (proxies != NULL)
        answer_json(answering, json_incref(json_object_get(proxy, "toxics")));
    json_decref(proxies);
}

static void add_toxic(struct answering *answering, json_t *proxies, const json_t *proxy,
                      const json_t *sent)
{
    char memory[WHY_BYTES];
    struct text why = text_over(memory, sizeof(memory));
    json_t *toxic = toxic_make(sent, &why);
    size_t index;

    if (toxic == NULL) {
        refuse_because(answering, 400, "", text_span(&why));
    } else if (proxy_toxic(proxy, proxy_text(toxic, "name"), &index) != NULL) {
        refuse(answering, 409, "toxic already exists");
    } else {
        json_array_append(json_object_get(proxy, "toxics"), toxic);
        if (put_into_use(answering, proxies))
            answer_json(answering, json_incref(toxic));
    }
    json_decref(toxic);
}

static void write_add(struct answering *answering)
{
    json_t *sent = read_body(answering, false);
    json_t *proxy;
    json_t *proxies = sent != NULL ? find_proxy(answering, &proxy) : NULL;

    if (proxies != NULL)
        add_toxic(answering, proxies, proxy, sent);
    json_decref(proxies);
    json_decref(sent);
}

/* The toxic of the path, among all proxies; NULL: it was answered. */
static json_t *reach_toxic(struct answering *answering, json_t **proxy_r, json_t **toxic_r,
                           size_t *index_r)
{
    json_t *proxies = find_proxy(answering, proxy_r);
    char name[NAME_BYTES_MAX];

    if (proxies == NULL)
        return NULL;
    *toxic_r = proxy_toxic(*proxy_r, part(answering, 1, name), index_r);
    if (*toxic_r != NULL)
        return proxies;
    json_decref(proxies);
    refuse(answering, 404, "toxic not found");
    return NULL;
}

static void write_toxic(struct answering *answering)
{
    json_t *proxy, *toxic;
    size_t index;
    json_t *proxies = reach_toxic(answering, &proxy, &toxic, &index);

    if (proxies != NULL)
        answer_json(answering, json_incref(toxic));
    json_decref(proxies);
}

static void change_toxic(struct answering *answering, json_t *proxies, const json_t *proxy,
                         size_t index, const json_t *sent)
{
    json_t *toxics = json_object_get(proxy, "toxics");
    json_t *changed = toxic_changed(json_array_get(toxics, index), sent);
    char memory[WHY_BYTES];
    struct text why = text_over(memory, sizeof(memory));
    json_t *toxic = toxic_make(changed, &why);

    json_decref(changed);
    if (toxic == NULL) {
        refuse_because(answering, 400, "bad request body: ", text_span(&why));
        return;
    }
    json_array_set(toxics, index, toxic);
    if (put_into_use(answering, proxies))
        answer_json(answering, json_incref(toxic));
    json_decref(toxic);
}

static void write_change(struct answering *answering)
{
    json_t *sent = read_body(answering, false);
    json_t *proxy, *toxic;
    size_t index;
    json_t *proxies = sent != NULL ? reach_toxic(answering, &proxy, &toxic, &index) : NULL;

    if (proxies != NULL)
        change_toxic(answering, proxies, proxy, index, sent);
    json_decref(proxies);
    json_decref(sent);
}

static void write_remove(struct answering *answering)
{
    json_t *proxy, *toxic;
    size_t index;
    json_t *proxies = reach_toxic(answering, &proxy, &toxic, &index);

    if (proxies == NULL)
        return;
    json_array_remove(json_object_get(proxy, "toxics"), index);
    if (put_into_use(answering, proxies))
        answering->status = 204;
    json_decref(proxies);
}

/* --- pages --- */

#define PAGE(method, path, write, says) {SPAN_INIT(method), SPAN_INIT(path), false, write, says},

static const struct page pages[] = {
    PAGE("GET", "/proxies", write_proxies,
         "All proxies by their names: the listeners of `mode: fault`, in the words of Toxiproxy, "
         "whose clients can drive lockstep. Errors also have a `status`; see PROXIES AND TOXICS.")
        PAGE(
            "POST", "/proxies", write_create,
            "Makes a proxy: `{\"name\": \"mx\", \"listen\": \"127.0.0.1:2525\", \"upstream\": "
            "\"mx.example:25\"}`, with `enabled`, `seed` and `toxics` if they are given. Port 0 is "
            "any free one, which the answer names.") PAGE("GET", "/proxies/*", write_proxy,
                                                          "One of them.")
            PAGE("POST", "/proxies/*", write_update, "The same as PATCH, for older clients.") PAGE(
                "PATCH", "/proxies/*", write_update,
                "Changes what is given of `listen`, `upstream`, `enabled` and `seed`. A proxy that "
                "is "
                "switched off, or leads elsewhere, ends its sessions.")
                PAGE("DELETE", "/proxies/*", write_delete, "Removes it, and ends its sessions.")
                    PAGE("GET", "/proxies/*/toxics", write_toxics, "What goes wrong in it, a list.")
                        PAGE("POST", "/proxies/*/toxics", write_add,
                             "One more, from now on and in the sessions that are open: `{\"type\": "
                             "\"latency\", "
                             "\"stream\": \"downstream\", \"attributes\": {\"latency\": 200}}`.")
                            PAGE("GET", "/proxies/*/toxics/*", write_toxic,
                                 "One of them.") PAGE("POST", "/proxies/*/toxics/*", write_change,
                                                      "The same as PATCH, for older clients.")
                                PAGE("PATCH", "/proxies/*/toxics/*", write_change,
                                     "Changes what is given of `attributes`, `toxicity` and `tag`.")
                                    PAGE("DELETE", "/proxies/*/toxics/*", write_remove,
                                         "Removes it.")
                                        PAGE("POST", "/populate", write_populate,
                                             "Makes all proxies of a list; those that are there "
                                             "and lead to the same are left alone.")
                                            PAGE("POST", "/reset", write_reset,
                                                 "Switches all proxies on, and removes the toxics "
                                                 "that were not configured.")
                                                PAGE("GET", "/version", write_version,
                                                     "The version of lockstep.")};

const struct page_family family_toxiproxy = {pages, sizeof(pages) / sizeof(pages[0])};
