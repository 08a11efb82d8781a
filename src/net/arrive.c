/* Until the engine knows the client its link has another user: this file. */
#include "arrive.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "pass.h"
#include "refuse.h"
#include "through.h"

static const struct link_user arriving;

static struct session *arrive_session(const struct link *link)
{
    return (struct session *)((uintptr_t)(link - SIDE_CLIENT) - offsetof(struct session, links));
}

/* --- who it is --- */

bool visitor_reached(const struct session *session, struct address *there_r)
{
    const struct through *through = session->through;
    struct sockaddr_storage here;
    int size = sizeof(here);

    if (through != NULL && through->server.any.sa_family != AF_UNSPEC) {
        *there_r = through->server;
        return true;
    }
    if (session->original != NULL) {
        *there_r = session->original->address;
        return true;
    }
    return session->links[SIDE_CLIENT].state == LINK_OPEN &&
           uv_tcp_getsockname(&session->links[SIDE_CLIENT].tcp, (struct sockaddr *)&here, &size) ==
               0 &&
           address_copy((struct sockaddr *)&here, there_r);
}

/* A header says it, or it is known whither an intercepted one was going; else it takes a system
 * call, that only those pay for who route by destination, or tell a relay of it. */
static struct span visitor_destination(const struct session *session, char *memory)
{
    struct address there;
    const struct policy *policy = &session->listener->policy;

    if ((session->through == NULL && session->original == NULL &&
         !routes_want(policy, FACT_DESTINATION) && !policy_identifies(policy)) ||
        !visitor_reached(session, &there))
        return (struct span){0};
    return span_of_string(address_text(&there, memory));
}

void visitor_look(const struct session *session, struct visitor *visitor_r)
{
    const struct tls *tls = session->links[SIDE_CLIENT].tls;
    const struct through *through = session->through;
    struct arrival *arrival = &visitor_r->arrival;

    visitor_r->address = span_of_string(address_host(&session->client, visitor_r->host));
    *arrival = (struct arrival){.destination = visitor_destination(session, visitor_r->destination),
                                .port = address_port(&session->client)};
    if (through != NULL) {
        arrival->through = span_of_string(address_text(&through->peer, visitor_r->through));
        arrival->along = through->more && tls == NULL;
    }
    if (through != NULL && through->tls) /* the other TLS is between the two of us */
        arrival->certificate = span_of_string(through->name);
    else if (tls != NULL)
        arrival->certificate = tls_peer_name(tls, visitor_r->certificate);
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
    bool tls = session->links[SIDE_CLIENT].tls != NULL;
    bool secured = tls || through_secures(session);

    uv_timer_stop(&session->timer);
    session->arriving = false;
    session->links[SIDE_CLIENT].user = &session_users[SIDE_CLIENT];
    if (tls)
        session_note_tls(session, SIDE_CLIENT);
    else if (secured)
        memcpy(session->tls[SIDE_CLIENT], session->through->tls_version, TLS_VERSION_MAX);
    session_tell_faults(session);
    visitor_look(session, &visitor);
    session_event(session, &(struct event){.kind = EVENT_OPENED,
                                           .side = SIDE_CLIENT,
                                           .bytes = visitor.address,
                                           .secured = secured,
                                           .arrival = &visitor.arrival,
                                           .session = session->number});
}

static void arrive_late(uv_timer_t *timer);

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

/* Who it is is known; how is it spoken? */
static void arrive_speak(struct session *session)
{
    struct link *link = &session->links[SIDE_CLIENT];

    switch (session->listener->policy.tls_offer) {
    case TLS_OFFER_IMPLICIT:
        arrive_shake_hands(session);
        break;
    case TLS_OFFER_BOTH:
        arrive_within(session, session->listener->tls.wait_ms);
        link_peek(link, true);
        break;
    case TLS_OFFER_AUTO:
    case TLS_OFFER_NONE:
    case TLS_OFFER_STARTTLS:
    case TLS_OFFER_PASS:
        link_peek(link, false);
        arrive_done(session);
        break;
    }
}

/* --- who it is, says the header --- */

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

/* One reply, or none, and the session is over. */
static void arrive_turn_away(struct session *session, const struct span *says, uint32_t count,
                             const char *ending, struct span why)
{
    struct link *link = &session->links[SIDE_CLIENT];

    link_send(link, says, count);
    link_shut(link, SHUT_FLUSH);
    session_end(session, ending, why);
}

/* As one who comes himself is. */
static void arrive_refuse(struct session *session, enum refused why)
{
    static const char *const endings[REFUSED_COUNT] = {
#define REFUSED_WORD(name, word) [REFUSED_##name] = (word),
        REFUSALS(REFUSED_WORD)
#undef REFUSED_WORD
    };
    const struct setup *setup = session->setup;
    size_t listener = (size_t)(session->listener - setup->config->listeners);

    session->refused = true;
    refuse_in_session(session, &session->through->client, why);
    arrive_turn_away(session, &setup->listeners[listener].refusals[why], 1, endings[why],
                     (struct span){0});
}

enum misspoken { MISSPOKEN_NOT, MISSPOKEN_BADLY, MISSPOKEN_LATE };

/* Who must speak a header has spoken none that could be believed. */
static void arrive_misspoken(struct session *session, enum misspoken how, const char *wrong)
{
    static const struct {
        const char *ending;
        struct span before, behind; /* the peer's address */
    } words[] = {
        [MISSPOKEN_NOT] = {"proxy-missing", SPAN_INIT("Connections from "),
                           SPAN_INIT(" must begin with a PROXY header: ")},
        [MISSPOKEN_BADLY] = {"proxy-broken", SPAN_INIT("The PROXY header from "),
                             SPAN_INIT(" is malformed: ")},
        [MISSPOKEN_LATE] = {"proxy-timeout", SPAN_INIT("Connections from "),
                            SPAN_INIT(" must begin with a PROXY header: ")},
    };
    const struct setup *setup = session->setup;
    size_t listener = (size_t)(session->listener - setup->config->listeners);
    struct span says[3] = {setup->listeners[listener].farewell, {0}, SPAN("\r\n")};
    char host[ADDRESS_TEXT_MAX];
    char memory[ADDRESS_TEXT_MAX + 128];
    struct text sentence = text_over(memory, sizeof(memory));

    text_add(&sentence, words[how].before);
    text_add(&sentence, span_of_string(address_host(&session->through->peer, host)));
    text_add(&sentence, words[how].behind);
    text_add(&sentence, span_of_string(wrong));
    says[1] = text_span(&sentence);
    arrive_turn_away(session, says, says[0].size > 0 ? 3 : 0, words[how].ending, says[1]);
}

/* Whoever may speak for others may also look whether we are here, without being a client. */
static void arrive_introduced(struct session *session)
{
    const struct through *through = session->through;
    const struct config_listener *listener = session->listener;
    enum refused barred = REFUSED_COUNT;

    if (!through->itself)
        barred = arrive_barred(listener, &through->client);
    if (barred != REFUSED_COUNT) {
        arrive_refuse(session, barred);
        return;
    }
    if (!address_same_host(&session->client, &through->client) &&
        !census_move(session->census, &session->client, &through->client,
                     listener->sessions_per_client)) {
        arrive_refuse(session, REFUSED_FULL);
        return;
    }
    session->client = through->client;
    uv_timer_stop(&session->timer);
    arrive_speak(session);
}

static void arrive_header(struct session *session, struct span bytes)
{
    struct proxy_header header;
    size_t taken;
    enum parsed parsed = through_take(session->through, bytes, &taken, &header);

    if (taken > 0)
        link_skip(&session->links[SIDE_CLIENT], taken);
    switch (parsed) {
    case PARSED:
        arrive_introduced(session);
        break;
    case PARSED_MORE:
        break;
    case PARSED_BAD:
        arrive_misspoken(session, header.absent ? MISSPOKEN_NOT : MISSPOKEN_BADLY, header.wrong);
        break;
    }
}

static bool arrive_awaits_header(const struct session *session)
{
    return session->through != NULL && !session->through->known;
}

static void arrive_late(uv_timer_t *timer)
{
    struct session *session = timer->data;
    struct link *link = &session->links[SIDE_CLIENT];

    if (arrive_awaits_header(session)) {
        arrive_misspoken(session, MISSPOKEN_LATE, "none came whole in time");
        return;
    }
    if (link->tls != NULL) {
        session_end(session, "tls-timeout", (struct span){0});
        return;
    }
    link_peek(link, false);
    arrive_done(session);
}

static void arrive_begin(struct session *session)
{
    session->arriving = true;
    if (session->through == NULL) {
        arrive_speak(session);
        return;
    }
    arrive_within(session, session->listener->policy.wait_ms[WAIT_PROXY]);
    link_peek(&session->links[SIDE_CLIENT], true);
}

/* --- what the link tells --- */

static void arrive_peeked(struct link *link, struct span bytes)
{
    struct session *session = arrive_session(link);

    if (arrive_awaits_header(session)) {
        arrive_header(session, bytes);
    } else if (tls_begins(bytes)) {
        arrive_shake_hands(session);
    } else {
        link_peek(link, false);
        arrive_done(session);
    }
}

static void arrive_sent(struct link *link, size_t count)
{
    (void)link;
    (void)count;
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
    .sent = arrive_sent,
    .peeked = arrive_peeked,
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

static struct session *arrive_new(struct port *port, const struct caller *caller, uint32_t number)
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
    session->client = caller->client;
    if (caller->destination.any.sa_family != AF_UNSPEC)
        session->original = original_new(&caller->destination);
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

/* Does that peer speak for others, who are not known yet? */
static bool arrive_speaks_for_others(const struct config_listener *listener,
                                     const struct address *peer)
{
    char host[ADDRESS_TEXT_MAX];

    return listener->proxy_from.count > 0 &&
           networks_hold(&listener->proxy_from, span_of_string(address_host(peer, host)));
}

/* There is no room for it: it goes on without lockstep, if it may. */
static void arrive_overflow(struct port *port, const struct caller *caller)
{
    const struct config_listener *listener = &port->setup->config->listeners[port->index];
    enum refused why = port->worker->draining ? REFUSED_ENDING : REFUSED_FULL;

    if (listener->path.fail_open && pass_open(port->worker, caller))
        refuse_report(port->worker, listener, caller, why, true);
    else
        refuse(port, caller, why);
}

void arrive(struct port *port, int fd, const struct address *client)
{
    struct worker *worker = port->worker;
    const struct config_listener *listener = &port->setup->config->listeners[port->index];
    struct caller caller = {.fd = fd, .client = *client};
    bool other = arrive_speaks_for_others(listener, client);
    enum refused barred = path_look(port, &caller);
    struct session *session;
    uint32_t number = 0;

    if (barred == REFUSED_COUNT && !other)
        barred = arrive_barred(listener, client);
    if (barred != REFUSED_COUNT) {
        refuse(port, &caller, barred);
        return;
    }
    if (!worker->draining)
        number = census_enter(port->census, client, listener->sessions,
                              other ? UINT32_MAX : listener->sessions_per_client);
    if (number == 0) {
        arrive_overflow(port, &caller);
        return;
    }
    session = arrive_new(port, &caller, number);
    if (other)
        session->through = through_new(client);
    if (link_open(&session->links[SIDE_CLIENT], &worker->links, &arriving, fd) != 0) {
        session_end(session, "client-lost", (struct span){0});
        return;
    }
    arrive_begin(session);
}
