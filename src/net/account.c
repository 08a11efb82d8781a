/* The account of a session: what it was granted, and what it said to relays. */
#include "account.h"

#include <stdlib.h>

#include "lockstep/base/must.h"

/* The pacer answers by so much before the engine gives up by itself: it knows when to come again.
 */
#define SPARE_MIN_MS 50U
#define SPARE_MAX_MS 1000U

static struct account *account_of(struct session *session)
{
    if (session->account == NULL) {
        session->account = calloc(1, sizeof(*session->account));
        must(session->account != NULL);
    }
    return session->account;
}

void account_drop(struct session *session)
{
    free(session->account);
    session->account = NULL;
}

static struct mail account_mail(struct session *session, uint32_t relay)
{
    struct account *account = account_of(session);
    bool rated = rates_given(&session->listener->rates);

    account->client = session_client(session);
    return (struct mail){
        .listener = session->listener->name,
        .client = rated && account->client.any.sa_family != AF_UNSPEC ? &account->client : NULL,
        .relay = session->setup->config->relays[relay].name,
    };
}

/* What was said since, beyond the messages that were counted when they were let begin. */
static void account_settle(struct session *session)
{
    struct account *account = session->account;
    struct summary summary;
    struct spent spent, more;
    struct mail mail;

    if (account == NULL || !account->asked)
        return;
    mail = account_mail(session, account->relay);
    engine_summary(session->engine, &summary);
    engine_spent(session->engine, &spent);
    more = (struct spent){.messages = spent.messages - account->counted.messages,
                          .recipients = spent.recipients - account->counted.recipients,
                          .bytes = spent.bytes - account->counted.bytes};
    account->counted = spent;
    account->ended = summary.messages + summary.refused;
    if (more.messages >= account->granted) {
        more.messages -= account->granted;
        account->granted = 0;
    } else {
        account->granted -= more.messages;
        more.messages = 0;
    }
    if (more.messages > 0 || more.recipients > 0 || more.bytes > 0)
        pacer_count(session->worker->pacer, &mail, &more);
}

/* It hears nothing any more of what it waited for. */
static void account_leave(struct session *session)
{
    struct account *account = session->account;

    if (account == NULL)
        return;
    pacer_leave(session->worker->pacer, &account->held);
    if (account->waits)
        account->waited_ms += (uint64_t)(session_now(session) - account->since);
    account->waits = false;
}

/* How long a message may wait that hears something in `room`. */
static uint32_t room_to_wait(uint32_t room)
{
    uint32_t spare = room / 10;

    spare = spare > SPARE_MIN_MS ? spare : SPARE_MIN_MS;
    spare = spare < SPARE_MAX_MS ? spare : SPARE_MAX_MS;
    return room > spare ? room - spare : 0;
}

bool account_ask(struct session *session, const struct question *question, struct answer *answer_r)
{
    struct account *account = account_of(session);
    struct pacer *pacer = session->worker->pacer;
    struct mail mail = account_mail(session, question->relay);
    uint32_t said = account->counted.messages;

    account_leave(session); /* what the engine gave up by itself may wait still */
    account_settle(session);
    if (question->code != 0)
        pacer_learn(pacer, &mail, false);
    else if (account->counted.messages != said && question->relay == account->relay)
        pacer_learn(pacer, &mail, true);
    account->asked = true;
    account->relay = question->relay;
    account->held.reach = (struct reach){.desk = &session->worker->desk,
                                         .session = session,
                                         .id = session->id,
                                         .serial = question->serial};
    if (pacer_ask(pacer, &account->held, &mail, room_to_wait(question->room), answer_r)) {
        account->granted += answer_r->told == TOLD_DONE;
        return true;
    }
    account->waits = true;
    account->since = session_now(session);
    account->times++;
    return false;
}

void account_answered(struct session *session, uint32_t serial, const struct answer *answer)
{
    struct account *account = session->account;

    if (account == NULL || !account->waits || account->held.reach.serial != serial)
        return;
    account->waits = false;
    account->granted += answer->told == TOLD_DONE;
    account->waited_ms += (uint64_t)(session_now(session) - account->since);
}

void account_follow(struct session *session)
{
    struct summary summary;

    if (session->account == NULL || !session->account->asked)
        return;
    engine_summary(session->engine, &summary);
    if (summary.messages + summary.refused != session->account->ended)
        account_settle(session);
}

void account_end(struct session *session)
{
    account_settle(session);
    account_leave(session);
}

/* --- places --- */

bool account_sit(struct session *session, uint32_t relay)
{
    const struct config_relay *configured = &session->setup->config->relays[relay];
    struct seat *seat;

    if (session->relay_number == relay && account_seating(session) == SEATED)
        return true;
    account_rise(session);
    if (configured->sessions == 0)
        return true;
    seat = &account_of(session)->seat;
    *seat = (struct seat){.reach = {.desk = &session->worker->desk,
                                    .session = session,
                                    .id = session->id,
                                    .serial = SEAT_SERIAL}};
    return pacer_sit(session->worker->pacer, seat, configured->name,
                     session->listener->policy.wait_ms[WAIT_PACE]);
}

void account_rise(struct session *session)
{
    if (session->account != NULL && session->account->seat.row != NULL)
        pacer_rise(session->worker->pacer, &session->account->seat);
}

enum seating account_seating(const struct session *session)
{
    if (session->account == NULL || session->account->seat.row == NULL)
        return SEAT_DENIED;
    return pacer_seating(session->worker->pacer, &session->account->seat);
}
