/* list: the values of which there may be several, for the table of kinds in value.c. */
#ifndef LOCKSTEP_SRC_POLICY_LIST_H
#define LOCKSTEP_SRC_POLICY_LIST_H

#include "schema.h"

/* One more entry. False: nothing changed, and `advice` says what would be right. */
bool list_set(const struct row *row, void *field, struct span value, struct text *advice);
bool list_empty(const struct row *row, const void *field);
bool list_entry(const struct row *row, const void *field, uint32_t number, struct text *out);

#endif
