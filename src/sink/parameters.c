/* Parameters of MAIL and RCPT: each belongs to an extension and is known where that is offered
 * (RFC 5321 4.1.1.11), or where the personality knows it all the same. */
#include "machine.h"

typedef enum sink_say note(struct sink *sink, struct span value);

static note size, body, utf8, ret, notify, something;

static const struct {
    enum sink_parameter parameter;
    struct span name;
    enum extension extension;
    bool recipient; /* of RCPT, else of MAIL */
    note *note;
} rows[] = {
    {PARAMETER_SIZE, SPAN_INIT("SIZE"), EXTENSION_SIZE, false, size},
    {PARAMETER_BODY, SPAN_INIT("BODY"), EXTENSION_EIGHTBITMIME, false, body},
    {PARAMETER_BODY, SPAN_INIT("BODY"), EXTENSION_BINARYMIME, false, body},
    {PARAMETER_SMTPUTF8, SPAN_INIT("SMTPUTF8"), EXTENSION_SMTPUTF8, false, utf8},
    {PARAMETER_RET, SPAN_INIT("RET"), EXTENSION_DSN, false, ret},
    {PARAMETER_ENVID, SPAN_INIT("ENVID"), EXTENSION_DSN, false, something},
    {PARAMETER_NOTIFY, SPAN_INIT("NOTIFY"), EXTENSION_DSN, true, notify},
    {PARAMETER_ORCPT, SPAN_INIT("ORCPT"), EXTENSION_DSN, true, something},
    {PARAMETER_AUTH, SPAN_INIT("AUTH"), EXTENSION_AUTH, false, something},
    {PARAMETER_BY, SPAN_INIT("BY"), EXTENSION_DELIVERBY, false, something},
    {PARAMETER_MT_PRIORITY, SPAN_INIT("MT-PRIORITY"), EXTENSION_MT_PRIORITY, false, something},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

/* With what a value hears that is minded; else it will do. */
static enum sink_say minded(const struct sink *sink, bool good, enum sink_say what)
{
    return good || !sink_minds(sink, what) ? SAY_NOTHING : what;
}

static size_t row_find(const struct sink *sink, struct span name, bool recipient)
{
    uint32_t known = sink->settings->personality->parameters;
    size_t i;

    for (i = 0; i < ROW_COUNT; i++) {
        if (rows[i].recipient == recipient && span_equal_fold(rows[i].name, name) &&
            (sink_offers(sink, rows[i].extension) || (known >> rows[i].parameter & 1U) != 0))
            return i;
    }
    return ROW_COUNT;
}

static enum sink_say parameter_read(struct sink *sink, struct span name, struct span value,
                                    bool recipient, uint32_t *seen)
{
    enum sink_say unknown = recipient ? SAY_PARAMETER_UNKNOWN_RECIPIENT : SAY_PARAMETER_UNKNOWN;
    size_t row = row_find(sink, name, recipient);
    bool twice = row < ROW_COUNT && (*seen >> row & 1U) != 0;

    if (row == ROW_COUNT)
        return minded(sink, false, unknown);
    if (twice && sink_minds(sink, SAY_PARAMETER_TWICE))
        return SAY_PARAMETER_TWICE;
    *seen |= 1U << row;
    return rows[row].note(sink, value);
}

enum sink_say parameters_read(struct sink *sink, struct span parameters, bool recipient)
{
    enum sink_say refusal = SAY_NOTHING;
    struct span name, value;
    uint32_t seen = 0;

    if (parameters.size > 0 && !sink->extended && sink_minds(sink, SAY_PARAMETER_OLD))
        return SAY_PARAMETER_OLD;
    while (refusal == SAY_NOTHING && parameter_next(&parameters, &name, &value)) {
        bool equals = value.at == name.at + name.size + 1;

        sink->telling.option = span_of(name.at, name.size + equals + value.size);
        refusal = parameter_read(sink, name, value, recipient, &seen);
    }
    return refusal;
}

/* RFC 1870 6.1 */
static enum sink_say size(struct sink *sink, struct span value)
{
    uint64_t limit = sink->settings->size_bytes;
    uint64_t bytes;

    if (value.size > 20 || !span_number(value, &bytes))
        return minded(sink, false, SAY_SIZE_BAD);
    return minded(sink, limit == 0 || bytes <= limit, SAY_TOO_BIG);
}

static enum sink_say body(struct sink *sink, struct span value)
{
    bool seven = span_equal_fold(value, SPAN("7BIT"));
    bool eight = span_equal_fold(value, SPAN("8BITMIME"));
    bool binary = span_equal_fold(value, SPAN("BINARYMIME"));

    if ((eight && !sink_offers(sink, EXTENSION_EIGHTBITMIME)) ||
        (binary && !sink_offers(sink, EXTENSION_BINARYMIME)))
        return minded(sink, false, SAY_BODY_OFF);
    sink->mail.binary = binary;
    return minded(sink, seven || eight || binary, SAY_BODY_BAD);
}

static enum sink_say utf8(struct sink *sink, struct span value)
{
    sink->mail.utf8 = true;
    return minded(sink, value.size == 0, SAY_VALUE_BAD);
}

static enum sink_say ret(struct sink *sink, struct span value)
{
    return minded(sink,
                  span_equal_fold(value, SPAN("FULL")) || span_equal_fold(value, SPAN("HDRS")),
                  SAY_RET_BAD);
}

/* RFC 3461 4.1: NEVER stands alone. */
static enum sink_say notify(struct sink *sink, struct span value)
{
    if (span_equal_fold(value, SPAN("NEVER")))
        return SAY_NOTHING;
    for (;;) {
        size_t comma = span_find(value, ',');
        struct span word = span_head(value, comma);
        bool never = span_equal_fold(word, SPAN("NEVER"));

        if (never && sink_minds(sink, SAY_NOTIFY_NEVER))
            return SAY_NOTIFY_NEVER;
        if (!span_equal_fold(word, SPAN("SUCCESS")) && !span_equal_fold(word, SPAN("FAILURE")) &&
            !span_equal_fold(word, SPAN("DELAY"))) {
            sink->telling.option.size = (size_t)(word.at + word.size - sink->telling.option.at);
            return minded(sink, false, SAY_NOTIFY_BAD);
        }
        if (comma == value.size)
            return SAY_NOTHING;
        value = span_tail(value, comma + 1);
    }
}

static enum sink_say something(struct sink *sink, struct span value)
{
    return minded(sink, value.size > 0, SAY_VALUE_BAD);
}
