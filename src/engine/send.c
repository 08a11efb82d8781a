/*
 * Which row goes upstream next, or is answered here instead. This is the serialiser: at most
 * `window` rows are in flight, nothing follows a row that must stand last in its group before its
 * answer, and towards an upstream without PIPELINING the window is one.
 */
#include "ask.h"
#include "believe.h"
#include "identify.h"
#include "keep.h"
#include "login.h"
#include "mend.h"
#include "message.h"
#include "prepare.h"
#include "replay.h"
#include "trouble.h"

static const struct plan only_chunks = {.answer_here = true,
                                        .code = 503,
                                        .status = SPAN_INIT("5.5.1"),
                                        .words = SPAN_INIT("Only BDAT or RSET may follow BDAT")};
static const struct plan reset_here = {
    .answer_here = true, .code = 250, .status = SPAN_INIT("2.0.0"), .words = SPAN_INIT("Reset")};
static const struct plan left_message = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.3.0"),
    .words = SPAN_INIT("The relay was left with an unfinished message")};

void row_answer_here(struct engine *engine, struct row *row, const struct plan *plan)
{
    row->plan = *plan;
    row->state = ROW_HERE;
    if (row->verb == VERB_BDAT && engine->input == INPUT_CHUNK &&
        engine->message.fate == FATE_PENDING) {
        engine->message.fate = FATE_SWALLOW;
    }
}

void row_decide(struct engine *engine, struct row *row, const struct plan *plan)
{
    note_code(engine, SPAN("answer"), verb_facts((enum verb)row->verb)->name, plan->code);
    row_answer_here(engine, row, plan);
}

void row_refuse(struct engine *engine, struct row *row, const struct plan *plan)
{
    row_decide(engine, row, plan);
    row->refused = true;
}

static uint32_t window(const struct engine *engine)
{
    const struct view *view = &engine->peers[SIDE_UPSTREAM].view;

    if (transparent(engine))
        return ROWS_MAX;
    if (engine->policy->pipelining == PIPELINING_NEVER ||
        relay_of(engine)->pipelining == PIPELINING_NEVER || engine->leg.again ||
        has_trait(engine, TRAIT_LOCKSTEP) ||
        !capabilities_offer(&view->capabilities, EXTENSION_PIPELINING) || prepare_cautious(engine))
        return 1;
    return ROWS_MAX;
}

bool speaks_in_groups(const struct engine *engine)
{
    return window(engine) > 1;
}

static bool sender_in_flight(const struct engine *engine)
{
    uint32_t number;

    for (number = engine->ledger.answer; number != engine->ledger.send; number++) {
        const struct row *row = ledger_row(engine, number);

        if (verb_facts((enum verb)row->verb)->does == DOES_SENDER)
            return true;
    }
    return false;
}

/* May a transaction be open upstream when it reads what is sent next? A RSET that was sent closes
 * none before it is answered: it may be refused. */
bool mail_pending(const struct engine *engine)
{
    return engine->peers[SIDE_UPSTREAM].view.mail_open || sender_in_flight(engine);
}

bool reset_pending(const struct engine *engine)
{
    bool pending = false;
    uint32_t number;

    for (number = engine->ledger.answer; number != engine->ledger.send; number++) {
        const struct row *row = ledger_row(engine, number);
        enum verb_does does = verb_facts((enum verb)row->verb)->does;

        if (row->state == ROW_SENT && (does == DOES_RESET || does == DOES_SENDER))
            pending = does == DOES_RESET;
    }
    return pending;
}

/* The upstream reads a converted message, so no command can be sent; false: not such a case. */
static bool answer_within_message(struct engine *engine, struct row *row, enum verb_does does)
{
    if (engine->message.convert != CONVERT_OPEN || does == DOES_CHUNK)
        return false;
    if (does == DOES_RESET)
        row_decide(engine, row, &reset_here);
    else if (does != DOES_QUIT)
        row_decide(engine, row, &only_chunks);
    /* A chunk behind another MAIL would join the first one's message: misdelivery (R4). */
    if (does != DOES_RESET && does != DOES_QUIT && does != DOES_SENDER)
        return true;
    upstream_leave(engine, &left_message); /* without the dot: nothing is delivered */
    engine->message.convert = CONVERT_NONE;
    engine->envelope = (struct envelope){0};
    return true;
}

/* The ledger keeps what the client said; what is said for it depends on who hears it. False: it can
 * not be said to this upstream, and the client hears why. A row of ours is said all the same, and
 * the upstream answers it. */
static bool emit_mended(struct engine *engine, struct row *row, enum verb_does does)
{
    struct span whole = ledger_text(engine, row);
    struct span text =
        row->held_back > 0 ? span_trim(span_head(whole, whole.size - row->held_back)) : whole;
    struct span seen = transparent(engine) ? line_without_end(text) : text;
    enum verdict verdict = UNTOUCHED;
    struct mending mending;

    if (mend_due(engine, STAGE_SENDING, does) && (!row->ours || row->worded))
        verdict = mend_text(engine, STAGE_SENDING, (enum verb)row->verb, &seen, &mending);
    if (verdict == BEYOND && !row->ours) {
        row_refuse(engine, row, &mending.beyond);
        return false;
    }
    emit_command(engine, row, verdict == REPAIRED ? seen : text);
    return true;
}

/* RFC 3030 3 */
static bool is_binary(struct span line)
{
    struct span word;

    while (span_word(&line, &word)) {
        if (span_equal_fold(word, SPAN("BODY=BINARYMIME")))
            return true;
    }
    return false;
}

void send_row(struct engine *engine, struct row *row, enum verb_does does)
{
    if (does == DOES_SENDER) {
        engine->message.total = 0;
        engine->message.binary = is_binary(ledger_text(engine, row));
        if (mail_pending(engine)) /* nested: what follows must not join that transaction (R4) */
            row->alone = true;
    }
    if (does == DOES_RESET || does == DOES_GREET || does == DOES_GREET_OLD)
        engine->reset_owed = false;
    identify_forward_spent(engine, does);
    if (does == DOES_QUIT)
        engine->quit_sent = true;
    if (does == DOES_SENDER && !row->ours)
        inject_disclaim(engine, row);
    if (does == DOES_GREET && !row->ours && avoids_ehlo(engine) &&
        span_starts_fold(ledger_text(engine, row), verb_facts(VERB_EHLO)->word)) {
        ledger_rename(engine, row, VERB_HELO);
        engine->leg.downgraded = true;
    }
    if (!emit_mended(engine, row, does))
        return;
    pace_said(engine, does);
    ledger_sent(engine);
}

/* Must the row wait for the answer to the row before it? Behind a MAIL that stands alone only RSET
 * may follow: it can't join the old transaction. */
static bool barred(const struct engine *engine, enum verb_does does)
{
    const struct ledger *ledger = &engine->ledger;
    uint32_t number = ledger->send - 1;
    const struct row *last;

    if (!ledger->barrier || transparent(engine))
        return false;
    while (ledger_row(engine, number)->state != ROW_SENT) /* it was answered here */
        number--;
    last = ledger_row(engine, number);
    return verb_facts((enum verb)last->verb)->does != DOES_SENDER || does != DOES_RESET;
}

static bool may_send(const struct engine *engine, enum verb_does does)
{
    return engine->ledger.in_flight < window(engine) && !barred(engine, does) &&
           emit_may(engine, SIDE_UPSTREAM);
}

/* What a plan wants the upstream to hear before the command. */
static void put_first(struct engine *engine, enum plan_first first)
{
    struct rewrite rewrite;

    switch (first) {
    case FIRST_NOTHING:
        break;
    case FIRST_RESET:
        ledger_insert(engine, VERB_RSET);
        break;
    case FIRST_GREETING:
        prepare_greet(engine);
        break;
    case FIRST_SENDER:
        rewrite = rewrite_of(engine);
        envelope_begin(engine, rewrite.default_sender);
        break;
    }
}

/* What the answer here changes in what we know: a client that may begin anew has done so. */
static void settle_here(struct engine *engine, enum verb_does does, const struct plan *plan)
{
    if (does == DOES_MESSAGE || does == DOES_CHUNK || does == DOES_RECIPIENT)
        engine->reset_owed = engine->reset_owed || upstream_of(engine)->view.mail_open;
    if (plan->code >= 300)
        return;
    if (does == DOES_GREET || does == DOES_GREET_OLD || does == DOES_RESET)
        guide_abandon(engine);
}

/* The row is sent, but not just as it came. */
static void send_otherwise(struct engine *engine, struct row *row, const struct plan *plan)
{
    row->held_back = plan->held_back;
    if (plan->extended) {
        ledger_rename(engine, row, VERB_EHLO);
        row->upgraded = true;
    }
}

/* A repair has another plan for the row than to send it now; false: none has. */
static bool order_mended(struct engine *engine, struct row *row, enum verb_does does)
{
    struct plan plan;

    if (engine->ledger.in_flight > 0 || !mend_due(engine, STAGE_ORDER, does))
        return false;
    if (!mend_order(engine, row, 0, &plan))
        return false;
    if (plan.first != FIRST_NOTHING) {
        put_first(engine, plan.first);
    } else if (plan.answer_here) {
        settle_here(engine, does, &plan);
        row_answer_here(engine, row, &plan);
        row->refused = plan.code >= 400;
    } else {
        send_otherwise(engine, row, &plan);
        return false;
    }
    return true;
}

/* The client's own MAIL was refused as nested, and this would go to the envelope before it (R4). */
static bool joins_old(const struct engine *engine, enum verb_does does)
{
    return engine->envelope.sender_refused &&
           (does == DOES_RECIPIENT || does == DOES_MESSAGE || does == DOES_CHUNK);
}

/* Something else has to happen with a client's row than sending it; true when it did. */
static bool diverted(struct engine *engine, struct row *row, enum verb_does does)
{
    /* Nothing can be put in front of a command in the middle of a message. */
    if (!transparent(engine) && answer_within_message(engine, row, does))
        return true;
    if (order_mended(engine, row, does))
        return true;
    if (transparent(engine))
        return false;
    if (!engine->reset_owed || (does != DOES_SENDER && !joins_old(engine, does)))
        return false;
    engine->reset_owed = false;
    /* It may be refused, and what follows must not join. MAIL stands alone then itself. */
    ledger_insert(engine, VERB_RSET)->alone = does != DOES_SENDER;
    return true;
}

/* What TLS, routes and credentials have to do with the next row. */
static enum prepared made_ready(struct engine *engine, struct row *row)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;
    bool ours = (does == DOES_SECURE && engine->policy->tls_offer != TLS_OFFER_PASS) ||
                does == DOES_IDENTIFY ||
                ((does == DOES_AUTH || does == DOES_RESPONSE) && !login_passes(engine));

    if (transparent(engine))
        return PREPARED;
    if (row->ours)
        return keep_asks(engine, row) ? keep_prepare(engine, row) : PREPARED;
    if (!ours)
        return prepare(engine, row);
    if (engine->ledger.in_flight > 0 || asking(engine))
        return PREPARE_WAIT;
    if (does == DOES_IDENTIFY)
        believe_answer(engine, row);
    else
        login_answer(engine, row);
    return asking(engine) ? PREPARE_WAIT : PREPARE_MOVE;
}

/* A row that is no longer to be sent is stepped over. Behind one that ends the session nothing is
 * answered, so nothing is sent; and nothing behind a refused MAIL before that refusal counts, or it
 * would join the transaction before (R4). */
static bool step_over(struct ledger *ledger, const struct row *row)
{
    bool barrier = row->plan.close || row->plan.end != 0 ||
                   (row->refused && verb_facts((enum verb)row->verb)->does == DOES_SENDER);
    bool passed = row->state == ROW_HERE && ledger->send != ledger->answer && !barrier;

    ledger->send += passed ? 1 : 0;
    return passed;
}

/* Repairs look at what is settled and was told: a command that they would do something about waits
 * until it is. Only for the rest of an envelope that would cost the group, and there its answer is
 * looked at. */
static bool awaits_others(const struct engine *engine, const struct row *row, enum verb_does does)
{
    bool in_group = does == DOES_RECIPIENT || does == DOES_MESSAGE || does == DOES_CHUNK;
    /* Whether there is anything to reset hangs on the answer to MAIL, however early RSET came. */
    bool undecided = does == DOES_RESET && sender_in_flight(engine);

    return engine->ledger.send != engine->ledger.answer && !row->ours && !transparent(engine) &&
           engine->message.convert != CONVERT_OPEN && mend_due(engine, STAGE_ORDER, does) &&
           (undecided || mend_waits(engine, row, in_group));
}

/* Nobody is there to hear the row, or to be connected to for it. */
static bool bid_farewell(struct engine *engine, struct row *row)
{
    struct plan plan;

    if (!engine->upstream_lost && !(engine->leg.gone && row->verb == VERB_QUIT))
        return false;
    plan = farewell_to(engine, row);
    row_answer_here(engine, row, &plan);
    return true;
}

/* Nobody is there, and nobody is needed for what is answered here. */
static bool answers_for_nobody(struct engine *engine, struct row *row, enum verb_does does)
{
    return engine->leg.gone && !row->ours && (does == DOES_NONE || does == DOES_RESET) &&
           order_mended(engine, row, does);
}

bool send_next(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    enum verb_does does;
    struct row *row;

    if (engine->phase != PHASE_TALKING)
        return false;
    if (ledger->send == ledger->tail)
        return keep_ask(engine);
    row = ledger_row(engine, ledger->send);
    if (row->state != ROW_WAITING)
        return step_over(ledger, row);
    if (bid_farewell(engine, row))
        return true;
    does = verb_facts((enum verb)row->verb)->does;
    if (answers_for_nobody(engine, row, does))
        return true;
    /* While the upstream reads a converted message, whatever is said for a command would be in it.
     */
    if (engine->message.convert != CONVERT_OPEN) {
        enum prepared state = made_ready(engine, row);

        if (state != PREPARED)
            return state == PREPARE_MOVE;
    }
    if (!may_send(engine, does) || awaits_others(engine, row, does))
        return false;
    if (engine->troubled && !row->ours)
        return trouble_send(engine);
    if (!row->ours && diverted(engine, row, does))
        return true;
    if (does == DOES_CHUNK)
        return chunk_send(engine, row);
    send_row(engine, row, does);
    return true;
}

/* What the client may say next, now that this row was answered here. Only the newest row can be the
 * one whose answer was waited for: bytes behind any other have been given their meaning already. */
static void input_after(struct engine *engine, const struct row *row)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;

    if (engine->input == INPUT_WAIT && engine->ledger.release == engine->ledger.tail - 1)
        client_resume(engine, does);
    if (engine->guided)
        login_answered(engine, row);
    if ((does == DOES_GREET || does == DOES_GREET_OLD) && row->plan.code == 250)
        client_of(engine)->view.greeted = true;
    if (does == DOES_IDENTIFY && row->plan.code < 300)
        engine->envelope = (struct envelope){0}; /* the words of the greeting were in it */
    if (does == DOES_MESSAGE)
        message_refused(engine, &row->plan);
    if (does == DOES_END)
        engine->summary.refused++;
}

/* A refusal of ours counts as the upstream's own would: see settle_sender and settle_recipient.
 * With its message the client's transaction is over, and the upstream has not heard so. */
static void settle_refused(struct engine *engine, const struct row *row)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;
    struct envelope *envelope = &engine->envelope;
    bool within = engine->message.convert == CONVERT_OPEN;
    uint16_t code = row->plan.code;

    if (does == DOES_END) {
        guide_abandon(engine);
        return;
    }
    if (does == DOES_SENDER) {
        if (within)
            upstream_leave(engine, &left_message); /* see answer_within_message() */
        envelope_drop(engine);
        transaction_begin(engine, code);
        ledger_keep_words(engine, row->plan.words);
        envelope->code = code;
        engine->reset_owed = engine->reset_owed || upstream_of(engine)->view.mail_open;
        return;
    }
    if (does != DOES_RECIPIENT || envelope->sender_refused || within)
        return;
    envelope->recipients++;
    if (envelope->code == 0 || (envelope->code < 500 && code >= 500)) {
        ledger_keep_words(engine, row->plan.words);
        envelope->code = code;
    }
}

bool release_next(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    struct row *row;
    struct plan plan;

    if (engine->phase != PHASE_TALKING || ledger_empty(engine))
        return false;
    row = ledger_row(engine, ledger->release);
    if (row->state == ROW_SENT && row->plan.raw && !row->unheard) {
        trouble_answer(engine, &row->plan); /* and the relay's own will not be heard */
        row->unheard = true;
        return true;
    }
    if (row->state != ROW_HERE || !emit_may(engine, SIDE_CLIENT))
        return false;
    /* RFC 3030 2: a chunk is read to its end before it is answered. */
    if (engine->input == INPUT_CHUNK && ledger->release == ledger->tail - 1)
        return false;
    plan = row->plan;
    if (!row->ours) {
        if (!row->unheard)
            emit_plan(engine, &plan);
        engine->summary.commands++;
        if (row->refused)
            settle_refused(engine, row);
        input_after(engine, row);
    }
    engine->client_since = engine->now;
    ledger_retire(engine);
    if (plan.close)
        session_close(engine, plan.code == 221 ? "quit" : "refused");
    return true;
}
