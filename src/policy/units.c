/* Numbers and what stands behind them. */
#include "units.h"

#define MINUTE_MS 60000U
#define DAY_MS (24U * 60 * MINUTE_MS)

struct unit {
    const char *word;
    uint64_t factor;
};

/* Largest first, so that a value is shown in the largest unit that divides it. */
static const struct unit size_units[] = {
    {"G", 1ULL << 30}, {"M", 1ULL << 20}, {"k", 1ULL << 10}, {"", 1}, {NULL, 0}};
static const struct unit duration_units[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit plain_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *const tables[] = {
    [UNITS_NONE] = plain_units,
    [UNITS_OF_SIZE] = size_units,
    [UNITS_OF_TIME] = duration_units,
};

bool units_read(enum units units, struct span value, uint64_t *number_r)
{
    const struct unit *unit = tables[units];
    size_t digits = 0;

    while (digits < value.size && value.at[digits] >= '0' && value.at[digits] <= '9')
        digits++;
    if (!span_number(span_head(value, digits), number_r))
        return false;
    for (; unit->word; unit++) {
        if (!span_equal_fold(span_tail(value, digits), span_of_string(unit->word)))
            continue;
        if (*number_r > UINT64_MAX / unit->factor)
            return false;
        *number_r *= unit->factor;
        return true;
    }
    return false;
}

void units_show(enum units units, uint64_t number, struct text *out)
{
    const struct unit *unit = tables[units];

    /* Nought is written in the smallest unit: every other one would look odd. */
    while (unit[1].word && (number == 0 || number % unit->factor != 0))
        unit++;
    text_add_number(out, number / unit->factor);
    text_add(out, span_of_string(unit->word));
}

bool rate_read(struct span value, bool bytes, struct rate *rate_r)
{
    size_t slash = span_find(value, '/');
    uint64_t period = MINUTE_MS;

    if (!units_read(bytes ? UNITS_OF_SIZE : UNITS_NONE, span_head(value, slash), &rate_r->amount))
        return false;
    if (slash < value.size && !units_read(UNITS_OF_TIME, span_tail(value, slash + 1), &period))
        return false;
    rate_r->per_ms = (uint32_t)(rate_r->amount == 0 ? MINUTE_MS : period);
    return period >= RATE_PERIOD_MIN_MS && period <= DAY_MS;
}

void rate_show(const struct rate *rate, bool bytes, struct text *out)
{
    units_show(bytes ? UNITS_OF_SIZE : UNITS_NONE, rate->amount, out);
    if (rate->amount == 0)
        return;
    text_add_byte(out, '/');
    units_show(UNITS_OF_TIME, rate->per_ms, out);
}
