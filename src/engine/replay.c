/*
 * Putting an envelope to an upstream once more. Until a message's final dot goes the relay can own
 * nothing: whatever it took can be said again, so a connection that is lost, refused or mixed up
 * costs the client a pause and no more. The next one is spoken to one command at a time. What seems
 * to damage commands on the way is remembered.
 */
#include "replay.h"
#include "ask.h"
#include "keep.h"
#include "mend.h"
#include "message.h"
#include "prepare.h"

/* Commands of the client that mean something else the second time. */
static const uint32_t said_once = DOES_BIT(DOES_END) | DOES_BIT(DOES_CHUNK) | DOES_BIT(DOES_AUTH) |
                                  DOES_BIT(DOES_RESPONSE) | DOES_BIT(DOES_QUIT);

/* Is the client, or was it, in the middle of bytes that are kept nowhere? */
static bool bytes_begun(const struct engine *engine)
{
    const struct message *message = &engine->message;

    return (engine->input == INPUT_BODY && !keep_whole(engine)) || engine->input == INPUT_OPAQUE ||
           engine->input == INPUT_RESPONSE ||
           (engine->input == INPUT_CHUNK && message->fate != FATE_PENDING) ||
           message->convert == CONVERT_OPEN || message->convert == CONVERT_REFUSED ||
           message->begun;
}

/* Has anything been said upstream that can't be said again? */
static bool begun(const struct engine *engine)
{
    uint32_t number;

    if (bytes_begun(engine))
        return true;
    for (number = engine->ledger.answer; number != engine->ledger.send; number++) {
        const struct row *row = ledger_row(engine, number);
        enum verb_does does = verb_facts((enum verb)row->verb)->does;

        if (row->state == ROW_SENT && !row->ours && (said_once & DOES_BIT(does)) != 0)
            return true;
    }
    return false;
}

bool replay_remembers(const struct engine *engine)
{
    const struct view *view = &engine->peers[SIDE_UPSTREAM].view;
    bool open = view->mail_open || engine->kept.replay != REPLAY_NONE;

    if (view->authenticated && engine->leg.auth != AUTH_DONE)
        return false; /* the client's own login, which nobody else can repeat */
    return !open || (engine->kept.count > 0 && !engine->kept.cut);
}

/* Does nothing stand in the way but what can't be said again for want of knowing it? */
static bool but_for_memory(const struct engine *engine)
{
    return repair_on(engine, REPAIR_REPLAY_ENVELOPE) && engine->welcomed && !engine->stopping &&
           engine->phase != PHASE_CLOSING && !engine->upstream_lost &&
           engine->replays < REPLAYS_MAX && engine->peers[SIDE_CLIENT].open && !begun(engine);
}

bool replay_possible(const struct engine *engine)
{
    return but_for_memory(engine) && replay_remembers(engine);
}

/* This session can't be helped then; those to come can. */
static bool only_forgotten(const struct engine *engine)
{
    return but_for_memory(engine) && !replay_remembers(engine);
}

/* A greeting of lockstep's or the client's that nothing came back for. */
static bool greeting_lost(const struct engine *engine)
{
    uint32_t number;

    for (number = engine->ledger.answer; number != engine->ledger.send; number++) {
        const struct row *row = ledger_row(engine, number);

        if (row->state == ROW_SENT && verb_facts((enum verb)row->verb)->does == DOES_GREET)
            return true;
    }
    return false;
}

/* What the loss says of the path. One that is lost at EHLO may be a relay that just went down. */
static void learn_from_loss(struct engine *engine)
{
    struct leg *leg = &engine->leg;

    if (engine->ledger.in_flight > 1)
        learn_trait(engine, TRAIT_LOCKSTEP);
    if (!greeting_lost(engine))
        return;
    if (leg->greeting_lost)
        learn_trait(engine, TRAIT_NO_EHLO);
    leg->greeting_lost = true;
}

/* In `observe` it is only said, once for each connection, that there was something to put again. */
static void notice(struct engine *engine)
{
    bool something = engine->ledger.in_flight > 0 || upstream_of(engine)->view.mail_open;

    if (!something || engine->leg.again || engine->phase != PHASE_TALKING || engine->stopping ||
        !client_of(engine)->open || begun(engine))
        return;
    engine->leg.again = true;
    mend_acts(engine, REPAIR_REPLAY_ENVELOPE);
}

bool replay(struct engine *engine, struct span why)
{
    struct kept *kept = &engine->kept;
    bool open = upstream_of(engine)->view.mail_open || kept->replay != REPLAY_NONE;

    if (observing(engine))
        notice(engine);
    if (message_open(engine) && engine->input == INPUT_BODY && !keep_whole(engine) &&
        repair_on(engine, REPAIR_REPLAY_ENVELOPE))
        note(engine, SPAN("unkept"), SPAN(""), SPAN("message"));
    if (!replay_possible(engine) || !ask_drop(engine)) {
        if (only_forgotten(engine))
            learn_from_loss(engine);
        return false;
    }
    note(engine, SPAN("replay"), SPAN("why"), why);
    learn_from_loss(engine);
    engine->replays++;
    engine->turn++;
    leg_drop(engine);
    *upstream_of(engine) = (struct peer){.shut = true}; /* nobody is there until it is connected */
    ledger_rewind(engine);
    kept->replay = open ? REPLAY_ROWS : REPLAY_NONE;
    kept->at = kept->next = 0;
    engine->message.convert = CONVERT_NONE;
    if (engine->input == INPUT_BODY)
        engine->message.fate = FATE_PENDING;
    engine->reset_owed = engine->stale = engine->quit_sent = false;
    engine->reply_seen = 0;
    engine->leg.gone = true;
    engine->phase = PHASE_TALKING;
    return true;
}

/* --- what was learnt --- */

void learn_trait(struct engine *engine, enum trait trait)
{
    if (has_trait(engine, trait) || !mend_framing(engine, REPAIR_LEARN_PATH))
        return;
    engine->leg.traits |= (uint8_t)(1U << trait);
    engine->learn_due |= (uint8_t)(1U << trait);
    note(engine, SPAN("learnt"), SPAN(""), trait_word(trait));
}

void replay_look(struct engine *engine, const struct reply *reply, enum verb_does does)
{
    enum middlebox seen = MIDDLEBOX_COUNT;
    size_t i;

    if (engine->phase == PHASE_GREETING)
        seen = middlebox_greeting(reply);
    else if (reply->code >= 500)
        seen = middlebox_refusal(reply);
    else if (does == DOES_GREET)
        seen = middlebox_keywords(reply);
    if (seen == MIDDLEBOX_COUNT || engine->leg.middlebox == 1 + (uint8_t)seen)
        return;
    engine->leg.middlebox = (uint8_t)(1 + seen);
    note(engine, SPAN("finding"), SPAN("middlebox"), middlebox_facts(seen)->word);
    for (i = 0; i < TRAIT_COUNT; i++) {
        if ((middlebox_facts(seen)->traits >> i & 1U) != 0)
            learn_trait(engine, (enum trait)i);
    }
}

/* Behind EHLO, where nothing else was said: the path makes two answers of the one (F-32). */
void replay_look_unasked(struct engine *engine)
{
    const struct view *view = &upstream_of(engine)->view;

    if (replay_possible(engine) && view->extended && !view->mail_open && ledger_empty(engine))
        learn_trait(engine, TRAIT_NO_EHLO);
}

/* --- answers that do not fit --- */

bool speaks_of(struct span words, const struct span *marks, size_t count)
{
    size_t i, at;

    for (i = 0; i < count; i++) {
        for (at = 0; at + marks[i].size <= words.size; at++) {
            if (span_starts_fold(span_tail(words, at), marks[i]))
                return true;
        }
    }
    return false;
}

/* What only DATA is answered with: to RCPT it says that one reply has gone missing (F-36). */
static bool speaks_of_data(struct span words)
{
    static const struct span marks[] = {
        SPAN_INIT("valid recipients"),
        SPAN_INIT("need rcpt"),
        SPAN_INIT("rcpt first"),
        SPAN_INIT("must precede data"),
        SPAN_INIT("no recipient specified"),
    };

    return speaks_of(words, marks, sizeof(marks) / sizeof(marks[0]));
}

/* What those say that mind a batch (F-40); whatever came in between has made one of it. */
static bool speaks_of_batches(struct span words)
{
    static const struct span marks[] = {SPAN_INIT("synchronization"), SPAN_INIT("pipelining")};

    return speaks_of(words, marks, sizeof(marks) / sizeof(marks[0]));
}

/* DATA with recipients that the relay has accepted: it knows of none (F-36, F-38), minds the order,
 * or what answers is meant for another command. */
static bool data_out_of_order(const struct engine *engine, const struct reply *reply)
{
    if (reply->code < 300 || (speaks_in_groups(engine) && speaks_of_batches(reply->text)))
        return true;
    return reply->code == 503 || (reply->code >= 500 && speaks_of_data(reply->text));
}

/* A refusal of the order, where by all replies so far the order was right; or an answer that is
 * another command's (F-38): DATA has no 2xx, and of the message nothing was said yet.
 */
static bool out_of_order(const struct engine *engine, const struct row *row,
                         const struct reply *reply)
{
    const struct view *view = &engine->peers[SIDE_UPSTREAM].view;

    switch (verb_facts((enum verb)row->verb)->does) {
    case DOES_SENDER:
        return reply->code == 503 && view->greeted && !view->mail_open;
    case DOES_RECIPIENT:
        return view->mail_open && reply->code >= 500 &&
               (reply->code == 503 || speaks_of_data(reply->text) ||
                (speaks_in_groups(engine) && speaks_of_batches(reply->text)));
    case DOES_MESSAGE:
        return view->mail_open && engine->envelope.accepted > 0 && data_out_of_order(engine, reply);
    case DOES_NONE:
    case DOES_GREET:
    case DOES_GREET_OLD:
    case DOES_CHUNK:
    case DOES_END:
    case DOES_RESET:
    case DOES_AUTH:
    case DOES_RESPONSE:
    case DOES_SECURE:
    case DOES_IDENTIFY:
    case DOES_QUIT:
    case DOES_COUNT:
        break;
    }
    return false;
}

bool replay_misfit(struct engine *engine, const struct row *row, const struct reply *reply)
{
    bool masked = row->verb == VERB_MAIL && upstream_of(engine)->view.extended &&
                  upstream_of(engine)->view.capabilities.offered == 0;
    char bytes[16];
    struct text why = text_over(bytes, sizeof(bytes));

    /* To one command at a time that is what the relay wants to say. */
    if (engine->leg.again || !out_of_order(engine, row, reply) || wants_auth(reply))
        return false;
    if (observing(engine))
        notice(engine);
    if (!but_for_memory(engine))
        return false;
    if (speaks_in_groups(engine))
        learn_trait(engine, TRAIT_LOCKSTEP);
    else if (reply->code < 300) /* each answer is the one before, from EHLO's on (F-32) */
        learn_trait(engine, TRAIT_NO_EHLO);
    if (masked) /* EHLO may have become NOOP on the way (F-02) */
        learn_trait(engine, TRAIT_NO_EHLO);
    if (!replay_remembers(engine))
        return false;
    text_add_number(&why, reply->code);
    return replay(engine, text_span(&why));
}

bool replay_greeting(struct engine *engine, struct span why)
{
    if (!repair_on(engine, REPAIR_REPLAY_ENVELOPE) || engine->welcomed || engine->stopping ||
        engine->phase != PHASE_GREETING || engine->turn >= relay_of(engine)->alternatives)
        return false;
    note(engine, SPAN("replay"), SPAN("why"), why);
    engine->turn++;
    leg_drop(engine);
    engine->leg.gone = true;
    switch_leg(engine);
    return true;
}
