/* base64: bytes as text (RFC 4648). */
#ifndef LOCKSTEP_SRC_VAULT_BASE64_H
#define LOCKSTEP_SRC_VAULT_BASE64_H

#include "lockstep/base/text.h"

/* Adds the bytes with "+", "/" and padding (section 4). */
void base64_add(struct span bytes, struct text *out);
/* Adds them with "-" and "_", without padding (section 5). */
void base64_add_url(struct span bytes, struct text *out);

#endif
