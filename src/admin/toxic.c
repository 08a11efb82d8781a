/* From attributes to rules, and back. */
#include "lockstep/admin/toxic.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/fault/fault.h"

/* --- words of rules --- */

struct word {
    const char *name;
    enum fault_form form;
};

static const char *const events[] = {
#define NAME(id, name, says) name,
    FAULT_EVENTS(NAME)
#undef NAME
};
static const struct word triggers[] = {
#define NAME(id, name, form, says) {name, form},
    FAULT_TRIGGERS(NAME)
#undef NAME
};
static const struct word arguments[] = {
#define NAME(id, name, form, says) {name, form},
    FAULT_ARGUMENTS(NAME)
#undef NAME
};

/* Attributes need a name where a rule needs none. */
static const char *argument_name(enum fault_argument argument)
{
    static const char *const bare[] = {[ARGUMENT_TEXT] = "text",
                                       [ARGUMENT_COUNT] = "count",
                                       [ARGUMENT_TIME] = "time",
                                       [ARGUMENT_END] = "end"};

    return arguments[argument].name[0] != 0 ? arguments[argument].name : bare[argument];
}

/* --- Toxiproxy's own --- */

enum unit { UNIT_PLAIN, UNIT_MS, UNIT_US, UNIT_KB };

struct classic_attribute {
    const char *name;
    enum fault_argument argument;
    enum unit unit;
};

#define CLASSIC_ATTRIBUTES_MAX 3U

static const struct classic {
    const char *type;
    const char *kind;
    struct classic_attribute attributes[CLASSIC_ATTRIBUTES_MAX];
} classics[] = {
    {"latency",
     "latency",
     {{"latency", ARGUMENT_TIME, UNIT_MS}, {"jitter", ARGUMENT_JITTER, UNIT_MS}}},
    {"bandwidth", "bandwidth", {{"rate", ARGUMENT_COUNT, UNIT_KB}}},
    {"slow_close", "slow-close", {{"delay", ARGUMENT_TIME, UNIT_MS}}},
    {"timeout", "timeout", {{"timeout", ARGUMENT_TIME, UNIT_MS}}},
    {"reset_peer", "reset", {{"timeout", ARGUMENT_TIME, UNIT_MS}}},
    {"slicer",
     "slice",
     {{"average_size", ARGUMENT_COUNT, UNIT_PLAIN},
      {"size_variation", ARGUMENT_SPREAD, UNIT_PLAIN},
      {"delay", ARGUMENT_GAP, UNIT_US}}},
    {"limit_data", "limit", {{"bytes", ARGUMENT_COUNT, UNIT_PLAIN}}},
};
#define CLASSIC_COUNT (sizeof(classics) / sizeof(classics[0]))

static const struct classic *find_classic(const char *type)
{
    size_t i;

    for (i = 0; i < CLASSIC_COUNT; i++) {
        if (strcmp(classics[i].type, type) == 0)
            return &classics[i];
    }
    return NULL;
}

static const struct classic_attribute *classic_attribute(const struct classic *classic,
                                                         const char *name)
{
    size_t i;

    for (i = 0; classic != NULL && i < CLASSIC_ATTRIBUTES_MAX; i++) {
        const struct classic_attribute *attribute = &classic->attributes[i];

        if (attribute->name != NULL && strcmp(attribute->name, name) == 0)
            return attribute;
    }
    return NULL;
}

static const struct fault_kind_row *find_kind(const char *name)
{
    size_t i;

    for (i = 0; i < FAULT_KIND_COUNT; i++) {
        const struct fault_kind_row *row = fault_kind_row((enum fault_kind)i);

        if (span_equal(row->name, span_of_string(name)))
            return row;
    }
    return NULL;
}

/* --- values --- */

static bool complain(struct text *why, const char *name, const char *words)
{
    text_add(why, span_of_string(name));
    text_add(why, SPAN(": "));
    text_add(why, span_of_string(words));
    return false;
}

static bool is_whole(const json_t *value, uint64_t *number_r)
{
    double number = json_number_value(value);

    if (!json_is_number(value) || number < 0 || number > UINT32_MAX)
        return false;
    *number_r = (uint64_t)number;
    return (double)*number_r >= number;
}

static void add_escaped(struct span words, struct text *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < words.size; i++) {
        unsigned char byte = (unsigned char)words.at[i];

        if (byte == '\r' && i + 1 < words.size && words.at[i + 1] == '\n') {
            text_add(out, SPAN("\\n"));
            i++;
        } else if (byte == '"' || byte == '\\') {
            text_add_byte(out, '\\');
            text_add_byte(out, words.at[i]);
        } else if (byte < ' ' || byte == 0x7f) {
            text_add(out, SPAN("\\x"));
            text_add_byte(out, digits[byte >> 4]);
            text_add_byte(out, digits[byte & 15]);
        } else {
            text_add_byte(out, words.at[i]);
        }
    }
}

/* Only the words that a fault says know escapes. */
static bool is_plain(struct span words)
{
    size_t i;

    for (i = 0; i < words.size; i++) {
        if ((unsigned char)words.at[i] < ' ' || words.at[i] == '"' || words.at[i] == '\\')
            return false;
    }
    return true;
}

/* The value in quotes; `says`: it is what a fault says. */
static bool add_value(const char *name, enum fault_form form, const json_t *value, bool says,
                      struct text *line, struct text *why)
{
    struct span words = span_of(json_string_value(value), json_string_length(value));
    uint64_t number;

    text_add_byte(line, '"');
    if (is_whole(value, &number)) {
        text_add_number(line, number);
        text_add(line, form == FORM_TIME ? SPAN("ms") : SPAN(""));
    } else if (!json_is_string(value)) {
        return complain(why, name, "write a number that is whole and not negative, or text");
    } else if (says && form == FORM_TEXT) {
        add_escaped(words, line);
    } else if (is_plain(words)) {
        text_add(line, words);
    } else {
        return complain(why, name, "no quotes, backslashes or control characters stand here");
    }
    text_add_byte(line, '"');
    return true;
}

/* NAME, NAME="VALUE" or "VALUE", with a blank in front. */
static bool add_word(const char *shown, const struct word *word, const json_t *value, bool says,
                     struct text *line, struct text *why)
{
    if (word->form == FORM_FLAG) {
        if (!json_is_boolean(value))
            return complain(why, shown, "write true or false");
        if (json_is_true(value)) {
            text_add_byte(line, ' ');
            text_add(line, span_of_string(word->name));
        }
        return true;
    }
    text_add_byte(line, ' ');
    text_add(line, span_of_string(word->name));
    text_add(line, word->name[0] != 0 ? SPAN("=") : SPAN(""));
    return add_value(shown, word->form, value, says, line, why);
}

/* In what the rule takes it. */
static bool add_classic(const struct classic_attribute *attribute, const json_t *value,
                        struct text *line, struct text *why)
{
    const struct word *word = &arguments[attribute->argument];
    uint64_t number;
    json_t *converted;
    bool added;

    if (!is_whole(value, &number))
        return complain(why, attribute->name, "write a number that is whole and not negative");
    if (attribute->unit == UNIT_US)
        number = (number + 999) / 1000;
    if (attribute->unit == UNIT_KB)
        number = number * 1000 < UINT32_MAX ? number * 1000 : UINT32_MAX;
    converted = json_integer((json_int_t)number);
    added = add_word(attribute->name, word, converted, false, line, why);
    json_decref(converted);
    return added;
}

/* --- a rule --- */

static size_t find_word(const struct word *words, size_t count, const char *name)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (words[i].name[0] != 0 && strcmp(words[i].name, name) == 0)
            break;
    }
    return i;
}

static enum fault_argument find_argument(const char *name)
{
    size_t i;

    for (i = 0; i < FAULT_ARGUMENT_COUNT; i++) {
        if (strcmp(argument_name((enum fault_argument)i), name) == 0)
            break;
    }
    return (enum fault_argument)i;
}

/* Where nobody says, it happens where that kind can, on the way that the toxic is about. */
static bool add_event(const json_t *toxic, const json_t *attributes,
                      const struct fault_kind_row *kind, struct text *line, struct text *why)
{
    const char *on = json_string_value(json_object_get(attributes, "on"));
    bool upstream = strcmp(json_string_value(json_object_get(toxic, "stream")), "upstream") == 0;
    enum fault_event event = upstream ? FAULT_COMMAND : FAULT_REPLY;
    size_t i;

    if (kind->form != NULL)
        event = upstream ? FAULT_TO_UPSTREAM : FAULT_TO_CLIENT;
    for (i = 0; i < FAULT_EVENT_COUNT; i++) {
        if (on != NULL ? strcmp(events[i], on) == 0 : kind->events == 1U << i)
            event = (enum fault_event)i;
    }
    if ((on != NULL && strcmp(events[event], on) != 0) || (kind->events >> event & 1U) == 0)
        return complain(why, "on",
                        "say where: open, early, greeting, command, reply or content, "
                        "as this kind of fault can happen");
    text_add(line, span_of_string(events[event]));
    return true;
}

static bool add_verbs(const json_t *attributes, struct text *line, struct text *why)
{
    json_t *verb = json_object_get(attributes, "verb");
    struct span words = span_of(json_string_value(verb), json_string_length(verb));

    if (verb == NULL)
        return true;
    if (words.size == 0 || !is_plain(words) || span_find(words, ' ') < words.size ||
        span_find(words, '=') < words.size)
        return complain(why, "verb", "write RCPT, MAIL,RCPT or !EHLO");
    text_add_byte(line, ' ');
    text_add(line, words);
    return true;
}

/* What is neither `on` nor `verb`: triggers first, arguments in a second round. */
static bool add_attributes(const json_t *attributes, const struct classic *classic, bool second,
                           struct text *line, struct text *why)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)attributes, name, value)
    {
        const struct classic_attribute *attribute = classic_attribute(classic, name);
        size_t trigger = find_word(triggers, FAULT_TRIGGER_COUNT, name);
        enum fault_argument argument = find_argument(name);
        bool good = true;

        if (strcmp(name, "on") == 0 || strcmp(name, "verb") == 0)
            continue;
        if (attribute != NULL)
            good = !second || add_classic(attribute, value, line, why);
        else if (trigger < FAULT_TRIGGER_COUNT)
            good = second || add_word(name, &triggers[trigger], value, false, line, why);
        else if (classic == NULL && argument < FAULT_ARGUMENT_COUNT)
            good = !second || add_word(name, &arguments[argument], value, true, line, why);
        else
            good = complain(why, name, "no such attribute: `lockstep fault --words` lists them");
        if (!good)
            return false;
    }
    return true;
}

/* Which sessions, behind the first word of a rule. */
static bool add_scope(const json_t *toxic, struct text *line, struct text *why)
{
    double toxicity = json_number_value(json_object_get(toxic, "toxicity"));
    json_t *tag = json_object_get(toxic, "tag");
    uint64_t share = (uint64_t)(toxicity * 100 + 0.5);

    if (toxicity < 1) {
        share = toxicity > 0 && share == 0 ? 1 : share;
        text_add(line, SPAN(" share="));
        text_add_number(line, share < 100 ? share : 99);
    }
    return tag == NULL || add_word("tag", &triggers[TRIGGER_HELO], tag, false, line, why);
}

static bool add_scoped(const json_t *toxic, struct span rule, struct text *lines, struct text *why)
{
    struct span rest = span_trim(rule);
    struct span event;

    span_word(&rest, &event);
    text_add(lines, event);
    if (!add_scope(toxic, lines, why))
        return false;
    text_add_byte(lines, ' ');
    text_add(lines, span_trim(rest));
    text_add_byte(lines, '\n');
    return true;
}

static bool add_profile(const json_t *toxic, const struct fault_profile *profile,
                        struct text *lines, struct text *why)
{
    size_t i;

    if (json_object_size(json_object_get(toxic, "attributes")) > 0)
        return complain(why, profile->name, "a profile has no attributes");
    if (json_number_value(json_object_get(toxic, "toxicity")) >= 1 &&
        json_object_get(toxic, "tag") == NULL) {
        text_add(lines, span_of_string(profile->name));
        text_add_byte(lines, '\n');
        return true;
    }
    for (i = 0; profile->rules[i] != NULL; i++) {
        if (!add_scoped(toxic, span_of_string(profile->rules[i]), lines, why))
            return false;
    }
    return true;
}

static bool add_rule(const json_t *toxic, struct text *lines, struct text *why)
{
    json_t *attributes = json_object_get(toxic, "attributes");
    json_t *rule = json_object_get(attributes, "rule");
    struct span words = span_of(json_string_value(rule), json_string_length(rule));
    size_t i;

    if (json_object_size(attributes) != 1 || words.size == 0)
        return complain(why, "rule", "write {\"rule\": \"command RCPT do drop\"}");
    for (i = 0; i < words.size; i++) {
        if ((unsigned char)words.at[i] < ' ')
            return complain(why, "rule", "it is one line");
    }
    return add_scoped(toxic, words, lines, why);
}

/* "bandwidth" of nothing lets nothing pass; slices of nothing are no slices. */
static const char *kind_of(const struct classic *classic, const json_t *attributes,
                           const char *type)
{
    const json_t *rate = json_object_get(attributes, "rate");
    bool nothing = json_is_number(rate) && json_number_value(rate) == 0;

    if (classic == NULL)
        return type;
    return strcmp(type, "bandwidth") == 0 && nothing ? "timeout" : classic->kind;
}

static bool add_kind(const json_t *toxic, struct text *lines, struct text *why)
{
    json_t *attributes = json_object_get(toxic, "attributes");
    const char *type = json_string_value(json_object_get(toxic, "type"));
    const struct classic *classic = find_classic(type);
    const char *name = kind_of(classic, attributes, type);
    const struct fault_kind_row *kind = find_kind(name);

    must(kind != NULL);
    if (strcmp(type, "slicer") == 0 &&
        json_number_value(json_object_get(attributes, "average_size")) < 1)
        return complain(why, "average_size", "write a number of bytes from 1");
    if (!add_event(toxic, attributes, kind, lines, why) || !add_scope(toxic, lines, why) ||
        !add_verbs(attributes, lines, why) ||
        !add_attributes(attributes, classic, false, lines, why))
        return false;
    text_add(lines, SPAN(" do "));
    text_add(lines, span_of_string(name));
    if (classic != NULL && strcmp(name, classic->kind) != 0)
        text_add(lines, SPAN(" 0ms"));
    else if (!add_attributes(attributes, classic, true, lines, why))
        return false;
    text_add_byte(lines, '\n');
    return true;
}

/* The reader of rules has the last word. */
static bool is_rule(struct span line, struct text *why)
{
    char memory[320];
    struct text right = text_over(memory, sizeof(memory));
    struct fault_rule rule;

    if (fault_rule_parse(line, &rule, &right))
        return true;
    text_add(why, SPAN("write "));
    text_add(why, text_span(&right));
    return false;
}

static bool are_rules(struct span lines, struct text *why)
{
    while (lines.size > 0) {
        struct span line = span_head(lines, span_find(lines, '\n'));

        if (fault_profile_find(line) == NULL && !is_rule(line, why))
            return false;
        lines = span_tail(lines, line.size + 1);
    }
    return true;
}

bool toxic_rules(const json_t *toxic, struct text *lines, struct text *why)
{
    const char *type = json_string_value(json_object_get(toxic, "type"));
    const struct fault_profile *profile = fault_profile_find(span_of_string(type));
    size_t given = json_object_size(json_object_get(toxic, "attributes"));
    size_t start = lines->size;
    bool good;

    if (strcmp(type, "rule") == 0)
        good = add_rule(toxic, lines, why);
    else if (find_classic(type) == NULL && profile != NULL &&
             (given == 0 || find_kind(type) == NULL)) /* some are called as a kind is */
        good = add_profile(toxic, profile, lines, why);
    else
        good = add_kind(toxic, lines, why);
    if (good && lines->cut)
        good = complain(why, type, "too much text");
    return good && are_rules(span_tail(text_span(lines), start), why);
}

/* --- what is sent --- */

static bool is_type(const char *type)
{
    return find_classic(type) != NULL || find_kind(type) != NULL || strcmp(type, "rule") == 0 ||
           fault_profile_find(span_of_string(type)) != NULL;
}

static json_t *attributes_of(const json_t *sent, const char *type)
{
    const struct classic *classic = find_classic(type);
    json_t *attributes = json_object();
    size_t i;

    for (i = 0; classic != NULL && i < CLASSIC_ATTRIBUTES_MAX; i++) {
        if (classic->attributes[i].name != NULL)
            json_object_set_new(attributes, classic->attributes[i].name, json_integer(0));
    }
    json_object_update(attributes, json_object_get(sent, "attributes"));
    return attributes;
}

/* Whether what is there is of the right kind. */
static const char *wrong_field(const json_t *sent)
{
    static const char *const texts[] = {"name", "type", "stream", "tag"};
    json_t *toxicity = json_object_get(sent, "toxicity");
    json_t *attributes = json_object_get(sent, "attributes");
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *text = json_object_get(sent, texts[i]);

        if (text != NULL && !json_is_string(text))
            return texts[i];
    }
    if (attributes != NULL && !json_is_null(attributes) && !json_is_object(attributes))
        return "attributes";
    if (toxicity != NULL && (!json_is_number(toxicity) || json_number_value(toxicity) < 0 ||
                             json_number_value(toxicity) > 1))
        return "toxicity";
    return NULL;
}

static const char *text_of(const json_t *sent, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(sent, name));

    return text != NULL && text[0] != 0 ? text : otherwise;
}

static json_t *toxicity_of(const json_t *sent)
{
    const json_t *toxicity = json_object_get(sent, "toxicity");
    double value = toxicity != NULL ? json_number_value(toxicity) : 1;

    return value < 1 && value > 0 ? json_real(value) : json_integer((json_int_t)value);
}

static json_t *name_of(const json_t *sent, const char *type, const char *stream)
{
    const char *name = text_of(sent, "name", NULL);

    return name != NULL ? json_string(name) : json_sprintf("%s_%s", type, stream);
}

json_t *toxic_read(const json_t *sent, enum toxic_fault *fault_r, struct text *why)
{
    const char *type = text_of(sent, "type", "");
    const char *stream = text_of(sent, "stream", "downstream");
    const char *wrong = json_is_object(sent) ? wrong_field(sent) : "toxic";
    json_t *toxic;

    *fault_r = TOXIC_WRONG;
    if (wrong != NULL) {
        complain(why, wrong, "what stands here is of another kind");
        return NULL;
    }
    *fault_r = strcmp(stream, "upstream") != 0 && strcmp(stream, "downstream") != 0
                   ? TOXIC_WRONG_STREAM
               : !is_type(type) ? TOXIC_WRONG_TYPE
                                : TOXIC_GOOD;
    if (*fault_r != TOXIC_GOOD)
        return NULL;
    toxic = json_pack("{s:o,s:o,s:s,s:s,s:o}", "attributes", attributes_of(sent, type), "name",
                      name_of(sent, type, stream), "type", type, "stream", stream, "toxicity",
                      toxicity_of(sent));
    must(toxic != NULL);
    if (text_of(sent, "tag", NULL) != NULL)
        json_object_set(toxic, "tag", json_object_get(sent, "tag"));
    return toxic;
}

json_t *toxic_of_entry(struct span entry, size_t number)
{
    const struct fault_profile *profile = fault_profile_find(entry);
    bool downstream = span_starts(entry, SPAN("to-client")) || span_starts(entry, SPAN("reply")) ||
                      span_starts(entry, SPAN("greeting"));
    json_t *attributes = json_object();
    json_t *name;

    if (profile == NULL)
        json_object_set_new(attributes, "rule", json_stringn(entry.at, entry.size));
    name = profile != NULL ? json_string(profile->name) : json_sprintf("rule_%zu", number);
    return json_pack("{s:o,s:o,s:s,s:s,s:i}", "attributes", attributes, "name", name, "type",
                     profile != NULL ? profile->name : "rule", "stream",
                     downstream || profile != NULL ? "downstream" : "upstream", "toxicity", 1);
}
