/* From CONNECT to a link: a place at the relay, then one address after the other. */
#include "connect.h"

#include "account.h"
#include "advice.h"
#include "lockstep/base/must.h"
#include "lockstep/net/dial.h"
#include "lockstep/net/path.h"
#include "pick.h"
#include "through.h"

/* --- how it went --- */

static void connect_judge(struct session *session, bool well)
{
    if (session->picked != NULL && session->unjudged)
        pick_learn(session->picked, &session->relay, well, session_now(session));
    session->unjudged = false;
}

/* What TLS follows the greeting is part of it. */
static bool connect_awaits_tls(const struct session *session)
{
    const struct config_relay *relay = &session->setup->config->relays[session->relay_number];

    return relay->address.scheme == SCHEME_STARTTLS && relay->tls != RELAY_TLS_OFFERED;
}

void connect_opened(struct session *session)
{
    struct summary summary;

    session->picked =
        session->moved == NULL ? setup_pick(session->setup, session->relay_number) : NULL;
    dial_take(session->dial);
    if (session->picked == NULL)
        return;
    session->unjudged = true;
    engine_summary(session->engine, &summary);
    session->greetings = summary.greetings;
    session->turned_away = summary.turned_away;
}

static bool connect_greeted(const struct session *session)
{
    struct summary summary;

    engine_summary(session->engine, &summary);
    return summary.greetings != session->greetings;
}

void connect_follow(struct session *session)
{
    struct summary summary;

    if (session->picked == NULL || !session->unjudged)
        return;
    engine_summary(session->engine, &summary);
    if (summary.turned_away != session->turned_away)
        connect_judge(session, false);
    else if (connect_greeted(session) && !connect_awaits_tls(session))
        connect_judge(session, true);
}

void connect_lost(struct session *session, bool tls)
{
    if (session->picked != NULL && session->unjudged && (tls || !connect_greeted(session)))
        connect_judge(session, false);
}

void connect_secured(struct session *session)
{
    if (connect_awaits_tls(session))
        connect_judge(session, true);
}

void connect_over(struct session *session)
{
    if (session->picked != NULL)
        pick_leave(session->picked, &session->relay);
    session->picked = NULL;
    session->unjudged = false;
}

/* --- connecting --- */

static void session_dial_failed(void *data)
{
    struct session *session = data;
    struct dial *dial = session->dial;
    struct event event = {.kind = EVENT_FAILED, .side = SIDE_UPSTREAM, .bytes = dial_words(dial)};

    session->relay = *dial_address(dial);
    session->dial = NULL;
    account_rise(session);
    session_event(session, &event);
    dial_close(&dial);
}

static void session_dial(struct session *session)
{
    uint32_t relay = session->connect_to;
    const struct config_relay *configured = &session->setup->config->relays[relay];
    struct link *link = &session->links[SIDE_UPSTREAM];
    char preface[PROXY_WRITTEN_BYTES_MAX];
    struct dial_plan plan = {
        .loop = &session->worker->links,
        .link = link,
        .user = &session_users[SIDE_UPSTREAM],
        .addresses = advice_where(session, relay, session->connect_live),
        .turn = session->connect_turn,
        .balance = configured->balance,
        .slow_start_ms = configured->slow_start_ms,
        .wait_ms = session->listener->policy.wait_ms[WAIT_CONNECT],
        .preface = through_preface(session, configured->session.proxy, preface),
        .server_name = configured->server_name,
        .failed = session_dial_failed,
        .data = session,
    };

    session->connect_as = session_client(session);
    if (configured->source == SOURCE_CLIENT && session->connect_as.any.sa_family != AF_UNSPEC)
        plan.way.from = &session->connect_as;
    if (session->moved == NULL)
        plan.pick = setup_pick(session->setup, relay);
    if (configured->balance != BALANCE_ORDER && session->connect_turn > 0 &&
        session->relay_number == relay)
        plan.avoid = session->relay;
    if (session->setup->intercepts) {
        plan.way.mark = PATH_MARK;
        plan.legs = session->worker->legs;
        plan.leg = &session->leg;
    }
    must(session->dial == NULL);
    session->connect_waits = false;
    if (configured->address.scheme == SCHEME_SMTPS)
        plan.tls = session->setup->relays[relay].tls;
    session->relay_number = relay;
    session->dial = dial_open(&plan);
}

void session_connect(struct session *session, const struct effect *effect)
{
    connect_lost(session, false);
    connect_over(session);
    link_shut(&session->links[SIDE_UPSTREAM], SHUT_NOW);
    session->lost[SIDE_UPSTREAM] = false;
    session->tls[SIDE_UPSTREAM][0] = 0;
    session->server = (struct span){0};
    session->connect_to = effect->relay;
    session->connect_turn = effect->turn;
    session->connect_live = effect->live;
    session->connect_waits = !account_sit(session, effect->relay);
    if (!session->connect_waits)
        session_dial(session);
}

void session_seated(struct session *session)
{
    enum seating seating = account_seating(session);

    if (!session->connect_waits || seating == SEAT_AWAITED)
        return;
    session->connect_waits = false;
    if (seating == SEATED) {
        session_dial(session);
        session_arm(session);
        return;
    }
    session_event(session, &(struct event){.kind = EVENT_FAILED,
                                           .side = SIDE_UPSTREAM,
                                           .bytes = SPAN("as many connections as there may be")});
}
