/*
 * What the upstream's replies mean, and who hears them. A reply belongs to the oldest row in
 * flight, by counting and by nothing else. Success is exact: 235 for AUTH, 220 for STARTTLS,
 * 354 for DATA; whatever else sounds friendly there is a refusal (F-02).
 */
#include "ask.h"
#include "believe.h"
#include "keep.h"
#include "login.h"
#include "mend.h"
#include "message.h"
#include "prepare.h"
#include "replay.h"
#include "trouble.h"

enum outcome {
    SUCCEEDED,
    INTERIM, /* 334: the exchange goes on */
    REFUSED,
    WRONG, /* a 2xx or 3xx that does not mean success for this verb */
};

static const struct plan wrong_code = {
    .answer_here = true,
    .code = 554,
    .status = SPAN_INIT("5.5.0"),
    .words = SPAN_INIT("The relay's answer does not mean success for this command")};
static const struct plan other_sender = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.3.0"),
    .words = SPAN_INIT("The relay mixed up two transactions; nothing was sent")};
static const struct plan reset_refused = {.answer_here = true,
                                          .code = 421,
                                          .status = SPAN_INIT("4.3.0"),
                                          .words = SPAN_INIT("The relay refused RSET")};
static const struct plan relay_closes = {.answer_here = true,
                                         .code = 421,
                                         .verbatim = true,
                                         .words = SPAN_INIT("The relay closes the connection")};

static enum outcome outcome_of(const struct verb_facts *facts, uint16_t code)
{
    if (code >= 400)
        return REFUSED;
    if (facts->interim != 0 && code == facts->interim)
        return INTERIM;
    if (facts->success != 0)
        return code == facts->success ? SUCCEEDED : WRONG;
    return code < 300 ? SUCCEEDED : WRONG;
}

void transaction_end(struct engine *engine)
{
    guide_forget(engine);
    engine->envelope = (struct envelope){0};
    engine->message.convert = CONVERT_NONE;
    engine->message.begun = false;
    upstream_of(engine)->view.mail_open = false;
}

static void settle_greeting(struct engine *engine, const struct reply *reply, bool extended)
{
    struct view *view = &upstream_of(engine)->view;

    client_of(engine)->view.greeted = true;
    view->greeted = true;
    view->extended = extended;
    view->capabilities = (struct capabilities){0};
    if (extended)
        capabilities_parse(reply, &view->capabilities);
    transaction_end(engine);
}

void transaction_begin(struct engine *engine, uint16_t refusal)
{
    struct envelope *envelope = &engine->envelope;

    if (refusal == 0)
        *envelope = (struct envelope){0};
    envelope->recipients = envelope->accepted = 0;
    envelope->sender_refused = refusal != 0;
    envelope->code = refusal;
    engine->message.convert = CONVERT_NONE;
    engine->data_refused = false;
}

static void settle_sender(struct engine *engine, const struct reply *reply, enum outcome outcome)
{
    struct view *view = &upstream_of(engine)->view;

    pace_over(engine);
    transaction_begin(engine, outcome != SUCCEEDED ? reply->code : 0);
    if (outcome == SUCCEEDED) {
        view->mail_open = true;
        return;
    }
    ledger_keep_reason(engine, reply);
    engine->reset_owed = view->mail_open; /* refused as nested: that envelope is forgotten */
}

static void settle_recipient(struct engine *engine, const struct reply *reply, enum outcome outcome)
{
    struct envelope *envelope = &engine->envelope;

    if (envelope->sender_refused)
        return;
    envelope->recipients++;
    if (outcome == SUCCEEDED)
        envelope->accepted++;
    else if (envelope->code == 0 || (envelope->code < 500 && reply->code >= 500))
        ledger_keep_reason(engine, reply);
}

/* The final dot, or BDAT LAST: the one place where a message becomes the upstream's. */
static void settle_message(struct engine *engine, enum outcome outcome)
{
    struct summary *summary = &engine->summary;

    pace_spent(engine);
    if (outcome == SUCCEEDED) {
        engine->replays = 0;
        engine->leg.again = false;
        summary->messages++;
        summary->recipients += engine->envelope.accepted;
        summary->message_bytes += engine->message.total;
    } else {
        summary->refused++;
    }
    transaction_end(engine);
}

/* What a client row's answer changes in what we know. */
static void settle(struct engine *engine, const struct row *row, const struct reply *reply,
                   enum outcome outcome)
{
    bool succeeded = outcome == SUCCEEDED;

    switch (verb_facts((enum verb)row->verb)->does) {
    case DOES_GREET:
    case DOES_GREET_OLD:
        if (succeeded)
            settle_greeting(engine, reply,
                            row->upgraded || (row->verb == VERB_EHLO && !engine->leg.downgraded));
        break;
    case DOES_SENDER:
        settle_sender(engine, reply, outcome);
        break;
    case DOES_RECIPIENT:
        settle_recipient(engine, reply, outcome);
        break;
    case DOES_MESSAGE:
        engine->reset_owed = !succeeded && upstream_of(engine)->view.mail_open;
        break;
    case DOES_END:
        settle_message(engine, outcome);
        break;
    case DOES_CHUNK:
        if (row->last_chunk)
            settle_message(engine, outcome);
        else if (!succeeded)
            chunk_refused(engine, reply);
        else
            engine->kept.cut = true; /* the message has begun, and that part is kept nowhere */
        break;
    case DOES_RESET:
        if (succeeded)
            transaction_end(engine);
        break;
    case DOES_AUTH:
    case DOES_RESPONSE:
        upstream_of(engine)->view.authenticated |= succeeded;
        break;
    case DOES_IDENTIFY:
        if (succeeded)
            believe_passed(engine);
        break;
    case DOES_NONE:
    case DOES_SECURE:
    case DOES_QUIT:
    case DOES_COUNT:
        break;
    }
}

static void message_begin(struct engine *engine)
{
    engine->input = INPUT_BODY;
    engine->message.fate = FATE_FORWARD;
    message_start(engine);
}

/* The answer decides what the client's unread bytes are. */
static void input_after(struct engine *engine, enum verb_does does, enum outcome outcome)
{
    bool succeeded = outcome == SUCCEEDED;

    if (does == DOES_MESSAGE && succeeded)
        message_begin(engine);
    else if (does == DOES_SECURE && succeeded)
        engine->input = INPUT_OPAQUE;
    else if ((does == DOES_AUTH || does == DOES_RESPONSE) && outcome == INTERIM)
        engine->input = INPUT_RESPONSE;
    else if (does == DOES_MESSAGE || does == DOES_SECURE || does == DOES_AUTH ||
             does == DOES_RESPONSE ||
             (does == DOES_END && engine->message.body.lf_end_seen && !transparent(engine)))
        client_resume(engine, does);
}

/* May the row's answer be said as it came? False: `plan_r` takes its place. */
static bool reply_stands(struct engine *engine, struct row *row, const struct reply *reply,
                         enum outcome outcome, struct plan *plan_r)
{
    bool look = reply->code >= 400 || engine->envelope.sender_refused || transparent(engine);

    if (look && mend_order(engine, row, reply->code, plan_r))
        return false;
    if (outcome != WRONG)
        return true;
    note_code(engine, SPAN("odd"), verb_facts((enum verb)row->verb)->name, reply->code);
    *plan_r = wrong_code;
    return transparent(engine);
}

/*
 * 354, but there is nothing a message could be sent to. R-15: without an accepted recipient a lone
 * dot goes upstream and nothing else; where the upstream took recipients of a sender that it had
 * refused, not even that, because it would deliver them somebody else's message.
 */
static bool begin_without_recipients(struct engine *engine, struct row *row)
{
    struct plan plan = needs_recipients;
    bool mixed = engine->envelope.sender_refused;

    if (transparent(engine) || (!mixed && engine->envelope.accepted > 0))
        return false;
    if (!mend_order(engine, row, 354, &plan))
        note_code(engine, SPAN("answer"), verb_facts((enum verb)row->verb)->name, plan.code);
    emit_plan(engine, &plan);
    engine->summary.commands++;
    client_resume(engine, DOES_MESSAGE);
    message_refused(engine, &plan);
    engine->reset_owed = true;
    ledger_retire(engine);
    if (mixed)
        upstream_leave(engine, &other_sender);
    else
        ledger_insert(engine, VERB_END);
    return true;
}

/* What was taken is kept, where it may have to be said again. */
static void keep(struct engine *engine, const struct row *row, enum outcome outcome)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;

    if (outcome == SUCCEEDED && (does == DOES_SENDER || does == DOES_RECIPIENT))
        envelope_keep(engine, does, ledger_text(engine, row));
}

/* The refusal is not heard: an upstream that does not know EHLO is greeted as the client did, one
 * that asks for AUTH gets it. */
static bool goes_again(struct engine *engine, struct row *row, const struct reply *reply,
                       enum outcome outcome)
{
    if (outcome != REFUSED)
        return false;
    if (pace_again(engine, row, reply))
        return true;
    if (!row->upgraded)
        return prepare_insists(engine, row, reply);
    ledger_rename(engine, row, VERB_HELO);
    row->upgraded = false;
    engine->leg.ehlo_refused = true;
    ledger_again(engine);
    return true;
}

/* Says the answer: as it came, built anew, or a plan's words in its place. */
static void say_answer(struct engine *engine, struct row *row, const struct reply *reply,
                       enum outcome outcome)
{
    enum verb verb = (enum verb)row->verb;
    struct plan plan = {.answer_here = true,
                        .code = reply->code,
                        .verbatim = true,
                        .words = SPAN("The relay refused the message")};
    bool stands = reply_stands(engine, row, reply, outcome, &plan);

    if (verb_facts(verb)->does == DOES_MESSAGE && outcome != SUCCEEDED) {
        if (stands && repair_on(engine, REPAIR_STRAY_BODY))
            ledger_keep_reason(engine, reply); /* it may have to be said once more */
        message_refused(engine, &plan);
    }
    if (!stands)
        emit_plan(engine, &plan);
    else if (row->upgraded)
        emit_first_line(engine, reply);
    else if (verb_facts(verb)->does == DOES_GREET && outcome == SUCCEEDED && !transparent(engine))
        emit_capabilities(engine, reply);
    else
        emit_reply(engine, reply);
}

static void say_and_settle(struct engine *engine, struct row *row, const struct reply *reply,
                           enum outcome outcome)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;

    keep(engine, row, outcome);
    if (does == DOES_GREET || does == DOES_SENDER) {
        settle(engine, row, reply, outcome); /* the answer shows what holds from now on */
        say_answer(engine, row, reply, outcome);
    } else {
        say_answer(engine, row, reply, outcome); /* it may quote what held until now */
        settle(engine, row, reply, outcome);
    }
}

/* What the reply means here is not what it would mean to the client. */
static bool taken_over(struct engine *engine, struct row *row, const struct reply *reply,
                       enum outcome outcome)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;

    if (does == DOES_MESSAGE && outcome == SUCCEEDED && begin_without_recipients(engine, row))
        return true;
    if (does == DOES_SECURE && !login_splice(engine, reply))
        return true;
    return goes_again(engine, row, reply, outcome);
}

static void answer_client_row(struct engine *engine, struct row *row, const struct reply *reply)
{
    enum verb verb = (enum verb)row->verb;
    enum verb_does does = verb_facts(verb)->does;
    enum outcome outcome = outcome_of(verb_facts(verb), reply->code);

    if (replay_misfit(engine, row, reply))
        return;
    if (outcome == INTERIM && emit_held_back(engine, row))
        return; /* the client waits for the answer to that */
    if (outcome == WRONG && reply->code >= 300 && !transparent(engine)) {
        /* The upstream waits for something we did not announce: what we say next would be that. */
        upstream_broken(engine, SPAN("The relay's answer does not fit the command"));
        return;
    }
    if (taken_over(engine, row, reply, outcome))
        return;
    say_and_settle(engine, row, reply, outcome);
    input_after(engine, does, outcome);
    engine->summary.commands++;
    ledger_retire(engine);
    if (does == DOES_QUIT)
        session_close(engine, "quit");
    else if (does == DOES_RESET && outcome == REFUSED && !transparent(engine))
        upstream_leave(engine, &reset_refused);
}

static void answer_data_of_ours(struct engine *engine, const struct reply *reply)
{
    struct message *message = &engine->message;

    if (reply->code == verb_facts(VERB_DATA)->success && engine->envelope.accepted > 0) {
        message->convert = CONVERT_OPEN;
        message_start(engine);
        return;
    }
    engine->reset_owed = true;
    message->convert = CONVERT_REFUSED;
    ledger_keep_reason(engine, reply);
    if (reply->code < 400) {
        engine->envelope.code = needs_recipients.code;
        engine->envelope.reason_size = 0;
    }
    if (reply->code == verb_facts(VERB_DATA)->success)
        ledger_insert(engine, VERB_END); /* */
}

/* RSET before an envelope is put once more: it is still the client's. */
static void answer_reset_of_ours(struct engine *engine)
{
    if (engine->kept.replay == REPLAY_RESET) {
        engine->kept.replay = REPLAY_ROWS;
        upstream_of(engine)->view.mail_open = false;
    } else {
        transaction_end(engine);
    }
}

/* Does the upstream wait for more with that 3xx, and shall it have it? */
static bool expected(const struct row *row, uint16_t code)
{
    const struct verb_facts *facts = verb_facts((enum verb)row->verb);

    return code < 300 || code >= 400 || code == facts->success ||
           (row->worded && code == facts->interim);
}

static void answer_row_of_ours(struct engine *engine, const struct row *row,
                               const struct reply *reply)
{
    enum verb verb = (enum verb)row->verb;
    bool fits = expected(row, reply->code);

    engine->leg.said_back = says_secret_back(engine, reply->all);
    ledger_retire(engine);
    if (!fits)
        upstream_broken(engine, SPAN("The relay's answer does not fit the command"));
    else if (verb == VERB_DATA && message_waits(engine))
        keep_answered(engine, reply);
    else if (verb == VERB_DATA)
        answer_data_of_ours(engine, reply);
    else if (verb == VERB_RSET && reply->code >= 300)
        upstream_leave(engine, &reset_refused);
    else if (verb == VERB_RSET)
        answer_reset_of_ours(engine);
    else
        prepare_answered(engine, verb, reply);
}

/* Nobody asked: it belongs to no command and must never be paired with one (R-55, F-43). */
static void unasked(struct engine *engine, const struct reply *reply)
{
    bool closes = reply->code == 421, within = message_open(engine);

    note_code(engine, SPAN("odd"), SPAN("unasked"), reply->code);
    if (transparent(engine)) {
        emit_reply(engine, reply);
        return;
    }
    /* Said within the same message once more it is what the relay means. */
    if (closes && !(within && engine->leg.again) && replay(engine, SPAN("421")))
        return;
    if (within) {
        message_answered(engine, reply);
    } else if (closes) {
        ledger_keep_reason(engine, reply);
        upstream_leave(engine, &relay_closes);
    } else {
        replay_look_unasked(engine);
        upstream_broken(engine, SPAN("The relay answered without being asked"));
    }
}

/* A chunk is taken that was not sent to its end: the reply can't be the answer to it. */
static bool takes_unseen_chunk(const struct engine *engine, const struct reply *reply)
{
    return !transparent(engine) && reply->code < 400 && engine->input == INPUT_CHUNK &&
           engine->message.fate == FATE_FORWARD && engine->ledger.answer == engine->ledger.tail - 1;
}

static void answer(struct engine *engine, const struct reply *reply)
{
    struct row *row;

    if (engine->phase == PHASE_GREETING) {
        upstream_greets(engine, reply);
        return;
    }
    if (engine->ledger.in_flight == 0 || takes_unseen_chunk(engine, reply)) {
        unasked(engine, reply);
        return;
    }
    row = ledger_row(engine, engine->ledger.answer);
    must(row->state == ROW_SENT);
    replay_look(engine, reply, verb_facts((enum verb)row->verb)->does);
    engine->answer_since = engine->client_since = engine->now;
    if (reply->code == 421 && !transparent(engine)) {
        /* Said to the same commands once more it is what the relay means. */
        if (pace_again(engine, row, reply) ||
            (!engine->leg.again && !pace_insists(engine, row, reply) &&
             replay(engine, SPAN("421"))))
            return;
        /* RFC 5321 3.8: it may answer any command, and it ends the session; the rest of the batch
         * hears nothing more (table 4.3). */
        if (row->ours)
            note_code(engine, SPAN("answer"), verb_facts((enum verb)row->verb)->name, 421);
        if (message_waits(engine)) {
            keep_closed(engine, reply);
            return;
        }
        if (row->ours && says_secret_back(engine, reply->all))
            emit_plan(engine, &relay_closes);
        else
            emit_reply(engine, reply);
        ledger_retire(engine);
        engine->upstream_lost = true;
        session_close(engine, "relay-421");
        return;
    }
    if (row->ours)
        answer_row_of_ours(engine, row, reply);
    else
        answer_client_row(engine, row, reply);
}

static bool pass_unread(struct engine *engine)
{
    struct inbox *inbox = &upstream_of(engine)->inbox;
    struct span bytes;

    bytes = engine->troubled ? span_head(inbox->view, FAULT_TEXT_BYTES_MAX) : inbox->view;
    note_unread(engine, SIDE_UPSTREAM, bytes.size);
    emit_bytes(engine, SIDE_CLIENT, bytes, inbox->borrowed);
    engine->client_since = engine->now;
    inbox_take(inbox, bytes.size);
    return true;
}

/* The next whole reply. Until a line has ended there is nothing new to parse, or a reply that comes
 * byte by byte would cost the square of its length. */
static enum parsed next_reply(struct engine *engine, struct reply *reply_r)
{
    struct span view = upstream_of(engine)->inbox.view;
    size_t limit = engine->policy->limits.reply_bytes;
    struct span fresh = span_tail(view, engine->reply_seen);
    enum parsed state = PARSED_MORE;

    if (engine->reply_seen == 0 || view.size >= limit || span_find(fresh, '\n') < fresh.size)
        state = reply_parse(view, limit, reply_r);
    engine->reply_seen = state == PARSED_MORE ? (uint32_t)view.size : 0;
    return state;
}

bool upstream_read(struct engine *engine)
{
    struct peer *upstream = upstream_of(engine);
    struct mending mending;
    struct reply reply;
    enum parsed state;
    size_t taken;

    if (engine->upstream_lost || !emit_may(engine, SIDE_CLIENT))
        return false;
    if (upstream->inbox.view.size > 0 && engine->input == INPUT_OPAQUE)
        return pass_unread(engine);
    state = next_reply(engine, &reply);
    if (state == PARSED) {
        note_reply(engine, SIDE_UPSTREAM, reply.all);
        taken = reply.taken;
        mend_reply(engine, &reply, &mending);
        if (reply.odd && !transparent(engine))
            upstream_unreadable(engine, false);
        else if (engine->troubled)
            trouble_reply(engine, &reply, answer);
        else
            answer(engine, &reply);
        engine->said_back = false;
        /* Closing has emptied the inbox already. */
        inbox_take(&upstream->inbox,
                   upstream->inbox.view.size < taken ? upstream->inbox.view.size : taken);
        return true;
    }
    if (state == PARSED_BAD) {
        if (!transparent(engine)) /* else it is told as what passes unread */
            note_rubbish(engine, upstream->inbox.view);
        upstream_unreadable(engine, reply.lines == 0);
        return true;
    }
    if (!upstream->ended)
        return false;
    note_rubbish(engine, upstream->inbox.view);
    end_tell(engine, SIDE_UPSTREAM, true);
    upstream_gone(engine, SPAN("connection closed by the relay"));
    return true;
}
