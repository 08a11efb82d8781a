/* Values of the configuration, one row per type: how it is read, shown and described. */
#include "value.h"

#include <string.h>

#include "lockstep/base/must.h"

#include "address.h"

/* Bytes of a value that a sentence quotes. */
#define QUOTED_BYTES_MAX 60U
#define PATH_BYTES_MAX 4096U

struct unit {
    const char *word;
    uint64_t factor;
};

/* Largest first, so that a value is shown in the largest unit that divides it. */
static const struct unit size_units[] = {
    {"G", 1ULL << 30}, {"M", 1ULL << 20}, {"k", 1ULL << 10}, {"", 1}, {NULL, 0}};
static const struct unit duration_units[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit plain_units[] = {{"", 1}, {NULL, 0}};

struct type_facts {
    const char *expected;
    const struct unit *units;        /* of what is a number at heart */
    bool (*fits)(struct span value); /* of what is text */
    bool (*address)(struct span, struct config_address *, struct text *); /* of lists */
};

static bool is_name(struct span text)
{
    return address_is_name(text) && text.size <= 64;
}

static bool is_path(struct span text)
{
    return text.size > 0 && text.size < PATH_BYTES_MAX && span_find(text, '\0') == text.size;
}

static const struct type_facts types[] = {
    [TYPE_NUMBER] = {.expected = "a number", .units = plain_units},
    [TYPE_SIZE] = {.expected = "a size such as 512, 64k or 16M", .units = size_units},
    [TYPE_DURATION] = {.expected = "a duration such as 500ms, 30s, 5m or 1h",
                       .units = duration_units},
    [TYPE_SWITCH] = {.expected = "on or off"},
    [TYPE_CHOICE] = {.expected = ""},
    [TYPE_NAME] = {.expected = "a name of letters, digits, dots and hyphens", .fits = is_name},
    [TYPE_HOSTNAME] = {.expected = "a host name such as mx.example", .fits = address_is_name},
    [TYPE_PATH] = {.expected = "a path", .fits = is_path},
    [TYPE_LISTEN] = {.expected = "a list of addresses such as [127.0.0.1:25]",
                     .address = address_listen},
    [TYPE_CONNECT] = {.expected = "a list of addresses such as [smtp://mx.example:25]",
                      .address = address_connect},
    [TYPE_VERSION] = {.expected = "1"},
    [TYPE_LISTENERS] = {.expected = "a list of listeners"},
    [TYPE_RELAYS] = {.expected = "relays by their names"},
};

static void field_store(const struct row *row, void *base, uint64_t number)
{
    char *field = (char *)base + row->offset;
    uint8_t byte = (uint8_t)number;
    uint32_t word = (uint32_t)number;

    must(row->width == 1 || row->width == 4 || row->width == 8);
    memcpy(field,
           row->width == 1   ? (void *)&byte
           : row->width == 4 ? (void *)&word
                             : &number,
           row->width);
}

static uint64_t field_load(const struct row *row, const void *base)
{
    const char *field = (const char *)base + row->offset;
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

/* Digits and one of the units behind them. */
static bool read_units(const struct unit *units, struct span value, uint64_t *number_r)
{
    size_t digits = 0;

    while (digits < value.size && value.at[digits] >= '0' && value.at[digits] <= '9')
        digits++;
    if (!span_number(span_head(value, digits), number_r))
        return false;
    for (; units->word; units++) {
        if (!span_equal_fold(span_tail(value, digits), span_of_string(units->word)))
            continue;
        if (*number_r > UINT64_MAX / units->factor)
            return false;
        *number_r *= units->factor;
        return true;
    }
    return false;
}

static void show_units(const struct unit *units, uint64_t number, struct text *out)
{
    const struct unit *unit = units;

    /* Nought is written in the smallest unit: every other one would look odd. */
    while (unit[1].word && (number == 0 || number % unit->factor != 0))
        unit++;
    text_add_number(out, number / unit->factor);
    text_add(out, span_of_string(unit->word));
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

static bool list_set(const struct row *row, void *base, struct span value, struct text *advice)
{
    struct config_addresses *list = (void *)((char *)base + row->offset);

    if (list->count == CONFIG_ADDRESSES_MAX) {
        text_add(advice, SPAN("at most "));
        text_add_number(advice, CONFIG_ADDRESSES_MAX);
        text_add(advice, SPAN(" addresses"));
        return false;
    }
    if (!types[row->type].address(value, &list->rows[list->count], advice))
        return false;
    list->count++;
    return true;
}

static bool number_set(const struct row *row, void *base, struct span value, struct text *advice)
{
    const struct unit *units = types[row->type].units;
    uint64_t number;

    if (units ? !read_units(units, value, &number) || number < row->minimum || number > row->maximum
        : row->type == TYPE_SWITCH ? !read_switch(value, &number)
                                   : !read_choice(row, value, &number)) {
        value_expected(row, advice);
        return false;
    }
    if (row->type == TYPE_SWITCH) {
        uint64_t bit = 1ULL << row->minimum;

        number = number ? field_load(row, base) | bit : field_load(row, base) & ~bit;
    }
    field_store(row, base, number);
    return true;
}

static bool text_set(const struct row *row, void *base, struct span value, struct text *advice)
{
    /* Nothing at all is right where the default is nothing: it switches off. */
    if (!types[row->type].fits(value) && !(value.size == 0 && row->initial && !*row->initial)) {
        value_expected(row, advice);
        return false;
    }
    memcpy((char *)base + row->offset, &value, sizeof(value));
    return true;
}

bool value_set(const struct row *row, void *base, struct span value, struct text *error)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text advice = text_over(memory, sizeof(memory));
    const struct type_facts *type = &types[row->type];

    must(row->type < TYPE_VERSION);
    if (type->address ? list_set(row, base, value, &advice)
        : type->fits  ? text_set(row, base, value, &advice)
                      : number_set(row, base, value, &advice))
        return true;
    schema_path(row, error);
    text_add(error, SPAN(" is "));
    value_quote(value, error);
    text_add(error, SPAN(": write "));
    text_add(error, text_span(&advice));
    return false;
}

static bool is_control(char byte)
{
    return (byte >= 0 && byte < ' ') || byte == 0x7F;
}

/* Text that YAML can't take for anything else. */
static bool is_plain(struct span value)
{
    size_t i;

    for (i = 0; i < value.size; i++) {
        bool inside = value.at[i] == '/' || (i > 0 && (value.at[i] == '.' || value.at[i] == '-'));

        if (!inside && !address_is_name(span_of(value.at + i, 1)))
            return false;
    }
    return value.size > 0;
}

static void show_text(struct span value, struct text *out)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t i;

    if (is_plain(value)) {
        text_add(out, value);
        return;
    }
    text_add_byte(out, '"');
    for (i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.at[i];

        if (is_control(value.at[i])) {
            text_add(out, SPAN("\\x"));
            text_add_byte(out, hex[byte >> 4]);
            text_add_byte(out, hex[byte & 15]);
            continue;
        }
        if (byte == '"' || byte == '\\')
            text_add_byte(out, '\\');
        text_add_byte(out, value.at[i]);
    }
    text_add_byte(out, '"');
}

static void show_list(const struct row *row, const void *base, struct text *out)
{
    const struct config_addresses *list = (const void *)((const char *)base + row->offset);
    uint32_t i;

    text_add_byte(out, '[');
    for (i = 0; i < list->count; i++) {
        text_add(out, i == 0 ? SPAN("\"") : SPAN(", \""));
        if (row->type == TYPE_CONNECT)
            text_add(out, SPAN("smtp://"));
        address_show(&list->rows[i], out);
        text_add_byte(out, '"');
    }
    text_add_byte(out, ']');
}

void value_show(const struct row *row, const void *base, struct text *out)
{
    const struct type_facts *type = &types[row->type];
    struct span text, rest, choice;
    uint64_t number;

    if (type->address) {
        show_list(row, base, out);
    } else if (type->fits) {
        memcpy(&text, (const char *)base + row->offset, sizeof(text));
        show_text(text, out);
    } else if (type->units) {
        show_units(type->units, field_load(row, base), out);
    } else if (row->type == TYPE_SWITCH) {
        text_add(out, field_load(row, base) >> row->minimum & 1 ? SPAN("on") : SPAN("off"));
    } else {
        rest = span_of_string(row->choices);
        for (number = 0; next_choice(&rest, &choice) && number < field_load(row, base); number++)
            continue;
        text_add(out, choice);
    }
}

void value_expected(const struct row *row, struct text *out)
{
    const struct type_facts *type = &types[row->type];
    struct span rest, choice;

    text_add(out, span_of_string(type->expected));
    if (type->units) {
        text_add(out, SPAN(", from "));
        show_units(type->units, row->minimum, out);
        text_add(out, SPAN(" to "));
        show_units(type->units, row->maximum, out);
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

/* Where a URL's host begins when a user and a password stand before it. */
static size_t secret_end(struct span url)
{
    size_t end = url.size;

    if (span_find_span(url, SPAN("://")) == url.size)
        return 0;
    while (end > 0 && url.at[end - 1] != '@')
        end--;
    return end;
}

void value_quote(struct span text, struct text *out)
{
    size_t secret = secret_end(text);
    size_t i;

    if (text.size == 0) {
        text_add(out, SPAN("empty"));
        return;
    }
    text_add_byte(out, '`');
    /* smtp://user:password@host: people try it, and a password is never repeated. */
    if (secret > 0)
        text_add(out, SPAN("[secret]@"));
    text = span_tail(text, secret);
    for (i = 0; i < text.size && i < QUOTED_BYTES_MAX; i++)
        text_add_byte(out, is_control(text.at[i]) ? '?' : text.at[i]);
    text_add(out, text.size > QUOTED_BYTES_MAX ? SPAN("...`") : SPAN("`"));
}
