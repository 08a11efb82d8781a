/*
 * Waiting for a rate. Where one is configured, the client's or the relay's, MAIL is held until the
 * outside says that a message may begin: the client sees a pause, and not a refusal. Nothing is
 * connected to, greeted or logged in at for a message that may not begin yet.
 */
#include "ask.h"

#include "replay.h"

static const struct plan too_much = {
    .answer_here = true,
    .code = 451, /* of what MAIL may be answered with (RFC 5321 4.3.2) it says the least else */
    .status = SPAN_INIT("4.4.5"), /* RFC 3463 3.5: congestion */
    .words = SPAN_INIT("Too much mail at a time:"),
    .quote_reason = true};

bool pace_due(const struct engine *engine, enum verb_does does)
{
    uint32_t relay = engine->wanted.relay;
    bool begins = does == DOES_SENDER || (does == DOES_RECIPIENT && engine->kept.held);

    return begins && engine->policy->relays[relay].paced &&
           guide_of(engine)->granted_by != 1 + relay;
}

void pace_ask(struct engine *engine)
{
    struct guide *guide = guide_of(engine);
    uint16_t refused = guide->rate_code;

    if (!guide->paced || refused == 0) /* else it was let begin, and the relay sent it back */
        guide->held_at = engine->now;
    guide->paced = true;
    guide->granted_by = guide->rate_code = 0;
    ask(engine, QUESTION_PACE, SPAN(""), SPAN(""), refused);
}

void pace_told(struct engine *engine, const struct advice *advice, struct span words)
{
    struct guide *guide = guide_of(engine);

    if (advice->told == TOLD_DONE) {
        guide->granted_by = 1 + engine->wanted.relay;
        return;
    }
    guide->paced = false;
    guide_refuse(engine, ledger_row(engine, engine->ledger.send), &too_much, words);
}

void pace_said(struct engine *engine, enum verb_does does)
{
    struct guide *guide;

    if (!engine->guided)
        return;
    guide = guide_of(engine);
    guide->spent.recipients += does == DOES_RECIPIENT;
    guide->spent.messages += does == DOES_SENDER;
    if (does == DOES_SENDER)
        guide->granted_by = 0;
}

void pace_spent(struct engine *engine)
{
    if (engine->guided)
        guide_of(engine)->spent.bytes += engine->message.total;
}

void engine_spent(const struct engine *engine, struct spent *spent_r)
{
    *spent_r = engine->guided ? guide_of(engine)->spent : (struct spent){0};
}

void pace_over(struct engine *engine)
{
    if (engine->guided)
        guide_of(engine)->paced = false;
}

moment pace_deadline(const struct engine *engine)
{
    return guide_of(engine)->held_at + (moment)engine->policy->wait_ms[WAIT_PACE];
}

/* What led back here may have taken longer than that. */
uint32_t pace_room(const struct engine *engine)
{
    moment deadline = pace_deadline(engine);

    return deadline > engine->now ? (uint32_t)(deadline - engine->now) : 0;
}

/* --- while it is held --- */

bool pace_holds(const struct engine *engine)
{
    return asking(engine) && guide_of(engine)->asked == 1 + QUESTION_PACE &&
           engine->ledger.release == engine->ledger.send;
}

bool pace_hopeless(const struct engine *engine)
{
    const struct peer *client = &engine->peers[SIDE_CLIENT];
    uint32_t number;

    if (!pace_holds(engine) || !client->ended || client->inbox.view.size > 0)
        return false;
    for (number = engine->ledger.send; number != engine->ledger.tail; number++) {
        if (ledger_row(engine, number)->verb == VERB_BDAT)
            return false; /* it brings its message with it */
    }
    return true;
}

/* --- rates of the relay's own --- */

static bool has_words(struct span text)
{
    static const struct span marks[] = {
        SPAN_INIT("too many messages"), SPAN_INIT("too many mails"), SPAN_INIT("too many emails"),
        SPAN_INIT("too much mail"),     SPAN_INIT("rate limit"),     SPAN_INIT("message rate"),
        SPAN_INIT("sending rate"),      SPAN_INIT("throttl"),        SPAN_INIT("rate exceeded"),
    };

    return speaks_of(text, marks, sizeof(marks) / sizeof(marks[0]));
}

bool speaks_of_rate(const struct reply *reply)
{
    if (reply->code == 421 && span_starts(reply->enhanced, SPAN("4.7.")))
        return true;
    return reply->code >= 400 && reply->code < 500 && has_words(reply->text);
}

/* Is a MAIL of the client's refused so, and may it yet be held? */
static bool may_hold(const struct engine *engine, const struct row *row, const struct reply *reply)
{
    return row->verb == VERB_MAIL && !row->ours && !transparent(engine) && engine->guided &&
           engine->policy->relays[engine->leg.choice.relay].paced && speaks_of_rate(reply) &&
           engine->ledger.in_flight == 1 && !engine->stopping && guide_of(engine)->paced &&
           engine->now < pace_deadline(engine);
}

bool pace_again(struct engine *engine, struct row *row, const struct reply *reply)
{
    struct guide *guide;

    if (!may_hold(engine, row, reply))
        return false;
    if (reply->code != 421) {
        note_code(engine, SPAN("replay"), verb_facts((enum verb)row->verb)->name, reply->code);
        ledger_again(engine);
    } else if (!replay(engine, SPAN("rate"))) {
        return false;
    }
    guide = guide_of(engine);
    guide->granted_by = 0;
    guide->rate_code = reply->code;
    return true;
}

bool pace_insists(const struct engine *engine, const struct row *row, const struct reply *reply)
{
    return row->verb == VERB_MAIL && relay_of(engine)->alternatives == 0 && speaks_of_rate(reply);
}
