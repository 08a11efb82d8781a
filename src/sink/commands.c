/* Command lines: in what state each may be said, how it must look, and what it does. */
#include "machine.h"

enum argument { ARGUMENT_ANY, ARGUMENT_NONE, ARGUMENT_NEEDED };

typedef void obey(struct sink *sink, const struct command *command);

static obey hello, sender, recipient, reset, quit, verify, help, noop, unknown;

/* A verb without a row is known and not implemented. */
static const struct {
    obey *obey;
    enum argument argument;
    bool eight_bit; /* its argument may be UTF-8 (RFC 6531 3.1) */
} rows[] = {
    [VERB_UNKNOWN] = {unknown, ARGUMENT_ANY, true},
    [VERB_HELO] = {hello, ARGUMENT_ANY, false},
    [VERB_EHLO] = {hello, ARGUMENT_ANY, false},
    [VERB_MAIL] = {sender, ARGUMENT_ANY, true},
    [VERB_RCPT] = {recipient, ARGUMENT_ANY, true},
    [VERB_DATA] = {data_begin, ARGUMENT_NONE, false},
    [VERB_BDAT] = {chunk_begin, ARGUMENT_ANY, false},
    [VERB_RSET] = {reset, ARGUMENT_NONE, false},
    [VERB_VRFY] = {verify, ARGUMENT_NEEDED, true},
    [VERB_HELP] = {help, ARGUMENT_ANY, false},
    [VERB_NOOP] = {noop, ARGUMENT_ANY, false},
    [VERB_QUIT] = {quit, ARGUMENT_NONE, false},
    [VERB_AUTH] = {auth_begin, ARGUMENT_NEEDED, false},
};

void command_obey(struct sink *sink, const struct line *line, const struct command *command)
{
    bool known = command->verb < sizeof(rows) / sizeof(rows[0]) && rows[command->verb].obey;
    bool alone = command->argument.size == 0;

    if (command->verb == VERB_BDAT) /* a chunk follows, so nothing may come before reading it */
        chunk_begin(sink, command);
    else if (!known)
        sink_say(sink, SAY_NOT_IMPLEMENTED);
    else if (line->nul || line->bare_cr || (line->eight_bit && !rows[command->verb].eight_bit))
        sink_say(sink, SAY_BYTES);
    else if (rows[command->verb].argument == ARGUMENT_NONE && !alone)
        sink_say(sink, SAY_NO_ARGUMENT);
    else if (rows[command->verb].argument == ARGUMENT_NEEDED && alone)
        sink_say(sink, SAY_NEED_ARGUMENT);
    else
        rows[command->verb].obey(sink, command);
}

static bool host_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '_' ||
           byte == ':' || byte == '[' || byte == ']' || ((unsigned char)byte & 0x80U) != 0;
}

/* A host name or an address literal, as far as its bytes show. */
static bool host_name(struct span name)
{
    size_t i;

    for (i = 0; i < name.size && host_byte(name.at[i]); i++)
        ;
    return i > 0 && i == name.size;
}

static bool atom_byte(char byte)
{
    static const struct span marks = SPAN_INIT("!#$%&'*+/=?^`{|}~");

    if (host_byte(byte))
        return byte != ':' && byte != '[' && byte != ']';
    return span_find(marks, byte) < marks.size;
}

/* RFC 5321 4.1.2: a dot-string or a quoted string; the quoted one's end is its last byte. */
static bool local_part(struct span local)
{
    size_t i;

    if (local.size >= 2 && local.at[0] == '"')
        return local.at[local.size - 1] == '"';
    for (i = 0; i < local.size && atom_byte(local.at[i]); i++)
        ;
    return i > 0 && i == local.size && local.at[0] != '.' && local.at[i - 1] != '.';
}

static bool mailbox_good(struct span mailbox)
{
    size_t at = mailbox.size;

    while (at > 0 && mailbox.at[at - 1] != '@')
        at--;
    return at > 0 && local_part(span_head(mailbox, at - 1)) && host_name(span_tail(mailbox, at));
}

static bool eight_bit(struct span text)
{
    size_t i;

    for (i = 0; i < text.size && ((unsigned char)text.at[i] & 0x80U) == 0; i++)
        ;
    return i < text.size;
}

/* EHLO also ends the transaction (RFC 5321 4.1.4), and tells anew what is offered. */
static void hello(struct sink *sink, const struct command *command)
{
    if (!host_name(command->argument)) {
        sink_say(sink, SAY_HELLO_SYNTAX);
        return;
    }
    mail_reset(sink);
    sink->greeted = true;
    sink->extended = command->verb == VERB_EHLO;
    sink_say_hello(sink);
}

static enum sink_say sender_check(struct sink *sink, const struct command *command,
                                  struct path *path_r)
{
    enum sink_say refusal;

    if (!sink->greeted)
        return SAY_HELLO_FIRST;
    if (sink->settings->auth_required && !sink->authenticated)
        return SAY_AUTH_NEEDED;
    if (sink->mail.open)
        return SAY_SENDER_NESTED;
    if (!path_parse(command->argument, SPAN("FROM:"), path_r))
        return SAY_SENDER_SYNTAX;
    if (path_r->mailbox.size > 0 && !mailbox_good(path_r->mailbox))
        return SAY_SENDER_BAD;
    refusal = parameters_read(sink, path_r->parameters, false);
    if (refusal == SAY_NOTHING && eight_bit(path_r->mailbox) && !sink->mail.utf8)
        return SAY_NEED_UTF8;
    return refusal;
}

static void sender(struct sink *sink, const struct command *command)
{
    bool nested = sink->mail.open;
    struct path path;
    struct span reply;
    enum sink_say refusal = sender_check(sink, command, &path);

    if (refusal != SAY_NOTHING) {
        sink_say(sink, refusal);
    } else if (sink_verdict(sink, VERB_MAIL, path.mailbox, &reply)) {
        sink_say_line(sink, reply);
    } else {
        sink->mail.open = true;
        sink_emit(sink, SINK_SENDER, path.mailbox);
        sink_say(sink, SAY_SENDER_OK);
    }
    if (!sink->mail.open && !nested) /* a refused MAIL leaves nothing behind */
        mail_reset(sink);
}

static enum sink_say recipient_check(struct sink *sink, const struct command *command,
                                     struct path *path_r)
{
    enum sink_say refusal;

    if (!sink->mail.open)
        return SAY_RECIPIENT_EARLY;
    if (sink->mail.chunks)
        return SAY_RECIPIENT_LATE;
    if (!path_parse(command->argument, SPAN("TO:"), path_r))
        return SAY_RECIPIENT_SYNTAX;
    if (!mailbox_good(path_r->mailbox) && !span_equal_fold(path_r->mailbox, SPAN("postmaster")))
        return SAY_RECIPIENT_BAD;
    refusal = parameters_read(sink, path_r->parameters, true);
    if (refusal == SAY_NOTHING && eight_bit(path_r->mailbox) && !sink->mail.utf8)
        return SAY_NEED_UTF8;
    if (refusal == SAY_NOTHING && sink->mail.recipients >= sink->settings->recipients)
        return SAY_RECIPIENT_MANY;
    return refusal;
}

static void recipient(struct sink *sink, const struct command *command)
{
    struct path path;
    struct span reply;
    enum sink_say refusal = recipient_check(sink, command, &path);

    if (refusal != SAY_NOTHING) {
        sink->mail.refused = sink->mail.open;
        sink_say(sink, refusal);
    } else if (sink_verdict(sink, VERB_RCPT, path.mailbox, &reply)) {
        sink->mail.refused = true;
        sink_say_line(sink, reply);
    } else {
        sink->mail.recipients++;
        sink_emit(sink, SINK_RECIPIENT, path.mailbox);
        sink_say(sink, SAY_RECIPIENT_OK);
    }
}

static void reset(struct sink *sink, const struct command *command)
{
    (void)command;
    mail_reset(sink);
    sink_say(sink, SAY_OK);
}

static void quit(struct sink *sink, const struct command *command)
{
    (void)command;
    sink_say(sink, SAY_BYE);
    sink_close(sink);
}

static void verify(struct sink *sink, const struct command *command)
{
    (void)command;
    sink_say(sink, SAY_VRFY);
}

static void help(struct sink *sink, const struct command *command)
{
    (void)command;
    sink_say(sink, SAY_HELP);
}

static void noop(struct sink *sink, const struct command *command)
{
    (void)command;
    sink_say(sink, SAY_OK);
}

static void unknown(struct sink *sink, const struct command *command)
{
    (void)command;
    sink_say(sink, SAY_UNKNOWN);
}
