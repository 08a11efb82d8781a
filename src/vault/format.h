/* format: sentences for errors and for the log. */
#ifndef LOCKSTEP_SRC_VAULT_FORMAT_H
#define LOCKSTEP_SRC_VAULT_FORMAT_H

#include "lockstep/base/text.h"

/* Adds to the text what printf would write; at most FORMAT_BYTES_MAX bytes of it. */
#define FORMAT_BYTES_MAX 1023U
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
