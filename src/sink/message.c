/* DATA and BDAT: content streams out, and what may not be accepted is read to its end all the same,
 * so that it is never taken for commands. */
#include "machine.h"

static const struct span nothing = SPAN_INIT("");

void mail_reset(struct sink *sink)
{
    if (sink->mail.begun)
        sink_emit(sink, SINK_ABANDON, nothing);
    sink->mail = (struct sink_mail){0};
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
        mail_fail(sink, SAY_TOO_BIG);
}

/* Is there somebody to send a message to? */
static enum sink_say mail_ready(const struct sink *sink)
{
    if (!sink->mail.open || (sink->mail.recipients == 0 && !sink->mail.refused))
        return SAY_NEED_RECIPIENT;
    return sink->mail.recipients > 0 ? SAY_NOTHING : SAY_NO_RECIPIENT;
}

void data_begin(struct sink *sink, const struct command *command)
{
    enum sink_say refusal = mail_ready(sink);
    struct span reply;

    (void)command;
    if (sink->mail.chunks)
        refusal = SAY_DATA_AFTER_BDAT;
    else if (sink->mail.binary)
        refusal = SAY_DATA_BINARY; /* RFC 3030 3 */
    if (refusal != SAY_NOTHING) {
        sink_say(sink, refusal);
        return;
    }
    if (sink_verdict(sink, VERB_DATA, nothing, &reply)) {
        sink_say_line(sink, reply);
        return;
    }
    body_start(&sink->mail.body, BARE_REFUSE);
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

    if (command->bad) { /* nobody knows where the next command begins */
        sink_say(sink, SAY_CHUNK_SYNTAX);
        sink_close(sink);
        return;
    }
    mail->chunk_refusal = (uint16_t)mail_ready(sink);
    if (!sink_offers(sink, EXTENSION_CHUNKING))
        mail->chunk_refusal = SAY_NOT_IMPLEMENTED;
    else if (mail->failure != SAY_NOTHING)
        mail->chunk_refusal = SAY_CHUNK_AFTER;
    mail->chunk_bytes = command->chunk_bytes;
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

bool message_step(struct sink *sink)
{
    struct sink_mail *mail = &sink->mail;
    struct body_piece piece;

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
        mail_fail(sink, SAY_BARE_CONTENT);
        sink->counts.bare++;
        mail->body.bare = BARE_PASS;
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
    struct span reply;

    sink->phase = SINK_PHASE_COMMAND;
    mail->chunk_refusal = SAY_NOTHING;
    if (refusal != SAY_NOTHING) {
        sink_say(sink, (enum sink_say)refusal);
        if (over)
            mail_reset(sink);
    } else if (!over) {
        sink_say(sink, SAY_CHUNK_OK);
    } else if (sink_verdict(sink, VERB_END, nothing, &reply)) {
        mail_reset(sink);
        sink_say_line(sink, reply);
    } else {
        mail->begun = false;
        text_clear(&sink->reply);
        sink->phase = SINK_PHASE_ANSWER;
        sink_emit(sink, SINK_END, nothing);
    }
}

void answer_step(struct sink *sink)
{
    bool accepted = sink->reply.size == 0 || sink->said[0] == '2';

    sink->phase = SINK_PHASE_COMMAND;
    if (accepted) {
        sink->counts.messages++;
        sink->counts.recipients += sink->mail.recipients;
    }
    sink->mail = (struct sink_mail){0};
    if (sink->reply.size == 0)
        sink_say(sink, SAY_ACCEPTED);
    else
        sink_say_reply(sink);
}
