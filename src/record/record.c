/* Transcript lines: the writer, and below it the reader that undoes every step of it. */
#include <string.h>

#include "lockstep/record/record.h"

static const struct span secret_word = SPAN_INIT("[secret ");
static const struct span crlf = SPAN_INIT("\r\n");

/* One row per escape with a name; every other byte that needs one is \xHH. */
static const struct escape {
    char byte;
    char name;
} escapes[] = {{'\r', 'r'}, {'\n', 'n'}, {'\t', 't'}, {'\0', '0'}, {'\\', '\\'}, {'"', '"'}};

#define ESCAPE_COUNT (sizeof(escapes) / sizeof(escapes[0]))

static bool printable(char byte)
{
    return byte >= ' ' && byte <= '~';
}

/* How many bytes at the front of `bytes` can stand as they are. */
static size_t plain_run(struct span bytes, bool quoted)
{
    size_t i;

    for (i = 0; i < bytes.size; i++)
        if (!printable(bytes.at[i]) || bytes.at[i] == '\\' || (quoted && bytes.at[i] == '"'))
            break;
    return i;
}

static void add_escape(struct text *text, char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t i;

    text_add_byte(text, '\\');
    for (i = 0; i < ESCAPE_COUNT; i++)
        if (escapes[i].byte == byte) {
            text_add_byte(text, escapes[i].name);
            return;
        }
    text_add_byte(text, 'x');
    text_add_byte(text, digits[(unsigned char)byte >> 4]);
    text_add_byte(text, digits[(unsigned char)byte & 15]);
}

static void add_escaped(struct text *text, struct span bytes, bool quoted)
{
    while (bytes.size > 0) {
        size_t run = plain_run(bytes, quoted);

        text_add(text, span_head(bytes, run));
        if (run < bytes.size)
            add_escape(text, bytes.at[run]);
        bytes = span_tail(bytes, run + 1);
    }
}

/* Takes "[secret 24]" off the end of `line`; false and untouched when it does not stand there. */
static bool secret_off(struct span *line, uint64_t *secret_r)
{
    struct span mark;
    size_t start;

    if (line->size == 0 || line->at[line->size - 1] != ']')
        return false;
    for (start = line->size; start > 0 && line->at[start - 1] != '['; start--)
        ;
    if (start == 0)
        return false;
    mark = span_tail(*line, start - 1);
    if (!span_starts(mark, secret_word))
        return false;
    mark = span_tail(span_head(mark, mark.size - 1), secret_word.size);
    if (!span_number(mark, secret_r) || *secret_r == 0)
        return false;
    *line = span_head(*line, start - 1);
    return true;
}

/* Would this text, written as it is, be read as what it is? */
static bool reads_back(struct span line)
{
    uint64_t secret;
    size_t i;

    if (line.size > 0 && (line.at[0] == '"' || line.at[0] == '~'))
        return false;
    for (i = 0; i < line.size; i++)
        if (!printable(line.at[i]))
            return false;
    return !secret_off(&line, &secret);
}

static void add_moment(struct text *text, moment at)
{
    text_add_byte(text, '+');
    text_add_number(text, at > 0 ? (uint64_t)at : 0);
    text_add_byte(text, ' ');
}

static void add_side(struct text *text, moment at, enum side side)
{
    add_moment(text, at);
    text_add_byte(text, side == SIDE_CLIENT ? 'C' : 'U');
}

static void add_arrow(struct text *text, moment at, enum side side, bool to_upstream)
{
    add_side(text, at, side);
    text_add_byte(text, to_upstream ? '>' : '<');
    text_add_byte(text, ' ');
}

void record_said(struct text *text, moment at, enum side side, bool to_upstream, struct span bytes)
{
    while (bytes.size > 0) {
        size_t feed = span_find(bytes, '\n');
        struct span line = span_head(bytes, feed < bytes.size ? feed + 1 : feed);
        struct span words = span_head(line, line.size < 2 ? 0 : line.size - 2);

        add_arrow(text, at, side, to_upstream);
        if (span_ends(line, crlf) && reads_back(words)) {
            text_add(text, words);
        } else {
            text_add_byte(text, '"');
            add_escaped(text, line, true);
            text_add_byte(text, '"');
        }
        text_add_byte(text, '\n');
        bytes = span_tail(bytes, line.size);
    }
}

void record_said_secret(struct text *text, moment at, enum side side, bool to_upstream,
                        struct span line, size_t secret, struct span end)
{
    size_t counted = secret < line.size ? secret : line.size;
    struct span words = span_head(line, line.size - counted);
    bool plain = span_equal(end, crlf) && reads_back(words);

    add_arrow(text, at, side, to_upstream);
    if (plain) {
        text_add(text, words);
    } else {
        text_add_byte(text, '"');
        add_escaped(text, words, true);
    }
    if (counted > 0) {
        text_add(text, plain ? SPAN("") : SPAN("\""));
        text_add(text, secret_word);
        text_add_number(text, counted);
        text_add(text, plain ? SPAN("]") : SPAN("]\""));
    }
    if (!plain) {
        add_escaped(text, end, true);
        text_add_byte(text, '"');
    }
    text_add_byte(text, '\n');
}

void record_body(struct text *text, moment at, enum side side, bool to_upstream, uint64_t bytes,
                 uint64_t lines, bool open)
{
    add_arrow(text, at, side, to_upstream);
    text_add(text, SPAN("~ "));
    text_add_number(text, bytes);
    text_add(text, SPAN(" bytes "));
    text_add_number(text, lines);
    text_add(text, open ? SPAN(" lines open\n") : SPAN(" lines\n"));
}

/* `rest` behind `word`, and the end of the line. */
static void add_words(struct text *text, struct span word, struct span rest)
{
    add_escaped(text, word, false);
    if (rest.size > 0)
        text_add_byte(text, ' ');
    add_escaped(text, rest, false);
    text_add_byte(text, '\n');
}

void record_note(struct text *text, moment at, struct span word, struct span rest)
{
    add_moment(text, at);
    text_add(text, SPAN("! "));
    add_words(text, word, rest);
}

void record_life(struct text *text, moment at, enum side side, struct span what)
{
    add_side(text, at, side);
    text_add_byte(text, ' ');
    add_words(text, what, SPAN(""));
}

void record_event(struct text *text, moment at, struct span word)
{
    add_moment(text, at);
    text_add(text, SPAN("@ "));
    add_words(text, word, SPAN(""));
}

void record_event_secret(struct text *text, moment at, struct span word, size_t secret)
{
    add_moment(text, at);
    text_add(text, SPAN("@ "));
    add_escaped(text, word, false);
    if (secret > 0) {
        text_add_byte(text, ' ');
        text_add(text, secret_word);
        text_add_number(text, secret);
        text_add_byte(text, ']');
    }
    text_add_byte(text, '\n');
}

void record_setting(struct text *text, struct span path, struct span value)
{
    text_add(text, SPAN("@ "));
    add_words(text, path, value);
}

/* --- reading --- */

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

/* Undoes the escape behind a backslash; returns how many bytes it took, 0: there is none such. */
static size_t escape_read(struct span after, char *byte_r)
{
    size_t i;

    if (after.size > 2 && after.at[0] == 'x') {
        int high = hex_digit(after.at[1]);
        int low = hex_digit(after.at[2]);

        *byte_r = (char)(high * 16 + low);
        return high < 0 || low < 0 ? 0 : 3;
    }
    for (i = 0; after.size > 0 && i < ESCAPE_COUNT; i++)
        if (escapes[i].name == after.at[0]) {
            *byte_r = escapes[i].byte;
            return 1;
        }
    return 0;
}

/* Undoes escapes into `scratch` up to the end of `*rest`, or, quoted, behind the closing quote. */
static const char *unescape(struct span *rest, bool quoted, char *scratch, struct span *bytes_r)
{
    bool closed = !quoted;
    size_t size = 0;

    while (rest->size > 0) {
        char byte = rest->at[0];
        size_t taken;

        *rest = span_tail(*rest, 1);
        if (quoted && byte == '"') {
            closed = true;
            break;
        }
        if (byte == '\\') {
            taken = escape_read(*rest, &byte);
            if (taken == 0)
                return "no such escape: there are \\r \\n \\t \\0 \\\\ \\\" and \\xHH";
            *rest = span_tail(*rest, taken);
        }
        scratch[size++] = byte;
    }
    *bytes_r = span_of(scratch, size);
    return closed ? NULL : "the closing quote is missing";
}

/* The text of a note, of a connection's life or of a setting. */
static const char *read_words(struct span rest, char *scratch, struct record *record_r)
{
    rest = span_trim(rest);
    if (rest.size == 0)
        return "nothing stands behind the mark";
    return unescape(&rest, false, scratch, &record_r->bytes);
}

static const char *read_body(struct span rest, struct record *record_r)
{
    static const char *const wrong = "a counted message is written: ~ 1843 bytes 40 lines";
    struct span word;

    record_r->kind = RECORD_BODY;
    if (!span_word(&rest, &word) || !span_number(word, &record_r->body_bytes))
        return wrong;
    if (!span_word(&rest, &word) || !span_equal(word, SPAN("bytes")))
        return wrong;
    if (!span_word(&rest, &word) || !span_number(word, &record_r->body_lines))
        return wrong;
    if (!span_word(&rest, &word) || !span_equal(word, SPAN("lines")))
        return wrong;
    if (!span_word(&rest, &word))
        return NULL;
    record_r->body_open = span_equal(word, SPAN("open")) && !span_word(&rest, &word);
    return record_r->body_open ? NULL : wrong;
}

/* Behind the opening quote: text, and maybe a secret and the text behind that. */
static const char *read_quoted(struct span rest, char *scratch, struct record *record_r)
{
    const char *wrong = unescape(&rest, true, scratch, &record_r->bytes);
    struct span mark = span_head(rest, span_find(rest, '"'));

    if (wrong != NULL || rest.size == 0)
        return wrong;
    rest = span_tail(rest, mark.size);
    if (!secret_off(&mark, &record_r->secret) || mark.size > 0)
        return "only a secret may stand behind the closing quote";
    record_r->tail = span_of("", 0);
    if (rest.size == 0)
        return NULL;
    rest = span_tail(rest, 1);
    wrong = unescape(&rest, true, scratch + record_r->bytes.size, &record_r->tail);
    return wrong != NULL || rest.size == 0 ? wrong : "nothing may stand behind the last quote";
}

static const char *read_said(struct span rest, char *scratch, struct record *record_r)
{
    size_t i;

    record_r->kind = RECORD_SAID;
    if (rest.size > 0 && rest.at[0] == '~')
        return read_body(span_tail(rest, 1), record_r);
    if (rest.size > 0 && rest.at[0] == '"')
        return read_quoted(span_tail(rest, 1), scratch, record_r);
    for (i = 0; i < rest.size; i++)
        if (rest.at[i] == '\0' || rest.at[i] == '\r' || rest.at[i] == '\n')
            return "a line end or NUL inside plain text: write the line in quotes";
    if (secret_off(&rest, &record_r->secret)) {
        record_r->bytes = rest;
        record_r->tail = crlf;
        return NULL;
    }
    if (rest.size > 0)
        memcpy(scratch, rest.at, rest.size);
    memcpy(scratch + rest.size, "\r\n", 2);
    record_r->bytes = span_of(scratch, rest.size + 2);
    return NULL;
}

/* Behind "C" or "U". */
static const char *read_side(struct span rest, char *scratch, struct record *record_r)
{
    char mark = rest.size > 0 ? rest.at[0] : '\0';

    rest = span_tail(rest, 1);
    if (mark == ' ') {
        record_r->kind = RECORD_LIFE;
        return read_words(rest, scratch, record_r);
    }
    if ((mark != '>' && mark != '<') || (rest.size > 0 && rest.at[0] != ' '))
        return "behind C or U stands '> ' or '< ' and text, or ' ' and what became of it";
    record_r->to_upstream = mark == '>';
    return read_said(span_tail(rest, 1), scratch, record_r);
}

static const char *read_moment(struct span *line, struct record *record_r)
{
    size_t blank = span_find(*line, ' ');
    uint64_t at;

    if (blank == line->size || !span_number(span_tail(span_head(*line, blank), 1), &at) ||
        at > INT64_MAX / 2)
        return "a moment is written +1234, in milliseconds, and a blank follows it";
    record_r->timed = true;
    record_r->at = (moment)at;
    *line = span_tail(*line, blank + 1);
    return NULL;
}

const char *record_read(struct span line, char *scratch, struct record *record_r)
{
    const char *wrong = NULL;
    struct span rest;

    *record_r = (struct record){0};
    if (line.size > 0 && line.at[0] == '+')
        wrong = read_moment(&line, record_r);
    if (wrong != NULL)
        return wrong;
    rest = span_tail(line, 1);
    switch (line.size > 0 ? line.at[0] : '#') {
    case '#':
        record_r->kind = RECORD_COMMENT;
        record_r->bytes = rest;
        return NULL;
    case 'C':
        record_r->side = SIDE_CLIENT;
        return read_side(rest, scratch, record_r);
    case 'U':
        record_r->side = SIDE_UPSTREAM;
        return read_side(rest, scratch, record_r);
    case '!':
        record_r->kind = RECORD_NOTE;
        return read_words(rest, scratch, record_r);
    case '@':
        record_r->kind = RECORD_SETTING;
        return read_words(rest, scratch, record_r);
    }
    return "a line starts with C, U, !, @ or #";
}
