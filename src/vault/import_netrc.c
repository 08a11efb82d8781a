/* .netrc: words, quoted or not, in any number of lines; see ftp(1) and curl(1). */
#include "import_parse.h"

struct netrc {
    struct import_text *text;
    size_t at;
};

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool more(const struct netrc *netrc)
{
    return netrc->at < netrc->text->size;
}

static char next(const struct netrc *netrc)
{
    return netrc->text->at[netrc->at];
}

static void skip_line(struct netrc *netrc)
{
    while (more(netrc) && next(netrc) != '\n')
        netrc->at++;
}

/* A macro goes on to the next empty line. */
static void skip_macro(struct netrc *netrc)
{
    size_t start;

    do {
        skip_line(netrc);
        netrc->at += more(netrc);
        start = netrc->at;
        while (more(netrc) && is_space(next(netrc)) && next(netrc) != '\n')
            netrc->at++;
    } while (more(netrc) && next(netrc) != '\n');
    netrc->at = start;
}

/* What stands between quotes, its escapes undone in place. False: there is no quote at its end. */
static bool read_quoted(struct netrc *netrc, struct span *word_r)
{
    char *at = netrc->text->at;
    size_t start = ++netrc->at;
    size_t size = 0;

    for (; more(netrc) && next(netrc) != '"' && next(netrc) != '\n'; netrc->at++) {
        if (next(netrc) == '\\' && netrc->at + 1 < netrc->text->size)
            netrc->at++;
        at[start + size++] = next(netrc);
    }
    *word_r = span_of(at + start, size);
    if (!more(netrc) || next(netrc) != '"')
        return false;
    netrc->at++;
    return true;
}

/* False at the end, or with `error`. */
static bool read_word(struct netrc *netrc, struct span *word_r, struct text *error)
{
    size_t start;

    while (more(netrc) && (is_space(next(netrc)) || next(netrc) == '#')) {
        if (next(netrc) == '#')
            skip_line(netrc);
        else
            netrc->at++;
    }
    netrc->text->where = start = netrc->at;
    if (!more(netrc))
        return false;
    if (next(netrc) == '"') {
        if (read_quoted(netrc, word_r))
            return true;
        text_add(error, SPAN("a quote is missing"));
        return false;
    }
    while (more(netrc) && !is_space(next(netrc)))
        netrc->at++;
    *word_r = span_of(netrc->text->at + start, netrc->at - start);
    return true;
}

/* What follows a word that wants something behind it. */
static bool read_value(struct netrc *netrc, struct span *value_r, struct text *error)
{
    /* A password may begin with the mark of a comment. */
    while (more(netrc) && is_space(next(netrc)))
        netrc->at++;
    if (more(netrc) && next(netrc) == '#') {
        size_t start = netrc->at;

        while (more(netrc) && !is_space(next(netrc)))
            netrc->at++;
        *value_r = span_of(netrc->text->at + start, netrc->at - start);
        return true;
    }
    if (read_word(netrc, value_r, error))
        return true;
    if (error->size == 0)
        text_add(error, SPAN("the file ends too soon"));
    return false;
}

/* One word about the entry, and its value. */
static bool read_field(struct netrc *netrc, struct import_entry *entry, struct span word,
                       struct text *error)
{
    struct span value;

    if (span_equal(word, SPAN("macdef"))) {
        skip_macro(netrc);
        return true;
    }
    if (!span_equal(word, SPAN("login")) && !span_equal(word, SPAN("password")) &&
        !span_equal(word, SPAN("account"))) {
        text_add(error, SPAN("this word is none of machine, default, login, password, account"));
        return false;
    }
    if (entry == NULL) {
        text_add(error, SPAN("no machine was named before this"));
        return false;
    }
    if (!read_value(netrc, &value, error))
        return false;
    if (span_equal(word, SPAN("login")))
        entry->user = value;
    else if (span_equal(word, SPAN("password")))
        entry->secret = value;
    return true;
}

bool import_netrc(struct import *import, struct import_text *text, struct text *error)
{
    struct netrc netrc = {.text = text};
    struct import_entry *entry = NULL;
    struct span word;

    while (read_word(&netrc, &word, error)) {
        bool machine = span_equal(word, SPAN("machine"));

        if (machine || span_equal(word, SPAN("default"))) {
            entry = import_add(import, error);
            if (entry == NULL)
                return false;
            entry->name = word;
            entry->fallback = !machine;
            if (machine && !read_value(&netrc, &entry->host, error))
                return false;
            if (machine)
                entry->name = entry->host;
        } else if (!read_field(&netrc, entry, word, error)) {
            return false;
        }
    }
    return error->size == 0;
}
