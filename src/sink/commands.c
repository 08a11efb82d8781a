/* Command lines: in what state each may be said, how it must look, and what it does. */
#include "machine.h"

typedef void obey(struct sink *sink, const struct command *command);

static obey hello, sender, recipient, reset, verify, quit, answer;

/* A verb whose success has no words is unknown to this server. */
static const struct row {
    obey *obey;
    enum sink_say says;     /* of its success */
    enum sink_say argument; /* minded: it has none */
    enum sink_say empty;    /* minded: it needs one */
    enum sink_say early;    /* minded: before HELO or EHLO */
    bool eight_bit;         /* its argument may be UTF-8 (RFC 6531 3.1) */
} rows[] = {
    [VERB_UNKNOWN] = {.eight_bit = true},
    [VERB_HELO] = {hello, SAY_HELO_OK, .empty = SAY_HELLO_EMPTY},
    [VERB_EHLO] = {hello, SAY_EHLO_OK, .empty = SAY_HELLO_EMPTY},
    [VERB_MAIL] = {sender, SAY_SENDER_OK, .eight_bit = true},
    [VERB_RCPT] = {recipient, SAY_RECIPIENT_OK, .eight_bit = true},
    [VERB_DATA] = {data_begin, SAY_GO_AHEAD, .argument = SAY_DATA_ARGUMENT},
    [VERB_BDAT] = {chunk_begin, .says = SAY_CHUNK_OK},
    [VERB_RSET] = {reset, SAY_RESET_OK, SAY_RESET_ARGUMENT, .early = SAY_RESET_EARLY},
    [VERB_VRFY] = {verify, SAY_VRFY, .empty = SAY_VRFY_EMPTY, .eight_bit = true},
    [VERB_EXPN] = {answer, SAY_EXPN, .empty = SAY_EXPN_EMPTY},
    [VERB_ETRN] = {answer, SAY_ETRN, .empty = SAY_ETRN_EMPTY},
    [VERB_HELP] = {answer, SAY_HELP, .argument = SAY_HELP_ARGUMENT},
    [VERB_NOOP] = {answer, SAY_OK, .argument = SAY_NOOP_ARGUMENT},
    [VERB_QUIT] = {quit, SAY_BYE, .argument = SAY_QUIT_ARGUMENT},
    [VERB_AUTH] = {auth_begin, .says = SAY_AUTH_OFF},
    [VERB_STARTTLS] = {answer, SAY_STARTTLS, .argument = SAY_STARTTLS_ARGUMENT},
    [VERB_XCLIENT] = {answer, .says = SAY_XCLIENT},
    [VERB_XFORWARD] = {answer, .says = SAY_XCLIENT},
};

static const struct row *row_of(enum verb verb)
{
    return &rows[verb < sizeof(rows) / sizeof(rows[0]) ? verb : VERB_UNKNOWN];
}

static bool has_bit(uint32_t mask, enum verb verb)
{
    return (mask >> verb & 1U) != 0;
}

/* Is it one of the words that no mail client says, or does it look like a header? */
static bool banned(const struct sink *sink, struct span line)
{
    const struct sink_personality *personality = sink->settings->personality;
    const struct span *word;
    struct span rest = line, first;

    if (!sink_minds(sink, SAY_BANNED) || !span_word(&rest, &first) ||
        (personality->banned_first && sink->lines))
        return false;
    for (word = personality->banned; word->size > 0; word++) {
        if (span_equal_fold(*word, first))
            return true;
    }
    return personality->banned_odd && (span_find(first, ':') < first.size ||
                                       (first.at[0] | 0x20) < 'a' || (first.at[0] | 0x20) > 'z');
}

/* Is this verb one that the server has, and does it see it in this line? */
static bool served(const struct sink *sink, const struct command *command)
{
    const struct sink_personality *personality = sink->settings->personality;
    const struct row *row = row_of(command->verb);
    struct span word = command->verb == VERB_MAIL ? SPAN("FROM:") : SPAN("TO:");
    bool path = command->verb == VERB_MAIL || command->verb == VERB_RCPT;

    if (row->obey == NULL || !sink_minds(sink, row->says))
        return false;
    if (personality->exact_verbs && (command->line.at[0] == ' ' || command->line.at[0] == '\t'))
        return false;
    return !personality->whole_words || !path || span_starts_fold(command->argument, word);
}

static enum sink_say strange(const struct sink *sink, const struct command *command)
{
    struct span rest = span_trim(command->line);

    if (banned(sink, command->line))
        return SAY_BANNED;
    return rest.size == 0 && sink_minds(sink, SAY_EMPTY) ? SAY_EMPTY : SAY_UNKNOWN;
}

static enum sink_say bytes_fault(const struct sink *sink, const struct line *line, bool any)
{
    if (line->nul && sink_minds(sink, SAY_NUL))
        return SAY_NUL;
    if (line->bare_cr && sink_minds(sink, SAY_BARE_CR))
        return SAY_BARE_CR;
    if (line->eight_bit && !any && sink_minds(sink, SAY_EIGHT_BIT))
        return SAY_EIGHT_BIT;
    return line->eight_bit && sink->greeted && !sink->extended &&
                   sink_minds(sink, SAY_EIGHT_BIT_OLD)
               ? SAY_EIGHT_BIT_OLD
               : SAY_NOTHING;
}

/* What the line hears whatever the state is; SAY_NOTHING: it may be obeyed. */
static enum sink_say line_fault(struct sink *sink, const struct line *line,
                                const struct command *command)
{
    const struct sink_personality *personality = sink->settings->personality;
    const struct row *row = row_of(command->verb);
    enum sink_say fault = bytes_fault(sink, line, row->eight_bit);
    bool alone = personality->blank_argument
                     ? line->text.size == verb_facts(command->verb)->word.size
                     : command->argument.size == 0;

    if (has_bit(personality->unimplemented, command->verb))
        return SAY_NOT_IMPLEMENTED;
    if (fault != SAY_NOTHING)
        return fault;
    if (banned(sink, command->line) || !served(sink, command))
        return strange(sink, command);
    if (!alone && sink_minds(sink, row->argument) &&
        !(personality->argument_late && command->verb == VERB_DATA))
        return row->argument;
    if (alone && sink_minds(sink, row->empty))
        return row->empty;
    return !sink->greeted && sink_minds(sink, row->early) ? row->early : SAY_NOTHING;
}

/* Between chunks some servers hear nothing else, and after anything else only RSET. */
static enum sink_say chunk_order(struct sink *sink, enum verb verb)
{
    if (!sink->mail.chunks || verb == VERB_RSET || verb == VERB_QUIT ||
        !sink_minds(sink, SAY_ONLY_CHUNKS))
        return SAY_NOTHING;
    if (sink->mail.stuck)
        return SAY_ONLY_RESET;
    sink->mail.stuck = verb != VERB_BDAT;
    return sink->mail.stuck ? SAY_ONLY_CHUNKS : SAY_NOTHING;
}

/* Too many of those that bring no mail? */
static bool idles(struct sink *sink, enum verb verb)
{
    const struct sink_limit *limit;

    if (!has_bit(sink->settings->personality->nonmail, verb))
        return false;
    if (has_bit(sink->spared, verb)) {
        sink->spared &= ~(1U << verb);
        return false;
    }
    limit = sink_count(sink, COUNT_NONMAIL);
    if (limit == NULL)
        return false;
    sink_say(sink, limit->say);
    return true;
}

static bool spoilt(const struct sink *sink, enum verb verb)
{
    return sink->spoilt && verb != VERB_QUIT && verb != VERB_HELO && verb != VERB_EHLO &&
           verb != VERB_NOOP && verb != VERB_RSET;
}

/* What the next command may have to know of this one. */
static void remember(struct sink *sink, enum verb verb, bool refused)
{
    bool behind = sink->behind_refusal && verb == VERB_RCPT;

    sink->behind_refusal = refused && (verb == VERB_MAIL || behind);
    sink->behind_rcpt = verb == VERB_RCPT && (sink->mail.open || behind);
    sink->lines = true;
}

void command_obey(struct sink *sink, const struct line *line, const struct command *command)
{
    enum sink_say fault;

    if (idles(sink, command->verb))
        return;
    if (spoilt(sink, command->verb)) {
        sink_say_manners(sink, SAY_SPOILT);
        return;
    }
    fault = chunk_order(sink, command->verb);
    /* A chunk follows, so nothing may come before reading it. */
    if (fault == SAY_NOTHING && !(command->verb == VERB_BDAT && sink_minds(sink, SAY_CHUNK_OK)))
        fault = line_fault(sink, line, command);
    if (fault != SAY_NOTHING)
        sink_say(sink, fault);
    else
        row_of(command->verb)->obey(sink, command);
    remember(sink, command->verb, !sink->mail.open);
}

static bool hello_bad(const struct sink *sink, struct span name)
{
    struct span odd = sink->settings->personality->hello_odd;
    size_t i;

    for (i = 0; i < name.size; i++) {
        if (span_find(odd, name.at[i]) < odd.size)
            return true;
    }
    return !host_name(name);
}

/* EHLO also ends the transaction (RFC 5321 4.1.4), and tells anew what is offered. */
static void hello(struct sink *sink, const struct command *command)
{
    if (sink->greeted && sink_minds(sink, SAY_HELLO_TWICE)) {
        sink_say(sink, SAY_HELLO_TWICE);
        return;
    }
    if (sink_minds(sink, SAY_HELLO_BAD) && hello_bad(sink, command->argument)) {
        sink_say(sink, SAY_HELLO_BAD);
        return;
    }
    mail_reset(sink);
    sink->greeted = true;
    sink->extended = command->verb == VERB_EHLO;
    text_clear(&sink->name);
    text_add(&sink->name, command->argument);
    sink_say_hello(sink);
}

static bool needs_utf8(const struct sink *sink, struct span mailbox)
{
    return sink_minds(sink, SAY_NEED_UTF8) && eight_bit(mailbox) && !sink->mail.utf8;
}

static enum sink_say sender_check(struct sink *sink, const struct command *command,
                                  struct path *path_r)
{
    enum sink_say refusal;

    if (!sink->greeted && sink_minds(sink, SAY_SENDER_EARLY))
        return SAY_SENDER_EARLY;
    if (sink->settings->auth_required && !sink->authenticated && sink_minds(sink, SAY_AUTH_NEEDED))
        return SAY_AUTH_NEEDED;
    if (sink->mail.open && sink_minds(sink, SAY_SENDER_NESTED))
        return SAY_SENDER_NESTED;
    if (sink->mail.stuck && sink_minds(sink, SAY_SENDER_LATE))
        return SAY_SENDER_LATE;
    refusal = path_read(sink, command->argument, false, path_r);
    if (refusal == SAY_NOTHING)
        refusal = parameters_read(sink, path_r->parameters, false);
    if (refusal == SAY_NOTHING && needs_utf8(sink, path_r->mailbox))
        return SAY_NEED_UTF8;
    return refusal;
}

static void sender(struct sink *sink, const struct command *command)
{
    struct sink_mail before = sink->mail;
    struct path path;
    struct span reply;
    enum sink_say refusal = sender_check(sink, command, &path);
    bool binary = sink->mail.binary, utf8 = sink->mail.utf8;

    if (refusal != SAY_NOTHING) {
        sink->mail = before; /* a refused MAIL leaves nothing behind */
        sink_say(sink, refusal);
    } else if (sink_verdict(sink, VERB_MAIL, path.mailbox, &reply)) {
        sink->mail = before;
        sink_say_line(sink, reply);
    } else {
        mail_reset(sink);
        sink->mail.open = true;
        sink->mail.binary = binary;
        sink->mail.utf8 = utf8;
        sink_emit(sink, SINK_SENDER, path.mailbox);
        sink_say(sink, SAY_SENDER_OK);
    }
}

/* Is it out of order? */
static enum sink_say recipient_order(const struct sink *sink)
{
    bool cascade = sink->behind_refusal && sink_offers(sink, EXTENSION_PIPELINING) &&
                   sink_minds(sink, SAY_RECIPIENT_CASCADE);

    if (!sink->mail.open)
        return cascade ? SAY_RECIPIENT_CASCADE : SAY_RECIPIENT_EARLY;
    return sink->mail.chunks || sink->mail.stuck ? SAY_RECIPIENT_LATE : SAY_NOTHING;
}

static enum sink_say recipient_check(struct sink *sink, const struct command *command,
                                     struct path *path_r)
{
    const struct sink_settings *settings = sink->settings;
    enum sink_say refusal = recipient_order(sink);

    if (refusal == SAY_NOTHING)
        refusal = path_read(sink, command->argument, true, path_r);
    if (refusal == SAY_NOTHING)
        refusal = parameters_read(sink, path_r->parameters, true);
    if (refusal != SAY_NOTHING)
        return refusal;
    if (needs_utf8(sink, path_r->mailbox))
        return SAY_NEED_UTF8;
    if (settings->auth_required && !sink->authenticated &&
        sink_minds(sink, SAY_AUTH_NEEDED_RECIPIENT))
        return SAY_AUTH_NEEDED_RECIPIENT;
    return settings->recipients > 0 && sink->mail.recipients >= settings->recipients
               ? SAY_RECIPIENT_MANY
               : SAY_NOTHING;
}

/* Keeps what the recipient heard: whole, or what a policy said without its code. */
static void refusal_keep(struct sink *sink, bool policy)
{
    struct span heard = span_tail(text_span(&sink->reply), policy ? SPAN("550 ").size : 0);

    heard = span_head(heard, span_find(heard, '\r'));
    if (sink->refusal.size > 0 && !span_equal(heard, text_span(&sink->refusal)))
        sink->refusals_differ = true;
    text_clear(&sink->refusal);
    text_add(&sink->refusal, heard);
}

static void recipient(struct sink *sink, const struct command *command)
{
    struct path path;
    struct span reply;
    enum sink_say refusal = recipient_check(sink, command, &path);

    if (refusal == SAY_NOTHING && sink_verdict(sink, VERB_RCPT, path.mailbox, &reply)) {
        if (reply.size > 0)
            sink_say_line(sink, reply);
        refusal = SAY_RECIPIENT_REFUSED;
        if (reply.size == 0)
            sink_say(sink, refusal);
    } else if (refusal != SAY_NOTHING) {
        sink_say(sink, refusal);
    } else {
        sink->mail.recipients++;
        sink_emit(sink, SINK_RECIPIENT, path.mailbox);
        sink_say(sink, SAY_RECIPIENT_OK);
        return;
    }
    sink->mail.refused = sink->mail.open;
    refusal_keep(sink, refusal == SAY_RECIPIENT_REFUSED || refusal == SAY_AUTH_NEEDED_RECIPIENT);
}

static void reset(struct sink *sink, const struct command *command)
{
    (void)command;
    mail_reset(sink);
    sink_say(sink, SAY_RESET_OK);
}

static void verify(struct sink *sink, const struct command *command)
{
    struct span reply;
    bool refused = sink_minds(sink, SAY_VRFY_REFUSED) &&
                   sink_verdict(sink, VERB_RCPT, command->argument, &reply);

    sink_say(sink, refused ? SAY_VRFY_REFUSED : SAY_VRFY);
}

static void quit(struct sink *sink, const struct command *command)
{
    (void)command;
    sink_say(sink, SAY_BYE);
    sink_close(sink);
}

static void answer(struct sink *sink, const struct command *command)
{
    sink_say(sink, row_of(command->verb)->says);
}
