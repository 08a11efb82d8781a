/* value: what stands behind a configuration word, from text and back. */
#ifndef LOCKSTEP_SRC_POLICY_VALUE_H
#define LOCKSTEP_SRC_POLICY_VALUE_H

#include "schema.h"

/* Puts `value` into the row's field of `base`; a list gets one more entry. Text is borrowed.
 * False: nothing changed, and `error` says what is wrong and what would be right. */
bool value_set(const struct row *row, void *base, struct span value, struct text *error);
/* As YAML. */
void value_show(const struct row *row, const void *base, struct text *out);
/* What may stand there: "a number from 1 to 128". */
void value_expected(const struct row *row, struct text *out);
/* `text` between backquotes, printable and not too long, without a password it may hold. */
void value_quote(struct span text, struct text *out);

#endif
