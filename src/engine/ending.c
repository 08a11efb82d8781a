/*
 * How a session ends, and what the client hears of an upstream that is lost. Table 4.7 of the wire
 * catalogue decides: before the final dot the client keeps its message and is told to retry; after
 * the dot and before its answer nobody can know, and the client is told just that.
 */
#include "ask.h"
#include "keep.h"
#include "mend.h"
#include "message.h"
#include "prepare.h"
#include "replay.h"
#include "trouble.h"

/* Of a line that is no reply, with its end, what is quoted at most. */
#define UNREADABLE_QUOTED_MAX 200U

/* Which addresses were tried, and what the system said, is for the record and the log. */
static const struct plan unreachable = {.answer_here = true,
                                        .code = 421,
                                        .status = SPAN_INIT("4.4.1"),
                                        .words =
                                            SPAN_INIT("No answer from the relay, try again later")};
static const struct plan lost = {.answer_here = true,
                                 .code = 421,
                                 .status = SPAN_INIT("4.4.2"),
                                 .words =
                                     SPAN_INIT("Connection to the relay lost, try again later")};
static const struct plan lost_in_message = {
    .answer_here = true,
    .code = 451,
    .status = SPAN_INIT("4.4.2"),
    .words = SPAN_INIT("Connection to the relay lost, the message was not delivered")};
static const struct plan lost_after_message = {
    .answer_here = true,
    .code = 451,
    .status = SPAN_INIT("4.4.2"),
    .words = SPAN_INIT("Connection to the relay lost, delivery status unknown, may be duplicated")};
static const struct plan bye = {.answer_here = true,
                                .code = 221,
                                .status = SPAN_INIT("2.0.0"),
                                .words = SPAN_INIT("Bye"),
                                .close = true};
static const struct plan stopping = {.answer_here = true,
                                     .code = 421,
                                     .status = SPAN_INIT("4.3.2"),
                                     .words = SPAN_INIT("Shutting down, try again later")};
static const struct plan left_while_held = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.4.5"),
    .words = SPAN_INIT("Too much mail at a time, and nobody waits for this one's turn")};
static const struct plan relay_slow = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.4.2"),
    .words = SPAN_INIT("The relay did not answer in time, try again later")};
static const struct plan client_slow = {.answer_here = true,
                                        .code = 421,
                                        .status = SPAN_INIT("4.4.2"),
                                        .words = SPAN_INIT("Waited too long, closing")};
static const struct plan silent = {.answer_here = true};

static struct span word_span(const char *word)
{
    return span_of_string(word);
}

/* Says a last word of ours, unless we only observe. */
static void say(struct engine *engine, const struct plan *plan)
{
    if (transparent(engine) || engine->input == INPUT_OPAQUE)
        return;
    note_code(engine, SPAN("answer"), SPAN("session"), plan->code);
    emit_plan(engine, plan);
}

void shut_now(struct engine *engine, enum side side, enum shut how)
{
    static const struct span ways[] = {
        [SHUT_FLUSH] = SPAN_INIT("flush"),
        [SHUT_NOW] = SPAN_INIT("now"),
        [SHUT_RESET] = SPAN_INIT("reset"),
        [SHUT_HALF] = SPAN_INIT("half"),
    };

    engine->shut_due[side] = (uint8_t)(1 + how);
    note_life(engine, side, SPAN("shut"), ways[how]);
}

static void shut(struct engine *engine, enum side side, enum shut how)
{
    struct peer *peer = &engine->peers[side];

    if (peer->shut)
        return;
    peer->shut = true;
    if (!engine->troubled || !trouble_shut(engine, side, how))
        shut_now(engine, side, how);
}

/* RFC 5321 4.1.1.5: a client that ends without QUIT meant it; what lockstep ends itself it ends
 * properly. */
static bool says_quit(struct engine *engine)
{
    if (engine->client_left)
        return mend_framing(engine, REPAIR_MISSING_QUIT);
    return !transparent(engine);
}

/* Never the dot, never QUIT behind half a message: the upstream must see it as broken off. */
static void shut_upstream(struct engine *engine, bool at_once)
{
    struct peer *upstream = upstream_of(engine);
    bool idle = engine->phase == PHASE_TALKING && upstream->open && !upstream->ended &&
                !upstream->securing && !engine->upstream_lost && !message_open(engine) &&
                engine->ledger.in_flight == 0 && engine->input != INPUT_OPAQUE &&
                engine->input != INPUT_RESPONSE;

    if (idle && !engine->quit_sent && says_quit(engine)) {
        engine->quit_sent = true;
        note_said(engine, SIDE_UPSTREAM, true, SPAN("QUIT\r\n"));
        emit_bytes(engine, SIDE_UPSTREAM, SPAN("QUIT\r\n"), false);
    }
    idle = idle || engine->input == INPUT_OPAQUE;
    shut(engine, SIDE_UPSTREAM, idle && !at_once ? SHUT_FLUSH : SHUT_NOW);
}

void leg_leave(struct engine *engine)
{
    shut_upstream(engine, true); /* what follows does not wait for its goodbye */
    leg_drop(engine);
}

void leg_drop(struct engine *engine)
{
    shut(engine, SIDE_UPSTREAM, SHUT_NOW);
    inbox_drop(engine, SIDE_UPSTREAM);
    inbox_keep(engine, SIDE_UPSTREAM);
}

void end_tell(struct engine *engine, enum side side, bool unread)
{
    struct peer *peer = &engine->peers[side];

    if (!peer->ended || peer->end_told || (!unread && peer->inbox.view.size > 0))
        return;
    peer->end_told = true;
    note_life(engine, side, SPAN("end"), SPAN(""));
}

/* Was a whole message sent with this row, so that its answer says who owns it? */
static bool ends_message(const struct engine *engine, const struct row *row)
{
    bool being_read =
        engine->input == INPUT_CHUNK && row == ledger_row(engine, engine->ledger.tail - 1);

    return !row->ours &&
           (row->verb == VERB_END || (row->verb == VERB_BDAT && row->last_chunk && !being_read));
}

/* Does the upstream owe the answer that says who owns a message? */
static bool outcome_awaited(const struct engine *engine)
{
    uint32_t number;

    for (number = engine->ledger.answer; number != engine->ledger.send; number++) {
        const struct row *row = ledger_row(engine, number);

        if (row->state == ROW_SENT && ends_message(engine, row))
            return true;
    }
    return false;
}

void session_close(struct engine *engine, const char *word)
{
    if (engine->phase == PHASE_CLOSING)
        return;
    if (!engine->summary.ending)
        engine->summary.ending = word;
    if (outcome_awaited(engine))
        note(engine, SPAN("unknown-outcome"), SPAN(""), SPAN(""));
    note(engine, SPAN("end"), SPAN(""), word_span(engine->summary.ending));
    shut_upstream(engine, false);
    if (client_of(engine)->open)
        shut(engine, SIDE_CLIENT, SHUT_FLUSH);
    engine->phase = PHASE_CLOSING;
    engine->closing_since = engine->now;
    inbox_drop(engine, SIDE_CLIENT);
    inbox_drop(engine, SIDE_UPSTREAM);
    keep_drop(engine);
    ledger_drop(engine);
}

void session_end_hard(struct engine *engine, const char *word, enum shut how)
{
    if (engine->phase == PHASE_CLOSING)
        return;
    engine->summary.ending = word;
    note(engine, SPAN("end"), SPAN(""), word_span(word));
    shut(engine, SIDE_UPSTREAM, how);
    if (client_of(engine)->open)
        shut(engine, SIDE_CLIENT, how);
    engine->phase = PHASE_CLOSING;
    engine->closing_since = engine->now;
    inbox_drop(engine, SIDE_CLIENT);
    inbox_drop(engine, SIDE_UPSTREAM);
    keep_drop(engine);
    ledger_drop(engine);
}

/* The verdict on a message that failed between two chunks ends nothing: only what comes behind the
 * command that hears it learns that the upstream is gone. */
struct plan farewell_to(struct engine *engine, const struct row *row)
{
    struct plan plan = engine->farewell;

    if (row->ours)
        return silent;
    if (row->verb == VERB_QUIT)
        return bye;
    plan.close = plan.code == lost.code;
    if (!plan.close)
        engine->farewell = lost;
    return plan;
}

/* Rows that were sent will hear no more from this upstream. */
static void orphan_rows(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    uint32_t number;

    for (number = ledger->answer; number != ledger->send; number++) {
        struct row *row = ledger_row(engine, number);
        struct plan plan = farewell_to(engine, row);
        bool message_sent = ends_message(engine, row);

        if (row->state != ROW_SENT)
            continue;
        if (message_sent)
            plan = lost_after_message;
        if (message_sent)
            note(engine, SPAN("unknown-outcome"), SPAN(""), SPAN(""));
        row_answer_here(engine, row, &plan);
    }
    ledger->in_flight = 0;
    ledger->barrier = false;
}

/* The message that is being read will not be delivered. One that was to be put again hears at its
 * end what came in the way. */
static void leave_message(struct engine *engine, const struct plan *farewell)
{
    struct message *message = &engine->message;

    message->verdict = lost_in_message;
    if (message_waits(engine) && farewell != &lost) {
        message->verdict = *farewell;
        message->verdict.code = lost_in_message.code;
        message->verdict.close = false;
    }
    engine->phase = PHASE_TALKING; /* its rest is read, whether or not anybody was reached */
    engine->connect_at = MOMENT_NEVER;
    message_swallow(engine);
}

void upstream_leave(struct engine *engine, const struct plan *farewell)
{
    struct message *message = &engine->message;

    if (engine->upstream_lost || engine->phase == PHASE_CLOSING)
        return;
    engine->farewell = *farewell;
    upstream_of(engine)->securing = upstream_of(engine)->secure_due = false;
    if (transparent(engine)) {
        session_close(engine, "relay-lost");
        return;
    }
    if (engine->input == INPUT_BODY && message->fate != FATE_SWALLOW)
        leave_message(engine, farewell);
    shut(engine, SIDE_UPSTREAM, SHUT_NOW);
    engine->upstream_lost = true;
    orphan_rows(engine);
    if (engine->input == INPUT_CHUNK && message->fate != FATE_SWALLOW) {
        struct row *row = ledger_empty(engine) ? NULL : ledger_row(engine, engine->ledger.tail - 1);

        if (row && row->state != ROW_HERE)
            row_answer_here(engine, row, &lost_in_message);
        message->fate = FATE_SWALLOW;
    }
    inbox_drop(engine, SIDE_UPSTREAM);
}

void upstream_gone(struct engine *engine, struct span why)
{
    if (engine->input == INPUT_OPAQUE) { /* nobody knows what was under way */
        session_close(engine, upstream_of(engine)->ended ? "relay-closed" : "relay-lost");
        return;
    }
    if (engine->phase == PHASE_TALKING && upstream_of(engine)->securing) {
        prepare_failed(engine);
        return;
    }
    if (replay(engine, why) || replay_greeting(engine, why))
        return;
    if (engine->phase == PHASE_TALKING) {
        if (!engine->summary.ending && !engine->quit_sent)
            engine->summary.ending = "relay-lost";
        upstream_leave(engine, &lost);
        return;
    }
    if (message_waits(engine)) {
        upstream_leave(engine, &unreachable);
        return;
    }
    say(engine, &unreachable);
    session_close(engine, "relay-unreachable");
}

void upstream_broken(struct engine *engine, struct span what)
{
    struct plan plan = {.answer_here = true, .code = 421, .status = SPAN("4.3.0"), .words = what};

    note(engine, SPAN("odd"), SPAN(""), SPAN("relay"));
    if (replay(engine, SPAN("odd")))
        return;
    if (transparent(engine)) {
        engine->input = INPUT_OPAQUE;
        return;
    }
    if (message_open(engine) && engine->input == INPUT_BODY) {
        message_fail(engine, &lost_in_message);
        return;
    }
    if (message_waits(engine)) {
        upstream_leave(engine, &lost);
        return;
    }
    say(engine, &plan);
    engine->upstream_lost = true;
    session_close(engine, "relay-broken");
}

/* A line that can be shown to anybody: not a byte in it is more than text. */
static bool readable(struct span line)
{
    size_t i;

    for (i = 0; i < line.size; i++) {
        if (line.at[i] < ' ' || line.at[i] > '~')
            return false;
    }
    return line.size > 0;
}

/* hMailServer ends a session with a line that has no code (F-42). Where a credential was said such
 * a line may quote it, and nobody is told. */
void upstream_unreadable(struct engine *engine, bool without_code)
{
    char bytes[UNREADABLE_QUOTED_MAX + 64];
    struct text words = text_over(bytes, sizeof(bytes));
    struct line line;

    text_add(&words, SPAN("The relay's answer is not an SMTP reply"));
    if (without_code && !awaits_secret(engine) &&
        line_next(upstream_of(engine)->inbox.view, UNREADABLE_QUOTED_MAX, &line) == PARSED &&
        readable(line.text)) {
        text_add(&words, SPAN(": "));
        text_add(&words, line.text);
    }
    upstream_broken(engine, text_span(&words));
}

void client_gone(struct engine *engine, struct span why)
{
    struct peer *client = client_of(engine);

    note_life(engine, SIDE_CLIENT, SPAN("fail"), why);
    client->open = false;
    client->ended = client->end_told = true;
    client->unsent = 0;
    inbox_drop(engine, SIDE_CLIENT);
    engine->ledger.tail = engine->ledger.send; /* nothing more is sent for it */
}

static bool half_closed_and_done(const struct engine *engine)
{
    const struct peer *client = &engine->peers[SIDE_CLIENT];

    if (engine->phase != PHASE_TALKING)
        return client->inbox.view.size == 0 && ledger_empty(engine);
    if (engine->input == INPUT_OPAQUE) /* answers are not counted, only what waits to go on */
        return client->inbox.view.size == 0 && engine->ledger.send == engine->ledger.tail;
    return ledger_empty(engine) && emit_may(engine, SIDE_CLIENT) && !engine->starved;
}

/* The client left, or will say no more: the word for it when nothing is left to do, else NULL. */
static const char *client_done(const struct engine *engine)
{
    const struct peer *client = &engine->peers[SIDE_CLIENT];
    bool unfinished = engine->input == INPUT_BODY ||
                      (engine->input == INPUT_CHUNK && engine->message.chunk_left > 0);

    if (!client->open)
        return outcome_awaited(engine) && !engine->upstream_lost ? NULL : "client-lost";
    if (!client->ended)
        return NULL;
    if (pace_hopeless(engine))
        return "client-lost";
    if (unfinished) /* table 4.7: without the dot nothing is delivered */
        return client->inbox.view.size == 0 ? "client-lost" : NULL;
    return half_closed_and_done(engine) ? "client-closed" : NULL;
}

/* Nobody is in the middle of anything. */
static bool at_rest(const struct engine *engine)
{
    return ledger_empty(engine) && engine->input == INPUT_COMMAND &&
           !engine->peers[SIDE_UPSTREAM].view.mail_open;
}

void session_conclude(struct engine *engine)
{
    const char *done;

    if (engine->phase == PHASE_NEW)
        return;
    done = client_done(engine);
    if (done) {
        end_tell(engine, SIDE_CLIENT, true);
        engine->client_left = true;
        if (client_of(engine)->open && pace_hopeless(engine)) /* it may still listen */
            say(engine, &left_while_held);
        session_close(engine, done);
    } else if (engine->stopping && (at_rest(engine) || pace_holds(engine))) {
        say(engine, &stopping);
        session_close(engine, "stopped");
    }
}

/* --- time --- */

static moment after(const struct engine *engine, moment since, enum wait wait)
{
    return since + (moment)engine->policy->wait_ms[wait];
}

static moment earlier(moment one, moment other)
{
    return one < other ? one : other;
}

/* Part of an envelope that was sent with others, and can be put once more: it may be lost. */
static bool grouped(const struct engine *engine, const struct row *row)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;

    return (does == DOES_SENDER || does == DOES_RECIPIENT || does == DOES_MESSAGE) && !row->ours &&
           speaks_in_groups(engine) && replay_possible(engine);
}

/* The shorter of both patiences. */
static enum wait group_wait(const struct engine *engine, const struct row *row)
{
    enum wait wait = verb_facts((enum verb)row->verb)->wait;

    return engine->policy->wait_ms[WAIT_GROUP] < engine->policy->wait_ms[wait] ? WAIT_GROUP : wait;
}

static moment answer_deadline(const struct engine *engine)
{
    const struct row *row;

    if (engine->phase != PHASE_TALKING)
        return after(engine, engine->answer_since, WAIT_GREETING);
    if (engine->peers[SIDE_UPSTREAM].securing)
        return after(engine, engine->answer_since, WAIT_SECURE);
    if (engine->ledger.in_flight == 0 || engine->input == INPUT_OPAQUE)
        return MOMENT_NEVER;
    row = ledger_row(engine, engine->ledger.answer);
    if (row->verb == VERB_BDAT && engine->input == INPUT_CHUNK &&
        engine->ledger.answer == engine->ledger.tail - 1)
        return MOMENT_NEVER; /* the chunk is still on its way, and has patiences of its own */
    if (grouped(engine, row))
        return after(engine, engine->answer_since, group_wait(engine, row));
    return after(engine, engine->answer_since, verb_facts((enum verb)row->verb)->wait);
}

/* The client's turn: to go on with a message, or to say the next command. */
static moment client_deadline(const struct engine *engine)
{
    bool message = (engine->input == INPUT_BODY || engine->input == INPUT_CHUNK) &&
                   engine->message.fate != FATE_PENDING;

    if (engine->phase != PHASE_TALKING || asking(engine) || engine->peers[SIDE_UPSTREAM].securing)
        return MOMENT_NEVER;
    if (engine->peers[SIDE_CLIENT].securing)
        return after(engine, engine->client_since, WAIT_SECURE);
    if (engine->ledger.in_flight > 0 && !message && engine->input != INPUT_OPAQUE)
        return MOMENT_NEVER;
    if (message && !emit_may(engine, SIDE_UPSTREAM))
        return MOMENT_NEVER;           /* it is not read: the upstream is waited for */
    if (engine->input == INPUT_OPAQUE) /* a final dot may be among what nobody can read */
        return after(engine, engine->client_since, WAIT_END);
    return after(engine, engine->client_since, message ? WAIT_BLOCK : WAIT_CLIENT);
}

static moment unsent_deadline(const struct engine *engine, enum side side)
{
    const struct peer *peer = &engine->peers[side];

    if (peer->unsent == 0 || !peer->open)
        return MOMENT_NEVER;
    return after(engine, peer->unsent_since, WAIT_BLOCK);
}

static moment drain_deadline(const struct engine *engine)
{
    return engine->stopping ? after(engine, engine->stop_at, WAIT_DRAIN) : MOMENT_NEVER;
}

moment session_deadline(const struct engine *engine)
{
    moment first;

    if (engine->phase == PHASE_NEW || engine_over(engine))
        return MOMENT_NEVER;
    first = earlier(unsent_deadline(engine, SIDE_CLIENT), unsent_deadline(engine, SIDE_UPSTREAM));
    if (engine->phase == PHASE_CLOSING)
        return earlier(first, after(engine, engine->closing_since, WAIT_BLOCK));
    first = earlier(first, engine->connect_at);
    first = earlier(first, earlier(drain_deadline(engine), ask_deadline(engine)));
    return earlier(first, earlier(answer_deadline(engine), client_deadline(engine)));
}

/* Closing takes too long: whoever does not read loses the rest. */
static void force_over(struct engine *engine)
{
    size_t side;

    if (engine->troubled)
        trouble_force(engine);
    for (side = 0; side < SIDE_COUNT; side++) {
        struct peer *peer = &engine->peers[side];

        if (peer->unsent > 0 && peer->open) {
            peer->shut = false; /* once more, and harder */
            shut(engine, (enum side)side, SHUT_RESET);
        }
        peer->unsent = 0;
    }
}

static void end_late(struct engine *engine, const struct plan *words, const char *word)
{
    say(engine, words);
    session_close(engine, word);
}

void session_overdue(struct engine *engine)
{
    moment now = engine->now;

    if (engine->phase == PHASE_CLOSING) {
        force_over(engine);
    } else if (now >= unsent_deadline(engine, SIDE_CLIENT)) {
        client_gone(engine, SPAN("does not read"));
        shut(engine, SIDE_CLIENT, SHUT_RESET);
    } else if (now >= drain_deadline(engine)) {
        note(engine, SPAN("timeout"), SPAN(""), SPAN("drain"));
        end_late(engine, &stopping, "stopped");
    } else if (now >= ask_deadline(engine)) {
        ask_overdue(engine);
    } else if (now >= answer_deadline(engine) || now >= unsent_deadline(engine, SIDE_UPSTREAM)) {
        note(engine, SPAN("timeout"), SPAN(""), SPAN("relay"));
        if (outcome_awaited(engine)) /* the dot, or its answer, was lost on the way (F-03) */
            learn_trait(engine, TRAIT_LOCKSTEP);
        if (replay(engine, SPAN("timeout")))
            return;
        engine->summary.ending = "timeout-relay";
        if (engine->phase == PHASE_TALKING || message_waits(engine))
            upstream_leave(engine, &relay_slow);
        else
            end_late(engine, &relay_slow, "timeout-relay");
    } else {
        note(engine, SPAN("timeout"), SPAN(""), SPAN("client"));
        end_late(engine, &client_slow, "timeout-client");
    }
}
