/* The loop of the house: step the engine, carry out what it wants, arm its timer, read on. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "advice.h"
#include "arrive.h"
#include "connect.h"
#include "legs.h"
#include "lockstep/base/must.h"
#include "lockstep/net/dial.h"
#include "path.h"
#include "refuse.h"
#include "through.h"

moment session_now(const struct session *session)
{
    return (moment)uv_now(&session->worker->uv);
}

/* Both sides have the same user, at a place of its own for each. */
static enum side session_side(const struct link *link)
{
    return (enum side)(link->user - session_users);
}

static struct session *session_of(const struct link *link)
{
    const struct link *first = link - session_side(link);

    return (struct session *)((uintptr_t)first - offsetof(struct session, links));
}

void session_begin(struct session *session)
{
    struct report report;

    if (session->worker->history == NULL)
        return;
    session_sum_up(session, &report);
    session->past = past_open(session->worker->history, session->heading, &report);
}

/* --- effects --- */

static void session_secure(struct session *session, enum side side)
{
    struct tls_context *context = session->setup->relays[session->relay_number].tls;
    struct span name = session->server;
    char host[ADDRESS_TEXT_MAX];

    if (side == SIDE_CLIENT) {
        context = visitor_context(session);
        name = visitor_host(session, host);
    }
    link_secure(&session->links[side], context, name);
}

static void session_ask(struct session *session, const struct question *question)
{
    struct answered *answered = &session->worker->answered;

    answered->serial = question->serial;
    answered->there = question->kind == QUESTION_PACE
                          ? account_ask(session, question, &answered->answer)
                          : advice_ask(session, question, &answered->answer);
}

static void session_shut(struct session *session, enum side side, enum shut how)
{
    if (how == SHUT_HALF) {
        link_shut(&session->links[side], how);
        return;
    }
    if (how != SHUT_FLUSH) {
        session->sent[side] = 0;
        session->lost[side] = true;
    }
    if (side == SIDE_UPSTREAM && session->dial != NULL)
        dial_close(&session->dial);
    if (side == SIDE_UPSTREAM)
        session->connect_waits = false;
    link_shut(&session->links[side], how);
    if (side == SIDE_UPSTREAM && session->links[side].state == LINK_NONE)
        account_rise(session);
}

/* The first record opens the file, so that a session without any leaves none. */
static void session_write(struct session *session, struct span lines)
{
    if (session->worker->transcripts == NULL || session->unwritable)
        return;
    if (session->transcript == NULL)
        session->transcript = transcript_open(session->worker->transcripts, session->id,
                                              session->heading, &session->client);
    if (session->transcript == NULL) {
        session->unwritable = true;
        session->worker->user->warn("a transcript could not be made", -errno);
        return;
    }
    transcript_add(session->transcript, lines);
}

static void session_record(struct session *session, struct span lines)
{
    struct report report;

    session_write(session, lines);
    if (session->past == NULL)
        return;
    session_sum_up(session, &report);
    past_add(session->past, lines, &report, engine_idle(session->engine));
}

static void session_apply(struct session *session, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_CONNECT:
        session_connect(session, effect);
        break;
    case EFFECT_SEND:
        session->sent[effect->side] +=
            link_send(&session->links[effect->side], effect->pieces, effect->piece_count);
        break;
    case EFFECT_SECURE:
        session_secure(session, effect->side);
        break;
    case EFFECT_LEARN:
        if (session->moved == NULL)
            setup_learn(session->setup, effect->relay, effect->traits,
                        session_now(session) + session->listener->policy.wait_ms[WAIT_LEARNT]);
        break;
    case EFFECT_ASK:
        session_ask(session, effect->question);
        break;
    case EFFECT_SHUT:
        session_shut(session, effect->side, effect->how);
        break;
    case EFFECT_RECORD:
        session_record(session, effect->pieces[0]);
        break;
    }
}

/* --- the end --- */

/* Back to the worker's free sessions, once nothing of libuv's points here any more. */
void session_release(struct session *session)
{
    struct worker *worker = session->worker;

    if (!session->over || session->links[SIDE_CLIENT].state != LINK_NONE ||
        session->links[SIDE_UPSTREAM].state != LINK_NONE)
        return;
    account_rise(session);
    account_drop(session);
    connect_over(session);
    census_leave(&session->census, &session->client);
    free(session->original);
    session->original = NULL;
    setup_drop(session->setup);
    session_drop_faults(session);
    if (session->before != NULL)
        session->before->next = session->next;
    else
        worker->sessions = session->next;
    if (session->next != NULL)
        session->next->before = session->before;
    session->next = worker->free;
    worker->free = session;
    worker_released(worker);
}

static void session_unstarve(struct session *session)
{
    struct session **at = &session->worker->starved;

    if (!session->starved)
        return;
    while (*at != session)
        at = &(*at)->starved_next;
    *at = session->starved_next;
    session->starved = false;
}

void session_end(struct session *session, const char *ending, struct span why)
{
    struct report report;
    int side;

    session->over = true;
    session->connect_waits = false;
    account_end(session);
    session_sum_up(session, &report);
    report.why = why;
    if (ending != NULL)
        report.summary.ending = ending;
    if (report.summary.uncertified)
        refuse_in_session(session, &session->client, REFUSED_CERTIFICATE);
    if (session->transcript != NULL)
        transcript_close(&session->transcript);
    if (session->past != NULL)
        past_end(&session->past, &report);
    heading_drop(&session->heading);
    /* Whoever reads of the end finds the transcript whole. */
    if (!session->refused)
        session->worker->user->report(&report);
    memset(session->worker->lender.repairs, 0, sizeof(session->worker->lender.repairs));
    free(session->relay_error);
    session->relay_error = NULL;
    engine_close(session->engine);
    session_unstarve(session);
    uv_timer_stop(&session->timer);
    session->armed_at = MOMENT_NEVER;
    if (session->dial != NULL)
        dial_close(&session->dial);
    advice_end(session);
    through_free(&session->through);
    for (side = 0; side < SIDE_COUNT; side++)
        if (session->links[side].state <= LINK_OPEN)
            link_shut(&session->links[side], SHUT_NOW);
}

/* --- the loop --- */

static void session_due(uv_timer_t *timer);

/* A timer that fires too early costs less than one that is moved at every step. */
void session_arm(struct session *session)
{
    moment now = session_now(session);
    moment want = engine_deadline(session->engine);

    if (session->dial != NULL && dial_deadline(session->dial) < want)
        want = dial_deadline(session->dial);
    if (want >= session->armed_at)
        return;
    session->armed_at = want;
    uv_timer_start(&session->timer, session_due, want > now ? (uint64_t)(want - now) : 0, 0);
}

/* It will be stepped again when blocks have come back to the pool. */
static void session_starve(struct session *session)
{
    if (session->starved || !engine_starved(session->engine))
        return;
    session->starved = true;
    session->starved_next = session->worker->starved;
    session->worker->starved = session;
}

static void session_throttle(struct session *session)
{
    int side;

    for (side = 0; side < SIDE_COUNT; side++) {
        struct link *link = &session->links[side];

        if (link->state == LINK_OPEN && link->paused &&
            engine_room(session->engine, (enum side)side) > 0)
            link_read(link);
    }
    session_starve(session);
}

/* What carrying out the effects has caused in its turn: bytes that left at once, a lost peer, an
 * answer that was there already. */
static bool session_follow(struct session *session, struct event *event_r)
{
    struct answered *answered = &session->worker->answered;
    int i;

    if (answered->there) {
        answered->there = false;
        *event_r = advice_event(session, answered->serial, &answered->answer, &answered->advice);
        return true;
    }
    for (i = 0; i < SIDE_COUNT; i++) {
        enum side side = (enum side)i;
        struct link *link = &session->links[side];

        if (session->sent[side] > 0) {
            *event_r =
                (struct event){.kind = EVENT_SENT, .side = side, .count = session->sent[side]};
            session->sent[side] = 0;
            return true;
        }
        if (link->state == LINK_OPEN && link->error != 0 && !session->lost[side]) {
            session->lost[side] = true;
            *event_r = (struct event){
                .kind = EVENT_FAILED, .side = side, .bytes = link_why(link, link->error)};
            link_shut(link, SHUT_NOW);
            return true;
        }
    }
    return false;
}

void session_feed(struct session *session, struct event event)
{
    struct effect effect;

    do {
        event.at = session_now(session);
        session_note_failure(session, &event);
        engine_step(session->engine, &event);
        while (engine_take(session->engine, &effect))
            session_apply(session, &effect);
    } while (session_follow(session, &event));
    account_follow(session);
    connect_follow(session);
    if (engine_over(session->engine)) {
        session_end(session, NULL, (struct span){0});
        session_release(session);
        return;
    }
    session_arm(session);
    session_throttle(session);
}

/* The same from outside: afterwards there may be blocks for those who waited. */
void session_event(struct session *session, const struct event *event)
{
    struct worker *worker = session->worker;

    session_feed(session, *event);
    if (worker->starved != NULL)
        session_feed_starved(worker);
}

void session_told(struct session *session, uint64_t id, uint32_t serial,
                  const struct answer *answer)
{
    struct advice advice;
    struct event event;

    if (session->id != id || session->over)
        return;
    if (serial == SEAT_SERIAL) {
        session_seated(session);
        return;
    }
    account_answered(session, serial, answer);
    event = advice_event(session, serial, answer, &advice);
    session_event(session, &event);
}

/* Each is stepped once at most: one that gets nothing stands in the list again, for later. */
void session_feed_starved(struct worker *worker)
{
    struct session *waiting = NULL;

    while (worker->starved != NULL) { /* turned over: who waited longest comes first */
        struct session *session = worker->starved;

        worker->starved = session->starved_next;
        session->starved_next = waiting;
        waiting = session;
    }
    while (waiting != NULL && worker->lender.pool.lent < worker->lender.pool.count) {
        struct session *session = waiting;

        waiting = session->starved_next;
        session->starved = false;
        session_feed(session, (struct event){.kind = EVENT_TIME});
    }
    while (waiting != NULL) {
        struct session *session = waiting;

        waiting = session->starved_next;
        session->starved_next = worker->starved;
        worker->starved = session;
    }
}

static void session_due(uv_timer_t *timer)
{
    struct session *session = timer->data;
    moment now = session_now(session);

    session->armed_at = MOMENT_NEVER;
    if (session->dial != NULL && dial_deadline(session->dial) <= now)
        dial_late(session->dial);
    if (session->over)
        return;
    if (engine_deadline(session->engine) <= now)
        session_event(session, &(struct event){.kind = EVENT_TIME});
    else
        session_arm(session);
}

/* --- what the links tell --- */

static void session_opened(struct link *link)
{
    struct session *session = session_of(link);
    struct event event = {
        .kind = EVENT_OPENED,
        .side = SIDE_UPSTREAM,
        .secured = link->tls != NULL,
    };

    if (session->moved == NULL)
        event.traits = setup_traits(session->setup, session->relay_number, session_now(session));
    session->relay = *dial_address(session->dial);
    session->server = dial_server(session->dial);
    connect_opened(session);
    dial_close(&session->dial);
    if (event.secured)
        session_note_tls(session, SIDE_UPSTREAM);
    session_event(session, &event);
}

static size_t session_room(const struct link *link)
{
    struct session *session = session_of(link);
    size_t room = engine_room(session->engine, session_side(link));

    if (room == 0)
        session_starve(session);
    return room;
}

static void session_said(struct link *link, struct span bytes)
{
    session_event(session_of(link),
                  &(struct event){.kind = EVENT_BYTES, .side = session_side(link), .bytes = bytes});
}

static void session_ended(struct link *link)
{
    if (session_side(link) == SIDE_UPSTREAM)
        connect_lost(session_of(link), false);
    session_event(session_of(link),
                  &(struct event){.kind = EVENT_ENDED, .side = session_side(link)});
}

static void session_fail(struct session *session, enum side side, int error)
{
    session->lost[side] = true;
    session_event(session, &(struct event){.kind = EVENT_FAILED,
                                           .side = side,
                                           .bytes = link_why(&session->links[side], error)});
}

static void session_lost(struct link *link, int error)
{
    struct session *session = session_of(link);
    enum side side = session_side(link);

    if (side == SIDE_UPSTREAM && session->dial != NULL) {
        dial_lost(session->dial, error);
        session_arm(session);
        return;
    }
    if (side == SIDE_UPSTREAM)
        connect_lost(session, error == UV_EPROTO);
    link_shut(link, SHUT_NOW);
    session_fail(session, side, error);
}

static void session_sent(struct link *link, size_t count)
{
    session_event(session_of(link),
                  &(struct event){.kind = EVENT_SENT, .side = session_side(link), .count = count});
}

static void session_secured(struct link *link)
{
    struct session *session = session_of(link);
    enum side side = session_side(link);
    char words[TLS_WORDS_MAX];
    struct visitor visitor;
    struct event event = {
        .kind = EVENT_SECURED, .side = side, .bytes = tls_words(link->tls, words)};

    session_note_tls(session, side);
    if (side == SIDE_UPSTREAM)
        connect_secured(session);
    if (side == SIDE_CLIENT) {
        visitor_look(session, &visitor);
        event.arrival = &visitor.arrival;
    } else if (session->moved == NULL) {
        setup_learn(session->setup, session->relay_number, TRAIT_BIT(SECURES), MOMENT_NEVER);
    }
    session_event(session, &event);
}

/* The engine waits for what it told the link to flush; if that was lost, it must hear of it. And
 * with both links gone nothing is left that could tell the engine anything. */
static void session_gone(struct link *link)
{
    struct session *session = session_of(link);
    enum side side = session_side(link);

    if (side == SIDE_UPSTREAM)
        legs_leave(session->worker->legs, &session->leg);
    if (side == SIDE_UPSTREAM && session->dial != NULL) {
        dial_gone(session->dial);
        if (session->dial != NULL)
            session_arm(session);
        return;
    }
    if (side == SIDE_UPSTREAM)
        connect_over(session);
    if (side == SIDE_UPSTREAM && !session->connect_waits)
        account_rise(session);
    if (session->over) {
        session_release(session);
    } else if (link->error != 0 && !session->lost[side]) {
        session_fail(session, side, link->error);
    } else if (session->links[SIDE_CLIENT].state == LINK_NONE &&
               session->links[SIDE_UPSTREAM].state == LINK_NONE) {
        session_end(session, NULL, (struct span){0});
        session_release(session);
    }
}

#define SESSION_USER                                                          \
    {                                                                         \
        .opened = session_opened, .room = session_room, .said = session_said, \
        .ended = session_ended, .lost = session_lost, .sent = session_sent,   \
        .secured = session_secured, .gone = session_gone,                     \
    }

const struct link_user session_users[SIDE_COUNT] = {SESSION_USER, SESSION_USER};

void session_stop(struct session *session)
{
    if (session->arriving)
        session_kill(session);
    else if (!session->over)
        session_feed(session, (struct event){.kind = EVENT_STOP});
}

void session_kill(struct session *session)
{
    int side;

    if (!session->over)
        session_end(session, "stopped", (struct span){0});
    for (side = 0; side < SIDE_COUNT; side++)
        link_shut(&session->links[side], SHUT_NOW);
    session_release(session);
}

static void session_disposed(uv_handle_t *handle)
{
    free(handle->data);
}

void session_dispose(struct session *session)
{
    uv_close((uv_handle_t *)&session->timer, session_disposed);
}

size_t session_size(const struct policy *policy)
{
    return sizeof(struct session) + engine_size(policy);
}
