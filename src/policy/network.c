/* IP networks, as text and as bytes. Pure: the system's own functions know scopes and files. */
#include <string.h>

#include "lockstep/base/ip.h"
#include "lockstep/policy/route.h"

#define FOUR_BITS 96U /* of ::ffff:0:0/96, where IPv4 stands mapped into IPv6 */

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

    if (!ip_read(address, network.bytes)) {
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

static bool is_four(const struct network *network)
{
    return network->bits >= FOUR_BITS && ip_is_four(network->bytes);
}

bool network_is_wide(const struct network *network)
{
    return is_four(network) ? network->bits < FOUR_BITS + 8U : network->bits < 16;
}

void network_show(const struct network *network, struct text *out)
{
    bool four = is_four(network);

    if (four)
        ip_show(network->bytes, out);
    else
        ip_show_six(network->bytes, out);
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
    if (!ip_read(span_head(address, span_find(address, '%')), bytes))
        return false;
    for (i = 0; i < networks->count; i++) {
        if (network_holds(&networks->rows[i], bytes))
            return true;
    }
    return false;
}

bool networks_hold_all(const struct networks *networks)
{
    uint32_t i;

    for (i = 0; i < networks->count; i++) {
        struct networks one = {.count = 1, .rows = {networks->rows[i]}};

        /* What holds both ends of all addresses has no prefix. */
        if ((networks_hold(&one, SPAN("0.0.0.0")) &&
             networks_hold(&one, SPAN("255.255.255.255"))) ||
            networks->rows[i].bits == 0)
            return true;
    }
    return networks->count == 0;
}
