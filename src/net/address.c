/* Socket addresses: read, shown and compared. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lockstep/base/ip.h"
#include "lockstep/net/address.h"

bool address_literal(struct span host, uint16_t port, struct address *address_r)
{
    char text[INET6_ADDRSTRLEN];

    *address_r = (struct address){0};
    if (host.size >= sizeof(text))
        return false;
    memcpy(text, host.at, host.size);
    text[host.size] = 0;
    if (inet_pton(AF_INET, text, &address_r->four.sin_addr) == 1)
        address_r->any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &address_r->six.sin6_addr) == 1)
        address_r->any.sa_family = AF_INET6;
    else
        return false;
    address_set_port(address_r, port);
    return true;
}

bool address_copy(const struct sockaddr *from, struct address *address_r)
{
    *address_r = (struct address){0};
    if (from->sa_family == AF_INET)
        memcpy(&address_r->four, from, sizeof(address_r->four));
    else if (from->sa_family == AF_INET6)
        memcpy(&address_r->six, from, sizeof(address_r->six));
    else
        return false;
    return true;
}

socklen_t address_size(const struct address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->six) : sizeof(address->four);
}

uint16_t address_port(const struct address *address)
{
    /* Both families keep the port at the same place, but only their own member says so. */
    return ntohs(address->any.sa_family == AF_INET6 ? address->six.sin6_port
                                                    : address->four.sin_port);
}

void address_set_port(struct address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET6)
        address->six.sin6_port = htons(port);
    else
        address->four.sin_port = htons(port);
}

char *address_host(const struct address *address, char *text)
{
    if (address->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &address->six.sin6_addr, text, ADDRESS_TEXT_MAX);
    else
        inet_ntop(AF_INET, &address->four.sin_addr, text, ADDRESS_TEXT_MAX);
    return text;
}

char *address_text(const struct address *address, char *text)
{
    char host[ADDRESS_TEXT_MAX];

    snprintf(text, ADDRESS_TEXT_MAX, address->any.sa_family == AF_INET6 ? "[%.45s]:%u" : "%.45s:%u",
             address_host(address, host), address_port(address));
    return text;
}

void address_ip(const struct address *address, uint8_t bytes_r[16])
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

    if (address->any.sa_family == AF_INET6) {
        memcpy(bytes_r, &address->six.sin6_addr, 16);
        return;
    }
    memcpy(bytes_r, mapped, sizeof(mapped));
    memcpy(bytes_r + sizeof(mapped), &address->four.sin_addr, 4);
}

void address_of_ip(const uint8_t bytes[16], uint16_t port, struct address *address_r)
{
    *address_r = (struct address){0};
    if (ip_is_four(bytes)) {
        address_r->any.sa_family = AF_INET;
        memcpy(&address_r->four.sin_addr, bytes + 12, 4);
    } else {
        address_r->any.sa_family = AF_INET6;
        memcpy(&address_r->six.sin6_addr, bytes, 16);
    }
    address_set_port(address_r, port);
}

bool address_same_host(const struct address *one, const struct address *other)
{
    if (one->any.sa_family != other->any.sa_family)
        return false;
    if (one->any.sa_family == AF_INET6)
        return memcmp(&one->six.sin6_addr, &other->six.sin6_addr, sizeof(struct in6_addr)) == 0;
    return one->four.sin_addr.s_addr == other->four.sin_addr.s_addr;
}

uint32_t address_hash(const struct address *address)
{
    struct span bytes = address->any.sa_family == AF_INET6
                            ? span_of((const char *)&address->six.sin6_addr, 16)
                            : span_of((const char *)&address->four.sin_addr, 4);
    uint32_t sum = 2166136261U; /* FNV-1a */
    size_t i;

    for (i = 0; i < bytes.size; i++)
        sum = (sum ^ (unsigned char)bytes.at[i]) * 16777619U;
    return sum;
}

struct address address_site(const struct address *address)
{
    struct address site;
    uint8_t bytes[16];

    address_ip(address, bytes);
    if (!ip_is_four(bytes) && (bytes[0] != 0xFE || (bytes[1] & 0xC0) != 0x80)) /* fe80::/10 */
        memset(bytes + 8, 0, 8);
    address_of_ip(bytes, 0, &site);
    return site;
}
