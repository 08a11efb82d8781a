/* Until the engine knows the client its link has another user: this file. */
#include "arrive.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "refuse.h"

static const struct link_user arriving;

static struct session *arrive_session(const struct link *link)
{
    return (struct session *)((uintptr_t)(link - SIDE_CLIENT) - offsetof(struct session, links));
}

/* --- who it is --- */

static bool visitor_reached(const struct session *session, struct address *here_r)
{
    struct sockaddr_storage here;
    int size = sizeof(here);

    return uv_tcp_getsockname(&session->links[SIDE_CLIENT].tcp, (struct sockaddr *)&here, &size) ==
               0 &&
           address_copy((struct sockaddr *)&here, here_r);
}

/* A system call that only routes by destination pay for. */
static struct span visitor_destination(const struct session *session, char *memory)
{
    struct address here;

    if (!routes_want(&session->listener->policy, FACT_DESTINATION) ||
        !visitor_reached(session, &here))
        return (struct span){0};
    return span_of_string(address_text(&here, memory));
}

void visitor_look(const struct session *session, struct visitor *visitor_r)
{
    const struct tls *tls = session->links[SIDE_CLIENT].tls;

    visitor_r->address = span_of_string(address_host(&session->client, visitor_r->host));
    visitor_r->arrival =
        (struct arrival){.destination = visitor_destination(session, visitor_r->destination)};
    if (tls != NULL)
        visitor_r->arrival.certificate = tls_peer_name(tls, visitor_r->certificate);
}

struct span visitor_host(const struct session *session, char *memory)
{
    struct address here;

    if (session->listener->tls.authority.size == 0 || !visitor_reached(session, &here))
        return (struct span){0};
    return span_of_string(address_host(&here, memory));
}

struct tls_context *visitor_context(const struct session *session)
{
    char host[ADDRESS_TEXT_MAX];

    return setup_server(session->setup,
                        (uint32_t)(session->listener - session->setup->config->listeners),
                        span_of_string(address_host(&session->client, host)));
}

/* --- steps --- */

/* The engine's from here on. */
static void arrive_done(struct session *session)
{
    struct visitor visitor;
    bool secured = session->links[SIDE_CLIENT].tls != NULL;

    uv_timer_stop(&session->timer);
    session->arriving = false;
    session->links[SIDE_CLIENT].user = &session_users[SIDE_CLIENT];
    if (secured)
        session_note_tls(session, SIDE_CLIENT);
    session_tell_faults(session);
    visitor_look(session, &visitor);
    session_event(session, &(struct event){.kind = EVENT_OPENED,
                                           .side = SIDE_CLIENT,
                                           .bytes = visitor.address,
                                           .secured = secured,
                                           .arrival = &visitor.arrival,
                                           .session = session->number});
}

static void arrive_late(uv_timer_t *timer)
{
    struct session *session = timer->data;
    struct link *link = &session->links[SIDE_CLIENT];

    if (link->tls != NULL) {
        session_end(session, "tls-timeout", (struct span){0});
        return;
    }
    link_sniff(link, false);
    arrive_done(session);
}

static void arrive_within(struct session *session, uint32_t wait_ms)
{
    uv_timer_start(&session->timer, arrive_late, wait_ms, 0);
}

static void arrive_shake_hands(struct session *session)
{
    char host[ADDRESS_TEXT_MAX];

    arrive_within(session, session->listener->policy.wait_ms[WAIT_SECURE]);
    link_secure(&session->links[SIDE_CLIENT], visitor_context(session),
                visitor_host(session, host));
}

static void arrive_begin(struct session *session)
{
    session->arriving = true;
    switch (session->listener->policy.tls_offer) {
    case TLS_OFFER_IMPLICIT:
        arrive_shake_hands(session);
        break;
    case TLS_OFFER_BOTH:
        arrive_within(session, session->listener->tls.wait_ms);
        link_sniff(&session->links[SIDE_CLIENT], true);
        break;
    case TLS_OFFER_AUTO:
    case TLS_OFFER_NONE:
    case TLS_OFFER_STARTTLS:
    case TLS_OFFER_PASS:
        arrive_done(session);
        break;
    }
}

/* --- what the link tells --- */

static void arrive_sniffed(struct link *link, bool tls)
{
    struct session *session = arrive_session(link);

    if (tls)
        arrive_shake_hands(session);
    else
        arrive_done(session);
}

static void arrive_secured(struct link *link)
{
    arrive_done(arrive_session(link));
}

static void arrive_ended(struct link *link)
{
    session_end(arrive_session(link), "client-lost", (struct span){0});
}

static void arrive_lost(struct link *link, int error)
{
    session_end(arrive_session(link), error == UV_EPROTO ? "tls-failed" : "client-lost",
                link_why(link, error));
}

static void arrive_gone(struct link *link)
{
    session_release(arrive_session(link));
}

static size_t arrive_room(const struct link *link)
{
    (void)link;
    return LINK_READ_BYTES;
}

static const struct link_user arriving = {
    .room = arrive_room,
    .ended = arrive_ended,
    .lost = arrive_lost,
    .secured = arrive_secured,
    .sniffed = arrive_sniffed,
    .gone = arrive_gone,
};

/* --- memory --- */

/* For a session whose engine needs so many bytes; its timer is ready. */
static struct session *arrive_memory(struct worker *worker, size_t engine_bytes)
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

/* One for all sessions of the port; NULL: nobody wants it. */
static struct heading *arrive_heading(struct port *port)
{
    const struct worker *worker = port->worker;

    if (worker->transcripts == NULL && worker->history == NULL)
        return NULL;
    if (port->heading == NULL)
        port->heading = heading_new(&port->setup->config->listeners[port->index]);
    return heading_hold(port->heading);
}

/* Its engine's random numbers begin here. */
static uint64_t arrive_id(struct worker *worker, const struct config_listener *listener,
                          uint32_t number)
{
    struct seed seed = {.state = listener->seed + ((uint64_t)number << 32)};

    return listener->seed != 0 ? seed_next(&seed) : seed_next(&worker->seed);
}

static struct session *arrive_new(struct port *port, const struct address *client, uint32_t number)
{
    struct worker *worker = port->worker;
    const struct config_listener *listener = &port->setup->config->listeners[port->index];
    struct session *session = arrive_memory(worker, engine_size(&listener->policy));

    /* The timer and the engine's memory are kept; everything before them starts anew. */
    memset(session, 0, offsetof(struct session, links));
    session->worker = worker;
    session->setup = port->setup;
    session->listener = listener;
    session->id = arrive_id(worker, listener, number);
    session->number = number;
    session->census = census_hold(port->census);
    session->faults = &listener->policy.faults;
    session->client = *client;
    session->heading = arrive_heading(port);
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
    session_begin(session);
    return session;
}

/* Why it may not connect; REFUSED_COUNT: it may. */
static enum refused arrive_barred(const struct config_listener *listener,
                                  const struct address *client)
{
    char host[ADDRESS_TEXT_MAX];
    struct span text;

    if (listener->allow.count == 0 && listener->deny.count == 0)
        return REFUSED_COUNT;
    text = span_of_string(address_host(client, host));
    if (listener->deny.count > 0 && networks_hold(&listener->deny, text))
        return REFUSED_DENIED;
    return networks_hold(&listener->allow, text) ? REFUSED_COUNT : REFUSED_OUTSIDE;
}

void arrive(struct port *port, int fd, const struct address *client)
{
    struct worker *worker = port->worker;
    const struct config_listener *listener = &port->setup->config->listeners[port->index];
    enum refused barred;
    struct session *session;
    uint32_t number;

    barred = arrive_barred(listener, client);
    if (barred != REFUSED_COUNT) {
        refuse(port, fd, client, barred);
        return;
    }
    number = census_enter(port->census, client, listener);
    if (number == 0) {
        refuse(port, fd, client, REFUSED_FULL);
        return;
    }
    session = arrive_new(port, client, number);
    if (link_open(&session->links[SIDE_CLIENT], &worker->links, &arriving, fd) != 0) {
        session_end(session, "client-lost", (struct span){0});
        return;
    }
    arrive_begin(session);
}
