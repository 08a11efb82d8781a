/*
 * base64: the encoding of SASL lines (RFC 4648 4), strict: no blanks, no other alphabet, padding
 * where it belongs. What it carries is mostly secret, so nothing here keeps a copy.
 */
#ifndef LOCKSTEP_SMTP_BASE64_H
#define LOCKSTEP_SMTP_BASE64_H

#include "lockstep/base/text.h"

/* Bytes that decoding may need: never more than the text has. */
bool base64_decode(struct span text, struct text *bytes);
void base64_encode(struct span bytes, struct text *text);

#endif
