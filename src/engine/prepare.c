/*
 * What has to happen upstream before the client's next command can be sent: the right relay, TLS,
 * EHLO, POP, AUTH, an envelope said again. No program is kept: what is missing is read off the
 * views each time, one step is done, and its answer changes the views: see prepared.c.
 */
#include "prepare.h"
#include "ask.h"
#include "believe.h"
#include "identify.h"
#include "mend.h"
#include "replay.h"

enum step {
    STEP_NONE,
    STEP_SWITCH, /* another relay, or another identity */
    STEP_GREET,  /* EHLO of ours */
    STEP_SECURE,
    STEP_IDENTIFY, /* XCLIENT: who the client is */
    STEP_ROUTE,    /* ask a live source */
    STEP_PACE,     /* wait for a rate */
    STEP_HOLD,     /* only the recipient decides: MAIL is answered here for now */
    STEP_POP,
    STEP_AUTH,
    STEP_REFUSE, /* MAIL, because AUTH was */
    STEP_RESET,
    STEP_FORWARD, /* XFORWARD: the same for its log */
    STEP_REPLAY,
};

static const struct plan held = {.answer_here = true,
                                 .code = 250,
                                 .status = SPAN_INIT("2.1.0"),
                                 .words = SPAN_INIT("Noted, the recipient decides the relay")};
static const struct plan too_long = {.answer_here = true,
                                     .code = 500,
                                     .status = SPAN_INIT("5.5.2"),
                                     .words = SPAN_INIT("Line too long")};
static const struct plan greeted = {.answer_here = true, .code = 250};
static const struct plan elsewhere = {
    .answer_here = true,
    .code = 452,
    .status = SPAN_INIT("4.5.3"),
    .words = SPAN_INIT("This recipient goes another way, send to it separately")};
const struct plan needs_recipients = {.answer_here = true,
                                      .code = 503,
                                      .status = SPAN_INIT("5.5.1"),
                                      .words = SPAN_INIT("Need RCPT before DATA")};
static const struct plan tls_missing = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.4"),
    .words = SPAN_INIT("The relay does not offer STARTTLS, and nothing is sent in clear")};

static bool greets(enum verb_does does)
{
    return does == DOES_GREET || does == DOES_GREET_OLD;
}

static bool is_envelope(enum verb_does does)
{
    return does == DOES_SENDER || does == DOES_RECIPIENT || does == DOES_MESSAGE ||
           does == DOES_CHUNK;
}

/* The connection is to somebody else than is wanted now, or what came of AUTH there was for another
 * identity. A place that a live source named was meant for that envelope. */
static bool switch_due(const struct engine *engine)
{
    const struct choice *is = &engine->leg.choice;
    const struct choice *wanted = &engine->wanted;

    return engine->moved || identify_outdated(engine) || is->relay != wanted->relay ||
           (is->live && !wanted->live) ||
           ((engine->leg.auth != AUTH_NONE || engine->leg.popped) &&
            is->credential != wanted->credential);
}

bool upstream_secures(const struct engine *engine)
{
    enum security security = relay_of(engine)->security;

    return security == SECURITY_OFFERED || security == SECURITY_STARTTLS;
}

static enum step step_to_tls(const struct engine *engine)
{
    const struct view *view = &engine->peers[SIDE_UPSTREAM].view;
    const struct leg *leg = &engine->leg;

    if (!upstream_secures(engine) || view->secured || leg->clear)
        return STEP_NONE;
    return view->extended || leg->ehlo_refused ? STEP_SECURE : STEP_GREET;
}

bool prepare_owes_tls(const struct engine *engine)
{
    return step_to_tls(engine) != STEP_NONE;
}

/* It has said whether it knows EHLO, or is not asked. */
static bool is_greeted(const struct engine *engine)
{
    const struct view *view = &engine->peers[SIDE_UPSTREAM].view;

    return view->greeted || view->ungreetable || engine->leg.ehlo_refused || avoids_ehlo(engine);
}

/* What is offered is in the answer to EHLO, which a client's HELO does not ask for. */
static bool asks_too_little(const struct engine *engine, enum verb_does does)
{
    return does == DOES_GREET_OLD && engine->guided &&
           (relay_of(engine)->xforward ||
            (relay_of(engine)->xclient && identify_state(engine) == NAMING_NONE));
}

/* Behind XCLIENT the upstream is to be greeted anew, by the client's own greeting or for it. Mail
 * must not go by unnamed because its client has not greeted. */
static enum step step_to_identity(const struct engine *engine, enum verb_does does)
{
    enum naming state = identify_state(engine);

    if (state == NAMING_BEGUN)
        return STEP_IDENTIFY;
    if (identify_due(engine, does))
        return is_greeted(engine) ? STEP_IDENTIFY : STEP_GREET;
    if (is_greeted(engine))
        return STEP_NONE;
    if (asks_too_little(engine, does) || identify_forward_due(engine, does))
        return STEP_GREET;
    if (state < NAMING_DONE || greets(does))
        return STEP_NONE;
    return is_envelope(does) || engine->peers[SIDE_CLIENT].view.greeted ? STEP_GREET : STEP_NONE;
}

/* As whom lockstep stands there: by POP, or by AUTH. */
static enum step step_to_standing(const struct engine *engine)
{
    const struct route *route = route_of(engine);

    if (engine->leg.auth == AUTH_REFUSED)
        return STEP_REFUSE;
    if (route != NULL && route->pop.size > 0)
        return engine->leg.popped || engine->leg.auth == AUTH_UNOFFERED ? STEP_NONE : STEP_POP;
    if (engine->wanted.credential != NOTHING && engine->leg.auth == AUTH_NONE)
        return STEP_AUTH;
    return STEP_NONE;
}

/* What is left where the relay is ready for it. */
static enum step step_to_envelope(const struct engine *engine, enum verb_does does)
{
    if (identify_forward_due(engine, does))
        return STEP_FORWARD;
    return engine->kept.replay == REPLAY_ROWS ? STEP_REPLAY : STEP_NONE;
}

/* What a new envelope needs, or one that is put again. */
static enum step step_to_mail(const struct engine *engine, enum verb_does does)
{
    const struct view *view = &engine->peers[SIDE_UPSTREAM].view;
    enum step step;

    if (engine->leg.again && !view->greeted && !view->ungreetable && !greets(does) &&
        engine->peers[SIDE_CLIENT].view.greeted)
        return STEP_GREET;
    if (does != DOES_SENDER && (!is_envelope(does) || engine->kept.replay == REPLAY_NONE))
        return STEP_NONE;
    if (!view->greeted && !engine->leg.ehlo_refused &&
        (engine->peers[SIDE_CLIENT].view.greeted || engine->wanted.credential != NOTHING))
        return STEP_GREET;
    step = step_to_standing(engine);
    if (step != STEP_NONE)
        return step;
    return step_to_envelope(engine, does);
}

/* What decides where the envelope goes: at MAIL, or at the first RCPT when only that can. */
static enum step step_to_relay(const struct engine *engine, enum verb_does does, enum chosen chosen)
{
    const struct route *route = route_of(engine);
    bool decides = does == DOES_SENDER || (does == DOES_RECIPIENT && engine->kept.held);

    if (does == DOES_SENDER && chosen == UNDECIDED)
        return STEP_HOLD;
    if (decides && route != NULL && route->ask.size > 0 && !guide_of(engine)->route_asked)
        return STEP_ROUTE;
    if ((decides || greets(does)) && switch_due(engine))
        return STEP_SWITCH;
    if (is_envelope(does) && engine->kept.replay == REPLAY_RESET)
        return STEP_RESET;
    return STEP_NONE;
}

/* MAIL may get its answer here: what follows must not join the transaction before (R4). And AUTH is
 * not permitted within one (RFC 4954 4); nor XFORWARD, which RSET would undo. */
static bool ends_transaction(enum step step)
{
    return step == STEP_HOLD || step == STEP_ROUTE || step == STEP_PACE || step == STEP_REFUSE ||
           step == STEP_AUTH || step == STEP_FORWARD;
}

/* Once it is known where to: whether it may begin yet, and whether somebody is there. */
static enum step step_to_leg(const struct engine *engine, enum verb_does does, enum chosen chosen)
{
    enum step step = step_to_relay(engine, does, chosen);

    if (step == STEP_HOLD || step == STEP_ROUTE)
        return step;
    if (pace_due(engine, does))
        return STEP_PACE;
    return engine->leg.gone || identify_spoiled(engine) ? STEP_SWITCH : step;
}

static enum step next_step(const struct engine *engine, enum verb_does does, enum chosen chosen)
{
    enum step step = step_to_leg(engine, does, chosen);

    if (step == STEP_NONE && engine->stale && is_envelope(does))
        step = STEP_RESET;
    if (step == STEP_NONE)
        step = step_to_tls(engine);
    if (step == STEP_NONE)
        step = step_to_identity(engine, does);
    if (step == STEP_NONE)
        step = step_to_mail(engine, does);
    if (does == DOES_SENDER &&
        (engine->reset_owed || engine->peers[SIDE_UPSTREAM].view.mail_open) &&
        ends_transaction(step))
        step = STEP_RESET;
    return step;
}

/* --- the steps --- */

struct span greeting_name(const struct engine *engine)
{
    struct span name = brief_span(&engine->helo);

    if (name.size == 0)
        name = rewrite_of(engine).helo;
    return name.size > 0 ? name : engine->policy->hostname;
}

/* None before the first one more; then it doubles. */
static moment replay_pause(const struct engine *engine)
{
    return engine->leg.again && engine->replays > 1 ? REPLAY_PAUSE_MS << (engine->replays - 2) : 0;
}

/* A leg of its own: nothing of the one before holds for it. */
void switch_leg(struct engine *engine)
{
    struct peer *upstream = upstream_of(engine);
    struct leg before = engine->leg;
    struct span name = engine->policy->relays[engine->wanted.relay].name;
    bool same = before.choice.relay == engine->wanted.relay && !before.choice.live;

    if (before.gone) {
        mend_note(engine, REPAIR_REPLAY_ENVELOPE);
    } else {
        note(engine, SPAN("switch"), name.size > 0 ? SPAN("relay") : SPAN(""), name);
        leg_leave(engine);
    }
    *upstream = (struct peer){.shut = true};
    engine->leg = (struct leg){.choice = engine->wanted,
                               .anew = engine->welcomed,
                               .again = before.gone,
                               .greeting_lost = same && before.greeting_lost,
                               .traits = same ? before.traits : 0};
    identify_forget(engine, before.choice.relay == engine->wanted.relay);
    engine->moved = engine->stale = false;
    engine->phase = PHASE_CONNECTING;
    engine->reset_owed = engine->quit_sent = false;
    engine->reply_seen = 0;
    engine->answer_since = engine->now;
    engine->connect_at = engine->now + replay_pause(engine);
    connect_when_due(engine);
}

static void secure_upstream(struct engine *engine)
{
    struct leg *leg = &engine->leg;
    const struct view *view = &upstream_of(engine)->view;

    if (capabilities_offer(&view->capabilities, EXTENSION_STARTTLS)) {
        ledger_insert(engine, VERB_STARTTLS);
        return;
    }
    finding(engine, has_trait(engine, TRAIT_SECURES) ? SPAN("starttls-stripped")
                                                     : SPAN("starttls-missing"));
    if (relay_of(engine)->security == SECURITY_OFFERED && !has_trait(engine, TRAIT_SECURES))
        leg->clear = true;
    else
        upstream_leave(engine, &tls_missing);
}

static void hold(struct engine *engine, struct row *row)
{
    struct kept *kept = &engine->kept;

    *kept = (struct kept){.held = true};
    transaction_begin(engine, 0);
    envelope_keep(engine, DOES_SENDER, ledger_text(engine, row));
    if (kept->cut)
        envelope_drop(engine);
    else
        kept->replay = REPLAY_ROWS;
    row_decide(engine, row, kept->held ? &held : &too_long);
}

void prepare_greet(struct engine *engine)
{
    if (avoids_ehlo(engine))
        ledger_insert_text(engine, VERB_HELO, SPAN("HELO "), greeting_name(engine));
    else
        ledger_insert_text(engine, VERB_EHLO, SPAN("EHLO "), greeting_name(engine));
}

bool avoids_ehlo(const struct engine *engine)
{
    return has_trait(engine, TRAIT_NO_EHLO) && !guide_injects(engine) && !upstream_secures(engine);
}

static void take_step(struct engine *engine, struct row *row, enum step step)
{
    switch (step) {
    case STEP_NONE:
        break;
    case STEP_SWITCH:
        switch_leg(engine);
        break;
    case STEP_GREET:
        prepare_greet(engine);
        break;
    case STEP_SECURE:
        secure_upstream(engine);
        break;
    case STEP_IDENTIFY:
        identify_say(engine);
        break;
    case STEP_FORWARD:
        identify_forward_say(engine);
        break;
    case STEP_ROUTE:
        guide_of(engine)->route_asked = true;
        ask(engine, QUESTION_ROUTE, SPAN(""), SPAN(""), 0);
        break;
    case STEP_PACE:
        pace_ask(engine);
        break;
    case STEP_HOLD:
        hold(engine, row);
        break;
    case STEP_POP:
        inject_pop(engine);
        break;
    case STEP_AUTH:
        inject_begin(engine);
        break;
    case STEP_REFUSE:
        if (!inject_refused(engine, row))
            engine->leg.auth = AUTH_UNOFFERED;
        break;
    case STEP_RESET:
        ledger_insert(engine, VERB_RSET);
        break;
    case STEP_REPLAY:
        envelope_replay(engine);
        break;
    }
}

/* A recipient that a route sends elsewhere than the first one of its envelope. */
static bool goes_elsewhere(const struct engine *engine, const struct row *row)
{
    const struct guide *guide = guide_of(engine);
    struct trail trail = guide->trail;
    uint32_t route;

    if (row->verb != VERB_RCPT || !routes_want(engine->policy, FACT_RECIPIENT) ||
        engine->kept.replay != REPLAY_NONE || (trail.known >> FACT_RECIPIENT & 1U) == 0)
        return false;
    trail_learn(&trail, engine->policy, FACT_RECIPIENT, guide_recipient(engine, row));
    route_choose(engine->policy, &trail, &route);
    return route != engine->wanted.route;
}

/* May a route be decided by what such a command says? */
static bool tells(enum verb_does does)
{
    return greets(does) || does == DOES_SENDER || does == DOES_RECIPIENT;
}

/* Learns from the row and decides anew; false: it has to wait for those before it, or was answered
 * here. */
static bool learn(struct engine *engine, struct row *row, enum verb_does does,
                  enum chosen *chosen_r)
{
    if (greets(does) && !believe_told(engine, ATTRIBUTE_HELO))
        brief_keep(&engine->helo, ledger_argument(engine, row));
    if (does == DOES_SENDER && engine->ledger.in_flight == 0)
        envelope_drop(engine);
    if (!engine->guided)
        return true;
    if (engine->ledger.in_flight > 0 &&
        (does != DOES_RECIPIENT || routes_want(engine->policy, FACT_RECIPIENT)))
        return false;
    if (goes_elsewhere(engine, row)) {
        row_decide(engine, row, &elsewhere);
        return false;
    }
    guide_learn(engine, row);
    *chosen_r = guide_choose(engine);
    return true;
}

/* The upstream was greeted in this state already, by us or before the client's TLS. Nobody is
 * greeted twice, for some servers refuse that (trap 19): the client hears what is known, if that is
 * all; if not, see second_greeting.c. */
static enum prepared answer_greeting(struct engine *engine, struct row *row, enum verb_does does)
{
    const struct view *view = &upstream_of(engine)->view;
    struct plan plan = greeted;

    if (!greets(does) || !view->extended || client_of(engine)->view.greeted ||
        (does == DOES_GREET && !capabilities_whole(&view->capabilities)))
        return PREPARED;
    if (engine->ledger.in_flight > 0)
        return PREPARE_WAIT; /* what the client gives up is not settled yet */
    guide_abandon(engine);
    plan.keywords = does == DOES_GREET;
    plan.words = engine->policy->hostname;
    row_decide(engine, row, &plan);
    return PREPARE_MOVE;
}

/* No recipient has decided where a message would go. */
static void refuse_without_recipients(struct engine *engine, struct row *row)
{
    struct plan plan;

    if (mend_order(engine, row, 0, &plan))
        row_answer_here(engine, row, &plan);
    else
        row_decide(engine, row, &needs_recipients);
}

/* What a row needs is what its verb does; a recipient that a sender is put in front of opens a
 * transaction, as MAIL does. */
static enum verb_does needs_of(const struct engine *engine, const struct row *row)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;

    return does == DOES_RECIPIENT && mend_first(engine, row) == FIRST_SENDER ? DOES_SENDER : does;
}

enum prepared prepare(struct engine *engine, struct row *row)
{
    enum verb_does does = needs_of(engine, row);
    enum chosen chosen = CHOSEN;
    enum step step;

    if (does == DOES_QUIT)
        return PREPARED;
    if (engine->kept.held && (does == DOES_MESSAGE || does == DOES_CHUNK)) {
        if (engine->ledger.in_flight > 0)
            return PREPARE_WAIT; /* a RSET may end what is held */
        refuse_without_recipients(engine, row);
        return PREPARE_MOVE;
    }
    if (asking(engine) || upstream_of(engine)->securing)
        return PREPARE_WAIT;
    if (tells(does) && !learn(engine, row, does, &chosen))
        return row->state == ROW_WAITING ? PREPARE_WAIT : PREPARE_MOVE;
    step = next_step(engine, does, chosen);
    if (step == STEP_NONE)
        return answer_greeting(engine, row, does);
    if (engine->ledger.in_flight > 0)
        return PREPARE_WAIT;
    take_step(engine, row, step);
    return PREPARE_MOVE;
}
