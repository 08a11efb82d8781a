/*
 * What the answers to the steps of prepare.c mean: they change the views, and what is still missing
 * is read off those.
 */
#include "ask.h"
#include "believe.h"
#include "identify.h"
#include "prepare.h"
#include "replay.h"

static const struct plan tls_refused = {.answer_here = true,
                                        .code = 421,
                                        .status = SPAN_INIT("4.7.4"),
                                        .words = SPAN_INIT("The relay refused STARTTLS:"),
                                        .quote_reason = true};
static const struct plan tls_failed = {.answer_here = true,
                                       .code = 421,
                                       .status = SPAN_INIT("4.7.5"),
                                       .words =
                                           SPAN_INIT("No TLS with the relay, try again later")};
static const struct plan tls_mixed = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.0"),
    .words = SPAN_INIT("The relay said more than STARTTLS allows before TLS began")};
static const struct plan refused_at_once = {.answer_here = true,
                                            .code = 421,
                                            .status = SPAN_INIT("4.4.1"),
                                            .words = SPAN_INIT("The relay refuses the session:"),
                                            .quote_reason = true};

static void prepare_greeted(struct engine *engine, const struct reply *reply)
{
    struct view *view = &upstream_of(engine)->view;

    if (reply->code >= 300) {
        engine->leg.ehlo_refused = true;
        /* Else it was greeted so, or nothing may be said in clear. */
        if (!view->greeted && !prepare_owes_tls(engine))
            ledger_insert_text(engine, VERB_HELO, SPAN("HELO "), greeting_name(engine));
        return;
    }
    view->greeted = view->extended = true;
    capabilities_parse(reply, &view->capabilities);
}

static void prepare_greeted_old(struct engine *engine, const struct reply *reply)
{
    struct view *view = &upstream_of(engine)->view;

    view->greeted = reply->code < 300;
    view->ungreetable = !view->greeted;
    if (!view->greeted) /* what was learnt of EHLO there does not help: it is tried after all */
        engine->leg.traits &= (uint8_t)~TRAIT_BIT(NO_EHLO);
}

bool prepare_mixed(struct engine *engine, const struct reply *reply)
{
    if (upstream_of(engine)->inbox.view.size <= reply->taken)
        return false;
    note(engine, SPAN("finding"), SPAN(""), SPAN("clear-behind-starttls"));
    upstream_leave(engine, &tls_mixed);
    return true;
}

static void prepare_secure(struct engine *engine, const struct reply *reply)
{
    struct peer *upstream = upstream_of(engine);
    struct leg *leg = &engine->leg;

    if (reply->code != verb_facts(VERB_STARTTLS)->success) {
        note(engine, SPAN("finding"), SPAN(""), SPAN("starttls-refused"));
        ledger_keep_reason(engine, reply);
        if (relay_of(engine)->security == SECURITY_OFFERED && !has_trait(engine, TRAIT_SECURES))
            leg->clear = true;
        else
            upstream_leave(engine, &tls_refused);
        return;
    }
    if (prepare_mixed(engine, reply))
        return;
    upstream->securing = upstream->secure_due = true;
    engine->answer_since = engine->now;
    note_life(engine, SIDE_UPSTREAM, SPAN("secure"), SPAN(""));
}

void prepare_secured(struct engine *engine)
{
    struct peer *upstream = upstream_of(engine);

    upstream->securing = false;
    upstream->view = (struct view){.secured = true}; /* */
    engine->answer_since = engine->client_since = engine->now;
}

void prepare_failed(struct engine *engine)
{
    upstream_of(engine)->securing = false;
    upstream_leave(engine, &tls_failed);
}

void prepare_arrived(struct engine *engine, const struct reply *reply)
{
    bool heard;

    engine->phase = PHASE_TALKING;
    engine->client_since = engine->now;
    heard = believe_welcomed(engine, reply);
    engine->summary.upstream_greeted = reply->code < 300;
    if (reply->code < 300 || (!heard && replay(engine, SPAN("greeting"))))
        return;
    ledger_keep_reason(engine, reply);
    upstream_leave(engine, &refused_at_once);
}

/* Sendmail says 550 5.7.1, Exim 550 with its own words, Postfix 554 5.7.1 or 530: what they have in
 * common is a 5.7 or the word. */
bool wants_auth(const struct reply *reply)
{
    struct span words = reply->text;
    size_t i;

    if (reply->code == 530 || span_starts(reply->enhanced, SPAN("5.7.")))
        return reply->code >= 500;
    for (i = 0; (reply->code == 503 || reply->code == 550) && i < words.size; i++) {
        if (span_starts_fold(span_tail(words, i), SPAN("authent")))
            return true;
    }
    return false;
}

bool prepare_cautious(const struct engine *engine)
{
    const struct leg *leg = &engine->leg;

    return leg->choice.credential != NOTHING && !leg->insisted &&
           (leg->auth == AUTH_UNOFFERED || leg->popped);
}

bool prepare_insists(struct engine *engine, struct row *row, const struct reply *reply)
{
    if (!prepare_cautious(engine) || engine->ledger.in_flight != 1 || !wants_auth(reply))
        return false;
    if (row->verb != VERB_MAIL &&
        (row->verb != VERB_RCPT || engine->kept.cut || engine->kept.count == 0))
        return false;
    note_code(engine, SPAN("replay"), verb_facts((enum verb)row->verb)->name, reply->code);
    engine->leg.insisted = true;
    engine->leg.popped = false;
    engine->leg.auth = AUTH_NONE;
    engine->kept.at = engine->kept.next = 0;
    if (row->verb == VERB_MAIL)
        engine->kept.size = engine->kept.count = 0;
    else
        engine->kept.replay = upstream_of(engine)->view.mail_open ? REPLAY_RESET : REPLAY_ROWS;
    ledger_again(engine);
    return true;
}

void prepare_answered(struct engine *engine, enum verb verb, const struct reply *reply)
{
    switch (verb_facts(verb)->does) {
    case DOES_SECURE:
        prepare_secure(engine, reply);
        break;
    case DOES_GREET:
        prepare_greeted(engine, reply);
        break;
    case DOES_SENDER:
    case DOES_RECIPIENT:
        envelope_replayed(engine, verb, reply);
        break;
    case DOES_AUTH:
    case DOES_RESPONSE:
        inject_answered(engine, reply);
        break;
    case DOES_GREET_OLD:
        prepare_greeted_old(engine, reply);
        break;
    case DOES_IDENTIFY:
        identify_answered(engine, reply);
        break;
    case DOES_NONE:
        if (verb == VERB_XFORWARD)
            identify_forward_answered(engine, reply);
        break;
    case DOES_MESSAGE:
    case DOES_CHUNK:
    case DOES_END:
    case DOES_RESET:
    case DOES_QUIT:
    case DOES_COUNT:
        break;
    }
}
