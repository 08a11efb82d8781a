/* Attributes of XCLIENT and XFORWARD, from their one list. */
#include "lockstep/smtp/identity.h"

#include "lockstep/base/must.h"
#include "lockstep/smtp/domain.h"
#include "lockstep/smtp/xtext.h"

#define IPV6_PREFIX SPAN("IPV6:")
#define PORT_MAX 65535U

static const struct attribute_facts {
    struct span word;
    bool xclient;
    bool xforward;
    struct span right;
} facts[] = {
#define ATTRIBUTE_ROW(name, word, xclient, xforward, right) \
    {SPAN_INIT(word), xclient, xforward, SPAN_INIT(right)},
    ATTRIBUTES(ATTRIBUTE_ROW)
#undef ATTRIBUTE_ROW
};

_Static_assert(ATTRIBUTE_COUNT <= 16, "one bit per attribute");

struct span attribute_word(enum attribute attribute)
{
    must(attribute < ATTRIBUTE_COUNT);
    return facts[attribute].word;
}

uint16_t xclient_attributes(void)
{
    uint16_t set = 0;
    size_t i;

    for (i = 0; i < ATTRIBUTE_COUNT; i++)
        set |= facts[i].xclient ? ATTRIBUTE_BIT(i) : 0;
    return set;
}

uint16_t xforward_attributes(void)
{
    uint16_t set = 0;
    size_t i;

    for (i = 0; i < ATTRIBUTE_COUNT; i++)
        set |= facts[i].xforward ? ATTRIBUTE_BIT(i) : 0;
    return set;
}

static enum attribute attribute_find(struct span word)
{
    size_t i = 0;

    while (i < ATTRIBUTE_COUNT && !span_equal_fold(facts[i].word, word))
        i++;
    return (enum attribute)i;
}

uint16_t attributes_parse(struct span words)
{
    uint16_t set = 0;
    struct span word;

    while (span_word(&words, &word)) {
        enum attribute attribute = attribute_find(word);

        set |= attribute < ATTRIBUTE_COUNT ? ATTRIBUTE_BIT(attribute) : 0;
    }
    return set;
}

void attributes_show(uint16_t set, struct text *out)
{
    size_t i;

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        if ((set & ATTRIBUTE_BIT(i)) == 0)
            continue;
        text_add_byte(out, ' ');
        text_add(out, facts[i].word);
    }
}

/* --- values --- */

static bool is_address(enum attribute attribute)
{
    return attribute == ATTRIBUTE_ADDR || attribute == ATTRIBUTE_DESTADDR;
}

void attribute_say(enum attribute attribute, struct span value, struct text *out)
{
    text_add_byte(out, ' ');
    text_add(out, attribute_word(attribute));
    text_add_byte(out, '=');
    if (value.size == 0) {
        text_add(out, SPAN("[UNAVAILABLE]"));
        return;
    }
    if (is_address(attribute) && span_find(value, ':') < value.size)
        text_add(out, IPV6_PREFIX);
    xtext_encode(value, out);
}

/* "010" is eight to some and ten to others. */
static bool has_padded_part(struct span address)
{
    while (address.size > 0) {
        size_t dot = span_find(address, '.');

        if (dot > 1 && address.at[0] == '0')
            return true;
        address = span_tail(address, dot + 1);
    }
    return false;
}

/* Takes the prefix off. */
static bool fits_address(struct span *value)
{
    if (!span_starts_fold(*value, IPV6_PREFIX))
        return domain_is_ipv4(*value) && !has_padded_part(*value);
    *value = span_tail(*value, IPV6_PREFIX.size);
    return domain_is_ipv6(*value);
}

static bool fits_port(struct span value)
{
    uint64_t number;

    return value.size <= 5 && span_number(value, &number) && number <= PORT_MAX;
}

/* What can stand in a log, in a header and in a command as one word. */
static bool is_word(struct span value)
{
    size_t i;

    for (i = 0; i < value.size; i++) {
        if (value.at[i] < '!' || value.at[i] > '~')
            return false;
    }
    return value.size > 0;
}

/* Not by the letter of the DNS: names of machines have underscores too. */
static bool is_host(struct span value)
{
    size_t i;

    for (i = 0; i < value.size; i++) {
        char byte = value.at[i];
        char lower = (char)(byte | 0x20);

        if ((lower < 'a' || lower > 'z') && (byte < '0' || byte > '9') && byte != '-' &&
            byte != '.' && byte != '_')
            return false;
    }
    return value.size > 0;
}

/* Names may hold blanks and letters of any alphabet. */
static bool is_name(struct span value)
{
    size_t i;

    for (i = 0; i < value.size; i++) {
        if ((unsigned char)value.at[i] < ' ' || value.at[i] == 0x7f)
            return false;
    }
    return value.size > 0;
}

static bool fits(enum attribute attribute, struct span *value)
{
    switch (attribute) {
    case ATTRIBUTE_NAME:
        return is_host(*value);
    case ATTRIBUTE_ADDR:
    case ATTRIBUTE_DESTADDR:
        return fits_address(value);
    case ATTRIBUTE_PORT:
    case ATTRIBUTE_DESTPORT:
        return fits_port(*value);
    case ATTRIBUTE_PROTO:
        return span_equal_fold(*value, SPAN("SMTP")) || span_equal_fold(*value, SPAN("ESMTP"));
    case ATTRIBUTE_HELO:
    case ATTRIBUTE_IDENT:
        return is_word(*value);
    case ATTRIBUTE_LOGIN:
        return is_name(*value);
    case ATTRIBUTE_SOURCE:
        return span_equal_fold(*value, SPAN("LOCAL")) || span_equal_fold(*value, SPAN("REMOTE"));
    case ATTRIBUTE_COUNT:
        break;
    }
    return false;
}

/* Says the value that nobody knows it? PROTO is always known. */
static bool is_unknown(enum attribute attribute, struct span text)
{
    return (attribute != ATTRIBUTE_PROTO && span_equal_fold(text, SPAN("[UNAVAILABLE]"))) ||
           (attribute == ATTRIBUTE_NAME && span_equal_fold(text, SPAN("[TEMPUNAVAIL]")));
}

static bool take_value(enum attribute attribute, struct span text, struct text *memory,
                       struct span *value_r)
{
    size_t before = memory->size;

    *value_r = SPAN("");
    if (is_unknown(attribute, text))
        return true;
    if (text.size > 3 * (size_t)ATTRIBUTE_BYTES_MAX || !xtext_decode(text, memory))
        return false;
    *value_r = span_tail(text_span(memory), before);
    return value_r->size <= ATTRIBUTE_BYTES_MAX && fits(attribute, value_r);
}

struct span identity_parse(struct span words, uint16_t known, struct text *memory,
                           struct identity *identity_r)
{
    struct span word;

    *identity_r = (struct identity){.given = 0};
    while (span_word(&words, &word)) {
        size_t mark = span_find(word, '=');
        enum attribute attribute = attribute_find(span_head(word, mark));

        if (mark == word.size)
            return SPAN("Attributes are written NAME=value, with blanks between them");
        if (attribute == ATTRIBUTE_COUNT || (known & ATTRIBUTE_BIT(attribute)) == 0)
            return SPAN("Unknown attribute, those are known that EHLO has named");
        if ((identity_r->given & ATTRIBUTE_BIT(attribute)) != 0)
            return SPAN("An attribute stands there twice, write each once");
        if (!take_value(attribute, span_tail(word, mark + 1), memory,
                        &identity_r->values[attribute]))
            return facts[attribute].right;
        identity_r->given |= ATTRIBUTE_BIT(attribute);
    }
    if (identity_r->given == 0)
        return SPAN("Attributes must follow, such as ADDR=192.0.2.1");
    return SPAN("");
}
