/*
 * ip: literal IP addresses, as text and as bytes. IPv4 stands mapped into IPv6, in ::ffff:0:0/96.
 */
#ifndef LOCKSTEP_BASE_IP_H
#define LOCKSTEP_BASE_IP_H

#include "lockstep/base/text.h"

/* An IPv4 address or an IPv6 address without brackets and scope (RFC 4291 2.2). */
bool ip_read(struct span text, uint8_t bytes_r[16]);
bool ip_is_four(const uint8_t bytes[16]);
/* "192.0.2.1", "2001:db8::1" (RFC 5952); the second always as IPv6. */
void ip_show(const uint8_t bytes[16], struct text *out);
void ip_show_six(const uint8_t bytes[16], struct text *out);

#endif
