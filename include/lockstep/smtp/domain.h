/*
 * domain: what may stand for a host in SMTP, by its shape alone: a name of the DNS (RFC 5321 2.3.5,
 * 4.1.2) or an address in brackets (4.1.3). Nothing is looked up.
 */
#ifndef LOCKSTEP_SMTP_DOMAIN_H
#define LOCKSTEP_SMTP_DOMAIN_H

#include "lockstep/base/span.h"

/* RFC 1035 2.3.4. */
#define DOMAIN_BYTES_MAX 255U
#define DOMAIN_LABEL_BYTES_MAX 63U

/* Labels of letters, digits and inner hyphens, joined by dots; the last of them is not a number, or
 * it would be an address (RFC 3696 2). */
bool domain_is_name(struct span text);
/* `[192.0.2.1]`, `[IPv6:2001:db8::1]`, `[tag:content]`. */
bool domain_is_literal(struct span text);

/* An address without brackets. */
bool domain_is_ipv4(struct span text);
bool domain_is_ipv6(struct span text);

#endif
