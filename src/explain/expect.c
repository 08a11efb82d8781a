/* Comparing what the engine did with what the script and the engine's own record say it did. */
#include "play.h"

#define LINES_SHOWN_BEFORE 5U
#define LINES_SHOWN_MAX 12U
/* Bytes of a difference that are shown of one line. */
#define SHOWN_BYTES_MAX 400U

static const struct {
    struct span whose;
    struct span mark;
} shown[STREAM_COUNT] = {
    [STREAM_TO_CLIENT] = {SPAN_INIT("what the client hears"), SPAN_INIT("C< ")},
    [STREAM_TO_UPSTREAM] = {SPAN_INIT("what the upstream hears"), SPAN_INIT("U> ")},
    [STREAM_NOTES] = {SPAN_INIT("the decisions"), SPAN_INIT("! ")},
    [STREAM_CLIENT_LIFE] = {SPAN_INIT("the client's connection"), SPAN_INIT("C ")},
    [STREAM_UPSTREAM_LIFE] = {SPAN_INIT("the upstream's connection"), SPAN_INIT("U ")},
    [STREAM_FROM_CLIENT] = {SPAN_INIT("what the client said"), SPAN_INIT("C> ")},
    [STREAM_FROM_UPSTREAM] = {SPAN_INIT("what the upstream said"), SPAN_INIT("U< ")},
};

static void report_way(struct play *play)
{
    static const struct span cuts[] = {
        [PLAYER_LINES] = SPAN_INIT("line by line"),
        [PLAYER_BYTES] = SPAN_INIT("byte by byte"),
        [PLAYER_MERGED] = SPAN_INIT("lines merged into one read"),
        [PLAYER_RANDOM] = SPAN_INIT("cut at random, seed "),
    };

    text_add(play->report, SPAN(" (played "));
    text_add(play->report, cuts[play->way.cut]);
    if (play->way.cut == PLAYER_RANDOM)
        text_add_number(play->report, play->way.seed);
    text_add(play->report, SPAN(")\n"));
}

/* The line numbered so, or the last one when the script has ended. */
static uint32_t number_of(const struct play *play, uint32_t line)
{
    if (play->script->count == 0)
        return 1;
    if (line >= play->script->count)
        line = play->script->count - 1;
    return play->script->lines[line].number;
}

static void report_line(struct play *play, const char *margin, struct span mark, struct span line)
{
    text_add(play->report, span_of_string(margin));
    text_add(play->report, mark);
    text_add(play->report, span_head(line, SHOWN_BYTES_MAX));
    if (line.size > SHOWN_BYTES_MAX)
        text_add(play->report, SPAN(" ..."));
    text_add_byte(play->report, '\n');
}

static void report_start(struct play *play, struct span says)
{
    uint32_t end = play->line < play->script->count ? play->line : play->script->count;
    uint32_t line = end > LINES_SHOWN_BEFORE ? end - LINES_SHOWN_BEFORE : 0;

    play->failed = true;
    script_place(play->script, number_of(play, play->line), play->report);
    text_add(play->report, says);
    report_way(play);
    for (; line < end; line++)
        report_line(play, "      ", SPAN(""), play->script->lines[line].raw);
}

void play_fail(struct play *play, struct span says)
{
    if (play->failed)
        return;
    report_start(play, says);
    if (play->line < play->script->count)
        report_line(play, "    > ", SPAN(""), play->script->lines[play->line].raw);
}

/* The stream that an expected line belongs to. */
static enum stream_id stream_of(const struct script_line *line)
{
    switch (line->record.kind) {
    case RECORD_NOTE:
        return STREAM_NOTES;
    case RECORD_LIFE:
        return stream_life(line->record.side);
    case RECORD_SAID:
    case RECORD_BODY:
    case RECORD_COMMENT:
    case RECORD_SETTING:
        break;
    }
    return stream_said(line->record.side, line->record.to_upstream);
}

static struct span stream_rest(const struct stream *stream)
{
    return span_tail(text_span(&stream->text), stream->matched);
}

/* A line of a byte stream as a transcript would have it, without its moment. */
static void report_said(struct play *play, enum stream_id id, struct span said)
{
    char bytes[SHOWN_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));
    enum side side =
        id == STREAM_TO_CLIENT || id == STREAM_FROM_CLIENT ? SIDE_CLIENT : SIDE_UPSTREAM;

    record_said(&text, 0, side, id == STREAM_TO_UPSTREAM || id == STREAM_FROM_CLIENT, said);
    said = span_tail(text_span(&text), SPAN("+0 ").size);
    report_line(play, "    + ", SPAN(""), span_head(said, span_find(said, '\n')));
}

static void report_got(struct play *play, enum stream_id id)
{
    struct span rest = stream_rest(&play->streams[id]);
    uint32_t lines;

    for (lines = 0; rest.size > 0 && lines < LINES_SHOWN_MAX; lines++) {
        size_t end = span_find(rest, '\n');

        if (id == STREAM_TO_CLIENT || id == STREAM_TO_UPSTREAM)
            report_said(play, id, span_head(rest, end + 1));
        else
            report_line(play, "    + ", shown[id].mark, span_head(rest, end));
        rest = span_tail(rest, end + 1);
    }
    if (rest.size > 0)
        report_line(play, "    + ", SPAN("..."), SPAN(""));
}

/* From the line being played on: what was expected of this stream, and what came. */
static void report_difference(struct play *play, enum stream_id id, struct span says)
{
    const struct script *script = play->script;
    char bytes[SHOWN_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));
    uint32_t line;

    if (play->failed)
        return;
    text_add(&text, shown[id].whose);
    text_add(&text, says);
    report_start(play, text_span(&text));
    for (line = play->line; line < script->count; line++) {
        const struct script_line *expected = &script->lines[line];

        if (expected->part == SCRIPT_STIMULUS)
            break;
        if (expected->part == SCRIPT_EXPECTED && stream_of(expected) == id)
            report_line(play, "    - ", SPAN(""), expected->raw);
    }
    report_got(play, id);
}

/* A counted message: so many bytes, so many line ends. */
static bool match_body(struct stream *stream, const struct record *record)
{
    struct span rest = stream_rest(stream);
    uint64_t lines = 0;
    size_t i;

    if (rest.size < record->body_bytes)
        return false;
    for (i = 0; i < record->body_bytes; i++)
        lines += rest.at[i] == '\n' ? 1 : 0;
    if (lines != record->body_lines && !record->body_open)
        return false; /* where a part breaks off, made up lines need not */
    stream->matched += (size_t)record->body_bytes;
    return true;
}

static bool match_said(struct stream *stream, const struct script_line *line)
{
    uint64_t size = script_said_size(line);
    struct span rest = stream_rest(stream);
    char bytes[512];
    uint64_t at;

    if (rest.size < size)
        return false;
    for (at = 0; at < size; at += sizeof(bytes)) {
        size_t count = script_said(line, at, bytes, sizeof(bytes));

        if (!span_equal(span_head(rest, count), span_of(bytes, count)))
            return false;
        rest = span_tail(rest, count);
    }
    stream->matched += (size_t)size;
    return true;
}

static bool match_words(struct stream *stream, struct span words)
{
    struct span rest = stream_rest(stream);

    if (!span_starts(rest, words) || rest.size == words.size || rest.at[words.size] != '\n')
        return false;
    stream->matched += words.size + 1;
    return true;
}

void expect_line(struct play *play)
{
    const struct script_line *line = &play->script->lines[play->line];
    enum stream_id id = stream_of(line);
    struct stream *stream = &play->streams[id];
    bool matches = false;

    switch (line->record.kind) {
    case RECORD_SAID:
        matches = match_said(stream, line);
        break;
    case RECORD_BODY:
        matches = match_body(stream, &line->record);
        break;
    case RECORD_NOTE:
    case RECORD_LIFE:
        matches = match_words(stream, line->record.bytes);
        break;
    case RECORD_COMMENT:
    case RECORD_SETTING:
        return;
    }
    if (!matches)
        report_difference(play, id, SPAN(": not as expected"));
}

void expect_nothing_more(struct play *play)
{
    size_t id;

    for (id = 0; id < STREAM_COMPARED; id++) {
        if (stream_rest(&play->streams[id]).size > 0)
            report_difference(play, (enum stream_id)id, SPAN(": more than expected"));
        if (play->streams[id].text.cut)
            play_fail(play, SPAN("more came out than a play can hold"));
    }
}

/* --- the record --- */

static void record_differs(struct play *play, enum stream_id id, struct span line)
{
    char bytes[SHOWN_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));

    text_add(&text, shown[id].whose);
    text_add(&text, SPAN(" was recorded wrongly: "));
    text_add(&text, line);
    play_fail(play, text_span(&text));
}

/* The record tells of these bytes next; a secret stands for as many bytes as it has. */
static bool recorded_said(struct stream *stream, const struct record *record)
{
    struct span rest = span_tail(text_span(&stream->text), stream->recorded);

    if (!span_starts(rest, record->bytes))
        return false;
    stream->recorded += record->bytes.size;
    if (record->secret == 0)
        return true;
    rest = span_tail(rest, record->bytes.size);
    if (rest.size < record->secret || !span_starts(span_tail(rest, record->secret), record->tail))
        return false;
    stream->recorded += record->secret + record->tail.size;
    return true;
}

static bool recorded_words(struct stream *stream, struct span words)
{
    struct span rest = span_tail(text_span(&stream->text), stream->recorded);

    if (!span_starts(rest, words) || !span_starts(span_tail(rest, words.size), SPAN("\n")))
        return false;
    stream->recorded += words.size + 1;
    return true;
}

static void take_record(struct play *play, const struct record *record, struct span line)
{
    enum stream_id id = stream_said(record->side, record->to_upstream);
    struct stream *stream = &play->streams[id];
    bool right = true;

    switch (record->kind) {
    case RECORD_SAID:
        right = recorded_said(stream, record);
        break;
    case RECORD_BODY:
        right = record->body_bytes <= stream->text.size - stream->recorded;
        stream->recorded += right ? (size_t)record->body_bytes : 0;
        break;
    case RECORD_NOTE:
        text_add(&play->streams[STREAM_NOTES].text, record->bytes);
        text_add_byte(&play->streams[STREAM_NOTES].text, '\n');
        break;
    case RECORD_LIFE:
        id = stream_life(record->side);
        if (span_equal(record->bytes, SPAN("connect")) ||
            span_equal(record->bytes, SPAN("secure")) || span_starts(record->bytes, SPAN("shut ")))
            right = recorded_words(&play->streams[id], record->bytes);
        break;
    case RECORD_COMMENT:
    case RECORD_SETTING:
        break;
    }
    if (!right)
        record_differs(play, id, line);
}

void expect_record(struct play *play, struct span lines)
{
    while (lines.size > 0) {
        struct span line = span_head(lines, span_find(lines, '\n'));
        struct record record;
        const char *wrong = record_read(line, play->scratch, &record);

        if (wrong != NULL)
            play_fail(play, span_of_string(wrong));
        else
            take_record(play, &record, line);
        lines = span_tail(lines, line.size + 1);
    }
}

void expect_recorded(struct play *play)
{
    static const enum stream_id ids[] = {STREAM_TO_CLIENT, STREAM_TO_UPSTREAM, STREAM_CLIENT_LIFE,
                                         STREAM_UPSTREAM_LIFE};
    size_t i;

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (play->streams[ids[i]].recorded < play->streams[ids[i]].text.size)
            record_differs(play, ids[i], SPAN("something is missing"));
}
