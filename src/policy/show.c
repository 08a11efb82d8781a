/* The configuration as text: the effective values, those of a policy, the manual of its words. */
#include "lockstep/record/record.h"

#include "build.h"
#include "value.h"

static void show_indent(struct text *out, unsigned columns)
{
    while (columns-- > 0)
        text_add_byte(out, ' ');
}

/* The words of a part: of up to two bases, each with its object. */
struct shown {
    enum base bases[2];
    const void *objects[2];
};

/* Where that row's field lies; NULL: it is no row of the part, or says nothing. */
static const void *object_of(const struct shown *shown, const struct row *row)
{
    size_t i;

    for (i = 0; i < 2; i++) {
        if (shown->objects[i] && shown->bases[i] == row->base && row->type < TYPE_VERSION &&
            !value_is_empty(row, shown->objects[i]))
            return shown->objects[i];
    }
    return NULL;
}

static void show_word(const struct row *row, const void *object, unsigned columns, struct text *out)
{
    show_indent(out, columns);
    text_add(out, span_of_string(row->word));
    text_add(out, SPAN(": "));
    value_show(row, object, out);
    text_add_byte(out, '\n');
}

/* The section of that row, if it is the first of it that says anything. */
static void show_section(const struct shown *shown, size_t first, unsigned columns,
                         struct text *out)
{
    const struct row *row;
    struct span section = span_of_string(schema_row(first)->section);
    size_t i;

    for (i = 0; (row = schema_row(i)) != NULL; i++) {
        const void *object = object_of(shown, row);

        if (!object || !span_equal(span_of_string(row->section), section))
            continue;
        if (i < first)
            return; /* it stands there already */
        if (i == first) {
            show_indent(out, columns);
            text_add(out, section);
            text_add(out, SPAN(":\n"));
        }
        show_word(row, object, columns + 2, out);
    }
}

static void show_words(const struct shown *shown, unsigned columns, struct text *out)
{
    const struct row *row;
    size_t i;

    for (i = 0; (row = schema_row(i)) != NULL; i++) {
        const void *object = object_of(shown, row);

        if (object && *row->section)
            show_section(shown, i, columns, out);
        else if (object)
            show_word(row, object, columns, out);
    }
}

/* Whether any word of it would be shown. */
static bool says_anything(const struct shown *shown)
{
    const struct row *row;
    size_t i;

    for (i = 0; (row = schema_row(i)) != NULL; i++) {
        if (object_of(shown, row))
            return true;
    }
    return false;
}

/* "NAME:" or "-", and below it the words. */
static void show_part(struct span name, const struct shown *shown, unsigned columns,
                      struct text *out)
{
    bool any = says_anything(shown);

    show_indent(out, columns);
    text_add(out, name);
    text_add(out, name.size > 0 ? SPAN(":") : SPAN("-"));
    text_add(out, any ? SPAN("\n") : SPAN(" {}\n"));
    show_words(shown, columns + 2, out);
}

static void show_listener(const struct config_listener *listener, struct text *out)
{
    const struct policy *policy = &listener->policy;
    uint32_t i;

    show_part(SPAN(""), &(struct shown){{BASE_LISTENER, BASE_POLICY}, {listener, policy}}, 2, out);
    if (policy->route_count > 0)
        text_add(out, SPAN("    routes:\n"));
    for (i = 0; i < policy->route_count; i++)
        show_part(SPAN(""), &(struct shown){{BASE_ROUTE, 0}, {&policy->routes[i], NULL}}, 6, out);
}

void config_show(const struct config *config, struct text *out)
{
    uint32_t i;

    text_add(out, SPAN("config_version: 1\n"));
    show_words(&(struct shown){{BASE_CONFIG, 0}, {config, NULL}}, 0, out);
    text_add(out, SPAN("listeners:\n"));
    for (i = 0; i < config->listener_count; i++)
        show_listener(&config->listeners[i], out);
    text_add(out, SPAN("relays:\n"));
    for (i = 0; i < config->relay_count; i++) {
        const struct config_relay *relay = &config->relays[i];

        show_part(relay->name,
                  &(struct shown){{BASE_RELAY, BASE_SESSION}, {relay, &relay->session}}, 2, out);
    }
    if (config->credential_count > 0)
        text_add(out, SPAN("credentials:\n"));
    for (i = 0; i < config->credential_count; i++) {
        const struct config_credential *credential = &config->credentials[i];

        show_part(credential->name, &(struct shown){{BASE_CREDENTIAL, 0}, {credential, NULL}}, 2,
                  out);
    }
}

/* --- as a script --- */

/* "@ routes.1." and the word, with its entry of that number; false, and nothing written: it has no
 * such entry. */
static bool show_line(struct span prefix, const struct row *row, const void *object,
                      uint32_t number, struct text *out)
{
    char words[192], bytes[VALUE_ENTRY_BYTES_MAX];
    struct text path = text_over(words, sizeof(words));
    struct text value = text_over(bytes, sizeof(bytes));

    if (!value_entry(row, object, number, &value))
        return false;
    text_add(&path, prefix);
    text_add(&path, span_of_string(row->section));
    text_add(&path, *row->section ? SPAN(".") : SPAN(""));
    text_add(&path, span_of_string(row->word));
    record_setting(out, text_span(&path), text_span(&value));
    return true;
}

static void show_lines(struct span prefix, enum base base, const void *object, struct text *out)
{
    const struct row *row;
    uint32_t number;
    size_t i;

    for (i = 0; (row = schema_row(i)) != NULL; i++) {
        if (row->base != base || row->type >= TYPE_VERSION || value_is_empty(row, object))
            continue;
        for (number = 0; show_line(prefix, row, object, number, out); number++)
            continue;
    }
}

static bool is_routed(const struct policy *policy, uint32_t relay)
{
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        if (policy->routes[i].relay == relay)
            return true;
    }
    return false;
}

static void show_relay_lines(const struct policy *policy, uint32_t number, struct text *out)
{
    const struct relay *relay = &policy->relays[number];
    char memory[96];
    struct text prefix = text_over(memory, sizeof(memory));

    text_add(&prefix, number == policy->relay ? SPAN("relay") : SPAN("relays."));
    text_add(&prefix, number == policy->relay ? SPAN("") : relay->name);
    text_add_byte(&prefix, '.');
    show_lines(text_span(&prefix), BASE_SCRIPT, relay, out);
    show_lines(text_span(&prefix), BASE_SESSION, relay, out);
}

/* Whom a credential speaks for, which is not secret and repairs may ask for. */
static void show_user(const struct credential *credential, struct text *out)
{
    if (credential->user.size == 0)
        return;
    text_add(out, SPAN("@ credentials."));
    text_add(out, credential->name);
    text_add(out, SPAN(".user "));
    text_add(out, credential->user);
    text_add_byte(out, '\n');
}

static bool is_used(const struct policy *policy, uint32_t credential)
{
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        if (policy->routes[i].credential == credential)
            return true;
    }
    return false;
}

bool policy_show(const struct policy *policy, uint32_t part, struct text *out)
{
    char memory[32];
    struct text prefix = text_over(memory, sizeof(memory));
    uint32_t before = policy->relay_count + policy->route_count;

    if (part == 0) {
        show_lines(SPAN(""), BASE_POLICY, policy, out);
        show_relay_lines(policy, policy->relay, out);
    } else if (part <= policy->relay_count) {
        if (part - 1 != policy->relay && is_routed(policy, part - 1))
            show_relay_lines(policy, part - 1, out);
    } else if (part <= before) {
        part -= policy->relay_count;
        text_add(&prefix, SPAN("routes."));
        text_add_number(&prefix, part);
        text_add_byte(&prefix, '.');
        show_lines(text_span(&prefix), BASE_ROUTE, &policy->routes[part - 1], out);
    } else if (part <= before + policy->credential_count) {
        if (is_used(policy, part - before - 1))
            show_user(&policy->credentials[part - before - 1], out);
    } else {
        return false;
    }
    return true;
}

bool config_manual(size_t number, struct config_word *word_r, struct text *expected)
{
    static const char *const places[BASE_COUNT] = {
        [BASE_CONFIG] = "top",        [BASE_POLICY] = "any",
        [BASE_LISTENER] = "listener", [BASE_ROUTE] = "route",
        [BASE_RELAY] = "relay",       [BASE_SESSION] = "relay",
        [BASE_SCRIPT] = "script",     [BASE_CREDENTIAL] = "credential",
    };
    const struct row *row = schema_row(number);

    if (!row)
        return false;
    value_expected(row, expected);
    *word_r = (struct config_word){
        .place = places[row->base],
        .section = row->section,
        .word = row->word,
        .initial = row->initial ? row->initial : "",
        .says = row->says,
    };
    return true;
}
