/*
 * url: where a service stands: "https://login.example/token", "pop3s://pop.example:995". Only what
 * a client of ours needs: a scheme, a host, a port, and what is asked for there. A URL with a name
 * or a password in it is refused, for URLs are shown in logs.
 */
#ifndef LOCKSTEP_HTTP_URL_H
#define LOCKSTEP_HTTP_URL_H

#include "lockstep/base/text.h"

/* Parts of the URL they were read from. */
struct url {
    struct span scheme;    /* "https", in the writer's letters */
    struct span authority; /* host and port as they stand there, for a Host header */
    struct span host;      /* a name or an address; of IPv6 without its brackets */
    uint16_t port;         /* 0: none is given */
    struct span target;    /* path and query: "/token?a=b"; empty: none is given */
};

/* False: `advice` says what would be right. */
bool url_parse(struct span whole, struct url *url_r, struct text *advice);
/* Only bytes of which names of hosts and addresses are made; an IPv6 address without brackets. */
bool url_host_valid(struct span host);
/* Percent-escapes all but letters, digits and "-._~" (RFC 3986 2.3). */
void url_escape(struct span raw, struct text *out);
/* Adds one field to a form (application/x-www-form-urlencoded): "name=value", behind "&" when there
 * is one already. */
void url_add_field(struct span name, struct span value, struct text *out);

#endif
