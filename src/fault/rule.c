/* Reads a rule: one line of words, those with blanks in quotes. */
#include "faults.h"

struct fault_word {
    struct span name;
    enum fault_form form;
};

static const struct span events[] = {
#define FAULT_NAME(id, name, says) SPAN_INIT(name),
    FAULT_EVENTS(FAULT_NAME)
#undef FAULT_NAME
};
static const struct fault_word triggers[] = {
#define FAULT_NAME(id, name, form, says) {SPAN_INIT(name), form},
    FAULT_TRIGGERS(FAULT_NAME)
#undef FAULT_NAME
};
static const struct fault_word arguments[] = {
#define FAULT_NAME(id, name, form, says) {SPAN_INIT(name), form},
    FAULT_ARGUMENTS(FAULT_NAME)
#undef FAULT_NAME
};
static const struct span ends[] = {
    [FAULT_NO_END] = SPAN_INIT(""),     [FAULT_CLOSE] = SPAN_INIT("close"),
    [FAULT_RESET] = SPAN_INIT("reset"), [FAULT_HALF] = SPAN_INIT("half"),
    [FAULT_STALL] = SPAN_INIT("stall"),
};

/* What else names a verb that has no word of its own. */
static enum verb verb_named(struct span word)
{
    size_t i;

    for (i = 0; i < verb_count(); i++) {
        if (span_equal_fold(verb_facts((enum verb)i)->name, word))
            return (enum verb)i;
    }
    return verb_find(word);
}

/* The next word, quotes and all; false: there is none, or its quotes do not end. */
static bool next_word(struct span *rest, struct span *word_r)
{
    bool quoted = false;
    size_t size = 0;

    *rest = span_trim(*rest);
    while (size < rest->size && (quoted || (rest->at[size] != ' ' && rest->at[size] != '\t'))) {
        if (quoted && rest->at[size] == '\\' && size + 1 < rest->size)
            size++;
        else if (rest->at[size] == '"')
            quoted = !quoted;
        size++;
    }
    *word_r = span_head(*rest, size);
    *rest = span_tail(*rest, size);
    return size > 0 && !quoted;
}

static struct span unquoted(struct span word)
{
    if (word.size >= 2 && word.at[0] == '"' && word.at[word.size - 1] == '"')
        return span_head(span_tail(word, 1), word.size - 2);
    return word;
}

/* What to write, behind which whoever complains of the whole says "write". */
static bool complain(struct text *error, struct span word, struct span advice)
{
    text_add(error, advice);
    text_add(error, SPAN(" instead of `"));
    text_add(error, span_head(word, 60));
    text_add_byte(error, '`');
    return false;
}

static bool read_time(struct span text, uint64_t *ms_r)
{
    static const struct {
        struct span unit;
        uint64_t ms;
    } units[] = {{SPAN_INIT("ms"), 1},
                 {SPAN_INIT("s"), 1000},
                 {SPAN_INIT("m"), 60000},
                 {SPAN_INIT("h"), 3600000}};
    size_t i;

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct span digits = span_head(text, text.size - units[i].unit.size);

        if (!span_ends(text, units[i].unit) || !span_number(digits, ms_r))
            continue;
        if (*ms_r > 24 * 3600000ULL / units[i].ms)
            return false;
        *ms_r *= units[i].ms;
        return true;
    }
    return false;
}

/* "100/1m" */
static bool read_rate(struct fault_value *value)
{
    size_t slash = span_find(value->text, '/');

    return span_number(span_head(value->text, slash), &value->number) && value->number > 0 &&
           value->number <= 1000000 &&
           read_time(span_tail(value->text, slash + 1), &value->per_ms) && value->per_ms > 0;
}

static bool read_code(struct span text, uint64_t *code_r)
{
    text = span_starts(text, SPAN("!")) ? span_tail(text, 1) : text;
    return text.size <= 3 && span_number(text, code_r) && text.at[0] >= '2' && text.at[0] <= '5';
}

static bool read_end(struct span text, uint64_t *end_r)
{
    for (*end_r = FAULT_CLOSE; *end_r < sizeof(ends) / sizeof(ends[0]); (*end_r)++) {
        if (span_equal(text, ends[*end_r]))
            return true;
    }
    return false;
}

static bool read_verb(struct span text, uint64_t *verb_r)
{
    *verb_r = (uint64_t)verb_named(text);
    return *verb_r != VERB_UNKNOWN;
}

/* The value in that form; empty advice: it is right. */
static struct span read_value(enum fault_form form, struct fault_value *value)
{
    switch (form) {
    case FORM_FLAG:
        return value->text.size == 0 ? SPAN("") : SPAN("the word alone");
    case FORM_TEXT:
        return value->text.size > 0 ? SPAN("") : SPAN("some text");
    case FORM_NUMBER:
        if (span_number(value->text, &value->number) && value->number <= UINT32_MAX)
            return SPAN("");
        return SPAN("a number");
    case FORM_TIME:
        return read_time(value->text, &value->number) ? SPAN("")
                                                      : SPAN("a duration such as 500ms, 5s or 2m");
    case FORM_RATE:
        return read_rate(value) ? SPAN("") : SPAN("how many in which time, as in 100/1m,");
    case FORM_CODE:
        return read_code(value->text, &value->number)
                   ? SPAN("")
                   : SPAN("a reply code or how it begins, 250, 5 or !2,");
    case FORM_VERB:
        return read_verb(value->text, &value->number) ? SPAN("")
                                                      : SPAN("a verb such as MAIL, RCPT or DATA");
    case FORM_END:
        return read_end(value->text, &value->number) ? SPAN("")
                                                     : SPAN("close, reset, half or stall");
    }
    return SPAN("");
}

/* The verbs of "EHLO,AUTH", or of "!EHLO,AUTH". */
static bool read_verbs(struct span word, struct fault_rule *rule, struct text *error)
{
    struct span rest = word;

    rule->other_verbs = span_starts(rest, SPAN("!"));
    rest = rule->other_verbs ? span_tail(rest, 1) : rest;
    while (rest.size > 0) {
        struct span name = span_head(rest, span_find(rest, ','));
        enum verb verb = verb_named(name);

        if (verb == VERB_UNKNOWN && !span_equal_fold(name, verb_facts(VERB_UNKNOWN)->name))
            return complain(error, name,
                            SPAN("a verb, or a trigger that `lockstep fault --words` lists,"));
        rule->verbs |= 1U << verb;
        rest = span_tail(rest, name.size + 1);
    }
    return true;
}

/* NAME, or NAME=VALUE: which of the words it is; `count`: none. */
static size_t find_word(const struct fault_word *words, size_t count, struct span word,
                        struct span *value_r)
{
    size_t equals = span_find(word, '=');
    struct span name = span_head(word, equals);
    size_t i;

    *value_r = unquoted(span_tail(word, equals + 1));
    for (i = 0; i < count; i++) {
        bool flag = words[i].form == FORM_FLAG;

        if (words[i].name.size > 0 && flag == (equals == word.size) &&
            span_equal(words[i].name, name))
            break;
    }
    return i;
}

static bool read_trigger(struct span word, struct fault_rule *rule, struct text *error)
{
    struct span value, advice;
    struct fault_value *slot;
    size_t found = find_word(triggers, FAULT_TRIGGER_COUNT, word, &value);

    if (found == FAULT_TRIGGER_COUNT)
        return (span_find(word, '=') == word.size && rule->verbs == 0)
                   ? read_verbs(word, rule, error)
                   : complain(error, word,
                              SPAN("a trigger that `lockstep fault --words` lists, or do,"));
    if (rule->when_count == FAULT_WHEN_MAX)
        return complain(error, word, SPAN("no more than 6 triggers"));
    slot = &rule->when[rule->when_count++];
    *slot = (struct fault_value){.what = (uint8_t)found, .text = value};
    advice = read_value(triggers[found].form, slot);
    return advice.size == 0 || complain(error, word, advice);
}

/* The argument without a name that the kind takes; FAULT_ARGUMENT_COUNT: none. */
static size_t bare_argument(const struct fault_kind_row *kind)
{
    size_t i;

    for (i = 0; i < FAULT_ARGUMENT_COUNT; i++) {
        if (arguments[i].name.size == 0 && (kind->arguments >> i & 1U) != 0)
            break;
    }
    return i;
}

static bool read_argument(struct span word, struct fault_rule *rule, struct text *error)
{
    const struct fault_kind_row *kind = fault_kind_row(rule->kind);
    bool quoted = word.at[0] == '"';
    struct span value, advice;
    struct fault_value *slot;
    size_t found =
        quoted ? FAULT_ARGUMENT_COUNT : find_word(arguments, FAULT_ARGUMENT_COUNT, word, &value);

    if (found < FAULT_ARGUMENT_COUNT && (kind->arguments >> found & 1U) == 0)
        return complain(error, word, SPAN("an argument that this kind of fault takes"));
    if (found == FAULT_ARGUMENT_COUNT) {
        found = bare_argument(kind);
        value = unquoted(word);
    }
    if (found == FAULT_ARGUMENT_COUNT || rule->with_count == FAULT_WITH_MAX ||
        fault_value(rule, (enum fault_argument)found) != NULL)
        return complain(error, word, SPAN("quotes round text with blanks, and nothing more,"));
    slot = &rule->with[rule->with_count++];
    *slot = (struct fault_value){.what = (uint8_t)found, .text = value};
    advice = read_value(arguments[found].form, slot);
    return advice.size == 0 || complain(error, word, advice);
}

static bool read_event(struct span word, struct fault_rule *rule, struct text *error)
{
    size_t i;

    for (i = 0; i < FAULT_EVENT_COUNT; i++) {
        if (span_equal(events[i], word))
            break;
    }
    rule->event = (enum fault_event)i;
    return i < FAULT_EVENT_COUNT ||
           complain(error, word,
                    SPAN("open, early, greeting, command, reply, content, handshake, to-client or "
                         "to-upstream"));
}

void fault_kind_events(const struct fault_kind_row *kind, struct text *out)
{
    uint32_t left = kind->events;
    size_t i;

    for (i = 0; i < FAULT_EVENT_COUNT; i++) {
        if ((left >> i & 1U) == 0)
            continue;
        left &= ~(1U << i);
        text_add(out, events[i]);
        text_add(out, left == 0 ? SPAN("") : (left & (left - 1)) == 0 ? SPAN(" or ") : SPAN(", "));
    }
}

static bool read_kind(struct span word, struct fault_rule *rule, struct text *error)
{
    size_t i;

    for (i = 0; i < FAULT_KIND_COUNT; i++) {
        if (span_equal(fault_kind_row((enum fault_kind)i)->name, word))
            break;
    }
    if (i == FAULT_KIND_COUNT)
        return complain(error, word, SPAN("a kind of fault that `lockstep fault --words` lists"));
    rule->kind = (enum fault_kind)i;
    if ((fault_kind_row(rule->kind)->events >> rule->event & 1U) != 0)
        return true;
    complain(error, word, SPAN("a kind of fault that can happen there"));
    text_add(error, SPAN(", which stands on "));
    fault_kind_events(fault_kind_row(rule->kind), error);
    return false;
}

static bool is_whole(const struct fault_rule *rule, struct text *error)
{
    const struct fault_kind_row *kind = fault_kind_row(rule->kind);
    size_t i;

    for (i = 0; i < FAULT_ARGUMENT_COUNT; i++) {
        if ((kind->needs >> i & 1U) != 0 && !fault_has(rule, (enum fault_argument)i))
            return complain(error, kind->name, SPAN("what is needed behind it"));
    }
    return true;
}

bool fault_rule_parse(struct span line, struct fault_rule *rule_r, struct text *error)
{
    struct span rest = line;
    bool done = false;
    struct span word;

    *rule_r = (struct fault_rule){.source = line};
    if (line.size > FAULT_RULE_BYTES_MAX)
        return complain(error, line, SPAN("at most 512 bytes"));
    if (!next_word(&rest, &word))
        return complain(error, line, SPAN("EVENT ... do KIND"));
    if (!read_event(word, rule_r, error))
        return false;
    while (next_word(&rest, &word) && !(done = span_equal(word, SPAN("do")))) {
        if (!read_trigger(word, rule_r, error))
            return false;
    }
    if (!done || !next_word(&rest, &word))
        return complain(error, line, SPAN("`do` and a kind of fault at the end"));
    if (!read_kind(word, rule_r, error))
        return false;
    while (next_word(&rest, &word)) {
        if (!read_argument(word, rule_r, error))
            return false;
    }
    if (word.size > 0)
        return complain(error, word, SPAN("quotes that end"));
    return is_whole(rule_r, error);
}
