/* The sink on sockets: bytes in, outputs carried out, one write for all replies of a read. */
#include <stdlib.h>

#include "lockstep/base/must.h"
#include "sink_server.h"

/* A client that does not read its replies is not read either. */
#define KEPT_BYTES_MAX 262144U

struct sink_session {
    struct link link; /* first, so that it is found again */
    struct sink_server *server;
    struct sink_session *next;
    struct sink_session *before;
    struct maildir_mail mail;
    char peer[ADDRESS_TEXT_MAX];
    bool closing;
    uint32_t messages; /* counted in the server's totals already */
    struct sink sink;
};

static struct sink_session *session_of(const struct link *link)
{
    return (struct sink_session *)(uintptr_t)link;
}

/* --- the end of all --- */

static void server_end(struct sink_server *server)
{
    if (!server->draining || server->over || server->sessions != NULL)
        return;
    server->over = true;
    while (server->spare != NULL) {
        struct sink_session *session = server->spare;

        server->spare = session->next;
        free(session);
    }
    uv_close((uv_handle_t *)&server->timer, NULL);
    link_loop_close(&server->links);
}

void sink_server_drain(struct sink_server *server)
{
    uint32_t i;

    server->draining = true;
    for (i = 0; i < server->listener_count; i++)
        listener_stop(&server->listeners[i]);
    server_end(server);
}

void sink_server_stop(struct sink_server *server)
{
    struct sink_session *session;

    for (session = server->sessions; session != NULL; session = session->next)
        link_shut(&session->link, SHUT_NOW);
    sink_server_drain(server);
}

/* --- outputs --- */

static void session_flush(struct sink_session *session)
{
    struct text *out = &session->server->out;
    struct span piece = text_span(out);

    if (piece.size > 0)
        link_send(&session->link, &piece, 1);
    text_clear(out);
}

static void session_say(struct sink_session *session, struct span bytes)
{
    if (text_left(&session->server->out) < bytes.size)
        session_flush(session);
    text_add(&session->server->out, bytes);
}

/* The 250 that names the message may only be said when the message stands in its place. */
static void session_store(struct sink_session *session)
{
    struct maildir *maildir = session->server->maildir;

    if (maildir == NULL)
        return;
    if (maildir_commit(maildir, &session->mail))
        sink_queued(&session->sink, span_of_string(session->mail.name));
    else
        sink_answer(&session->sink, SPAN("452 4.3.1 Error: message not stored, try again later"));
}

static void session_keep(struct sink_session *session, const struct sink_output *output)
{
    struct maildir *maildir = session->server->maildir;

    if (maildir == NULL)
        return;
    if (output->kind == SINK_SENDER)
        maildir_sender(&session->mail, output->bytes);
    else if (output->kind == SINK_RECIPIENT)
        maildir_recipient(&session->mail, output->bytes);
    else if (output->kind == SINK_BEGIN)
        maildir_begin(maildir, &session->mail);
    else if (output->kind == SINK_CONTENT)
        maildir_add(&session->mail, output->bytes);
    else
        maildir_abandon(maildir, &session->mail);
}

static void session_apply(struct sink_session *session, const struct sink_output *output)
{
    switch (output->kind) {
    case SINK_REPLY:
        session_say(session, output->bytes);
        break;
    case SINK_SENDER:
    case SINK_RECIPIENT:
    case SINK_BEGIN:
    case SINK_CONTENT:
    case SINK_ABANDON:
        session_keep(session, output);
        break;
    case SINK_END:
        session_store(session);
        break;
    case SINK_CLOSE:
        session->closing = true;
        break;
    }
}

/* --- delays --- */

static void server_tick(uv_timer_t *timer);

static void server_arm(struct sink_server *server, moment due)
{
    moment now = (moment)uv_now(server->uv);

    if (due >= server->due)
        return;
    server->due = due;
    uv_timer_start(&server->timer, server_tick, due > now ? (uint64_t)(due - now) : 0, 0);
}

static void session_feed(struct sink_session *session, struct span bytes)
{
    struct sink_server *server = session->server;
    struct sink_output output;

    sink_feed(&session->sink, bytes, (moment)uv_now(server->uv));
    while (sink_take(&session->sink, &output))
        session_apply(session, &output);
    session_flush(session);
    server->totals.messages += session->sink.counts.messages - session->messages;
    session->messages = session->sink.counts.messages;
    if (server->messages_max > 0 && server->totals.messages >= server->messages_max)
        sink_server_drain(server);
    server_arm(server, sink_deadline(&session->sink));
    if (session->link.error != 0)
        link_shut(&session->link, SHUT_NOW);
    else if (session->closing ||
             (session->link.ended && sink_deadline(&session->sink) == MOMENT_NEVER))
        link_shut(&session->link, SHUT_FLUSH);
    else if (sink_room(&session->sink) > 0)
        link_read(&session->link);
}

/* Delays are a matter of tests with few sessions, so they are simply looked through. */
static void server_tick(uv_timer_t *timer)
{
    struct sink_server *server = timer->data;
    moment now = (moment)uv_now(server->uv);
    struct sink_session *session;

    server->due = MOMENT_NEVER;
    for (session = server->sessions; session != NULL; session = session->next) {
        if (session->link.state == LINK_OPEN && sink_deadline(&session->sink) <= now)
            session_feed(session, span_of("", 0));
        else if (session->link.state == LINK_OPEN)
            server_arm(server, sink_deadline(&session->sink));
    }
}

/* --- what links tell --- */

static void session_opened(struct link *link)
{
    (void)link; /* only of links that connect */
}

static size_t session_room(const struct link *link)
{
    return link_kept(link) > KEPT_BYTES_MAX ? 0 : sink_room(&session_of(link)->sink);
}

static void session_said(struct link *link, struct span bytes)
{
    session_feed(session_of(link), bytes);
}

static void session_ended(struct link *link)
{
    session_feed(session_of(link), span_of("", 0));
}

static void session_lost(struct link *link, int error)
{
    (void)error;
    link_shut(link, SHUT_NOW);
}

static void session_sent(struct link *link, size_t count)
{
    (void)count;
    link_read(link);
}

static void session_gone(struct link *link)
{
    struct sink_session *session = session_of(link);
    struct sink_server *server = session->server;

    server->totals.recipients += session->sink.counts.recipients;
    server->totals.violations += session->sink.counts.violations;
    if (server->maildir != NULL)
        maildir_forget(server->maildir, &session->mail);
    if (session->before != NULL)
        session->before->next = session->next;
    else
        server->sessions = session->next;
    if (session->next != NULL)
        session->next->before = session->before;
    session->next = server->spare;
    server->spare = session;
    server_end(server);
}

static const struct link_user sessions = {
    .opened = session_opened,
    .room = session_room,
    .said = session_said,
    .ended = session_ended,
    .lost = session_lost,
    .sent = session_sent,
    .gone = session_gone,
};

/* --- beginnings --- */

static void server_accepted(struct listener *listener, int fd, const struct address *peer)
{
    struct sink_server *server = listener->data;
    struct sink_session *session = server->spare;

    if (session != NULL)
        server->spare = session->next;
    else
        session = malloc(sizeof(*session));
    must(session != NULL);
    session->server = server;
    session->mail = (struct maildir_mail){0};
    session->closing = false;
    session->messages = 0;
    session->before = NULL;
    session->next = server->sessions;
    if (session->next != NULL)
        session->next->before = session;
    server->sessions = session;
    server->totals.sessions++;
    sink_init(&session->sink, server->settings, (moment)uv_now(server->uv));
    session->sink.peer = span_of_string(address_host(peer, session->peer));
    if (link_open(&session->link, &server->links, &sessions, fd) == 0)
        session_feed(session, span_of("", 0));
}

void sink_server_init(struct sink_server *server, uv_loop_t *uv,
                      const struct sink_settings *settings, struct maildir *maildir)
{
    *server = (struct sink_server){
        .uv = uv, .settings = settings, .maildir = maildir, .due = MOMENT_NEVER};
    server->out = text_over(server->replies, sizeof(server->replies));
    link_loop_init(&server->links, uv);
    uv_timer_init(uv, &server->timer);
    server->timer.data = server;
}

int sink_server_listen(struct sink_server *server, struct address *address)
{
    int fd;

    must(server->listener_count < SINK_LISTENERS_MAX);
    fd = listener_bind(address, LISTENER_ALONE);
    if (fd < 0)
        return fd;
    listener_start(&server->listeners[server->listener_count++], server->uv, fd, server_accepted,
                   server);
    return 0;
}
