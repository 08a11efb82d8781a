/* network: literal IP addresses, as bytes. */
#ifndef LOCKSTEP_SRC_POLICY_NETWORK_H
#define LOCKSTEP_SRC_POLICY_NETWORK_H

#include "lockstep/base/span.h"

/* An IPv4 address or an IPv6 address without brackets and scope; IPv4 comes mapped into IPv6. */
bool network_address(struct span text, uint8_t bytes_r[16]);

#endif
