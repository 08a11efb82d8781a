/* The loop of the house: step the engine, carry out what it wants, arm its timer, read on. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/net/dial.h"
#include "session.h"

#define REFUSED_MAX 256U

struct session {
    struct worker *worker;
    struct session *next; /* in the worker's list of all, or of the free */
    struct session *before;
    struct session *starved_next;
    struct setup *setup;
    const struct config_listener *listener;
    struct engine *engine;
    struct dial *dial; /* while connecting to the relay */
    struct transcript *transcript;
    size_t sent[SIDE_COUNT]; /* left at once during this step */
    bool lost[SIDE_COUNT];   /* the engine was told */
    bool starved;            /* stands in the worker's list */
    bool unwritable;         /* its transcript could not be made */
    bool over;               /* only waits for its links to close */
    uint32_t census;
    uint64_t id;
    moment opened_at;
    moment armed_at; /* when the timer fires */
    struct address client;
    struct address relay;
    struct link links[SIDE_COUNT];
    uv_timer_t timer;
    size_t engine_bytes;  /* of `memory` */
    max_align_t memory[]; /* the engine */
};

static const struct link_user client_user;
static const struct link_user upstream_user;

static moment session_now(const struct session *session)
{
    return (moment)uv_now(&session->worker->uv);
}

static enum side session_side(const struct link *link)
{
    return link->user == &client_user ? SIDE_CLIENT : SIDE_UPSTREAM;
}

static struct session *session_of(const struct link *link)
{
    const struct link *first = link - session_side(link);

    return (struct session *)((uintptr_t)first - offsetof(struct session, links));
}

/* --- effects --- */

static void session_dial_failed(void *data);

static void session_connect(struct session *session)
{
    const struct config *config = session->setup->config;
    struct dial_plan plan = {
        .loop = &session->worker->links,
        .link = &session->links[SIDE_UPSTREAM],
        .user = &upstream_user,
        .addresses = &config->relays[session->listener->relay].address,
        .wait_ms = session->listener->policy.wait_ms[WAIT_CONNECT],
        .failed = session_dial_failed,
        .data = session,
    };

    must(session->dial == NULL);
    session->lost[SIDE_UPSTREAM] = false;
    session->dial = dial_open(&plan);
}

static void session_shut(struct session *session, enum side side, enum shut how)
{
    if (how != SHUT_FLUSH)
        session->sent[side] = 0;
    if (side == SIDE_UPSTREAM && session->dial != NULL)
        dial_close(&session->dial);
    link_shut(&session->links[side], how);
}

/* The first record opens the file, so that a session without any leaves none. */
static void session_record(struct session *session, struct span lines)
{
    if (session->worker->transcripts == NULL || session->unwritable)
        return;
    if (session->transcript == NULL)
        session->transcript = transcript_open(session->worker->transcripts, session->id,
                                              session->listener, &session->client);
    if (session->transcript == NULL) {
        session->unwritable = true;
        session->worker->user->warn("a transcript could not be made", -errno);
        return;
    }
    transcript_add(session->transcript, lines);
}

static void session_apply(struct session *session, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_CONNECT:
        session_connect(session);
        break;
    case EFFECT_SEND:
        session->sent[effect->side] +=
            link_send(&session->links[effect->side], effect->pieces, effect->piece_count);
        break;
    case EFFECT_SECURE:
        must(effect->kind != EFFECT_SECURE); /* no policy of this version asks for TLS */
        break;
    case EFFECT_ASK:
        must(effect->kind != EFFECT_ASK); /* no policy of this version asks anything */
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

static void session_report(struct session *session)
{
    struct report report = {
        .id = session->id,
        .listener = session->listener->name,
        .client = session->client,
        .relay = session->relay,
        .duration_ms = (uint64_t)(session_now(session) - session->opened_at),
    };

    engine_summary(session->engine, &report.summary);
    session->worker->user->report(&report);
}

/* Back to the worker's free sessions, once nothing of libuv's points here any more. */
static void session_release(struct session *session)
{
    struct worker *worker = session->worker;

    if (!session->over || session->links[SIDE_CLIENT].state != LINK_NONE ||
        session->links[SIDE_UPSTREAM].state != LINK_NONE)
        return;
    census_leave(worker->census, session->census, &session->client);
    setup_drop(session->setup);
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

static void session_end(struct session *session)
{
    int side;

    session->over = true;
    if (session->transcript != NULL)
        transcript_close(&session->transcript);
    session_report(session); /* whoever reads of the end finds the transcript whole */
    engine_close(session->engine);
    session_unstarve(session);
    uv_timer_stop(&session->timer);
    session->armed_at = MOMENT_NEVER;
    if (session->dial != NULL)
        dial_close(&session->dial);
    for (side = 0; side < SIDE_COUNT; side++)
        if (session->links[side].state <= LINK_OPEN)
            link_shut(&session->links[side], SHUT_NOW);
}

/* --- the loop --- */

static void session_due(uv_timer_t *timer);

/* A timer that fires too early costs less than one that is moved at every step. */
static void session_arm(struct session *session)
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

/* What carrying out the effects has caused in its turn: bytes that left at once, a lost peer. */
static bool session_follow(struct session *session, struct event *event_r)
{
    int i;

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
            *event_r = (struct event){.kind = EVENT_FAILED,
                                      .side = side,
                                      .bytes = span_of_string(uv_strerror(link->error))};
            link_shut(link, SHUT_NOW);
            return true;
        }
    }
    return false;
}

static void session_feed(struct session *session, struct event event)
{
    struct effect effect;

    do {
        event.at = session_now(session);
        engine_step(session->engine, &event);
        while (engine_take(session->engine, &effect))
            session_apply(session, &effect);
    } while (session_follow(session, &event));
    if (engine_over(session->engine)) {
        session_end(session);
        session_release(session);
        return;
    }
    session_arm(session);
    session_throttle(session);
}

/* The same from outside: afterwards there may be blocks for those who waited. */
static void session_event(struct session *session, enum event_kind kind, enum side side,
                          struct span bytes, size_t count)
{
    struct worker *worker = session->worker;

    session_feed(session,
                 (struct event){.kind = kind, .side = side, .bytes = bytes, .count = count});
    if (worker->starved != NULL)
        session_feed_starved(worker);
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
        session_event(session, EVENT_TIME, SIDE_CLIENT, (struct span){0}, 0);
    else
        session_arm(session);
}

/* --- what the links tell --- */

static void session_opened(struct link *link)
{
    struct session *session = session_of(link);

    session->relay = *dial_address(session->dial);
    dial_close(&session->dial);
    session_event(session, EVENT_OPENED, SIDE_UPSTREAM, (struct span){0}, 0);
}

static void session_dial_failed(void *data)
{
    struct session *session = data;
    struct dial *dial = session->dial;

    session->relay = *dial_address(dial);
    session->dial = NULL;
    session_event(session, EVENT_FAILED, SIDE_UPSTREAM, dial_words(dial), 0);
    dial_close(&dial);
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
    session_event(session_of(link), EVENT_BYTES, session_side(link), bytes, 0);
}

static void session_ended(struct link *link)
{
    session_event(session_of(link), EVENT_ENDED, session_side(link), (struct span){0}, 0);
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
    link_shut(link, SHUT_NOW);
    session->lost[side] = true;
    session_event(session, EVENT_FAILED, side, span_of_string(uv_strerror(error)), 0);
}

static void session_sent(struct link *link, size_t count)
{
    session_event(session_of(link), EVENT_SENT, session_side(link), (struct span){0}, count);
}

/* The engine waits for what it told the link to flush; if that was lost, it must hear of it. And
 * with both links gone nothing is left that could tell the engine anything. */
static void session_gone(struct link *link)
{
    struct session *session = session_of(link);
    enum side side = session_side(link);

    if (side == SIDE_UPSTREAM && session->dial != NULL) {
        dial_gone(session->dial);
        if (session->dial != NULL)
            session_arm(session);
    } else if (session->over) {
        session_release(session);
    } else if (link->error != 0 && !session->lost[side]) {
        session->lost[side] = true;
        session_event(session, EVENT_FAILED, side, span_of_string(uv_strerror(link->error)), 0);
    } else if (session->links[SIDE_CLIENT].state == LINK_NONE &&
               session->links[SIDE_UPSTREAM].state == LINK_NONE) {
        session_end(session);
        session_release(session);
    }
}

static const struct link_user client_user = {
    .room = session_room,
    .said = session_said,
    .ended = session_ended,
    .lost = session_lost,
    .sent = session_sent,
    .gone = session_gone,
};

static const struct link_user upstream_user = {
    .opened = session_opened,
    .room = session_room,
    .said = session_said,
    .ended = session_ended,
    .lost = session_lost,
    .sent = session_sent,
    .gone = session_gone,
};

/* --- the beginning --- */

/* A client there is no room for gets a link but no session. */
struct refused {
    struct link link; /* first, so that it is found again */
    struct worker *worker;
};

static void refused_sent(struct link *link, size_t count)
{
    (void)link;
    (void)count;
}

static void refused_gone(struct link *link)
{
    struct refused *refused = (struct refused *)link;

    refused->worker->refused--;
    free(refused);
}

/* In a flood of them nobody waits for their goodbye: descriptors are for sessions. */
static void session_refuse(struct worker *worker, int fd, struct span text)
{
    static const struct link_user user = {.sent = refused_sent, .gone = refused_gone};
    struct refused *refused = malloc(sizeof(*refused));

    must(refused != NULL);
    refused->worker = worker;
    worker->refused++;
    if (link_open(&refused->link, &worker->links, &user, fd) != 0)
        return;
    link_send(&refused->link, &text, 1);
    link_shut(&refused->link, worker->refused > REFUSED_MAX ? SHUT_NOW : SHUT_FLUSH);
}

/* Memory for a session whose engine needs so many bytes; its timer is ready. */
static struct session *session_memory(struct worker *worker, size_t engine_bytes)
{
    struct session *session = worker->free;

    if (session != NULL && session->engine_bytes >= engine_bytes) {
        worker->free = session->next;
        return session;
    }
    session = calloc(1, sizeof(*session) + engine_bytes);
    must(session != NULL);
    session->engine_bytes = engine_bytes;
    uv_timer_init(&worker->uv, &session->timer);
    session->timer.data = session;
    return session;
}

static struct session *session_new(struct port *port, const struct address *client)
{
    struct worker *worker = port->worker;
    const struct config_listener *listener = &port->setup->config->listeners[port->index];
    struct session *session = session_memory(worker, engine_size(&listener->policy));

    /* The timer and the engine's memory are kept; everything before them starts anew. */
    memset(session, 0, offsetof(struct session, links));
    session->worker = worker;
    session->setup = port->setup;
    session->listener = listener;
    session->id = seed_next(&worker->seed);
    session->census = port->census;
    session->client = *client;
    session->opened_at = session_now(session);
    session->armed_at = MOMENT_NEVER;
    session->links[SIDE_UPSTREAM] = (struct link){0};
    session->engine = engine_init(session->memory, &listener->policy, &worker->lender, session->id,
                                  session->opened_at);
    setup_hold(port->setup);
    session->next = worker->sessions;
    if (session->next != NULL)
        session->next->before = session;
    worker->sessions = session;
    return session;
}

void session_open(struct port *port, int fd, const struct address *client)
{
    struct worker *worker = port->worker;
    struct session *session;

    if (!census_enter(worker->census, port->census, client,
                      &port->setup->config->listeners[port->index])) {
        session_refuse(worker, fd, port->setup->full[port->index]);
        return;
    }
    session = session_new(port, client);
    if (link_open(&session->links[SIDE_CLIENT], &worker->links, &client_user, fd) != 0) {
        session_end(session);
        return;
    }
    session_event(session, EVENT_OPENED, SIDE_CLIENT, (struct span){0}, 0);
}

void session_stop(struct session *session)
{
    if (!session->over)
        session_feed(session, (struct event){.kind = EVENT_STOP});
}

void session_kill(struct session *session)
{
    int side;

    if (!session->over)
        session_end(session);
    for (side = 0; side < SIDE_COUNT; side++)
        link_shut(&session->links[side], SHUT_NOW);
    session_release(session);
}

struct session *session_next(const struct session *session)
{
    return session->next;
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
