/* Postfix's maps of passwords: a key, blanks, "user:password"; see postmap(1). */
#include "import_parse.h"
#include "private.h"

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Makes every entry one line, in place: comments become blanks, and so does the end of a line whose
 * next one begins with a blank. */
static void join_lines(struct import_text *text)
{
    bool comment = false;
    bool first = true; /* nothing but blanks yet in this line */
    size_t i;

    for (i = 0; i < text->size; i++) {
        if (text->at[i] == '\n') {
            comment = false;
            first = true;
            continue;
        }
        comment = comment || (first && text->at[i] == '#');
        first = first && is_blank(text->at[i]);
        if (comment)
            text->at[i] = ' ';
    }
    for (i = text->size; i-- > 1;)
        if (text->at[i - 1] == '\n' && is_blank(text->at[i]))
            text->at[i - 1] = ' ';
}

static bool read_port(struct span word, uint16_t *port_r)
{
    static const struct {
        const char *name;
        uint16_t port;
    } names[] = {{"smtp", 25}, {"submission", 587}, {"submissions", 465}, {"smtps", 465}};
    uint64_t number;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_equal_fold(word, span_of_string(names[i].name))) {
            *port_r = names[i].port;
            return true;
        }
    }
    if (!span_number(word, &number) || number == 0 || number > UINT16_MAX)
        return false;
    *port_r = (uint16_t)number;
    return true;
}

/* "user@domain", "@domain", "[host]:port", "[host]", "host:port", "host". */
static bool read_key(struct import_entry *entry, struct span key)
{
    size_t end;

    entry->name = key;
    if (span_find(key, '@') < key.size) {
        entry->sender = key;
        return true;
    }
    if (span_starts(key, SPAN("["))) {
        end = span_find(key, ']');
        entry->host = span_tail(span_head(key, end), 1);
        key = span_tail(key, end + 1);
    } else {
        entry->host = span_head(key, span_find(key, ':'));
        key = span_tail(key, entry->host.size);
    }
    if (entry->host.size == 0)
        return false;
    return key.size == 0 || (*key.at == ':' && read_port(span_tail(key, 1), &entry->port));
}

bool import_postfix(struct import *import, struct import_text *text, struct text *error)
{
    struct span rest = span_of(text->at, text->size);

    join_lines(text);
    while (rest.size > 0) {
        struct span line = span_head(rest, span_find(rest, '\n'));
        struct span key;
        struct import_entry *entry;
        size_t colon;

        text->where = (size_t)(rest.at - text->at);
        rest = span_tail(rest, line.size + 1);
        line = private_line(line);
        if (!span_word(&line, &key))
            continue;
        line = span_trim(line);
        colon = span_find(line, ':');
        entry = import_add(import, error);
        if (entry == NULL)
            return false;
        if (colon == line.size || !read_key(entry, key)) {
            text_add(error, SPAN("this is no \"[host]:port user:password\""));
            return false;
        }
        entry->user = span_head(line, colon);
        entry->secret = span_tail(line, colon + 1);
    }
    return true;
}
