/* Pure: the system's own functions know scopes and files. */
#include "lockstep/base/ip.h"

#include <string.h>

#define GROUPS 8U

static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

static bool read_four(struct span text, uint8_t bytes_r[4])
{
    uint64_t part;
    size_t i;

    for (i = 0; i < 4; i++) {
        size_t size = span_find(text, '.');

        /* "010" is eight to some and ten to others. */
        if (size > 3 || (size > 1 && text.at[0] == '0') ||
            !span_number(span_head(text, size), &part) || part > 255)
            return false;
        bytes_r[i] = (uint8_t)part;
        if (size == text.size)
            return i == 3;
        text = span_tail(text, size + 1);
    }
    return false;
}

static bool read_hex(struct span text, uint8_t bytes_r[2])
{
    unsigned value = 0;
    size_t i;

    for (i = 0; i < text.size; i++) {
        char byte = text.at[i];

        if (byte >= '0' && byte <= '9')
            value = value << 4 | (unsigned)(byte - '0');
        else if (byte >= 'a' && byte <= 'f')
            value = value << 4 | (unsigned)(byte - 'a' + 10);
        else if (byte >= 'A' && byte <= 'F')
            value = value << 4 | (unsigned)(byte - 'A' + 10);
        else
            return false;
    }
    bytes_r[0] = (uint8_t)(value >> 8);
    bytes_r[1] = (uint8_t)value;
    return text.size > 0 && text.size <= 4;
}

/* Groups with ":" between; the last may be an IPv4 address, which counts as two. */
static bool read_groups(struct span text, uint8_t bytes_r[16], size_t *size_r)
{
    *size_r = 0;
    while (text.size > 0) {
        size_t size = span_find(text, ':');
        struct span group = span_head(text, size);

        if (size == text.size && span_find(group, '.') < size) {
            *size_r += 4;
            return *size_r <= 16 && read_four(group, bytes_r + *size_r - 4);
        }
        if (*size_r == 16 || !read_hex(group, bytes_r + *size_r))
            return false;
        *size_r += 2;
        if (size + 1 == text.size)
            return false; /* ends in a colon */
        text = span_tail(text, size + 1);
    }
    return true;
}

/* RFC 4291 2.2 */
static bool read_six(struct span text, uint8_t bytes_r[16])
{
    uint8_t behind[16];
    size_t gap = span_find_span(text, SPAN("::"));
    size_t before_size, behind_size = 0;

    memset(bytes_r, 0, 16);
    if (!read_groups(span_head(text, gap), bytes_r, &before_size) ||
        !read_groups(span_tail(text, gap + 2), behind, &behind_size))
        return false;
    if (gap == text.size)
        return before_size == 16;
    if (before_size + behind_size > 14 || span_find(span_head(text, gap), '.') < gap)
        return false;
    memcpy(bytes_r + 16 - behind_size, behind, behind_size);
    return true;
}

bool ip_read(struct span text, uint8_t bytes_r[16])
{
    memcpy(bytes_r, mapped, sizeof(mapped));
    return read_four(text, bytes_r + sizeof(mapped)) || read_six(text, bytes_r);
}

bool ip_is_four(const uint8_t bytes[16])
{
    return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

static unsigned group_of(const uint8_t bytes[16], size_t group)
{
    return (unsigned)bytes[2 * group] << 8 | bytes[2 * group + 1];
}

/* The longest run of at least two groups of nought (RFC 5952 4.2); `*length_r` 0: there is none. */
static size_t find_gap(const uint8_t bytes[16], size_t *length_r)
{
    size_t found = 0, start, end;

    *length_r = 0;
    for (start = 0; start < GROUPS; start = end + 1) {
        for (end = start; end < GROUPS && group_of(bytes, end) == 0; end++)
            continue;
        if (end - start >= 2 && end - start > *length_r) {
            found = start;
            *length_r = end - start;
        }
    }
    return found;
}

static void show_group(unsigned value, struct text *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned shift = value > 0xFFF ? 12 : value > 0xFF ? 8 : value > 0xF ? 4 : 0;

    text_add_byte(out, digits[value >> shift & 15]);
    while (shift > 0) {
        shift -= 4;
        text_add_byte(out, digits[value >> shift & 15]);
    }
}

void ip_show_six(const uint8_t bytes[16], struct text *out)
{
    size_t length;
    size_t gap = find_gap(bytes, &length);
    size_t i;

    for (i = 0; i < GROUPS; i++) {
        if (length > 0 && i == gap) {
            text_add(out, SPAN("::"));
            i += length - 1;
            continue;
        }
        if (i > 0 && (length == 0 || i != gap + length))
            text_add_byte(out, ':');
        show_group(group_of(bytes, i), out);
    }
}

void ip_show(const uint8_t bytes[16], struct text *out)
{
    size_t i;

    if (!ip_is_four(bytes)) {
        ip_show_six(bytes, out);
        return;
    }
    for (i = sizeof(mapped); i < 16; i++) {
        text_add(out, i == sizeof(mapped) ? SPAN("") : SPAN("."));
        text_add_number(out, bytes[i]);
    }
}
