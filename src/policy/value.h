/* value: what stands behind a configuration word, from text and back. */
#ifndef LOCKSTEP_SRC_POLICY_VALUE_H
#define LOCKSTEP_SRC_POLICY_VALUE_H

#include "schema.h"

/* Puts `value` into the row's field of `base`; a list gets one more entry. Text is borrowed.
 * False: nothing changed, and `error` says what is wrong and what would be right. */
bool value_set(const struct row *row, void *base, struct span value, struct text *error);
/* Bytes of one entry, as it would be set. */
#define VALUE_ENTRY_BYTES_MAX 4096U
/* Nothing is said: no text, no entry, no override. What is empty need not be shown. */
bool value_is_empty(const struct row *row, const void *base);
/* Entry `number` of it as it would be set, one after the other; of what is no list there is only
 * 0. False, and nothing written: there is none of that number. */
bool value_entry(const struct row *row, const void *base, uint32_t number, struct text *out);
/* What listeners, relays and credentials may be called. */
bool value_is_name(struct span text);
/* Text, in which `*` stands for any. */
bool value_is_pattern(struct span text);
/* As YAML. */
void value_show(const struct row *row, const void *base, struct text *out);
/* Whatever of that base the table has a default for. `object` is all zero before. */
void value_defaults(enum base base, void *object);
/* What may stand there: "a number from 1 to 128". */
void value_expected(const struct row *row, struct text *out);

#endif
