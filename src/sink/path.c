/* The paths of MAIL and RCPT, in the forms that clients give them, and what is wrong with each. */
#include "machine.h"

enum fault {
#define FAULT_NAME(name) name,
    PATH_FAULTS(FAULT_NAME, FAULT)
#undef FAULT_NAME
        FAULT_NONE
};

struct reading {
    struct sink *sink;
    bool recipient;
};

static enum sink_say words_of(const struct reading *reading, enum fault fault)
{
    enum sink_say first = reading->recipient ? SAY_RECIPIENT_WORD : SAY_SENDER_WORD;

    return fault == FAULT_NONE ? SAY_NOTHING : (enum sink_say)(first + (unsigned)fault);
}

static bool minds(const struct reading *reading, enum fault fault)
{
    return sink_minds(reading->sink, words_of(reading, fault));
}

static bool host_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '_' ||
           byte == ':' || byte == '[' || byte == ']' || ((unsigned char)byte & 0x80U) != 0;
}

bool host_name(struct span name)
{
    size_t i;

    for (i = 0; i < name.size && host_byte(name.at[i]); i++)
        ;
    return i > 0 && i == name.size;
}

bool eight_bit(struct span text)
{
    size_t i;

    for (i = 0; i < text.size && ((unsigned char)text.at[i] & 0x80U) == 0; i++)
        ;
    return i < text.size;
}

static bool atom_byte(char byte)
{
    static const struct span marks = SPAN_INIT("!#$%&'*+/=?^`{|}~");

    if (host_byte(byte))
        return byte != ':' && byte != '[' && byte != ']';
    return span_find(marks, byte) < marks.size;
}

static enum fault minded(const struct reading *reading, enum fault fault)
{
    return minds(reading, fault) ? fault : FAULT_NONE;
}

/* How many bytes at the front may stand in a local part without quotes. */
static size_t atoms_size(const struct reading *reading, struct span local)
{
    bool ascii = reading->sink->settings->personality->ascii_paths;
    bool blank = !minds(reading, FAULT_BLANK);
    size_t i;

    for (i = 0; i < local.size; i++) {
        bool high = ((unsigned char)local.at[i] & 0x80U) != 0;

        if (local.at[i] == ' ' ? !blank : !atom_byte(local.at[i]) || (high && ascii))
            break;
    }
    return i;
}

/* RFC 5321 4.1.2: a dot-string or a quoted string; the quoted one's end is its last byte. */
static enum fault local_fault(struct reading *reading, struct span local)
{
    size_t atoms = atoms_size(reading, local);

    if (local.size >= 2 && local.at[0] == '"')
        return local.at[local.size - 1] == '"' ? FAULT_NONE : FAULT_LOCAL;
    reading->sink->telling.before = span_head(local, atoms);
    if (atoms == 0 || atoms < local.size)
        return minded(reading, FAULT_LOCAL);
    return local.at[0] == '.' || local.at[atoms - 1] == '.' ? minded(reading, FAULT_DOTS)
                                                            : FAULT_NONE;
}

/* The place behind the last @, or 0. */
static size_t domain_find(struct span mailbox)
{
    size_t at = mailbox.size;

    while (at > 0 && mailbox.at[at - 1] != '@')
        at--;
    return at;
}

static enum fault mailbox_fault(struct reading *reading, struct span mailbox)
{
    size_t at = domain_find(mailbox);
    bool any_domain = at == 1 && !minds(reading, FAULT_ROUTE); /* who takes that takes all */
    bool postmaster = reading->recipient && span_equal_fold(mailbox, SPAN("postmaster"));

    reading->sink->telling.before = mailbox;
    if (mailbox.size == 0)
        return reading->recipient ? minded(reading, FAULT_NULL) : FAULT_NONE;
    if (any_domain || postmaster) /* RFC 5321 4.5.1 */
        return FAULT_NONE;
    if (mailbox.size > PATH_BYTES && minds(reading, FAULT_LONG))
        return FAULT_LONG;
    if (at == 0 && minds(reading, FAULT_UNQUALIFIED))
        return FAULT_UNQUALIFIED;
    if (at > 0 && minds(reading, FAULT_DOMAIN) && !host_name(span_tail(mailbox, at)))
        return FAULT_DOMAIN;
    return local_fault(reading, at == 0 ? mailbox : span_head(mailbox, at - 1));
}

static bool blank_inside(struct span path, size_t *at_r)
{
    bool quoted = false;

    for (*at_r = 0; *at_r < path.size; (*at_r)++) {
        char byte = path.at[*at_r];

        quoted ^= byte == '"';
        if (!quoted && (byte == ' ' || byte == '\t' || byte == '<'))
            return true;
    }
    return false;
}

/* Takes "FROM:" and blanks away. */
static enum fault path_start(struct reading *reading, struct span *rest)
{
    struct span word = reading->recipient ? SPAN("TO:") : SPAN("FROM:");
    size_t colon = span_find(*rest, ':');
    size_t blank = span_find(*rest, ' ');

    if (span_starts_fold(*rest, word)) {
        reading->sink->telling.before = span_head(*rest, colon);
        *rest = span_tail(*rest, word.size);
    } else if (minds(reading, FAULT_WORD)) {
        reading->sink->telling.before = span_head(*rest, colon < blank ? colon : blank);
        return FAULT_WORD;
    }
    if (span_trim(*rest).size < rest->size && minds(reading, FAULT_SPACE))
        return FAULT_SPACE;
    *rest = span_trim(*rest);
    reading->sink->telling.path = *rest;
    return rest->size == 0 && minds(reading, FAULT_EMPTY) ? FAULT_EMPTY : FAULT_NONE;
}

/* A path without brackets ends at the next blank. */
static enum fault bare_cut(struct reading *reading, struct span rest, struct path *path_r)
{
    size_t blank = span_find(rest, ' ');

    path_r->mailbox = span_head(rest, blank);
    path_r->parameters = span_trim(span_tail(rest, blank));
    reading->sink->telling.path = path_r->mailbox;
    return minds(reading, FAULT_BARE) ? FAULT_BARE : FAULT_NONE;
}

static enum fault bracket_cut(struct reading *reading, struct span rest, struct path *path_r)
{
    struct sink_telling *telling = &reading->sink->telling;
    size_t end = path_close(rest, SPAN(""));
    struct span behind = span_tail(rest, end + 1);
    size_t blank;

    path_r->mailbox = span_tail(span_head(rest, end), 1);
    if (rest.size == 1 && minds(reading, FAULT_LONE))
        return FAULT_LONE;
    if (end == rest.size && minds(reading, FAULT_OPEN))
        return FAULT_OPEN;
    telling->path = span_head(rest, end + 1);
    blank = span_find(behind, ' ');
    if (blank > 0 && behind.size > 0) {
        telling->option = span_head(behind, blank);
        if (minds(reading, FAULT_AFTER))
            return FAULT_AFTER;
        telling->path = span_head(rest, end + 1 + blank);
    }
    path_r->parameters = span_trim(span_tail(behind, blank));
    if (blank_inside(path_r->mailbox, &blank) && minds(reading, FAULT_BLANK)) {
        telling->before = span_head(path_r->mailbox, blank);
        return FAULT_BLANK;
    }
    return FAULT_NONE;
}

/* RFC 5321 appendix C: a source route is dropped. */
static enum fault route_drop(struct reading *reading, struct span *mailbox)
{
    struct span behind;

    if (!span_starts(*mailbox, SPAN("@")))
        return FAULT_NONE;
    behind = span_tail(*mailbox, span_find(*mailbox, ':') + 1);
    if (behind.size == 0 && minds(reading, FAULT_ROUTE))
        return FAULT_ROUTE; /* or `<@a>` would read as the null sender */
    if (behind.size > 0)
        *mailbox = behind;
    return FAULT_NONE;
}

enum sink_say path_read(struct sink *sink, struct span argument, bool recipient,
                        struct path *path_r)
{
    struct reading reading = {sink, recipient};
    struct span rest = argument;
    enum fault fault = path_start(&reading, &rest);

    *path_r = (struct path){span_of("", 0), span_of("", 0)};
    if (fault == FAULT_NONE)
        fault = span_starts(rest, SPAN("<")) ? bracket_cut(&reading, rest, path_r)
                                             : bare_cut(&reading, rest, path_r);
    if (fault == FAULT_NONE)
        fault = route_drop(&reading, &path_r->mailbox);
    if (fault == FAULT_NONE)
        fault = mailbox_fault(&reading, path_r->mailbox);
    sink->telling.mailbox = path_r->mailbox;
    return words_of(&reading, fault);
}
