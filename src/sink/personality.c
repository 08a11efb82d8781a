/* All personalities there are. */
#include "personality.h"

static const struct sink_personality *const rows[] = {
    &sink_strict, &sink_postfix, &sink_exim,     &sink_sendmail,    &sink_opensmtpd,
    &sink_haraka, &sink_qmail,   &sink_exchange, &sink_hmailserver, &sink_msmail,
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

const struct sink_personality *sink_personality_row(size_t row)
{
    return row < ROW_COUNT ? rows[row] : NULL;
}

const struct sink_personality *sink_personality_find(struct span name)
{
    size_t i;

    for (i = 0; i < ROW_COUNT; i++) {
        if (span_equal(rows[i]->name, name))
            return rows[i];
    }
    return NULL;
}

struct span sink_personality_name(const struct sink_personality *personality)
{
    return personality->name;
}

struct span sink_personality_says(const struct sink_personality *personality)
{
    return personality->says;
}

void sink_settings_take(struct sink_settings *settings, const struct sink_personality *personality)
{
    settings->personality = personality;
    settings->manners = personality;
    settings->offered = personality->offered;
    settings->size_bytes = personality->size_bytes;
    settings->recipients = personality->recipients;
}
