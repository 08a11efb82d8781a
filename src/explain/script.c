/* Transcript files as lists of lines. */
#include <string.h>

#include "lockstep/explain/script.h"

/* What a counted message ends with. */
#define DOT_BYTES 3U

static const struct {
    struct span name;
    enum script_word word;
    enum script_part part;
} words[] = {
    {SPAN_INIT("seed"), SCRIPT_SEED, SCRIPT_SETUP},
    {SPAN_INIT("upstream"), SCRIPT_UPSTREAM, SCRIPT_SETUP},
    {SPAN_INIT("unfinished"), SCRIPT_UNFINISHED, SCRIPT_SETUP},
    {SPAN_INIT("uncut"), SCRIPT_UNCUT, SCRIPT_SETUP},
    {SPAN_INIT("start"), SCRIPT_START, SCRIPT_STIMULUS},
    {SPAN_INIT("wait"), SCRIPT_WAIT, SCRIPT_STIMULUS},
    {SPAN_INIT("stop"), SCRIPT_STOP, SCRIPT_STIMULUS},
    {SPAN_INIT("slow"), SCRIPT_SLOW, SCRIPT_STIMULUS},
    {SPAN_INIT("sent"), SCRIPT_SENT, SCRIPT_STIMULUS},
    {SPAN_INIT("told"), SCRIPT_TOLD, SCRIPT_STIMULUS},
    {SPAN_INIT("now"), SCRIPT_NOW, SCRIPT_STIMULUS},
};

static const struct {
    struct span name;
    enum script_life life;
    enum script_part part;
} lives[] = {
    {SPAN_INIT("open"), SCRIPT_OPEN, SCRIPT_STIMULUS},
    {SPAN_INIT("end"), SCRIPT_END, SCRIPT_STIMULUS},
    {SPAN_INIT("fail"), SCRIPT_FAIL, SCRIPT_STIMULUS},
    {SPAN_INIT("secured"), SCRIPT_SECURED, SCRIPT_STIMULUS},
    {SPAN_INIT("connect"), SCRIPT_CONNECT, SCRIPT_EXPECTED},
    {SPAN_INIT("secure"), SCRIPT_SECURE, SCRIPT_EXPECTED},
    {SPAN_INIT("shut"), SCRIPT_SHUT, SCRIPT_EXPECTED},
};

#define COUNT_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static size_t lines_of(struct span file)
{
    size_t count = 0;

    while (file.size > 0) {
        file = span_tail(file, span_find(file, '\n') + 1);
        count++;
    }
    return count;
}

size_t script_size(struct span file)
{
    /* Each line's escapes are undone into its own scratch: its bytes and two more. */
    return lines_of(file) * (sizeof(struct script_line) + 2) + file.size;
}

static const char *read_setting(struct script_line *line)
{
    struct span rest = line->record.bytes;
    struct span word;
    size_t i;

    span_word(&rest, &word);
    line->rest = span_trim(rest);
    line->part = SCRIPT_SETUP;
    line->word = SCRIPT_POLICY;
    for (i = 0; i < COUNT_OF(words); i++)
        if (span_equal(word, words[i].name)) {
            line->word = words[i].word;
            line->part = words[i].part;
        }
    return NULL;
}

static const char *read_life(struct script_line *line)
{
    struct span rest = line->record.bytes;
    struct span word;
    size_t i;

    span_word(&rest, &word);
    line->rest = span_trim(rest);
    for (i = 0; i < COUNT_OF(lives); i++)
        if (span_equal(word, lives[i].name)) {
            line->life = lives[i].life;
            line->part = lives[i].part;
            return NULL;
        }
    return "a connection can: open, end, fail, secured, connect, secure, shut";
}

/* How many bytes of what ends a counted message stand at its end: less than all of them when the
 * first ones were told of before. */
static uint64_t dot_bytes(const struct script_line *line)
{
    uint64_t bytes = line->record.body_bytes;

    if (line->chunk)
        return 0;
    return bytes < DOT_BYTES ? bytes : DOT_BYTES;
}

/* How many lines the letters of a counted message are spread over, and how many letters. A part of
 * a message does not end in a line end, because that would not have been passed on yet. */
static uint64_t filler_lines(const struct script_line *line, uint64_t *bytes_r)
{
    uint64_t dot = dot_bytes(line);
    uint64_t lines = line->record.body_lines - (dot > 0 ? 1 : 0);

    *bytes_r = line->record.body_bytes - dot;
    if (line->record.body_open && *bytes_r > lines)
        *bytes_r -= 1;
    return lines;
}

static const char *check_body(const struct script_line *line)
{
    uint64_t bytes;
    uint64_t lines;

    if (line->record.body_bytes > SCRIPT_SAID_BYTES_MAX)
        return "too many bytes to be played";
    if (!line->chunk && (line->record.body_bytes == 0 || line->record.body_lines == 0))
        return "a message ends in a dot and a line end";
    lines = filler_lines(line, &bytes);
    if (lines > bytes || (lines == 0 && bytes > 0 && !line->chunk))
        return "so many bytes can't make so many lines";
    return NULL;
}

/* `behind`: what that peer said last. What it heard does not count. */
static const char *read_said(struct script_line *line, struct span *behind)
{
    const struct record *record = &line->record;
    bool stimulus = (record->side == SIDE_CLIENT) == record->to_upstream;

    line->part = stimulus ? SCRIPT_STIMULUS : SCRIPT_EXPECTED;
    if (record->kind == RECORD_SAID) {
        if (record->secret > SCRIPT_SAID_BYTES_MAX)
            return "too long a secret to be played";
        if (stimulus)
            *behind = record->bytes;
        return NULL;
    }
    line->chunk = record->body_open || span_starts_fold(*behind, SPAN("BDAT "));
    return stimulus ? check_body(line) : NULL;
}

/* What was noticed in the message before, of which no more than that and its size is known. */
static void read_noticed(struct script_line *message, struct span note)
{
    if (message == NULL)
        return;
    message->bare = message->bare || span_equal(note, SPAN("would bare-lf"));
    message->doubled = message->doubled || span_equal(note, SPAN("would doubled-cr"));
}

static const char *read_part(struct script_line *line, struct span behind[SIDE_COUNT])
{
    switch (line->record.kind) {
    case RECORD_COMMENT:
        line->part = SCRIPT_NOTHING;
        return NULL;
    case RECORD_SAID:
    case RECORD_BODY:
        return read_said(line, &behind[line->record.side]);
    case RECORD_NOTE:
        line->part = SCRIPT_EXPECTED;
        return NULL;
    case RECORD_LIFE:
        return read_life(line);
    case RECORD_SETTING:
        return read_setting(line);
    }
    return NULL;
}

void script_place(const struct script *script, uint32_t number, struct text *report)
{
    text_add(report, script->name);
    text_add_byte(report, ':');
    text_add_number(report, number);
    text_add(report, SPAN(": "));
}

bool script_read(struct script *script_r, struct span name, struct span file, void *memory,
                 struct text *report)
{
    struct span behind[SIDE_COUNT] = {{0}};
    char *scratch = (char *)memory + lines_of(file) * sizeof(struct script_line);
    struct script_line *message = NULL; /* the last one that the client said, if it was counted */
    bool right = true;

    *script_r = (struct script){.name = name, .lines = memory};
    while (file.size > 0) {
        struct script_line *line = &script_r->lines[script_r->count++];
        const char *wrong;

        *line = (struct script_line){.raw = span_head(file, span_find(file, '\n')),
                                     .number = script_r->count};
        file = span_tail(file, line->raw.size + 1);
        wrong = record_read(line->raw, scratch, &line->record);
        if (wrong == NULL)
            wrong = read_part(line, behind);
        if (wrong == NULL && script_said_size(line) > SCRIPT_SAID_BYTES_MAX - script_r->said_bytes)
            wrong = "too many bytes to be played, all lines taken together";
        if (wrong != NULL) {
            script_place(script_r, line->number, report);
            text_add(report, span_of_string(wrong));
            text_add_byte(report, '\n');
            right = false;
            continue;
        }
        if (line->part == SCRIPT_STIMULUS && line->record.side == SIDE_CLIENT)
            message = line->record.kind == RECORD_BODY ? line : NULL;
        if (line->record.kind == RECORD_NOTE)
            read_noticed(message, line->record.bytes);
        script_r->said_bytes += script_said_size(line);
        scratch += line->raw.size + 2;
    }
    return right;
}

uint64_t script_said_size(const struct script_line *line)
{
    const struct record *record = &line->record;

    if (record->kind == RECORD_BODY)
        return record->body_bytes;
    if (record->kind != RECORD_SAID)
        return 0;
    return record->bytes.size + record->secret + record->tail.size;
}

/* Letters in lines as even as they can be: the first ones are a byte longer. */
static char body_byte(const struct script_line *line, uint64_t at)
{
    static const char letters[] = "quick brown fox";
    uint64_t bytes;
    uint64_t lines = filler_lines(line, &bytes);
    uint64_t short_size;
    uint64_t long_bytes;

    if (at >= bytes && !line->chunk)
        return ".\r\n"[DOT_BYTES - dot_bytes(line) + at - bytes];
    if (lines == 0 || at >= bytes)
        return letters[at % (sizeof(letters) - 1)];
    short_size = bytes / lines;
    long_bytes = bytes % lines * (short_size + 1);
    if (at < short_size && short_size > DOT_BYTES &&
        ((line->bare && at == 0) ||
         (line->doubled && at + DOT_BYTES == short_size + (long_bytes > 0))))
        return '\r'; /* neither is a line end of its own, so that the lines stay as many */
    if (at < long_bytes) {
        at %= ++short_size;
    } else {
        at = (at - long_bytes) % short_size;
    }
    if (at + 2 >= short_size)
        return at + 2 == short_size ? '\r' : '\n';
    return letters[at % (sizeof(letters) - 1)];
}

static char secret_byte(uint64_t at)
{
    static const char secret[] = "bm90IGEgcGFzc3dvcmQ";

    return secret[at % (sizeof(secret) - 1)];
}

void script_secret(size_t size, struct text *secret)
{
    size_t i;

    for (i = 0; i < size; i++)
        text_add_byte(secret, secret_byte(i));
}

static char said_byte(const struct script_line *line, uint64_t at)
{
    const struct record *record = &line->record;

    if (record->kind == RECORD_BODY)
        return body_byte(line, at);
    if (at < record->bytes.size)
        return record->bytes.at[at];
    at -= record->bytes.size;
    if (at < record->secret)
        return secret_byte(at);
    return record->tail.at[at - record->secret];
}

size_t script_said(const struct script_line *line, uint64_t from, char *bytes, size_t size)
{
    uint64_t end = script_said_size(line);
    size_t written;

    for (written = 0; written < size && from + written < end; written++)
        bytes[written] = said_byte(line, from + written);
    return written;
}

const struct script_line *script_setting(const struct script *script, enum script_word word)
{
    uint32_t i;

    for (i = 0; i < script->count; i++)
        if (script->lines[i].record.kind == RECORD_SETTING && script->lines[i].word == word)
            return &script->lines[i];
    return NULL;
}

void script_keywords(const struct script *script, struct text *reply)
{
    const struct script_line *setting = script_setting(script, SCRIPT_UPSTREAM);
    struct span rest =
        setting != NULL ? setting->rest : SPAN("PIPELINING ENHANCEDSTATUSCODES 8BITMIME");
    size_t last = 0;
    struct span word;

    text_add(reply, SPAN("250-up.example\r\n"));
    while (span_word(&rest, &word) && !span_equal(word, SPAN("none"))) {
        size_t i;

        last = reply->size;
        text_add(reply, SPAN("250-"));
        for (i = 0; i < word.size; i++)
            text_add_byte(reply, word.at[i] == '=' || word.at[i] == ',' ? ' ' : word.at[i]);
        text_add(reply, SPAN("\r\n"));
    }
    if (!reply->cut)
        reply->at[last + 3] = ' ';
}

bool script_duration(struct span word, uint64_t *ms_r)
{
    static const struct {
        struct span name;
        uint64_t ms;
    } units[] = {
        {SPAN_INIT("ms"), 1},
        {SPAN_INIT("s"), 1000},
        {SPAN_INIT("m"), 60 * 1000},
        {SPAN_INIT("h"), 60 * 60 * 1000},
    };
    size_t digits = 0;
    size_t i;

    while (digits < word.size && word.at[digits] >= '0' && word.at[digits] <= '9')
        digits++;
    if (!span_number(span_head(word, digits), ms_r) || *ms_r > UINT32_MAX)
        return false;
    for (i = 0; i < COUNT_OF(units); i++)
        if (span_equal(span_tail(word, digits), units[i].name)) {
            *ms_r *= units[i].ms;
            return true;
        }
    return false;
}
