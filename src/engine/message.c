/*
 * Messages and chunks on their way. They stream: what came is handed on within the step, and the
 * terminator leaves whole, in one write (F-03). Who owns a message at every instant is table 4.7.
 */
#include "message.h"
#include "header.h"
#include "keep.h"
#include "mend.h"
#include "trouble.h"

static const struct plan bare_refused = {
    .answer_here = true,
    .code = 550,
    .status = SPAN_INIT("5.6.0"),
    .words = SPAN_INIT("Message holds a bare CR or LF: lines end in CRLF (RFC 5321 2.3.8)")};
static const struct plan too_large = {.answer_here = true,
                                      .code = 552,
                                      .status = SPAN_INIT("5.3.4"),
                                      .words =
                                          SPAN_INIT("Message is larger than this listener allows")};
static const struct plan chunk_taken = {.answer_here = true,
                                        .code = 250,
                                        .status = SPAN_INIT("2.0.0"),
                                        .words = SPAN_INIT("Chunk received")};
static const struct plan no_chunking = {.answer_here = true,
                                        .code = 502,
                                        .status = SPAN_INIT("5.5.1"),
                                        .words = SPAN_INIT("BDAT not offered here")};

static const struct plan early_answer = {
    .answer_here = true,
    .code = 451,
    .status = SPAN_INIT("4.3.0"),
    .words = SPAN_INIT("The relay answered before the message had ended")};

/* LF "." LF ends a message only for a client that then waits, and this one does not: what stands
 * there may as well be the message's own text, and a smuggled one behind it (B-61). */
static const struct plan goes_on = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.0"),
    .close = true,
    .words = SPAN_INIT("More came behind LF.LF, so the end of the message is not known")};
static const struct plan no_binary = {
    .answer_here = true,
    .code = 554,
    .status = SPAN_INIT("5.6.1"),
    .words = SPAN_INIT("The relay takes no BDAT, and BINARYMIME can't be said with DATA")};

bool message_open(const struct engine *engine)
{
    const struct message *message = &engine->message;

    if (message->convert == CONVERT_OPEN)
        return true;
    return message->fate == FATE_FORWARD &&
           (engine->input == INPUT_BODY || engine->input == INPUT_CHUNK);
}

void message_start(struct engine *engine)
{
    bool observes = transparent(engine);
    bool bare_lf = repair_on(engine, REPAIR_BARE_LF);
    struct body *body = &engine->message.body;

    /* Only whoever observes may pass what two readers read in two ways. */
    body_start(body, observes ? BARE_PASS : bare_lf ? BARE_NORMALISE : BARE_REFUSE);
    body->drop_cr = observes || repair_on(engine, REPAIR_DOUBLED_CR);
    body->lf_end = observes || (bare_lf && repair_on(engine, REPAIR_LF_END_OF_DATA));
    engine->message.passed = 0;
    engine->message.stray = 0;
    keep_drop(engine);
    header_start(engine);
}

void message_swallow(struct engine *engine)
{
    struct body *body = &engine->message.body;

    engine->message.fate = FATE_SWALLOW;
    keep_drop(engine);
    if (body->bare == BARE_REFUSE)
        body->bare = BARE_PASS; /* what follows is only searched for its end */
}

void message_refused(struct engine *engine, const struct plan *said)
{
    engine->data_refused = true;
    engine->message.verdict = *said;
}

void message_stray(struct engine *engine, enum repair_id id)
{
    engine->input = INPUT_BODY;
    message_start(engine);
    message_swallow(engine);
    engine->message.stray = (uint8_t)(1 + id);
}

void message_fail(struct engine *engine, const struct plan *verdict)
{
    struct message *message = &engine->message;
    static const struct plan farewell = {
        .answer_here = true,
        .code = 421,
        .status = SPAN_INIT("4.3.0"),
        .words = SPAN_INIT("The relay was left with an unfinished message")};

    message->verdict = *verdict;
    /* An empty ledger: the chunk has its answer already, and only its bytes go on. */
    if (engine->input == INPUT_CHUNK && message->fate != FATE_SWALLOW && !ledger_empty(engine))
        row_answer_here(engine, ledger_row(engine, engine->ledger.tail - 1), verdict);
    message_swallow(engine);
    note_code(engine, SPAN("swallow"), SPAN("message"), verdict->code);
    /* Between two chunks no row can hear the verdict: the next one will. */
    upstream_leave(engine, engine->input == INPUT_COMMAND ? verdict : &farewell);
}

void message_answered(struct engine *engine, const struct reply *reply)
{
    struct plan verdict = {.answer_here = true,
                           .code = reply->code,
                           .verbatim = true,
                           .close = reply->code == 421,
                           .words = SPAN("The relay refused the message")};

    ledger_keep_reason(engine, reply);
    message_fail(engine, reply->code >= 400 ? &verdict : &early_answer);
}

typedef enum body_found body_scanner(struct body *body, struct span *input,
                                     struct body_piece *piece_r);

static void pass_piece(struct engine *engine, const struct body_piece *piece)
{
    bool borrowed = client_of(engine)->inbox.borrowed;

    if (engine->troubled) {
        trouble_content(engine, piece->before);
        trouble_content(engine, piece->bytes);
        return;
    }
    note_content(engine, SIDE_UPSTREAM, piece->before);
    note_content(engine, SIDE_UPSTREAM, piece->bytes);
    emit_bytes(engine, SIDE_UPSTREAM, piece->before, false);
    emit_bytes(engine, SIDE_UPSTREAM, piece->bytes, borrowed);
}

/* Passes as much of the piece as the limit allows; false: there was more. How much the upstream has
 * heard must not depend on how the message was cut on its way here (invariant 6). */
static bool pass_within_limit(struct engine *engine, struct body_piece piece)
{
    struct message *message = &engine->message;
    uint64_t limit = engine->policy->limits.message_bytes;
    uint64_t left = limit == 0 || transparent(engine) ? UINT64_MAX : limit - message->passed;
    size_t size = piece.before.size + piece.bytes.size;

    if (size > left) {
        piece.before = span_head(piece.before, (size_t)left);
        piece.bytes = span_head(piece.bytes, (size_t)left - piece.before.size);
    }
    pass_piece(engine, &piece);
    message->passed += size < left ? size : left;
    return size <= left;
}

/* The line end in front of the dot belongs to the message (RFC 1870 3). */
static bool ends_within_limit(const struct engine *engine)
{
    const struct message *message = &engine->message;
    uint64_t limit = engine->policy->limits.message_bytes;
    size_t line_end = body_terminator(&message->body).size - SPAN(".\r\n").size;

    return limit == 0 || transparent(engine) || message->passed + line_end <= limit;
}

static void pass_terminator(struct engine *engine)
{
    struct span terminator = body_terminator(&engine->message.body);

    note_content(engine, SIDE_UPSTREAM, terminator);
    note_content_end(engine);
    emit_bytes(engine, SIDE_UPSTREAM, terminator, false);
}

/* Half a reply is here before the dot has left: the rest of it must not pass for the answer. */
static bool answered_early(struct engine *engine)
{
    if (transparent(engine) || upstream_of(engine)->inbox.view.size == 0)
        return false;
    note(engine, SPAN("odd"), SPAN(""), SPAN("early"));
    return true;
}

/* What was put right in the message, once each. Whether it was to be was asked when it began. */
static void note_mended(struct engine *engine)
{
    const struct body *body = &engine->message.body;

    if (body->bare_seen)
        mend_acts(engine, REPAIR_BARE_LF);
    if (body->cr_seen)
        mend_acts(engine, REPAIR_DOUBLED_CR);
    if (body->lf_end_seen)
        mend_acts(engine, REPAIR_LF_END_OF_DATA);
}

/* The end of a message that nobody hears of any more but the client, if at all. */
static void swallow_end(struct engine *engine)
{
    struct message *message = &engine->message;
    struct row *row;

    note_content_end(engine);
    if (message->stray > 0)
        mend_note(engine, (enum repair_id)(message->stray - 1));
    if (message->stray == 1 + REPAIR_EARLY_BODY)
        return; /* the refused DATA was answered, and only that */
    row = ledger_append(engine, VERB_END, SPAN(""));
    row_answer_here(engine, row, &message->verdict);
    row->refused = message->stray == 0 && !engine->upstream_lost;
}

/* Some write all they have to say at once, QUIT behind the dot included. That can't carry anything
 * in: with it the session ends, and what may follow is not read. */
static bool says_quit(struct span rest)
{
    struct span word = SPAN("QUIT");

    if (rest.size <= word.size)
        return span_starts_fold(word, rest);
    return span_starts_fold(rest, word) &&
           (rest.at[word.size] == '\r' || rest.at[word.size] == '\n');
}

/* Behind LF "." LF somebody who says more than he should have: none of it is read. */
static bool more_behind(struct engine *engine)
{
    struct inbox *inbox = &client_of(engine)->inbox;

    if (!engine->message.body.lf_end_seen || inbox->view.size == 0 || says_quit(inbox->view))
        return false;
    note_content(engine, SIDE_CLIENT, inbox->view);
    inbox_take(inbox, inbox->view.size);
    return true;
}

static void body_end(struct engine *engine)
{
    struct message *message = &engine->message;
    struct row *row;

    if (!transparent(engine) && more_behind(engine)) {
        if (message->fate == FATE_FORWARD)
            message_fail(engine, &goes_on);
        message->verdict = goes_on;
        message->stray = 0;
    }
    if (message->fate == FATE_FORWARD && answered_early(engine))
        message_fail(engine, &early_answer);
    engine->input = INPUT_COMMAND;
    engine->message.ended = true;
    if (message->fate == FATE_SWALLOW) {
        swallow_end(engine);
        return;
    }
    row = ledger_append(engine, VERB_END, SPAN(""));
    if (engine->troubled) {
        trouble_message_end(engine, row, body_terminator(&message->body));
        note_content_end(engine);
        return;
    }
    pass_terminator(engine);
    keep_drop(engine); /* from here on nobody knows who has the message but the upstream */
    note_mended(engine);
    ledger_sent(engine);
    if (message->body.lf_end_seen && !transparent(engine))
        engine->input = INPUT_WAIT;
}

/*
 * One scan, and the record of what it took. Where it decided by a byte that it did not take, that
 * byte is told first and scanned alone next: the record has causes before effects. `*told` is kept
 * between the scans of one input and begins 0.
 */
static enum body_found scan(struct engine *engine, body_scanner *scanner, struct span *input,
                            uint32_t *told, struct body_piece *piece_r)
{
    struct span part = *told > 0 ? span_head(*input, *told) : *input;
    struct span taken = part;
    enum body_found found = scanner(&engine->message.body, &part, piece_r);

    taken = span_head(taken, taken.size - part.size);
    *input = span_tail(*input, taken.size);
    note_content(engine, SIDE_CLIENT, span_tail(taken, *told));
    *told -= taken.size < *told ? (uint32_t)taken.size : *told;
    if (taken.size > 0 || input->size == 0 || *told > 0)
        return found;
    if (found == BODY_BARE || engine->policy->record_bodies) {
        *told = 1;
        note_said(engine, SIDE_CLIENT, true, span_head(*input, *told));
    }
    return found;
}

/* What a message may be made into on its way must fit there. */
static struct span readable(const struct engine *engine, struct span view)
{
    return engine->troubled ? span_head(view, FAULT_CONTENT_BYTES_MAX) : view;
}

enum body_found message_scan(struct engine *engine, struct span *input, struct body_piece *piece_r)
{
    enum body_found found = scan(engine, body_scan, input, &engine->message.header.told, piece_r);

    engine->message.total = engine->message.body.bytes;
    return found;
}

void message_pass(struct engine *engine, enum body_found found, struct body_piece piece)
{
    if (engine->message.fate == FATE_SWALLOW)
        return;
    if (!pass_within_limit(engine, piece) || (found == BODY_END && !ends_within_limit(engine)))
        message_fail(engine, &too_large);
    else if (found == BODY_BARE)
        message_fail(engine, &bare_refused);
}

bool body_read(struct engine *engine)
{
    struct message *message = &engine->message;
    struct inbox *inbox = &client_of(engine)->inbox;
    struct span view = readable(engine, inbox->view);
    struct span input = view;
    enum body_found found;
    struct body_piece piece;
    size_t mark = keep_mark(engine);

    if (input.size == 0 || message->fate == FATE_PENDING || !ledger_has_room(engine, 0))
        return false;
    if (message->fate == FATE_FORWARD && !emit_may(engine, SIDE_UPSTREAM))
        return false;
    found = header_read(engine, &input);
    while (found != BODY_MORE && found != BODY_END) {
        found = message_scan(engine, &input, &piece);
        message_pass(engine, found, piece);
    }
    if (input.size == view.size)
        return false;
    inbox_take(inbox, view.size - input.size);
    engine->client_since = engine->now;
    if (found == BODY_END)
        body_end(engine);
    else if (message->fate == FATE_FORWARD)
        keep_content(engine, mark);
    return true;
}

/* Dot-stuffs the content of a chunk; false when it can't be a DATA message. */
static bool convert_content(struct engine *engine, struct span content)
{
    enum body_found found = BODY_PIECE;
    struct body_piece piece;
    uint32_t told = 0;

    while (found == BODY_PIECE) {
        found = scan(engine, body_stuff, &content, &told, &piece);
        pass_piece(engine, &piece);
    }
    note_content(engine, SIDE_CLIENT, span_tail(content, told));
    return found != BODY_BARE;
}

static void chunk_end(struct engine *engine)
{
    struct message *message = &engine->message;
    struct row *row;

    if (message->fate == FATE_CONVERT)
        note_content_part(engine);
    else
        note_content_end(engine);
    engine->answer_since = engine->now;
    row = message->fate == FATE_CONVERT ? ledger_row(engine, engine->ledger.tail - 1) : NULL;
    /* Failing, the chunk's own row hears why: it is still being read then. */
    if (row && row->last_chunk && body_terminator(&message->body).size == 0)
        message_fail(engine, &bare_refused);
    else if (row && row->last_chunk && answered_early(engine))
        message_fail(engine, &early_answer);
    engine->input = INPUT_COMMAND;
    if (row == NULL || message->fate != FATE_CONVERT)
        return;
    if (!row->last_chunk) {
        row_decide(engine, row, &chunk_taken);
    } else {
        pass_terminator(engine);
        note_mended(engine);
        message->convert = CONVERT_NONE;
        ledger_sent(engine);
    }
}

bool chunk_read(struct engine *engine)
{
    struct message *message = &engine->message;
    struct inbox *inbox = &client_of(engine)->inbox;
    uint64_t size = inbox->view.size < message->chunk_left ? inbox->view.size : message->chunk_left;
    struct span content = readable(engine, span_head(inbox->view, (size_t)size));

    if (message->fate == FATE_PENDING || (content.size == 0 && message->chunk_left > 0))
        return false;
    if (message->fate != FATE_SWALLOW && !emit_may(engine, SIDE_UPSTREAM))
        return false;
    message->chunk_left -= content.size;
    message->total += content.size;
    if (message->fate != FATE_CONVERT)
        note_content(engine, SIDE_CLIENT, content);
    if (message->fate == FATE_FORWARD)
        pass_piece(engine, &(struct body_piece){.before = SPAN(""), .bytes = content});
    else if (message->fate == FATE_CONVERT && !convert_content(engine, content))
        message_fail(engine, &bare_refused);
    inbox_take(inbox, content.size);
    engine->client_since = engine->now;
    if (message->chunk_left == 0)
        chunk_end(engine);
    return true;
}

static void chunk_forward(struct engine *engine, struct row *row)
{
    engine->message.fate = FATE_FORWARD;
    engine->message.begun = true;
    emit_command(engine, row, ledger_text(engine, row));
    ledger_sent(engine);
}

/* RFC 3030 2: the state is indeterminate until RSET. An upstream that took the last chunk all the
 * same would have a message with a hole in it. */
void chunk_refused(struct engine *engine, const struct reply *reply)
{
    engine->reset_owed = true;
    if (engine->envelope.sender_refused || engine->envelope.accepted == 0)
        return; /* an earlier refusal is the reason for everything that follows */
    engine->message.convert = CONVERT_REFUSED;
    ledger_keep_reason(engine, reply);
}

static void refuse_chunk(struct engine *engine, struct row *row)
{
    const struct plan refused = {.answer_here = true,
                                 .code = engine->envelope.code,
                                 .verbatim = true,
                                 .words = SPAN("The relay refused the message")};

    row_decide(engine, row, &refused);
}

/* B-67: the first chunk asks for DATA; with the 354 the chunks become its message. */
static bool chunk_convert(struct engine *engine, struct row *row)
{
    struct message *message = &engine->message;

    if (engine->ledger.in_flight > 0)
        return false;
    switch ((enum convert)message->convert) {
    case CONVERT_NONE:
        if (message->binary) {
            engine->reset_owed = true;
            row_decide(engine, row, &no_binary);
            return true;
        }
        mend_note(engine, REPAIR_BDAT_TO_DATA);
        message->convert = CONVERT_ASKED;
        ledger_insert(engine, VERB_DATA);
        return true;
    case CONVERT_OPEN:
        row->state = ROW_STREAM;
        message->fate = FATE_CONVERT;
        return true;
    case CONVERT_ASKED:
    case CONVERT_REFUSED:
        break;
    }
    refuse_chunk(engine, row);
    return true;
}

bool chunk_send(struct engine *engine, struct row *row)
{
    const struct capabilities *offered = &upstream_of(engine)->view.capabilities;
    uint64_t limit = engine->policy->limits.message_bytes;

    if (limit > 0 && !transparent(engine) &&
        engine->message.total + engine->message.chunk_left > limit) {
        if (engine->ledger.in_flight > 0)
            return false; /* an earlier refusal would be the reason */
        engine->reset_owed = true;
        row_decide(engine, row, &too_large);
        return true;
    }
    if (engine->message.convert == CONVERT_REFUSED && engine->ledger.in_flight > 0)
        return false; /* a MAIL on its way may have ended the message that was refused */
    if (transparent(engine))
        chunk_forward(engine, row);
    else if (engine->message.convert == CONVERT_REFUSED)
        refuse_chunk(engine, row);
    else if (capabilities_offer(offered, EXTENSION_CHUNKING))
        chunk_forward(engine, row);
    else if (repair_on(engine, REPAIR_BDAT_TO_DATA))
        return chunk_convert(engine, row);
    else
        row_decide(engine, row, &no_chunking);
    return true;
}
