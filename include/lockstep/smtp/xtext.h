/* xtext: bytes of any kind as one word without blanks (RFC 3461 4). */
#ifndef LOCKSTEP_SMTP_XTEXT_H
#define LOCKSTEP_SMTP_XTEXT_H

#include "lockstep/base/text.h"

/* What is neither printable nor may stand for itself becomes "+XX". */
void xtext_encode(struct span bytes, struct text *out);
/* False: it is no xtext, or does not fit; what `out` holds then means nothing. Digits of "+XX" may
 * be in lower case, which RFC 3461 does not allow and some write. */
bool xtext_decode(struct span text, struct text *out);

#endif
