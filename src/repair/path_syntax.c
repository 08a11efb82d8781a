/*
 * path-syntax: MAIL and RCPT that are not written as RFC 5321 3.3 wants (B-30), or carry an address
 * in a form of RFC 822 (B-31): blanks round the colon or inside the brackets, no colon, no or too
 * many brackets, words in lower case, `The Dude <dude@site>`, comments, source routes. They become
 * `MAIL FROM:<address>[ parameters]`; some servers compare those words byte by byte.
 *
 * Nothing is lost: the local part and its case stay (RFC 5321 2.4), parameters stay as they came, a
 * quoted local part is read as one. Names and comments are no part of an address, and a source
 * route is one that servers ignore (RFC 5321 appendix C).
 *
 * Where two addresses could be meant, or quotes or brackets do not match, it is refused here: to
 * choose would be to guess whom the message is for. What is not understood otherwise is left to the
 * upstream as it came.
 */
#include "mailbox.h"
#include "repairs.h"

/* Brackets within brackets; nobody has more. */
#define NESTED_MAX 4U

/* How far the reading of an address has come to. */
enum found {
    FOUND,
    FOUND_NONE, /* not understood: for the upstream to judge */
    FOUND_MANY,
    FOUND_OPEN, /* something is not closed, or was not opened */
};

#define SENDER_FORM "MAIL FROM:<user@domain>"
#define RECIPIENT_FORM "RCPT TO:<user@domain>"

static const struct plan many_senders = {
    .answer_here = true,
    .code = 501,
    .status = SPAN_INIT("5.5.2"),
    .words = SPAN_INIT("There can be one sender only: " SENDER_FORM)};
static const struct plan many_recipients = {
    .answer_here = true,
    .code = 501,
    .status = SPAN_INIT("5.5.2"),
    .words = SPAN_INIT("One recipient at a time: " RECIPIENT_FORM)};
static const struct plan open_sender = {
    .answer_here = true,
    .code = 501,
    .status = SPAN_INIT("5.1.7"),
    .words = SPAN_INIT("Quotes or brackets in the sender do not match: " SENDER_FORM)};
static const struct plan open_recipient = {
    .answer_here = true,
    .code = 501,
    .status = SPAN_INIT("5.1.3"),
    .words = SPAN_INIT("Quotes or brackets in the recipient do not match: " RECIPIENT_FORM)};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The size of what starts there: a quoted string, a comment, or any other byte; 0: not closed. */
static size_t unit_size(struct span text, size_t at)
{
    char first = text.at[at];
    size_t depth = 0;
    size_t i;

    if (first != '"' && first != '(')
        return 1;
    for (i = at; i < text.size; i++) {
        char byte = text.at[i];

        if (byte == '\\')
            i++;
        else if (first == '"' ? byte == '"' && i > at : byte == ')' && --depth == 0)
            return i + 1 - at;
        else if (byte == '(')
            depth++;
    }
    return 0;
}

/* What an address must be known by, byte by byte but outside quotes and comments. */
struct census {
    size_t signs;    /* `@` */
    size_t bracket;  /* the place of the first `<`, or the size */
    bool closed;     /* a `>` */
    bool blank;      /* also where a comment stands */
    bool separator;  /* a comma or semicolon */
    bool unfinished; /* a quoted string or comment is not closed */
};

static struct census census_of(struct span text)
{
    struct census census = {.bracket = text.size};
    size_t i, size;

    for (i = 0; i < text.size; i += size) {
        char byte = text.at[i];

        size = unit_size(text, i);
        if (size == 0) {
            census.unfinished = true;
            return census;
        }
        if (byte == '<' && census.bracket == text.size)
            census.bracket = i;
        census.signs += byte == '@' ? 1 : 0;
        census.closed = census.closed || byte == '>';
        census.blank = census.blank || is_blank(byte) || byte == '(';
        census.separator = census.separator || byte == ',' || byte == ';';
    }
    return census;
}

/* Takes blanks and comments off the front; false: a comment is not closed. */
static bool skip_comments(struct span *text)
{
    *text = span_trim(*text);
    while (text->size > 0 && text->at[0] == '(') {
        size_t size = unit_size(*text, 0);

        if (size == 0)
            return false;
        *text = span_trim(span_tail(*text, size));
    }
    return true;
}

/* Takes comments off both ends of what is whole. */
static struct span without_comments(struct span text)
{
    size_t last = 0; /* behind the last byte that is neither blank nor comment */
    size_t i, size;

    if (!skip_comments(&text))
        return text;
    for (i = 0; i < text.size; i += size) {
        size = unit_size(text, i);
        if (size == 0)
            return text;
        if (!is_blank(text.at[i]) && text.at[i] != '(')
            last = i + size;
    }
    return span_head(text, last);
}

/* The size of `<...>` at the front, with what is nested in it; 0: not closed. */
static size_t bracket_size(struct span text)
{
    size_t depth = 0;
    size_t i, size;

    for (i = 0; i < text.size; i += size) {
        size = unit_size(text, i);
        if (size == 0)
            return 0;
        if (text.at[i] == '<')
            depth++;
        else if (text.at[i] == '>' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* Without `@a,@b:`; nothing is left of what is only a route. */
static struct span without_route(struct span mailbox)
{
    bool literal = false;
    size_t i;

    if (!span_starts(mailbox, SPAN("@")))
        return mailbox;
    for (i = 0; i < mailbox.size; i++) {
        char byte = mailbox.at[i];

        literal = byte == '[' || (literal && byte != ']');
        if (byte == ':' && !literal)
            return span_trim(span_tail(mailbox, i + 1));
    }
    return mailbox; /* `<@>` or `<@a>` */
}

/* What stands inside the next brackets, if there are any; `*inner_r` when there were. */
static enum found unwrap(struct span *text, bool *inner_r)
{
    struct census census;
    struct span rest;
    size_t size;

    *text = without_comments(*text);
    census = census_of(*text);
    *inner_r = census.bracket < text->size;
    if (census.unfinished)
        return FOUND_OPEN;
    if (!*inner_r)
        return census.closed ? FOUND_OPEN : FOUND;
    if (census_of(span_head(*text, census.bracket)).signs > 0)
        return FOUND_MANY;
    rest = span_tail(*text, census.bracket);
    size = bracket_size(rest);
    if (size == 0)
        return FOUND_OPEN;
    if (without_comments(span_tail(rest, size)).size > 0)
        return census.signs > 1 ? FOUND_MANY : FOUND_NONE;
    *text = span_head(span_tail(rest, 1), size - 2);
    return FOUND;
}

/* The innermost address of what stands between brackets, or without any. */
static enum found reduce(struct span *text)
{
    enum found found = FOUND;
    struct census census;
    bool inner = true;
    struct span whole;
    unsigned i;

    for (i = 0; inner && found == FOUND; i++)
        found = i < NESTED_MAX ? unwrap(text, &inner) : FOUND_OPEN;
    if (found != FOUND)
        return found;
    whole = *text;
    *text = without_route(whole);
    if (text->size < whole.size && (text->size == 0 || text->at[0] == '@'))
        return FOUND_NONE; /* nothing but a route, or one more */
    census = census_of(*text);
    if (census.signs > 1 && (census.separator || census.blank))
        return FOUND_MANY;
    return census.blank ? FOUND_NONE : FOUND;
}

/* `KEYWORD` or `KEYWORD=value` (RFC 5321 4.1.2). */
static bool is_parameter(struct span word)
{
    struct span name = span_head(word, span_find(word, '='));
    size_t i;

    for (i = 0; i < name.size; i++) {
        char byte = name.at[i];

        if (!(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') &&
            !(byte >= '0' && byte <= '9') && !(byte == '-' && i > 0))
            return false;
    }
    return name.size > 0;
}

/* Are those what follows an address, and not another one? `strict`: or anything else. */
static enum found check_parameters(struct span rest, bool strict)
{
    enum found found = FOUND;
    struct span word;

    while (span_word(&rest, &word)) {
        struct span name = span_head(word, span_find(word, '='));

        if (span_find(name, '@') < name.size || span_find(name, '<') < name.size)
            return FOUND_MANY;
        if (span_find(name, '>') < name.size)
            found = FOUND_OPEN;
        if (strict && found == FOUND && !is_parameter(word))
            found = FOUND_NONE;
    }
    return found;
}

/* The place of the bracket that opens the address: not one in a parameter, as in `AUTH=<>`. The
 * size: there is none; more: something is not closed. */
static size_t find_bracket(struct span text)
{
    size_t i, size;

    for (i = 0; i < text.size; i += size) {
        struct span rest = span_tail(text, i);
        struct span word;

        if (text.at[i] == '<')
            return i;
        if (i > 0 && is_blank(text.at[i - 1]) && span_word(&rest, &word) &&
            span_find(word, '=') < word.size && is_parameter(word))
            return text.size;
        size = unit_size(text, i);
        if (size == 0)
            return text.size + 1;
    }
    return text.size;
}

/* `[name] <address> [parameters]` */
static enum found read_bracketed(struct span text, size_t bracket, struct path *path_r)
{
    struct span rest = span_tail(text, bracket);
    size_t size = bracket_size(rest);
    struct span behind;
    enum found found;

    if (census_of(span_head(text, bracket)).signs > 0)
        return FOUND_MANY;
    if (size == 0)
        return FOUND_OPEN;
    behind = span_tail(rest, size);
    path_r->mailbox = span_head(span_tail(rest, 1), size - 2);
    path_r->parameters = behind;
    if (!skip_comments(&path_r->parameters))
        return FOUND_OPEN;
    found = check_parameters(path_r->parameters, false);
    if (found == FOUND && behind.size > 0 && !is_blank(behind.at[0]) && behind.at[0] != '(')
        return FOUND_NONE;
    return found == FOUND ? reduce(&path_r->mailbox) : found;
}

/* `address [parameters]` */
static enum found read_bare(struct span text, struct path *path_r)
{
    enum found found;
    size_t size = 0;

    while (size < text.size && !is_blank(text.at[size]))
        size += unit_size(text, size); /* which are whole, or find_bracket() had said so */
    path_r->mailbox = span_head(text, size);
    path_r->parameters = span_tail(text, size);
    if (!skip_comments(&path_r->parameters))
        return FOUND_OPEN;
    found = check_parameters(path_r->parameters, true);
    if (found == FOUND)
        found = reduce(&path_r->mailbox);
    if (found == FOUND &&
        (path_r->mailbox.size == 0 || (mailbox_domain(path_r->mailbox) == path_r->mailbox.size &&
                                       span_find(path_r->mailbox, '=') < path_r->mailbox.size)))
        return FOUND_NONE; /* only parameters */
    return found;
}

/* What follows the verb, the word and the colon; false: it does not start like that. */
static bool take_word(struct span *rest, struct span word)
{
    struct span text = span_trim(*rest);
    size_t size;

    if (!span_starts_fold(text, word))
        return false;
    text = span_tail(text, word.size);
    size = text.size;
    text = span_trim(text);
    if (span_starts(text, SPAN(":")))
        text = span_tail(text, 1);
    else if (text.size == size && !span_starts(text, SPAN("<")))
        return false; /* it is another word */
    *rest = span_trim(text);
    return true;
}

static enum found read_path(struct span text, struct path *path_r)
{
    size_t bracket;

    if (!skip_comments(&text))
        return FOUND_OPEN;
    bracket = find_bracket(text);
    if (bracket > text.size)
        return FOUND_OPEN;
    return bracket < text.size ? read_bracketed(text, bracket, path_r) : read_bare(text, path_r);
}

static void write_line(struct span verb, struct span word, const struct path *path,
                       struct text *text)
{
    text_add(text, verb);
    text_add_byte(text, ' ');
    text_add(text, word);
    text_add(text, SPAN(":<"));
    text_add(text, path->mailbox);
    text_add_byte(text, '>');
    if (path->parameters.size > 0)
        text_add_byte(text, ' ');
    text_add(text, path->parameters);
}

enum verdict path_syntax(const struct situation *situation, struct mended *mended_r)
{
    bool sender = situation->verb->does == DOES_SENDER;
    struct span word = sender ? SPAN("FROM") : SPAN("TO");
    struct span rest = situation->seen;
    struct path path;
    struct span verb;

    span_word(&rest, &verb);
    if (!take_word(&rest, word))
        return UNTOUCHED;
    switch (read_path(rest, &path)) {
    case FOUND:
        write_line(situation->verb->word, word, &path, &mended_r->text);
        return span_equal(text_span(&mended_r->text), situation->seen) ? UNTOUCHED : REPAIRED;
    case FOUND_NONE:
        break;
    case FOUND_MANY:
        mended_r->plan = sender ? many_senders : many_recipients;
        return BEYOND;
    case FOUND_OPEN:
        mended_r->plan = sender ? open_sender : open_recipient;
        return BEYOND;
    }
    return UNTOUCHED;
}
