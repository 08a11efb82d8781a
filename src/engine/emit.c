/*
 * The only writer to a peer. It adds every line end itself and lets no CR, LF or NUL of anybody
 * else's through inside a line (invariant 4), except in `observe`, where bytes pass as they came.
 */
#include <string.h>

#include "believe.h"
#include "header.h"
#include "login.h"
#include "mend.h"
#include "trouble.h"

/* RFC 5321 4.5.3.1.5: a reply line is at most 512 octets. */
#define REPLY_LINE_BYTES_MAX 512U

static struct outbox *outbox_of(const struct engine *engine, enum side side)
{
    return &engine->lender->outboxes[side];
}

bool emit_may(const struct engine *engine, enum side side)
{
    const struct peer *peer = &engine->peers[side];

    if (!peer->open || peer->shut)
        return true; /* it goes nowhere, so it fills nothing */
    if (engine->troubled)
        return wire_has_room(&trouble_seen(engine)->wires[side]);
    return !peer->securing && peer->unsent + outbox_of(engine, side)->size < UNSENT_BYTES_MAX;
}

static void add_piece(struct outbox *outbox, struct span bytes)
{
    struct span *last = outbox->count > 0 ? &outbox->pieces[outbox->count - 1] : NULL;

    if (last && last->at + last->size == bytes.at) {
        last->size += bytes.size;
    } else {
        must(outbox->count < SEND_PIECES_MAX);
        outbox->pieces[outbox->count++] = bytes;
    }
    outbox->size += bytes.size;
}

/* Is anybody there to hear it? What nobody hears was not said, and is not recorded either. */
static bool heard(const struct engine *engine, enum side side)
{
    return engine->peers[side].open && !engine->peers[side].shut && !engine->peers[side].securing;
}

void emit_bytes(struct engine *engine, enum side side, struct span bytes, bool borrowed)
{
    struct outbox *outbox = outbox_of(engine, side);
    char *copy = outbox->scratch + outbox->used;

    if (bytes.size == 0 || !heard(engine, side))
        return;
    if (side == SIDE_UPSTREAM)
        engine->upstream_told = engine->now;
    if (engine->troubled) {
        trouble_say(engine, side, bytes, true, 0);
        return;
    }
    /* The last piece is kept for the scratch, so that whatever follows always fits. */
    if (borrowed && outbox->count < SEND_PIECES_MAX - 1) {
        add_piece(outbox, bytes);
        return;
    }
    must(outbox->used + bytes.size <= SCRATCH_SEND_BYTES);
    if (bytes.at != copy) /* else it was written there */
        memcpy(copy, bytes.at, bytes.size);
    outbox->used += bytes.size;
    add_piece(outbox, span_of(copy, bytes.size));
}

void emit_now(struct engine *engine, enum side side, struct span bytes)
{
    struct outbox *outbox = outbox_of(engine, side);
    char *copy = outbox->scratch + outbox->used;

    must(outbox->used + bytes.size <= SCRATCH_SEND_BYTES);
    memcpy(copy, bytes.at, bytes.size);
    outbox->used += bytes.size;
    add_piece(outbox, span_of(copy, bytes.size));
}

static bool clean(struct span line)
{
    return span_find(line, '\r') == line.size && span_find(line, '\n') == line.size &&
           span_find(line, '\0') == line.size;
}

static void say_upstream(struct engine *engine, enum verb verb, struct span text, struct span end)
{
    must(transparent(engine) || clean(text));
    if (engine->troubled) {
        trouble_say(engine, SIDE_UPSTREAM, text, false,
                    note_secret_size(engine, verb, line_without_end(text)));
        return;
    }
    note_command(engine, SIDE_UPSTREAM, verb, text, end);
    emit_bytes(engine, SIDE_UPSTREAM, text, false);
    emit_bytes(engine, SIDE_UPSTREAM, end, false);
    if (verb_facts(verb)->secret)
        outbox_of(engine, SIDE_UPSTREAM)->secret = outbox_of(engine, SIDE_UPSTREAM)->used;
}

void emit_command(struct engine *engine, const struct row *row, struct span text)
{
    if (engine->troubled)
        text = trouble_text(engine, text);
    say_upstream(engine, (enum verb)row->verb, text,
                 transparent(engine) && !row->ours ? SPAN("") : SPAN("\r\n"));
}

bool emit_held_back(struct engine *engine, struct row *row)
{
    struct span text = ledger_text(engine, row);

    if (row->held_back == 0)
        return false;
    text = span_trim(span_tail(text, text.size - row->held_back));
    row->held_back = 0;
    say_upstream(engine, VERB_RESPONSE, text, SPAN("\r\n"));
    return true;
}

/* Text of somebody else's, with blanks where a line can't have what stands there. */
static void add_clean(struct text *line, struct span words)
{
    size_t i;

    for (i = 0; i < words.size; i++) {
        char byte = words.at[i];

        text_add_byte(line, byte == '\r' || byte == '\n' || byte == '\0' ? ' ' : byte);
    }
}

/* One line of a reply, no longer than a client must be able to read. */
static void add_line(struct text *text, uint16_t code, char separator, struct span words)
{
    char bytes[REPLY_LINE_BYTES_MAX];
    struct text line = text_over(bytes, sizeof(bytes) - 2);

    text_add_number(&line, code);
    text_add_byte(&line, separator);
    add_clean(&line, words);
    line.room += 2;
    text_add(&line, SPAN("\r\n"));
    text_add(text, text_span(&line));
}

/* Where the next bytes of the scratch lie: what is written there can be said without a copy. */
static struct text scratch_of(const struct engine *engine, enum side side)
{
    struct outbox *outbox = outbox_of(engine, side);

    return text_over(outbox->scratch + outbox->used, SCRATCH_SEND_BYTES - outbox->used);
}

/* Does every reader see one whole reply there? */
static bool is_reply(struct span whole)
{
    struct reply reply;

    return reply_parse(whole, whole.size, &reply) == PARSED && reply.taken == whole.size &&
           !reply.odd;
}

/* The one door through which the client hears a whole reply. */
static void tell(struct engine *engine, struct span whole)
{
    enum verb verb = VERB_UNKNOWN; /* the greeting, or a last word */
    struct mending mending;
    struct span mended;

    if (engine->troubled) {
        trouble_tell(engine, whole);
        return;
    }
    if (engine->phase == PHASE_TALKING && !ledger_empty(engine))
        verb = (enum verb)ledger_row(engine, engine->ledger.release)->verb;
    mended = whole;
    if (mend_due(engine, STAGE_ANSWER, verb_facts(verb)->does) &&
        mend_text(engine, STAGE_ANSWER, verb, &mended, &mending) == REPAIRED && is_reply(mended))
        whole = mended;
    note_reply(engine, SIDE_CLIENT, whole);
    emit_bytes(engine, SIDE_CLIENT, whole, false);
}

static void emit_line(struct engine *engine, uint16_t code, struct span words)
{
    struct text text = scratch_of(engine, SIDE_CLIENT);

    if (!heard(engine, SIDE_CLIENT))
        return;
    add_line(&text, code, ' ', words);
    tell(engine, text_span(&text));
}

void emit_reply(struct engine *engine, const struct reply *reply)
{
    must(!reply->odd || transparent(engine));
    if (heard(engine, SIDE_CLIENT))
        tell(engine, reply->all);
}

/* One line of the EHLO reply; the caller puts the last one's blank in place of its hyphen. */
static void add_keyword(struct text *text, struct span line, size_t *last_r)
{
    *last_r = text->size;
    text_add(text, SPAN("250-"));
    add_clean(text, line);
    text_add(text, SPAN("\r\n"));
}

/* The smaller of both limits; SIZE alone when there is none (RFC 1870 4). */
static void add_size(struct engine *engine, struct text *text, uint64_t offered, size_t *last_r)
{
    char bytes[32];
    struct text line = text_over(bytes, sizeof(bytes));
    uint64_t limit = engine->policy->limits.message_bytes;

    if (limit == 0 || (offered > 0 && offered < limit))
        limit = offered;
    text_add(&line, SPAN("SIZE"));
    if (limit > 0) {
        text_add_byte(&line, ' ');
        text_add_number(&line, limit);
    }
    add_keyword(text, text_span(&line), last_r);
}

/* Where a header may have to be mended, the message comes with DATA: of chunks the relay hears the
 * size before what is in them. */
static bool takes_chunks(const struct engine *engine)
{
    const struct capabilities *offered = &engine->peers[SIDE_UPSTREAM].view.capabilities;

    return !header_may_be_mended(engine) && (capabilities_offer(offered, EXTENSION_CHUNKING) ||
                                             repair_on(engine, REPAIR_BDAT_TO_DATA));
}

/* What of the upstream's keyword lines the client may see. */
static bool passes(const struct engine *engine, enum extension extension)
{
    const struct capabilities *offered = &engine->peers[SIDE_UPSTREAM].view.capabilities;

    if (extension == EXTENSION_AUTH)
        return login_passes(engine);
    if (extension == EXTENSION_BINARYMIME)
        return takes_chunks(engine) && capabilities_offer(offered, EXTENSION_CHUNKING);
    return extension != EXTENSION_NONE && extension_facts(extension)->relay == OFFER_PASSED;
}

static void add_xclient(const struct engine *engine, struct text *text, size_t *last_r)
{
    char bytes[80];
    struct text words = text_over(bytes, sizeof(bytes));

    text_add(&words, extension_facts(EXTENSION_XCLIENT)->keyword);
    attributes_show(believe_offers(engine), &words);
    add_keyword(text, text_span(&words), last_r);
}

/* What is between the client and us: STARTTLS, XCLIENT, and AUTH that is checked here. */
static void add_our_own(const struct engine *engine, struct text *text, size_t *last_r)
{
    bool tls = tls_offers_starttls(engine->policy->tls_offer) && engine->guided;
    bool passed_tls =
        engine->policy->tls_offer == TLS_OFFER_PASS &&
        capabilities_offer(&engine->peers[SIDE_UPSTREAM].view.capabilities, EXTENSION_STARTTLS);
    uint32_t ours = login_offers(engine);
    uint32_t passed =
        login_passes(engine) ? engine->peers[SIDE_UPSTREAM].view.capabilities.mechanisms : 0;
    char bytes[160];
    struct text names = text_over(bytes, sizeof(bytes));

    if ((tls || passed_tls) && !engine->peers[SIDE_CLIENT].view.secured)
        add_keyword(text, SPAN("STARTTLS"), last_r);
    if (believe_offers(engine) != 0)
        add_xclient(engine, text, last_r);
    text_add(&names, SPAN("AUTH "));
    mechanisms_show(ours != 0 ? ours : passed, &names);
    if (ours != 0)
        add_keyword(text, text_span(&names), last_r);
    if (!engine->policy->client_auth.equals || (ours | passed) == 0)
        return;
    bytes[SPAN("AUTH").size] = '='; /* B-40 */
    add_keyword(text, text_span(&names), last_r);
}

/* What is added whatever the upstream's lines were, and the last line's blank. */
static void end_keywords(struct engine *engine, struct text *text, size_t last)
{
    const struct capabilities *offered = &upstream_of(engine)->view.capabilities;

    add_keyword(text, SPAN("PIPELINING"), &last);
    if (takes_chunks(engine))
        add_keyword(text, SPAN("CHUNKING"), &last);
    add_our_own(engine, text, &last);
    if (capabilities_offer(offered, EXTENSION_SIZE) || engine->policy->limits.message_bytes > 0)
        add_size(engine, text, offered->size_bytes, &last);
    must(!text->cut);
    text->at[last + 3] = ' ';
    tell(engine, text_span(text));
}

/* The upstream's keywords once more, from what is known of them: all, see capabilities_whole(). */
static void emit_known_capabilities(struct engine *engine)
{
    const struct capabilities *offered = &upstream_of(engine)->view.capabilities;
    struct text text = scratch_of(engine, SIDE_CLIENT);
    char bytes[160];
    struct text names = text_over(bytes, sizeof(bytes));
    size_t last = 0;
    size_t i;

    add_keyword(&text, engine->policy->hostname, &last);
    for (i = 0; i < EXTENSION_NONE; i++) {
        if ((offered->plain >> i & 1U) != 0 && passes(engine, (enum extension)i))
            add_keyword(&text, extension_facts((enum extension)i)->keyword, &last);
    }
    text_add(&names, SPAN("AUTH "));
    mechanisms_show(offered->mechanisms, &names);
    if (offered->mechanisms != 0 && passes(engine, EXTENSION_AUTH))
        add_keyword(&text, text_span(&names), &last);
    end_keywords(engine, &text, last);
}

/*
 * The reply to the client's EHLO: the upstream's greeting line, then of its keywords those that can
 * be carried, then our own (section 4.5 of the wire catalogue).
 */
void emit_capabilities(struct engine *engine, const struct reply *reply)
{
    struct text text = scratch_of(engine, SIDE_CLIENT);
    struct span rest = reply->all;
    struct span line;
    size_t last = 0;

    if (!heard(engine, SIDE_CLIENT))
        return;
    reply_line(&rest, &line);
    add_keyword(&text, line, &last);
    while (reply_line(&rest, &line)) {
        if (passes(engine, extension_find(line, NULL)))
            add_keyword(&text, line, &last);
    }
    end_keywords(engine, &text, last);
}

void emit_first_line(struct engine *engine, const struct reply *reply)
{
    struct span rest = reply->all;
    struct span line;

    if (reply_line(&rest, &line))
        emit_line(engine, reply->code, line);
}

/* The refusal that is the reason, as far as it is known; without any there is nothing to announce.
 */
static void add_quote(const struct engine *engine, struct text *words)
{
    const struct envelope *envelope = &engine->envelope;
    struct span reason = ledger_reason(engine);
    bool coded = !envelope->worded && envelope->code != 0;

    if (coded) {
        text_add_byte(words, ' ');
        text_add_number(words, envelope->code);
    }
    if (reason.size > 0) {
        text_add_byte(words, ' ');
        text_add(words, reason);
    }
    if (!coded && reason.size == 0 && span_ends(text_span(words), SPAN(":")))
        words->size--;
}

void emit_plan(struct engine *engine, const struct plan *plan)
{
    char bytes[REPLY_LINE_BYTES_MAX];
    struct text words = text_over(bytes, sizeof(bytes));

    if (plan->raw) {
        trouble_answer(engine, plan);
        return;
    }
    if (plan->keywords) {
        if (heard(engine, SIDE_CLIENT))
            emit_known_capabilities(engine);
        return;
    }
    if (plan->verbatim && ledger_reason(engine).size > 0) {
        emit_line(engine, plan->code, ledger_reason(engine));
        return;
    }
    text_add(&words, plan->status);
    if (plan->status.size > 0)
        text_add_byte(&words, ' ');
    text_add(&words, plan->words);
    if (plan->quote_reason)
        add_quote(engine, &words);
    emit_line(engine, plan->code, text_span(&words));
}
