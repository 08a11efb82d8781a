/* Values of the configuration, one row per type: how it is read, shown and described. */
#include "value.h"

#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/smtp/remap.h"

#include "address.h"
#include "list.h"
#include "quote.h"
#include "units.h"

#define TEXT_BYTES_MAX 4096U
#define PATTERN_BYTES_MAX 256U
#define NAME_BYTES_MAX 64U
#define STORED_BYTES_MAX 128U

/* What there is to do with the values of a type. */
struct kind {
    bool (*set)(const struct row *row, void *field, struct span value, struct text *advice);
    bool (*empty)(const struct row *row, const void *field);
    /* Its entry of that number, as it would be set; of what is no list only 0. */
    bool (*entry)(const struct row *row, const void *field, uint32_t number, struct text *out);
};

struct type_facts {
    const struct kind *kind; /* NULL: only the reader of a whole tree understands it */
    const char *expected;
};

/* Of what is a number at heart. */
static const enum units units[] = {
    [TYPE_NUMBER] = UNITS_NONE,
    [TYPE_SIZE] = UNITS_OF_SIZE,
    [TYPE_DURATION] = UNITS_OF_TIME,
};

bool value_is_name(struct span text)
{
    return address_is_name(text) && text.size <= NAME_BYTES_MAX;
}

/* What the store takes: its files are called so. */
static bool is_stored(struct span text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        char byte = text.at[i];

        if (byte != '@' && byte != '+' && byte != '.' && byte != '-' &&
            !address_is_name(span_of(&byte, 1)))
            return false;
    }
    return text.size > 0 && text.size <= STORED_BYTES_MAX && text.at[0] != '.';
}

static bool is_text(struct span text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (quote_is_control(text.at[i]))
            return false;
    }
    return text.size > 0 && text.size < TEXT_BYTES_MAX;
}

/* Not longer than any address can be that it is compared with (RFC 5321 4.5.3.1.3). */
bool value_is_pattern(struct span text)
{
    return is_text(text) && text.size <= PATTERN_BYTES_MAX;
}

/* Plain enough to stand in an envelope without quotes (RFC 5321 4.1.2). */
static bool is_mailbox(struct span text)
{
    struct span local = span_head(text, span_find(text, '@'));
    size_t i;

    for (i = 0; i < local.size; i++) {
        if ((unsigned char)local.at[i] <= ' ' ||
            span_find(SPAN("()<>[]:;@\\,\"\x7f"), local.at[i]) < 13)
            return false;
    }
    return local.size > 0 && local.size <= 64 && address_is_name(span_tail(text, local.size + 1));
}

static bool is_codes(struct span text)
{
    return remap_valid(text) && text.size < TEXT_BYTES_MAX;
}

static bool is_path(struct span text)
{
    return text.size > 0 && text.size < TEXT_BYTES_MAX && span_find(text, '\0') == text.size;
}

/* Of what is text. */
static bool (*const fits[])(struct span value) = {
    [TYPE_NAME] = value_is_name, [TYPE_HOSTNAME] = address_is_name,
    [TYPE_PATH] = is_path,       [TYPE_TEXT] = is_text,
    [TYPE_STORED] = is_stored,   [TYPE_PATTERN] = value_is_pattern,
    [TYPE_MAILBOX] = is_mailbox, [TYPE_CODES] = is_codes,
};

static void field_store(const struct row *row, void *field, uint64_t number)
{
    uint8_t byte = (uint8_t)number;
    uint32_t word = (uint32_t)number;

    must(row->width == 1 || row->width == 4 || row->width == 8);
    memcpy(field,
           row->width == 1   ? (void *)&byte
           : row->width == 4 ? (void *)&word
                             : &number,
           row->width);
}

static uint64_t field_load(const struct row *row, const void *field)
{
    uint8_t byte;
    uint32_t word;
    uint64_t number;

    must(row->width == 1 || row->width == 4 || row->width == 8);
    memcpy(row->width == 1   ? (void *)&byte
           : row->width == 4 ? (void *)&word
                             : &number,
           field, row->width);
    return row->width == 1 ? byte : row->width == 4 ? word : number;
}

/* The next of "one|two|three". */
static bool next_choice(struct span *rest, struct span *choice_r)
{
    size_t size = span_find(*rest, '|');

    *choice_r = span_head(*rest, size);
    *rest = span_tail(*rest, size + 1);
    return choice_r->size > 0;
}

static bool read_choice(const struct row *row, struct span value, uint64_t *number_r)
{
    struct span rest = span_of_string(row->choices), choice;

    for (*number_r = 0; next_choice(&rest, &choice); (*number_r)++) {
        if (span_equal_fold(value, choice))
            return true;
    }
    return false;
}

static bool read_switch(struct span value, uint64_t *on_r)
{
    static const char *const words[][3] = {{"off", "no", "false"}, {"on", "yes", "true"}};
    size_t i;

    for (*on_r = 0; *on_r < 2; (*on_r)++) {
        for (i = 0; i < 3; i++) {
            if (span_equal_fold(value, span_of_string(words[*on_r][i])))
                return true;
        }
    }
    return false;
}

static bool refuse(const struct row *row, struct text *advice)
{
    value_expected(row, advice);
    return false;
}

static bool number_set(const struct row *row, void *field, struct span value, struct text *advice)
{
    uint64_t number;

    if (!units_read(units[row->type], value, &number) || number < row->minimum ||
        number > row->maximum)
        return refuse(row, advice);
    field_store(row, field, number);
    return true;
}

static bool number_entry(const struct row *row, const void *field, uint32_t number,
                         struct text *out)
{
    units_show(units[row->type], field_load(row, field), out);
    return number == 0;
}

static bool choice_set(const struct row *row, void *field, struct span value, struct text *advice)
{
    uint64_t number;

    if (!read_choice(row, value, &number))
        return refuse(row, advice);
    field_store(row, field, number);
    return true;
}

static bool choice_entry(const struct row *row, const void *field, uint32_t number,
                         struct text *out)
{
    struct span rest = span_of_string(row->choices), choice;
    uint64_t i;

    for (i = 0; next_choice(&rest, &choice) && i < field_load(row, field); i++)
        continue;
    text_add(out, choice);
    return number == 0;
}

/* A credential speaks of what it has; the first choice of its words is always "nothing". */
static bool choice_empty(const struct row *row, const void *field)
{
    return row->base == BASE_CREDENTIAL && field_load(row, field) == 0;
}

static bool switch_set(const struct row *row, void *field, struct span value, struct text *advice)
{
    uint64_t bit = 1ULL << row->minimum;
    uint64_t on;

    if (!read_switch(value, &on))
        return refuse(row, advice);
    field_store(row, field, on ? field_load(row, field) | bit : field_load(row, field) & ~bit);
    return true;
}

static bool switch_entry(const struct row *row, const void *field, uint32_t number,
                         struct text *out)
{
    text_add(out, field_load(row, field) >> row->minimum & 1 ? SPAN("on") : SPAN("off"));
    return number == 0;
}

/* A route's field is which are given; what they say lies behind it. */
_Static_assert(offsetof(struct route, repairs) ==
                   offsetof(struct route, repairs_given) + sizeof(uint64_t),
               "an override is two fields, one behind the other");

static bool override_set(const struct row *row, void *field, struct span value, struct text *advice)
{
    uint64_t *given = field;

    if (!switch_set(row, given + 1, value, advice))
        return false;
    *given |= 1ULL << row->minimum;
    return true;
}

static bool override_empty(const struct row *row, const void *field)
{
    return (field_load(row, field) >> row->minimum & 1) == 0;
}

static bool override_entry(const struct row *row, const void *field, uint32_t number,
                           struct text *out)
{
    return switch_entry(row, (const uint64_t *)field + 1, number, out);
}

static bool rate_set(const struct row *row, void *field, struct span value, struct text *advice)
{
    struct rate rate;

    must(row->width == sizeof(rate));
    if (!rate_read(value, row->type == TYPE_BYTE_RATE, &rate) || rate.amount > row->maximum)
        return refuse(row, advice);
    memcpy(field, &rate, sizeof(rate));
    return true;
}

static bool rate_entry(const struct row *row, const void *field, uint32_t number, struct text *out)
{
    struct rate rate;

    memcpy(&rate, field, sizeof(rate));
    rate_show(&rate, row->type == TYPE_BYTE_RATE, out);
    return number == 0;
}

static bool text_set(const struct row *row, void *field, struct span value, struct text *advice)
{
    /* Nothing at all is right where the default is nothing: it switches off. */
    if (!fits[row->type](value) && !(value.size == 0 && row->initial && !*row->initial))
        return refuse(row, advice);
    memcpy(field, &value, sizeof(value));
    return true;
}

static bool url_set(const struct row *row, void *field, struct span value, struct text *advice)
{
    struct span rest = span_of_string(row->choices), scheme;

    if (value.size == 0) {
        memcpy(field, &value, sizeof(value));
        return true;
    }
    while (next_choice(&rest, &scheme)) {
        if (!span_starts_fold(value, scheme))
            continue;
        if (!address_url(span_tail(value, scheme.size), advice))
            return false;
        memcpy(field, &value, sizeof(value));
        return true;
    }
    return refuse(row, advice);
}

static struct span text_load(const void *field)
{
    struct span text;

    memcpy(&text, field, sizeof(text));
    return text;
}

static bool text_empty(const struct row *row, const void *field)
{
    (void)row;
    return text_load(field).size == 0;
}

static bool text_entry(const struct row *row, const void *field, uint32_t number, struct text *out)
{
    (void)row;
    text_add(out, text_load(field));
    return number == 0;
}

static bool never_empty(const struct row *row, const void *field)
{
    (void)row;
    (void)field;
    return false;
}

/* All of them is the default, which the first that is named displaces. */
static bool mechanisms_set(const struct row *row, void *field, struct span value,
                           struct text *advice)
{
    enum mechanism mechanism = mechanism_find(value);
    bool any = span_equal_fold(value, SPAN("any"));
    uint64_t set = field_load(row, field);

    if (mechanism == MECHANISM_COUNT && !any) {
        text_add(advice, SPAN("any, or some of "));
        mechanisms_show(MECHANISMS_ALL, advice);
        return false;
    }
    if (any)
        set = MECHANISMS_ALL;
    else
        set = (set == MECHANISMS_ALL ? 0 : set) | MECHANISM_BIT(mechanism);
    field_store(row, field, set);
    return true;
}

static bool mechanisms_entry(const struct row *row, const void *field, uint32_t number,
                             struct text *out)
{
    uint64_t set = field_load(row, field);
    unsigned i;

    if (set == MECHANISMS_ALL) {
        text_add(out, SPAN("any"));
        return number == 0;
    }
    for (i = 0; i < MECHANISM_COUNT; i++) {
        if ((set & MECHANISM_BIT(i)) == 0 || number-- > 0)
            continue;
        text_add(out, mechanism_facts((enum mechanism)i)->word);
        return true;
    }
    return false;
}

static const struct kind numbers = {number_set, never_empty, number_entry};
static const struct kind switches = {switch_set, never_empty, switch_entry};
static const struct kind overrides = {override_set, override_empty, override_entry};
static const struct kind choices = {choice_set, choice_empty, choice_entry};
static const struct kind rates = {rate_set, never_empty, rate_entry};
static const struct kind texts = {text_set, text_empty, text_entry};
static const struct kind urls = {url_set, text_empty, text_entry};
static const struct kind mechanisms = {mechanisms_set, never_empty, mechanisms_entry};
static const struct kind lists = {list_set, list_empty, list_entry};

static const struct type_facts types[] = {
    [TYPE_NUMBER] = {&numbers, "a number"},
    [TYPE_SIZE] = {&numbers, "a size such as 512, 64k or 16M"},
    [TYPE_DURATION] = {&numbers, "a duration such as 500ms, 30s, 5m or 1h"},
    [TYPE_SWITCH] = {&switches, "on or off"},
    [TYPE_OVERRIDE] = {&overrides, "on or off"},
    [TYPE_CHOICE] = {&choices, ""},
    [TYPE_NAME] = {&texts, "a name of letters, digits, dots and hyphens"},
    [TYPE_HOSTNAME] = {&texts, "a host name such as mx.example"},
    [TYPE_PATH] = {&texts, "a path"},
    [TYPE_TEXT] = {&texts, "text on one line"},
    [TYPE_STORED] = {&texts, "a name of letters, digits and - _ . @ +"},
    [TYPE_PATTERN] = {&texts, "text, in which * stands for any"},
    [TYPE_MAILBOX] = {&texts, "an address such as scanner@shop.example"},
    [TYPE_CODES] = {&texts, "pairs of codes such as \"550=450 251=250\", of one kind, none twice"},
    [TYPE_URL] = {&urls, "a URL that begins with "},
    [TYPE_RATE] = {&rates,
                   "how many in a time of 1s to 24h, such as 100/1m; 100: in a minute; 0: any "
                   "number"},
    [TYPE_BYTE_RATE] = {&rates,
                        "how many bytes in a time of 1s to 24h, such as 10M/1m; 0: any number"},
    [TYPE_LISTEN] = {&lists, "a list of addresses such as [127.0.0.1:25]"},
    [TYPE_CONNECT] = {&lists, "a list of addresses such as [smtp://mx.example:25]"},
    [TYPE_NETWORKS] = {&lists, "a list of networks such as [192.168.10.0/24, \"2001:db8::/32\"]"},
    [TYPE_PORTS] = {&lists, "a list of ports such as [25, 587]"},
    [TYPE_PATTERNS] = {&lists, "a list of names, in which * stands for any"},
    [TYPE_FINGERPRINTS] = {&lists, "a list of SHA-256 fingerprints, 64 hexadecimal digits each"},
    [TYPE_FAULTS] = {&lists,
                     "a list of profiles and rules such as [reorder, command RCPT do drop]"},
    [TYPE_MECHANISMS] = {&mechanisms, "a list of mechanisms such as [XOAUTH2, PLAIN], or any"},
    [TYPE_VERSION] = {NULL, "1"},
    [TYPE_LISTENERS] = {NULL, "a list of listeners"},
    [TYPE_ROUTES] = {NULL, "a list of routes"},
    [TYPE_RELAYS] = {NULL, "relays by their names"},
    [TYPE_CREDENTIALS] = {NULL, "credentials by their names"},
};

static void *field_of(const struct row *row, const void *base)
{
    must(types[row->type].kind != NULL);
    return (char *)base + row->offset;
}

bool value_set(const struct row *row, void *base, struct span value, struct text *error)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text advice = text_over(memory, sizeof(memory));

    if (types[row->type].kind->set(row, field_of(row, base), value, &advice))
        return true;
    schema_path(row, error);
    text_add(error, SPAN(" is "));
    /* Who writes a password where its file should stand must not find it in a log. */
    if (row->base == BASE_CREDENTIAL && types[row->type].kind == &texts && value.size > 0)
        text_add(error, SPAN("not right"));
    else
        quote_value(value, error);
    text_add(error, SPAN(": write "));
    text_add(error, text_span(&advice));
    return false;
}

bool value_is_empty(const struct row *row, const void *base)
{
    return types[row->type].kind->empty(row, field_of(row, base));
}

bool value_entry(const struct row *row, const void *base, uint32_t number, struct text *out)
{
    size_t before = out->size;
    bool there = types[row->type].kind->entry(row, field_of(row, base), number, out);

    if (!there)
        out->size = before;
    return there;
}

static void show_list(const struct row *row, const void *base, struct text *out)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text entry = text_over(memory, sizeof(memory));
    uint32_t i;

    text_add_byte(out, '[');
    for (i = 0; value_entry(row, base, i, &entry); i++) {
        text_add(out, i == 0 ? SPAN("") : SPAN(", "));
        quote_yaml(text_span(&entry), out);
        must(!entry.cut);
        text_clear(&entry);
    }
    text_add_byte(out, ']');
}

void value_show(const struct row *row, const void *base, struct text *out)
{
    const struct kind *kind = types[row->type].kind;

    if (kind == &lists || kind == &mechanisms)
        show_list(row, base, out);
    else if (kind == &texts || kind == &urls)
        quote_yaml(text_load(field_of(row, base)), out);
    else
        (void)value_entry(row, base, 0, out);
}

void value_defaults(enum base base, void *object)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text error = text_over(memory, sizeof(memory));
    const struct row *row;
    size_t i;

    for (i = 0; (row = schema_row(i)) != NULL; i++) {
        if (row->base == base && row->initial && *row->initial)
            must(value_set(row, object, span_of_string(row->initial), &error));
    }
}

void value_expected(const struct row *row, struct text *out)
{
    struct span rest, choice;

    text_add(out, span_of_string(types[row->type].expected));
    if (types[row->type].kind == &numbers) {
        text_add(out, SPAN(", from "));
        units_show(units[row->type], row->minimum, out);
        text_add(out, SPAN(" to "));
        units_show(units[row->type], row->maximum, out);
    }
    if (row->choices) {
        rest = span_of_string(row->choices);
        while (next_choice(&rest, &choice)) {
            text_add(out, choice);
            text_add(out, rest.size == 0                     ? SPAN("")
                          : span_find(rest, '|') < rest.size ? SPAN(", ")
                                                             : SPAN(" or "));
        }
    }
}
