/* From CONNECT to a link: a place at the relay, then one address after the other. */
#include "connect.h"

#include "account.h"
#include "advice.h"
#include "lockstep/base/must.h"
#include "lockstep/net/dial.h"

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

static void session_dial(struct session *session, const struct effect *effect)
{
    uint32_t relay = effect->relay;
    const struct config_relay *configured = &session->setup->config->relays[relay];
    struct link *link = &session->links[SIDE_UPSTREAM];
    struct dial_plan plan = {
        .loop = &session->worker->links,
        .link = link,
        .user = &session_users[SIDE_UPSTREAM],
        .addresses = advice_where(session, relay, effect->live),
        .turn = effect->turn,
        .wait_ms = session->listener->policy.wait_ms[WAIT_CONNECT],
        .server_name = configured->server_name,
        .failed = session_dial_failed,
        .data = session,
    };

    must(session->dial == NULL);
    session->connect_waits = false;
    if (configured->address.scheme == SCHEME_SMTPS)
        plan.tls = session->setup->relays[relay].tls;
    session->relay_number = relay;
    session->dial = dial_open(&plan);
}

void session_connect(struct session *session, const struct effect *effect)
{
    link_shut(&session->links[SIDE_UPSTREAM], SHUT_NOW);
    session->lost[SIDE_UPSTREAM] = false;
    session->tls[SIDE_UPSTREAM][0] = 0;
    session->server = (struct span){0};
    session->connect = *effect;
    session->connect_waits = !account_sit(session, effect->relay);
    if (!session->connect_waits)
        session_dial(session, effect);
}

void session_seated(struct session *session, bool there)
{
    if (!session->connect_waits)
        return;
    session->connect_waits = false;
    if (there) {
        session_dial(session, &session->connect);
        session_arm(session);
        return;
    }
    session_event(session, &(struct event){.kind = EVENT_FAILED,
                                           .side = SIDE_UPSTREAM,
                                           .bytes = SPAN("as many connections as there may be")});
}
