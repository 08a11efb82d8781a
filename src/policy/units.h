/* units: numbers with a unit behind them, and rates: so many in such a time. */
#ifndef LOCKSTEP_SRC_POLICY_UNITS_H
#define LOCKSTEP_SRC_POLICY_UNITS_H

#include "lockstep/base/text.h"
#include "lockstep/policy/rate.h"

enum units { UNITS_NONE, UNITS_OF_SIZE, UNITS_OF_TIME };

/* Digits and one of the units behind them. */
bool units_read(enum units units, struct span value, uint64_t *number_r);
/* In the largest unit that divides it. */
void units_show(enum units units, uint64_t number, struct text *out);

/* "100/1m", "100": in a minute, "10M/1h" of bytes, "0". */
bool rate_read(struct span value, bool bytes, struct rate *rate_r);
void rate_show(const struct rate *rate, bool bytes, struct text *out);

#endif
