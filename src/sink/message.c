/* DATA and BDAT: content streams out, and what may not be accepted is read to its end all the same,
 * so that it is never taken for commands. */
#include "machine.h"

/* Where a message stands that may have bare line ends. */
enum place { PLACE_START, PLACE_TEXT, PLACE_CR, PLACE_DOT, PLACE_DOT_CR };

static const struct span nothing = SPAN_INIT("");

void mail_reset(struct sink *sink)
{
    if (sink->mail.begun)
        sink_emit(sink, SINK_ABANDON, nothing);
    sink->mail = (struct sink_mail){0};
    sink->refusals_differ = false;
    text_clear(&sink->refusal);
}

/* From here on the content is read but not told. */
static void mail_fail(struct sink *sink, enum sink_say why)
{
    if (sink->mail.failure != SAY_NOTHING)
        return;
    sink->mail.failure = (uint16_t)why;
    if (sink->mail.begun)
        sink_emit(sink, SINK_ABANDON, nothing);
    sink->mail.begun = false;
}

/* What goes beyond the limit is not told, however it was cut. */
static void mail_content(struct sink *sink, struct span bytes)
{
    uint64_t limit = sink->settings->size_bytes > 0 ? sink->settings->size_bytes : UINT64_MAX;
    uint64_t left = limit - sink->mail.bytes;
    struct span told = bytes.size > left ? span_head(bytes, (size_t)left) : bytes;

    if (sink->mail.failure != SAY_NOTHING || sink->mail.chunk_refusal != SAY_NOTHING)
        return;
    sink->mail.bytes += told.size;
    if (told.size > 0)
        sink_emit(sink, SINK_CONTENT, told);
    if (told.size < bytes.size)
        mail_fail(sink, SAY_CONTENT_BIG);
}

static bool pipelined(const struct sink *sink)
{
    switch (sink->settings->personality->pipelined) {
    case PIPELINED_NEVER:
        return false;
    case PIPELINED_BEHIND_RCPT:
        return sink->behind_rcpt && sink_offers(sink, EXTENSION_PIPELINING);
    case PIPELINED_SEEN:
        return sink->mail.open && sink->pipelined;
    }
    return false;
}

/* Is there somebody to send a message to? */
static enum sink_say mail_ready(const struct sink *sink)
{
    if (sink->mail.recipients > 0)
        return SAY_NOTHING;
    if (pipelined(sink))
        return SAY_DATA_PIPELINED;
    if (!sink->mail.open)
        return SAY_DATA_EARLY;
    return sink->mail.refused ? SAY_DATA_REFUSED : SAY_DATA_EMPTY;
}

/* Every recipient was refused with the same words, and the personality repeats them. */
static void ready_say(struct sink *sink, enum sink_say refusal)
{
    if (refusal != SAY_NOTHING && sink->mail.recipients == 0 && sink->refusal.size > 0 &&
        !sink->refusals_differ && sink_minds(sink, SAY_DATA_REASON))
        sink_say_reasoned(sink, refusal);
    else
        sink_say(sink, refusal);
}

static enum sink_say data_check(const struct sink *sink, const struct command *command)
{
    enum sink_say refusal = mail_ready(sink);

    if ((sink->mail.chunks || sink->mail.stuck) && sink_minds(sink, SAY_DATA_AFTER_BDAT))
        return SAY_DATA_AFTER_BDAT;
    if (sink->mail.binary && sink_minds(sink, SAY_DATA_BINARY))
        return SAY_DATA_BINARY; /* RFC 3030 3 */
    if (refusal == SAY_NOTHING && command->argument.size > 0 && sink_minds(sink, SAY_DATA_ARGUMENT))
        return SAY_DATA_ARGUMENT;
    return refusal;
}

void data_begin(struct sink *sink, const struct command *command)
{
    enum sink_say refusal = data_check(sink, command);
    struct span reply;

    if (refusal != SAY_NOTHING) {
        ready_say(sink, refusal);
        return;
    }
    if (sink_verdict(sink, VERB_DATA, nothing, &reply)) {
        sink_say_line(sink, reply);
        return;
    }
    body_start(&sink->mail.body, BARE_REFUSE);
    sink->mail.place = PLACE_START;
    sink->mail.line_start = true;
    sink->mail.begun = true;
    sink->phase = SINK_PHASE_MESSAGE;
    sink_emit(sink, SINK_BEGIN, nothing);
    sink_say(sink, SAY_GO_AHEAD);
}

/* RFC 3030 2: the chunk follows its command whatever the answer will be. */
void chunk_begin(struct sink *sink, const struct command *command)
{
    struct sink_mail *mail = &sink->mail;

    if (!sink_offers(sink, EXTENSION_CHUNKING) && sink->settings->personality->chunk_left) {
        sink_say(sink, SAY_CHUNK_OFF);
        return;
    }
    if (command->bad) { /* nobody knows where the next command begins */
        sink_say(sink, SAY_CHUNK_SYNTAX);
        sink_close(sink);
        return;
    }
    mail->chunk_refusal = (uint16_t)mail_ready(sink);
    if (!sink_offers(sink, EXTENSION_CHUNKING))
        mail->chunk_refusal = SAY_CHUNK_OFF;
    else if (mail->stuck || mail->failure != SAY_NOTHING)
        mail->chunk_refusal = SAY_CHUNK_AFTER;
    mail->chunk_bytes = mail->chunk_whole = command->chunk_bytes;
    mail->chunk_last = command->last;
    sink->phase = SINK_PHASE_CHUNK;
    if (mail->chunk_refusal != SAY_NOTHING || mail->chunks)
        return;
    mail->chunks = mail->begun = true;
    sink_emit(sink, SINK_BEGIN, nothing);
}

bool chunk_step(struct sink *sink)
{
    struct sink_mail *mail = &sink->mail;
    uint64_t open = mail->chunk_bytes;
    struct span bytes = span_head(sink->input, open < SIZE_MAX ? (size_t)open : SIZE_MAX);

    if (open == 0) {
        sink->phase = SINK_PHASE_WHOLE;
        return true;
    }
    if (bytes.size == 0)
        return false;
    sink->input = span_tail(sink->input, bytes.size);
    mail->chunk_bytes -= bytes.size;
    mail_content(sink, bytes);
    return true;
}

/* The next run of what body_scan found, without its stuffing dots. */
static bool message_content(struct sink *sink)
{
    struct sink_mail *mail = &sink->mail;
    struct span bytes;

    if (mail->stuffed.size == 0) {
        mail->stuffed = mail->stuffed_next;
        mail->stuffed_next = nothing;
    }
    if (mail->stuffed.size == 0)
        return false;
    if (body_unstuff(&mail->line_start, &mail->stuffed, &bytes))
        mail_content(sink, bytes);
    return true;
}

/* The message has ended in "." LF, or is answered as if it had. */
static bool dot_step(struct sink *sink)
{
    if (sink->settings->personality->bare == SINK_BARE_DOT_ENDS ||
        sink->mail.place == PLACE_DOT_CR) {
        sink->phase = SINK_PHASE_WHOLE;
        return true;
    }
    mail_reset(sink);
    sink->counts.bare++;
    sink->phase = SINK_PHASE_COMMAND;
    sink_say(sink, SAY_BARE_CONTENT);
    return true;
}

/* What a run of content leaves behind, which ends at its LF if it has one. */
static enum place place_behind(const struct sink *sink, struct span run)
{
    bool cr = run.size > 1 ? run.at[run.size - 2] == '\r' : sink->mail.place == PLACE_CR;

    if (run.at[run.size - 1] != '\n')
        return run.at[run.size - 1] == '\r' ? PLACE_CR : PLACE_TEXT;
    return cr || sink->settings->personality->bare != SINK_BARE_TAKEN ? PLACE_START : PLACE_TEXT;
}

/* For servers that take bare line ends: content passes as it is, but for stuffing dots. */
static bool loose_step(struct sink *sink)
{
    struct sink_mail *mail = &sink->mail;
    char first = sink->input.size > 0 ? sink->input.at[0] : 0;
    bool ends = mail->place == PLACE_DOT_CR ||
                (mail->place == PLACE_DOT && sink->settings->personality->bare != SINK_BARE_TAKEN);
    struct span run;

    if (sink->input.size == 0)
        return false;
    if ((mail->place == PLACE_START && first == '.') ||
        (mail->place == PLACE_DOT && first == '\r')) {
        mail->place = mail->place == PLACE_START ? PLACE_DOT : PLACE_DOT_CR;
        sink->input = span_tail(sink->input, 1);
        return true;
    }
    if (ends && first == '\n') {
        sink->input = span_tail(sink->input, 1);
        return dot_step(sink);
    }
    if (mail->place == PLACE_DOT_CR) {
        mail->place = PLACE_CR;
        mail_content(sink, SPAN("\r"));
        return true;
    }
    run = span_head(sink->input, span_find(sink->input, '\n') + 1);
    mail->place = (uint8_t)place_behind(sink, run);
    mail_content(sink, run);
    sink->input = span_tail(sink->input, run.size);
    return true;
}

/* A line end of its own is refused: at the message's end, or now and with the session. */
static void bare_found(struct sink *sink)
{
    mail_fail(sink, SAY_BARE_CONTENT);
    sink->counts.bare++;
    sink->mail.body.bare = BARE_PASS;
    if (sink->settings->personality->bare == SINK_BARE_ENDS) {
        sink_say(sink, SAY_BARE_CONTENT);
        sink_close(sink);
    }
}

bool message_step(struct sink *sink)
{
    struct sink_mail *mail = &sink->mail;
    struct body_piece piece;

    if (sink->settings->personality->bare != SINK_BARE_REFUSED &&
        sink->settings->personality->bare != SINK_BARE_ENDS)
        return loose_step(sink);
    if (message_content(sink))
        return true;
    switch (body_scan(&mail->body, &sink->input, &piece)) {
    case BODY_MORE:
        return false;
    case BODY_PIECE:
        mail->stuffed = piece.before;
        mail->stuffed_next = piece.bytes;
        break;
    case BODY_END:
        /* The last line's CRLF is content, though it is part of the terminator too (RFC 5321
         * 4.1.1.4). */
        if (mail->body.held != HELD_NONE)
            mail_content(sink, SPAN("\r\n"));
        sink->phase = SINK_PHASE_WHOLE;
        break;
    case BODY_BARE:
        bare_found(sink);
        break;
    }
    return true;
}

/* The dot, or a chunk's last byte, is to be answered. */
void whole_step(struct sink *sink)
{
    struct sink_mail *mail = &sink->mail;
    bool chunk = mail->chunks || mail->chunk_refusal != SAY_NOTHING;
    uint16_t refusal = mail->chunk_refusal != SAY_NOTHING ? mail->chunk_refusal : mail->failure;
    bool over = !chunk || (mail->chunk_last && mail->chunk_refusal == SAY_NOTHING);
    bool refused = mail->chunk_refusal != SAY_NOTHING;
    struct span reply;

    sink->phase = SINK_PHASE_COMMAND;
    mail->chunk_refusal = SAY_NOTHING;
    if (refusal != SAY_NOTHING) {
        ready_say(sink, (enum sink_say)refusal);
        if (over)
            mail_reset(sink);
        else
            mail->stuck = refused && sink->settings->personality->chunk_stays;
    } else if (!over) {
        sink_say(sink, SAY_CHUNK_OK);
    } else if (sink_verdict(sink, VERB_END, nothing, &reply)) {
        mail_reset(sink);
        sink_say_line(sink, reply);
    } else {
        mail->begun = false;
        text_clear(&sink->reply);
        text_clear(&sink->queued);
        sink->phase = SINK_PHASE_ANSWER;
        sink_emit(sink, SINK_END, nothing);
    }
}

static void accept(struct sink *sink)
{
    sink->counts.messages++;
    sink->counts.recipients += sink->mail.recipients;
    sink->spared = sink->settings->personality->spared;
    if (sink->settings->personality->forgives)
        sink->faults[COUNT_ERROR] = 0;
}

void answer_step(struct sink *sink)
{
    bool told = sink->reply.size > 0;
    bool named = sink->queued.size > 0 && sink_minds(sink, SAY_QUEUED);

    sink->phase = SINK_PHASE_COMMAND;
    if (!told || sink->said[0] == '2')
        accept(sink);
    if (told)
        sink_say_reply(sink);
    else if (sink->mail.chunks && sink_minds(sink, SAY_CHUNK_ACCEPTED))
        sink_say(sink, SAY_CHUNK_ACCEPTED);
    else
        sink_say(sink, named ? SAY_QUEUED : SAY_ACCEPTED);
    mail_reset(sink);
}
