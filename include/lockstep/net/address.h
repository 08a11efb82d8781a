/*
 * address: where to listen or whom to talk to, as the sockets want it and as people read it.
 */
#ifndef LOCKSTEP_NET_ADDRESS_H
#define LOCKSTEP_NET_ADDRESS_H

#include <netinet/in.h>

#include "lockstep/base/span.h"

/* Longest text of an address with its port, NUL included: "[" INET6 "%" scope "]:65535". */
#define ADDRESS_TEXT_MAX 72

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    };
};

/* From a literal address without brackets; false when `host` is a name or nonsense. */
bool address_literal(struct span host, uint16_t port, struct address *address_r);
/* A copy of what the system handed out; false when it is neither IPv4 nor IPv6. */
bool address_copy(const struct sockaddr *from, struct address *address_r);
socklen_t address_size(const struct address *address);
uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);
/* "127.0.0.1:25", "[::1]:25"; returns `text`, which holds ADDRESS_TEXT_MAX bytes. */
char *address_text(const struct address *address, char *text);
/* "127.0.0.1", "::1"; the same. */
char *address_host(const struct address *address, char *text);
/* As bytes, IPv4 mapped into IPv6 (see base/ip.h); an address that was so mapped becomes IPv4. */
void address_ip(const struct address *address, uint8_t bytes_r[16]);
void address_of_ip(const uint8_t bytes[16], uint16_t port, struct address *address_r);
/* The same machine, whatever the port? */
bool address_same_host(const struct address *one, const struct address *other);
/* Alike for the same machine, whatever the port. */
uint32_t address_hash(const struct address *address);
/* What a client is counted by: its address, and of an IPv6 one the /64 of it, within which whoever
 * has one address has them all (RFC 4291 2.5.4). Those of a link are many machines' and stay whole.
 */
struct address address_site(const struct address *address);

#endif
