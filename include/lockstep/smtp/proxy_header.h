/*
 * proxy_header: HAProxy's PROXY protocol, versions 1 and 2: what somebody in between says of a
 * connection, in front of everything else, about whose it is. It is no SMTP; it stands here because
 * it is wire, and pure.
 *
 * Nothing here decides whether the header may be believed. Whoever may not send one is not asked.
 */
#ifndef LOCKSTEP_SMTP_PROXY_HEADER_H
#define LOCKSTEP_SMTP_PROXY_HEADER_H

#include "lockstep/base/ip.h"
#include "lockstep/smtp/line.h"

/* Of version 1, its CRLF included, as the protocol has it. */
#define PROXY_LINE_BYTES_MAX 107U
/* Of version 2. The protocol's own limit is 65551; what is known to be sent is below 600, or a few
 * thousand where the client's whole certificate is among it. */
#define PROXY_HEADER_BYTES_MAX 8192U
/* Of a name in the client's certificate. */
#define PROXY_NAME_BYTES_MAX 255U
/* Of a version of TLS: "TLSv1.3". */
#define PROXY_TLS_BYTES_MAX 7U
/* Bytes that proxy_write() writes at most. */
#define PROXY_WRITTEN_BYTES_MAX 384U

enum proxy_version {
    PROXY_NONE, /* no header */
    PROXY_V1,
    PROXY_V2,
};

/* Whose connection it is. */
enum proxy_whose {
    PROXY_OF_CLIENT, /* of `client`, that connected to `server` */
    PROXY_OF_NOBODY, /* of somebody without an address */
    PROXY_OF_SENDER, /* of the one who sent the header: he looks whether anybody is here */
};

struct proxy_point {
    uint8_t ip[16]; /* see ip.h */
    uint16_t port;
};

struct proxy_header {
    enum proxy_version version;
    enum proxy_whose whose;
    struct proxy_point client;
    struct proxy_point server;
    bool tls;                /* the client spoke TLS with the sender ... */
    bool verified;           /* ... and showed a certificate that is vouched for */
    struct span tls_version; /* borrowed from the input; empty: not told, or not fit to be shown */
    struct span common_name; /* the same; of a verified certificate only */
    size_t taken;            /* bytes of the input that were it */
    const char *wrong;       /* PARSED_BAD: a sentence */
    bool absent;             /* PARSED_BAD: it does not even begin like one */
};

/* PARSED_MORE is said only while the input can still become a header: all of it belongs to that. */
enum parsed proxy_parse(struct span input, struct proxy_header *header_r);

/* Writes a header of `header->version`. Version 1 has no room for TLS, nor for who only looks. */
void proxy_write(const struct proxy_header *header, struct text *out);

#endif
