/* IP networks, as text and as bytes. Pure: the system's own functions know scopes and files. */
#include "network.h"

#include <string.h>

#include "lockstep/policy/route.h"

#define FOUR_BITS 96U /* of ::ffff:0:0/96, where IPv4 stands mapped into IPv6 */
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

bool network_address(struct span text, uint8_t bytes_r[16])
{
    memcpy(bytes_r, mapped, sizeof(mapped));
    return read_four(text, bytes_r + sizeof(mapped)) || read_six(text, bytes_r);
}

/* The bits of that byte that belong to the prefix. */
static uint8_t prefix_mask(unsigned bits, size_t byte)
{
    size_t before = 8 * byte;

    if (bits >= before + 8)
        return 0xFF;
    if (bits <= before)
        return 0;
    return (uint8_t)(0xFF00U >> (bits - before));
}

static bool clear_host_bits(struct network *network)
{
    bool clear = true;
    size_t i;

    for (i = 0; i < sizeof(network->bytes); i++) {
        uint8_t masked = network->bytes[i] & prefix_mask(network->bits, i);

        clear = clear && masked == network->bytes[i];
        network->bytes[i] = masked;
    }
    return clear;
}

bool network_parse(struct span text, struct network *network_r, struct text *advice)
{
    size_t slash = span_find(text, '/');
    struct span address = span_head(text, slash);
    bool six = span_find(address, ':') < address.size;
    uint64_t bits = six ? 128 : 32;
    struct network network;

    if (!network_address(address, network.bytes)) {
        text_add(advice, SPAN("a network such as 192.168.10.0/24 or \"2001:db8::/32\""));
        return false;
    }
    if (slash < text.size &&
        (!span_number(span_tail(text, slash + 1), &bits) || bits > (six ? 128 : 32))) {
        text_add(advice, SPAN("a prefix from 0 to "));
        text_add_number(advice, six ? 128 : 32);
        text_add(advice, SPAN(" behind the \"/\""));
        return false;
    }
    network.bits = (uint8_t)(six ? bits : bits + FOUR_BITS);
    if (!clear_host_bits(&network)) {
        network_show(&network, advice);
        text_add(advice, SPAN(", or a longer prefix"));
        return false;
    }
    *network_r = network;
    return true;
}

static unsigned group_of(const struct network *network, size_t group)
{
    return (unsigned)network->bytes[2 * group] << 8 | network->bytes[2 * group + 1];
}

/* The longest run of at least two groups of nought (RFC 5952 4.2); `*length_r` 0: there is none. */
static size_t find_gap(const struct network *network, size_t *length_r)
{
    size_t found = 0, start, end;

    *length_r = 0;
    for (start = 0; start < GROUPS; start = end + 1) {
        for (end = start; end < GROUPS && group_of(network, end) == 0; end++)
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

static void show_six(const struct network *network, struct text *out)
{
    size_t length;
    size_t gap = find_gap(network, &length);
    size_t i;

    for (i = 0; i < GROUPS; i++) {
        if (length > 0 && i == gap) {
            text_add(out, SPAN("::"));
            i += length - 1;
            continue;
        }
        if (i > 0 && (length == 0 || i != gap + length))
            text_add_byte(out, ':');
        show_group(group_of(network, i), out);
    }
}

static bool is_four(const struct network *network)
{
    return network->bits >= FOUR_BITS && memcmp(network->bytes, mapped, sizeof(mapped)) == 0;
}

void network_show(const struct network *network, struct text *out)
{
    bool four = is_four(network);
    size_t i;

    if (four) {
        for (i = sizeof(mapped); i < sizeof(network->bytes); i++) {
            text_add(out, i == sizeof(mapped) ? SPAN("") : SPAN("."));
            text_add_number(out, network->bytes[i]);
        }
    } else {
        show_six(network, out);
    }
    if (network->bits == 128)
        return;
    text_add_byte(out, '/');
    text_add_number(out, four ? network->bits - FOUR_BITS : network->bits);
}

static bool network_holds(const struct network *network, const uint8_t bytes[16])
{
    size_t i;

    for (i = 0; i < sizeof(network->bytes); i++) {
        if ((bytes[i] & prefix_mask(network->bits, i)) != network->bytes[i])
            return false;
    }
    return true;
}

bool networks_hold(const struct networks *networks, struct span address)
{
    uint8_t bytes[16];
    uint32_t i;

    if (networks->count == 0)
        return true;
    /* A scope says on which link an address is meant, not which address. */
    if (!network_address(span_head(address, span_find(address, '%')), bytes))
        return false;
    for (i = 0; i < networks->count; i++) {
        if (network_holds(&networks->rows[i], bytes))
            return true;
    }
    return false;
}
