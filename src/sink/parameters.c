/* Parameters of MAIL and RCPT: each belongs to an extension and is known only where that is
 * offered (RFC 5321 4.1.1.11). */
#include "machine.h"

typedef enum sink_say note(struct sink *sink, struct span value);

static note size, body, utf8, ret, notify, something;

static const struct {
    struct span name;
    enum extension extension;
    bool recipient; /* of RCPT, else of MAIL */
    note *note;
} rows[] = {
    {SPAN_INIT("SIZE"), EXTENSION_SIZE, false, size},
    {SPAN_INIT("BODY"), EXTENSION_EIGHTBITMIME, false, body},
    {SPAN_INIT("BODY"), EXTENSION_BINARYMIME, false, body},
    {SPAN_INIT("SMTPUTF8"), EXTENSION_SMTPUTF8, false, utf8},
    {SPAN_INIT("RET"), EXTENSION_DSN, false, ret},
    {SPAN_INIT("ENVID"), EXTENSION_DSN, false, something},
    {SPAN_INIT("NOTIFY"), EXTENSION_DSN, true, notify},
    {SPAN_INIT("ORCPT"), EXTENSION_DSN, true, something},
    {SPAN_INIT("AUTH"), EXTENSION_AUTH, false, something},
    {SPAN_INIT("BY"), EXTENSION_DELIVERBY, false, something},
    {SPAN_INIT("MT-PRIORITY"), EXTENSION_MT_PRIORITY, false, something},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static size_t row_find(const struct sink *sink, struct span name, bool recipient)
{
    size_t i;

    for (i = 0; i < ROW_COUNT; i++) {
        if (rows[i].recipient == recipient && span_equal_fold(rows[i].name, name) &&
            sink_offers(sink, rows[i].extension))
            return i;
    }
    return ROW_COUNT;
}

enum sink_say parameters_read(struct sink *sink, struct span parameters, bool recipient)
{
    struct span name, value;
    uint32_t seen = 0;

    while (parameter_next(&parameters, &name, &value)) {
        size_t row = row_find(sink, name, recipient);
        enum sink_say refusal;

        if (row == ROW_COUNT)
            return SAY_PARAMETER_UNKNOWN;
        if ((seen >> row & 1U) != 0)
            return SAY_PARAMETER_TWICE;
        seen |= 1U << row;
        refusal = rows[row].note(sink, value);
        if (refusal != SAY_NOTHING)
            return refusal;
    }
    return SAY_NOTHING;
}

/* RFC 1870 6.1 */
static enum sink_say size(struct sink *sink, struct span value)
{
    uint64_t bytes;

    if (value.size > 20 || !span_number(value, &bytes))
        return SAY_PARAMETER_BAD;
    return sink->settings->size_bytes > 0 && bytes > sink->settings->size_bytes ? SAY_TOO_BIG
                                                                                : SAY_NOTHING;
}

static enum sink_say body(struct sink *sink, struct span value)
{
    bool eight = span_equal_fold(value, SPAN("8BITMIME"));

    sink->mail.binary = span_equal_fold(value, SPAN("BINARYMIME"));
    if ((eight && !sink_offers(sink, EXTENSION_EIGHTBITMIME)) ||
        (sink->mail.binary && !sink_offers(sink, EXTENSION_BINARYMIME)))
        return SAY_PARAMETER_UNKNOWN;
    return eight || sink->mail.binary || span_equal_fold(value, SPAN("7BIT")) ? SAY_NOTHING
                                                                              : SAY_PARAMETER_BAD;
}

static enum sink_say utf8(struct sink *sink, struct span value)
{
    sink->mail.utf8 = true;
    return value.size == 0 ? SAY_NOTHING : SAY_PARAMETER_BAD;
}

static enum sink_say ret(struct sink *sink, struct span value)
{
    (void)sink;
    return span_equal_fold(value, SPAN("FULL")) || span_equal_fold(value, SPAN("HDRS"))
               ? SAY_NOTHING
               : SAY_PARAMETER_BAD;
}

/* RFC 3461 4.1: NEVER stands alone. */
static enum sink_say notify(struct sink *sink, struct span value)
{
    (void)sink;
    if (span_equal_fold(value, SPAN("NEVER")))
        return SAY_NOTHING;
    for (;;) {
        size_t comma = span_find(value, ',');
        struct span word = span_head(value, comma);

        if (!span_equal_fold(word, SPAN("SUCCESS")) && !span_equal_fold(word, SPAN("FAILURE")) &&
            !span_equal_fold(word, SPAN("DELAY")))
            return SAY_PARAMETER_BAD;
        if (comma == value.size)
            return SAY_NOTHING;
        value = span_tail(value, comma + 1);
    }
}

static enum sink_say something(struct sink *sink, struct span value)
{
    (void)sink;
    return value.size > 0 ? SAY_NOTHING : SAY_PARAMETER_BAD;
}
