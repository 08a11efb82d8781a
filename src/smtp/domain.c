/* Names and addresses of hosts, by their shape. */
#include "lockstep/smtp/domain.h"

#define IPV6_GROUPS 8U

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_hex(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* Letters and digits, hyphens between them (RFC 5321 4.1.2). */
static bool is_label(struct span label, bool *number_r)
{
    size_t i;

    *number_r = true;
    for (i = 0; i < label.size; i++) {
        bool inner = i > 0 && i + 1 < label.size;
        char byte = label.at[i];

        if (!is_letter(byte) && !is_digit(byte) && !(byte == '-' && inner))
            return false;
        *number_r = *number_r && is_digit(byte);
    }
    return label.size > 0 && label.size <= DOMAIN_LABEL_BYTES_MAX;
}

bool domain_is_name(struct span text)
{
    struct span rest = text;
    bool number = false;
    size_t dot;

    if (text.size > DOMAIN_BYTES_MAX)
        return false;
    do {
        dot = span_find(rest, '.');
        if (!is_label(span_head(rest, dot), &number))
            return false;
        if (dot == rest.size)
            return !number;
        rest = span_tail(rest, dot + 1);
    } while (true);
}

bool domain_is_ipv4(struct span text)
{
    unsigned parts = 0;

    while (parts < 4) {
        size_t dot = span_find(text, '.');
        struct span part = span_head(text, dot);
        uint64_t number;

        if (part.size > 3 || !span_number(part, &number) || number > 255)
            return false;
        parts++;
        if (dot == text.size)
            return parts == 4;
        text = span_tail(text, dot + 1);
    }
    return false;
}

/* Takes `abcd` or `abcd:` off the front; false: there is no such group. */
static bool take_group(struct span *text)
{
    size_t size = 0;

    while (size < text->size && size < 5 && is_hex(text->at[size]))
        size++;
    if (size == 0 || size > 4 || (size < text->size && text->at[size] != ':'))
        return false;
    *text = span_tail(*text, size);
    return true;
}

bool domain_is_ipv6(struct span text)
{
    bool shortened = span_starts(text, SPAN("::"));
    unsigned groups = 0;

    if (shortened)
        text = span_tail(text, 2);
    while (text.size > 0) {
        if (domain_is_ipv4(text)) {
            groups += 2;
            text.size = 0;
            break;
        }
        if (!take_group(&text) || ++groups > IPV6_GROUPS)
            return false;
        if (span_starts(text, SPAN("::"))) {
            if (shortened)
                return false;
            shortened = true;
            text = span_tail(text, 2);
        } else if (text.size > 0) {
            text = span_tail(text, 1); /* ':', and a group must follow */
            if (text.size == 0)
                return false;
        }
    }
    return shortened ? groups < IPV6_GROUPS : groups == IPV6_GROUPS;
}

/* RFC 5321 4.1.3: Standardized-tag ":" 1*dcontent. An IPv6 address without its tag is none. */
static bool is_tagged(struct span text)
{
    size_t colon = span_find(text, ':');
    struct span content = span_tail(text, colon + 1);
    bool number;
    size_t i;

    for (i = 0; i < content.size; i++) {
        char byte = content.at[i];

        if (byte < '!' || byte > '~' || byte == '[' || byte == '\\' || byte == ']')
            return false;
    }
    return content.size > 0 && is_label(span_head(text, colon), &number) && !domain_is_ipv6(text);
}

bool domain_is_literal(struct span text)
{
    struct span inside;

    if (text.size < 2 || text.size > DOMAIN_BYTES_MAX || text.at[0] != '[' ||
        text.at[text.size - 1] != ']')
        return false;
    inside = span_head(span_tail(text, 1), text.size - 2);
    if (span_starts_fold(inside, SPAN("IPv6:")))
        return domain_is_ipv6(span_tail(inside, SPAN("IPv6:").size));
    return domain_is_ipv4(inside) || is_tagged(inside);
}
