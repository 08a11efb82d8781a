/* address: where to listen and to connect, from the text of the configuration and back. */
#ifndef LOCKSTEP_SRC_POLICY_ADDRESS_H
#define LOCKSTEP_SRC_POLICY_ADDRESS_H

#include "lockstep/policy/config.h"

/* HOST:PORT to listen on: a name, an IPv4 address, an IPv6 address in brackets, or "*". False:
 * `advice` gets what would be right. */
bool address_listen(struct span text, struct config_address *address_r, struct text *advice);
/* SCHEME://HOST[:PORT]; when no port is given it is the scheme's. */
bool address_connect(struct span text, enum config_scheme *scheme_r,
                     struct config_address *address_r, struct text *advice);
/* "smtp://" */
struct span address_scheme(enum config_scheme scheme);
/* What stands behind the scheme of a URL: HOST[:PORT][/PATH]. False: see above. */
bool address_url(struct span text, struct text *advice);
/* HOST:PORT, with brackets where they are needed. */
void address_show(const struct config_address *address, struct text *out);
/* Letters, digits, dots, hyphens and underscores that can be a host's name. */
bool address_is_name(struct span text);

#endif
