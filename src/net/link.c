/* The life of one connection, and reading from it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_inside.h"
#include "lockstep/base/must.h"

/* How long a peer may take to accept our last words, and then to say its own. A peer that answers
 * neither loses only words it would not have read (RFC 5321 4.1.1.10: QUIT ends in order). */
#define LINGER_FLUSH_MS 180000U
#define LINGER_DROP_MS 2000U

/* --- lingering --- */

static void queue_arm(struct link_queue *queue);

static void queue_remove(struct link_queue *queue, struct link *link)
{
    if (link->linger_before != NULL)
        link->linger_before->linger_next = link->linger_next;
    else
        queue->first = link->linger_next;
    if (link->linger_next != NULL)
        link->linger_next->linger_before = link->linger_before;
    else
        queue->last = link->linger_before;
    link->linger_next = NULL;
    link->linger_before = NULL;
    if (queue->first == NULL)
        uv_timer_stop(&queue->timer);
}

static void queue_due(uv_timer_t *timer)
{
    struct link_queue *queue = timer->data;
    moment now = (moment)uv_now(timer->loop);

    while (queue->first != NULL && queue->first->linger_until <= now) {
        if (queue->first->state == LINK_FLUSHING)
            queue->first->error = UV_ETIMEDOUT;
        link_close(queue->first);
    }
    queue_arm(queue);
}

static void queue_arm(struct link_queue *queue)
{
    moment now = (moment)uv_now(queue->timer.loop);
    moment until;

    if (queue->first == NULL || uv_is_active((uv_handle_t *)&queue->timer))
        return;
    until = queue->first->linger_until;
    uv_timer_start(&queue->timer, queue_due, until > now ? (uint64_t)(until - now) : 0, 0);
}

static void queue_add(struct link_queue *queue, struct link *link)
{
    link->linger_until = (moment)uv_now(queue->timer.loop) + queue->wait_ms;
    link->linger_before = queue->last;
    if (queue->last != NULL)
        queue->last->linger_next = link;
    else
        queue->first = link;
    queue->last = link;
    queue_arm(queue);
}

static void queue_init(struct link_queue *queue, uv_loop_t *uv, uint32_t wait_ms)
{
    *queue = (struct link_queue){.wait_ms = wait_ms};
    uv_timer_init(uv, &queue->timer);
    queue->timer.data = queue;
}

void link_loop_init(struct link_loop *loop, uv_loop_t *uv)
{
    loop->uv = uv;
    loop->later_first = loop->later_last = NULL;
    loop->spare = NULL;
    loop->spares = 0;
    uv_prepare_init(uv, &loop->turn);
    uv_prepare_start(&loop->turn, loop_turned);
    loop->turn.data = loop;
    queue_init(&loop->flushing, uv, LINGER_FLUSH_MS);
    queue_init(&loop->dropping, uv, LINGER_DROP_MS);
}

static void queue_close(struct link_queue *queue)
{
    while (queue->first != NULL)
        link_close(queue->first);
    uv_close((uv_handle_t *)&queue->timer, NULL);
}

/* Refused clients may still linger, and would do so for ever without the timers. */
void link_loop_close(struct link_loop *loop)
{
    queue_close(&loop->flushing);
    queue_close(&loop->dropping);
    loop_spares_free(loop);
    uv_close((uv_handle_t *)&loop->turn, NULL);
}

/* --- reading --- */

static void link_lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer_r)
{
    struct link *link = handle->data;
    size_t room = LINK_READ_BYTES;

    (void)suggested;
    if (link->state == LINK_OPEN && link->peeks)
        room = 0;
    else if (link->state == LINK_OPEN && (link->tls == NULL || !link_tls_shaking(link)))
        room = link->user->room(link);
    *buffer_r =
        uv_buf_init(link->loop->read, (unsigned)(room < LINK_READ_BYTES ? room : LINK_READ_BYTES));
}

/*
 * libuv reports a hang-up behind a short read as an end of input without reading again. After an
 * end the peer may still listen; after a reset nobody does, and only the socket's error tells.
 */
static ssize_t link_reset(const struct link *link)
{
    int fd = -1;
    int error = 0;
    socklen_t size = sizeof(error);

    if (uv_fileno((const uv_handle_t *)&link->tcp, &fd) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0)
        return uv_translate_sys_error(error);
    return UV_EOF;
}

/* Looks without taking anything: the next reading does that, and tells of an end or an error. */
static void link_peeked(struct link *link)
{
    ssize_t count;
    int fd;

    uv_fileno((uv_handle_t *)&link->tcp, &fd);
    count = recv(fd, link->loop->read, LINK_READ_BYTES, MSG_PEEK | MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count > 0)
        link->user->peeked(link, span_of(link->loop->read, (size_t)count));
    else
        link->peeks = false;
}

void link_peek(struct link *link, bool on)
{
    link->peeks = on;
}

void link_skip(struct link *link, size_t size)
{
    int fd;

    uv_fileno((uv_handle_t *)&link->tcp, &fd);
    /* They are there, and come to where they lie already. Should that fail, so does the next look.
     */
    (void)recv(fd, link->loop->read, size, MSG_DONTWAIT);
}

/* Shut: what the peer says is dropped, and its end is waited for. */
static void link_said_late(struct link *link, ssize_t count)
{
    link->ended = link->ended || count == UV_EOF;
    if (count < 0 && count != UV_EOF)
        link->error = (int)count;
    if (count < 0 && (link->state == LINK_DROPPING || count != UV_EOF))
        link_close(link);
}

static void link_said(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct link *link = stream->data;

    if (count == 0)
        return; /* EAGAIN */
    if (count == UV_ENOBUFS) {
        if (link->peeks)
            link_peeked(link);
        else
            link_pause(link);
        return;
    }
    if (link->state == LINK_DROPPING || link->state == LINK_FLUSHING) {
        link_said_late(link, count);
        return;
    }
    if (count == UV_EOF)
        count = link_reset(link);
    if (count == UV_EOF) {
        link->ended = true;
        if (link->tls != NULL)
            link_tls_ended(link);
        else
            link->user->ended(link);
    } else if (count < 0) {
        uv_read_stop(stream);
        link->user->lost(link, (int)count);
    } else if (link->tls != NULL) {
        link_tls_read(link, span_of(buffer->base, (size_t)count));
    } else {
        link->user->said(link, span_of(buffer->base, (size_t)count));
    }
}

void link_pause(struct link *link)
{
    link->paused = true;
    uv_read_stop((uv_stream_t *)&link->tcp);
}

void link_resume(struct link *link)
{
    link->paused = false;
    uv_read_start((uv_stream_t *)&link->tcp, link_lend, link_said);
}

void link_read(struct link *link)
{
    if (!link->paused)
        return;
    if (link->state == LINK_OPEN && link->tls != NULL && link_tls_holds(link))
        link_tls_later(link);
    else
        link_resume(link);
}

/* --- life --- */

static void link_gone(uv_handle_t *handle)
{
    struct link *link = handle->data;

    link_writes_free(link);
    if (link->tls != NULL)
        link_tls_free(link);
    link->state = LINK_NONE;
    link->user->gone(link);
}

static void link_unlinger(struct link *link)
{
    if (link->state == LINK_FLUSHING)
        queue_remove(&link->loop->flushing, link);
    else if (link->state == LINK_DROPPING)
        queue_remove(&link->loop->dropping, link);
}

void link_close(struct link *link)
{
    link_unlinger(link);
    link_unlater(link);
    link->state = LINK_CLOSING;
    uv_close((uv_handle_t *)&link->tcp, link_gone);
}

/*
 * Closing a socket while the peer's bytes lie unread in it makes the kernel send a reset, and a
 * reset may cost the peer our last reply. So: say FIN, drop what still comes, close on the peer's
 * FIN. When that has been read already there is nothing to wait for.
 */
void link_drop(struct link *link)
{
    int fd = -1;

    link_unlinger(link);
    link->state = LINK_DROPPING;
    queue_add(&link->loop->dropping, link);
    uv_fileno((uv_handle_t *)&link->tcp, &fd);
    if (link->ended || link->error != 0 || shutdown(fd, SHUT_WR) != 0)
        link_close(link);
    else
        link_read(link);
}

void link_half(struct link *link)
{
    int fd = -1;

    link->half = link->flying != NULL || link->waiting != NULL;
    if (!link->half && link->state == LINK_OPEN && uv_fileno((uv_handle_t *)&link->tcp, &fd) == 0)
        shutdown(fd, SHUT_WR);
}

void link_shut(struct link *link, enum shut how)
{
    if (link->state == LINK_NONE || link->state == LINK_CLOSING)
        return;
    if (how == SHUT_HALF) {
        link_half(link);
        return;
    }
    if (how == SHUT_FLUSH && link->state != LINK_CONNECTING) {
        if (link->state == LINK_OPEN && link->tls != NULL)
            link_tls_finish(link);
        if (link->flying == NULL && link->waiting == NULL) {
            link_drop(link);
        } else if (link->state != LINK_FLUSHING) {
            link->state = LINK_FLUSHING;
            queue_add(&link->loop->flushing, link);
            link_read(link);
        }
        return;
    }
    link_say_last(link);
    if (how != SHUT_RESET) {
        link_close(link);
        return;
    }
    link_unlinger(link);
    link_unlater(link);
    link->state = LINK_CLOSING;
    if (uv_tcp_close_reset(&link->tcp, link_gone) != 0)
        uv_close((uv_handle_t *)&link->tcp, link_gone);
}

static void link_init(struct link *link, struct link_loop *loop, const struct link_user *user)
{
    *link = (struct link){.loop = loop, .user = user};
    uv_tcp_init(loop->uv, &link->tcp);
    link->tcp.data = link;
}

int link_open(struct link *link, struct link_loop *loop, const struct link_user *user, int fd)
{
    int error;

    link_init(link, loop, user);
    link->state = LINK_OPEN;
    error = uv_tcp_open(&link->tcp, fd);
    if (error != 0)
        close(fd);
    else
        error = uv_read_start((uv_stream_t *)&link->tcp, link_lend, link_said);
    if (error != 0)
        link_close(link);
    return error;
}

static void link_connected(uv_connect_t *request, int status)
{
    struct link *link = request->data;

    free(request);
    if (link->state != LINK_CONNECTING)
        return; /* shut meanwhile */
    if (status != 0) {
        link->user->lost(link, status);
        return;
    }
    if (!link_say_first(link))
        return;
    if (link->tls != NULL) {
        link_tls_later(link);
        return;
    }
    link->state = LINK_OPEN;
    link->user->opened(link);
}

void link_begin_with(struct link *link, struct span bytes)
{
    must(link->state == LINK_CONNECTING && link->waiting == NULL);
    if (bytes.size > 0)
        link_keep(link, &bytes, 1, 0, 0);
}

int link_connect(struct link *link, struct link_loop *loop, const struct link_user *user,
                 const struct address *address)
{
    return link_connect_by(link, loop, user, address, &(struct link_way){0});
}

int link_connect_by(struct link *link, struct link_loop *loop, const struct link_user *user,
                    const struct address *address, const struct link_way *way)
{
    uv_connect_t *request = malloc(sizeof(*request));
    int error;

    must(request != NULL);
    link_init(link, loop, user);
    link->state = LINK_CONNECTING;
    request->data = link;
    error = link_prepare(link, address->any.sa_family, way);
    uv_tcp_nodelay(&link->tcp, 1);
    if (error == 0)
        error = uv_tcp_connect(request, &link->tcp, &address->any, link_connected);
    if (error != 0) {
        free(request);
        link_close(link);
        return error;
    }
    /* Asked for now, reading is registered together with connecting, in one call. */
    error = uv_read_start((uv_stream_t *)&link->tcp, link_lend, link_said);
    if (error != 0)
        link_close(link);
    return error;
}
