/* What is asked for, word by word. */
#include "remembered.h"

#include <stdlib.h>

#include "lockstep/base/must.h"

void choice_begin(struct choice *choice)
{
    choice->filter = (struct past_filter){0};
    choice->limit = 0;
    choice->values = text_over(choice->memory, sizeof(choice->memory));
}

/* --- values --- */

bool session_id_read(struct span word, uint64_t *id_r)
{
    size_t i;

    *id_r = 0;
    for (i = 0; i < word.size; i++) {
        char byte = word.at[i];
        uint64_t digit = 16;

        if (byte >= '0' && byte <= '9')
            digit = (uint64_t)(byte - '0');
        else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
            digit = (uint64_t)((byte | 0x20) - 'a') + 10;
        if (digit == 16)
            return false;
        *id_r = *id_r << 4 | digit;
    }
    return word.size == SESSION_ID_MAX - 1;
}

const char *session_id(uint64_t id, char text[SESSION_ID_MAX])
{
    snprintf(text, SESSION_ID_MAX, "%016llx", (unsigned long long)id);
    return text;
}

/* Seconds since 1970, with up to three places that count behind the point. */
static bool read_since(struct span value, int64_t *ms_r)
{
    struct span places = span_tail(value, span_find(value, '.') + 1);
    uint64_t seconds, part = 0;
    size_t i;

    if (!span_number(span_head(value, span_find(value, '.')), &seconds) || seconds > 1ULL << 40)
        return false;
    for (i = 0; i < places.size; i++)
        if (places.at[i] < '0' || places.at[i] > '9')
            return false;
    for (i = 0; i < 3; i++)
        part = part * 10 + (i < places.size ? (uint64_t)(places.at[i] - '0') : 0);
    *ms_r = (int64_t)(seconds * 1000 + part);
    return true;
}

static bool set_listener(struct choice *choice, struct span value)
{
    choice->filter.listener = value;
    return value.size > 0;
}

static bool set_tag(struct choice *choice, struct span value)
{
    choice->filter.tag = value;
    return value.size > 0;
}

static bool set_client(struct choice *choice, struct span value)
{
    choice->filter.client = value;
    return value.size > 0;
}

static bool set_session(struct choice *choice, struct span value)
{
    choice->filter.by_id = true;
    return session_id_read(value, &choice->filter.id);
}

static bool set_state(struct choice *choice, struct span value)
{
    choice->filter.live_only = span_equal(value, SPAN("live"));
    choice->filter.ended_only = span_equal(value, SPAN("ended"));
    return choice->filter.live_only || choice->filter.ended_only;
}

static bool set_since(struct choice *choice, struct span value)
{
    return read_since(value, &choice->filter.since_ms);
}

static bool set_limit(struct choice *choice, struct span value)
{
    return span_number(value, &choice->limit) && choice->limit > 0;
}

static const struct {
    struct span name;
    bool (*set)(struct choice *choice, struct span value);
    struct span right;
} words[] = {
    {SPAN_INIT("listener"), set_listener, SPAN_INIT("a listener's name")},
    {SPAN_INIT("tag"), set_tag, SPAN_INIT("the name that the client greeted with")},
    {SPAN_INIT("client"), set_client, SPAN_INIT("an address, perhaps with its port")},
    {SPAN_INIT("session"), set_session, SPAN_INIT("an id, 16 hexadecimal digits")},
    {SPAN_INIT("state"), set_state, SPAN_INIT("live or ended")},
    {SPAN_INIT("since"), set_since, SPAN_INIT("seconds since 1970, such as 1796000000.5")},
    {SPAN_INIT("limit"), set_limit, SPAN_INIT("a number from 1 on")},
};
#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

bool choice_set(struct choice *choice, struct span name, struct span value, struct text *why)
{
    size_t from = choice->values.size;
    size_t i;

    for (i = 0; i < WORD_COUNT && !span_equal(name, words[i].name); i++)
        continue;
    text_add(&choice->values, value);
    value = span_of(choice->memory + from, choice->values.size - from);
    if (i < WORD_COUNT && !choice->values.cut && words[i].set(choice, value))
        return true;
    text_add(why, name);
    if (i < WORD_COUNT) {
        text_add(why, SPAN(" is "));
        text_add(why, words[i].right);
        return false;
    }
    text_add(why, SPAN(" is unknown; there are "));
    for (i = 0; i < WORD_COUNT; i++) {
        text_add(why, i > 0 ? SPAN(", ") : SPAN(""));
        text_add(why, words[i].name);
    }
    return false;
}

/* --- queries --- */

static int hex(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Undoes percent-escapes; what is none stands for itself. */
static void unescape(struct span raw, struct text *out)
{
    size_t i;

    for (i = 0; i < raw.size; i++) {
        int high = raw.at[i] == '%' && i + 2 < raw.size ? hex(raw.at[i + 1]) : -1;
        int low = high >= 0 ? hex(raw.at[i + 2]) : -1;

        if (low >= 0)
            i += 2;
        text_add_byte(out, low >= 0 ? (char)(high << 4 | low) : raw.at[i] == '+' ? ' ' : raw.at[i]);
    }
}

bool choice_read(struct choice *choice, struct span query, struct text *why, struct span *format_r)
{
    while (query.size > 0) {
        struct span field = span_head(query, span_find(query, '&'));
        struct span name = span_head(field, span_find(field, '='));
        char memory[CHOICE_BYTES_MAX];
        struct text value = text_over(memory, sizeof(memory));

        query = span_tail(query, field.size + 1);
        if (format_r != NULL && span_equal(name, SPAN("format"))) {
            *format_r = span_tail(field, name.size + 1);
            continue;
        }
        unescape(span_tail(field, name.size + 1), &value);
        if (name.size > 0 && !choice_set(choice, name, text_span(&value), why))
            return false;
    }
    return true;
}

/* --- transcripts --- */

bool remembered_load(struct history *history, uint64_t id, struct remembered *remembered_r)
{
    char memory[256];
    struct text report = text_over(memory, sizeof(memory));
    size_t size = 0;

    *remembered_r = (struct remembered){0};
    remembered_r->text_memory = history_text(history, id, &remembered_r->facts, &size);
    if (remembered_r->text_memory == NULL)
        return false;
    remembered_r->text = span_of(remembered_r->text_memory, size);
    remembered_r->script_memory = malloc(script_size(remembered_r->text) + 1);
    must(remembered_r->script_memory != NULL);
    /* The lines are our own. All that can be wrong with them is that they are too much to be
     * played, which nobody does here. */
    script_read(&remembered_r->script, SPAN(""), remembered_r->text, remembered_r->script_memory,
                &report);
    return true;
}

void remembered_drop(struct remembered *remembered)
{
    free(remembered->script_memory);
    free(remembered->text_memory);
    *remembered = (struct remembered){0};
}
