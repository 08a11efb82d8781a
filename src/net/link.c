/* One connection. Every libuv stream call of the program is in this file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "lockstep/net/link.h"

/* How long a peer may take to accept our last words, and then to say its own. A peer that answers
 * neither loses only words it would not have read (RFC 5321 4.1.1.10: QUIT ends in order). */
#define LINGER_FLUSH_MS 180000U
#define LINGER_DROP_MS 2000U

/* Sends shorter than this wait for the end of the turn. */
#define LATER_BYTES 4096U
/* Memory for as many of them is kept, so that a turn that says short things allocates nothing. */
#define SPARES_MAX 64U

/* Bytes kept back: the first of them are libuv's while `flying`, and more are added to `waiting`
 * only. The request shares the allocation, so that an idle link carries neither. */
struct link_write {
    uv_write_t request;
    struct link_write *next; /* among the spare */
    size_t size;
    size_t room;
    char bytes[];
};

static void link_close(struct link *link);
static void link_drop(struct link *link);
static void link_fly(struct link *link);

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

static void loop_turned(uv_prepare_t *turn);

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
    while (loop->spare != NULL) {
        struct link_write *write = loop->spare;

        loop->spare = write->next;
        free(write);
    }
    loop->spares = SPARES_MAX; /* from now on none is kept */
    uv_close((uv_handle_t *)&loop->turn, NULL);
}

/* --- reading --- */

static void link_lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer_r)
{
    struct link *link = handle->data;
    size_t room = LINK_READ_BYTES;

    (void)suggested;
    if (link->state == LINK_OPEN)
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

static void link_said(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct link *link = stream->data;

    if (count == 0)
        return; /* EAGAIN */
    if (count == UV_ENOBUFS) {
        link->paused = true;
        uv_read_stop(stream);
        return;
    }
    if (link->state == LINK_DROPPING || link->state == LINK_FLUSHING) {
        link->ended = link->ended || count == UV_EOF;
        if (count < 0 && count != UV_EOF)
            link->error = (int)count;
        if (count < 0 && (link->state == LINK_DROPPING || count != UV_EOF))
            link_close(link);
        return;
    }
    if (count == UV_EOF)
        count = link_reset(link);
    if (count == UV_EOF) {
        link->ended = true;
        link->user->ended(link);
    } else if (count < 0) {
        uv_read_stop(stream);
        link->user->lost(link, (int)count);
    } else {
        link->user->said(link, span_of(buffer->base, (size_t)count));
    }
}

void link_read(struct link *link)
{
    if (!link->paused)
        return;
    link->paused = false;
    uv_read_start((uv_stream_t *)&link->tcp, link_lend, link_said);
}

/* --- writing --- */

static struct link_write *write_new(struct link_loop *loop, size_t room)
{
    struct link_write *write = loop->spare;

    if (room <= LATER_BYTES && write != NULL) {
        loop->spare = write->next;
        loop->spares--;
        return write;
    }
    room = room > LATER_BYTES ? room : LATER_BYTES;
    write = malloc(sizeof(*write) + room);
    must(write != NULL);
    write->size = 0;
    write->room = room;
    return write;
}

static void write_free(struct link_loop *loop, struct link_write *write)
{
    if (write->room != LATER_BYTES || loop->spares >= SPARES_MAX) {
        free(write);
        return;
    }
    write->size = 0;
    write->next = loop->spare;
    loop->spare = write;
    loop->spares++;
}

/* Keeps everything after the first `skip` bytes. */
static void link_keep(struct link *link, const struct span *pieces, uint32_t count, size_t skip)
{
    size_t more = 0;
    uint32_t i;

    for (i = 0; i < count; i++)
        more += pieces[i].size;
    more -= skip;
    if (link->waiting == NULL) {
        link->waiting = write_new(link->loop, more);
    } else if (link->waiting->room - link->waiting->size < more) {
        size_t room = (link->waiting->size + more) * 2;

        link->waiting = realloc(link->waiting, sizeof(struct link_write) + room);
        must(link->waiting != NULL);
        link->waiting->room = room;
    }
    for (i = 0; i < count; i++) {
        struct span rest = span_tail(pieces[i], skip);

        skip -= pieces[i].size - rest.size;
        if (rest.size == 0)
            continue;
        memcpy(link->waiting->bytes + link->waiting->size, rest.at, rest.size);
        link->waiting->size += rest.size;
    }
}

static void link_failed(struct link *link, int error)
{
    link->error = error;
    if (link->state == LINK_FLUSHING)
        link_close(link);
    else
        link->user->lost(link, error);
}

static void link_left(struct link *link, size_t size)
{
    link->user->sent(link, size);
    if (link->state == LINK_FLUSHING && link->flying == NULL && link->waiting == NULL)
        link_drop(link);
}

static void link_flew(uv_write_t *request, int status)
{
    struct link *link = request->data;
    size_t size = link->flying->size;

    write_free(link->loop, link->flying);
    link->flying = NULL;
    if (link->state == LINK_CLOSING)
        return;
    if (status < 0) {
        link_failed(link, status);
        return;
    }
    link_fly(link);
    link_left(link, size);
}

static void link_fly(struct link *link)
{
    uv_buf_t buffer;

    if (link->flying != NULL || link->waiting == NULL)
        return;
    link->flying = link->waiting;
    link->waiting = NULL;
    link->flying->request.data = link;
    buffer = uv_buf_init(link->flying->bytes, (unsigned)link->flying->size);
    uv_write(&link->flying->request, (uv_stream_t *)&link->tcp, &buffer, 1, link_flew);
}

/* What the socket takes at once, or a negative libuv error. These calls cost the kernel less than
 * the write() and writev() that libuv would make, and raise no SIGPIPE. */
static ssize_t link_put(struct link *link, const struct span *pieces, uint32_t count)
{
    struct iovec parts[SEND_PIECES_MAX];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t put;
    uint32_t i;
    int fd;

    uv_fileno((uv_handle_t *)&link->tcp, &fd);
    if (count == 1) {
        put = send(fd, pieces[0].at, pieces[0].size, MSG_NOSIGNAL);
    } else {
        for (i = 0; i < count; i++) /* it has no const, but only reads them */
            parts[i] = (struct iovec){(char *)(uintptr_t)pieces[i].at, pieces[i].size};
        put = sendmsg(fd, &message, MSG_NOSIGNAL);
    }
    if (put >= 0)
        return put;
    return errno == EAGAIN || errno == EINTR ? 0 : uv_translate_sys_error(errno);
}

/* --- the end of a turn --- */

static void link_say_later(struct link *link)
{
    struct link_loop *loop = link->loop;

    if (link->later)
        return;
    link->later = true;
    if (loop->later_last != NULL)
        loop->later_last->later_next = link;
    else
        loop->later_first = link;
    loop->later_last = link;
}

static void link_unlater(struct link *link)
{
    struct link_loop *loop = link->loop;
    struct link *before = NULL;
    struct link *at = loop->later_first;

    if (!link->later)
        return;
    for (; at != link; at = at->later_next)
        before = at;
    if (before != NULL)
        before->later_next = link->later_next;
    else
        loop->later_first = link->later_next;
    if (loop->later_last == link)
        loop->later_last = before;
    link->later_next = NULL;
    link->later = false;
}

static void link_say(struct link *link)
{
    struct link_write *write = link->waiting;
    struct span all = span_of(write->bytes, write->size);
    ssize_t left = link_put(link, &all, 1);

    if (left < 0) {
        link_failed(link, (int)left);
        return;
    }
    write->size -= (size_t)left;
    if (write->size > 0) {
        memmove(write->bytes, write->bytes + left, write->size);
        link_fly(link);
    } else {
        write_free(link->loop, write);
        link->waiting = NULL;
    }
    if (left > 0)
        link_left(link, (size_t)left);
}

/* Called before the loop waits. Who hears that something has left may say more. */
static void loop_turned(uv_prepare_t *turn)
{
    struct link_loop *loop = turn->data;

    while (loop->later_first != NULL) {
        struct link *link = loop->later_first;

        link_unlater(link);
        link_say(link);
    }
}

size_t link_send(struct link *link, const struct span *pieces, uint32_t count)
{
    size_t size = 0;
    ssize_t left = 0;
    uint32_t i;

    must(count <= SEND_PIECES_MAX);
    if (link->state != LINK_OPEN || link->error != 0)
        return 0;
    for (i = 0; i < count; i++)
        size += pieces[i].size;
    if (size == 0)
        return 0;
    if (link->flying != NULL || link->waiting != NULL || size < LATER_BYTES) {
        link_keep(link, pieces, count, 0);
        if (link->flying == NULL)
            link_say_later(link);
        return 0;
    }
    left = link_put(link, pieces, count);
    if (left < 0) {
        link->error = (int)left;
        return 0;
    }
    if ((size_t)left < size) {
        link_keep(link, pieces, count, (size_t)left);
        link_fly(link);
    }
    return (size_t)left;
}

size_t link_kept(const struct link *link)
{
    return (link->flying != NULL ? link->flying->size : 0) +
           (link->waiting != NULL ? link->waiting->size : 0);
}

/* --- life --- */

static void link_gone(uv_handle_t *handle)
{
    struct link *link = handle->data;

    must(link->flying == NULL);
    free(link->waiting);
    link->waiting = NULL;
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

static void link_close(struct link *link)
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
static void link_drop(struct link *link)
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

void link_shut(struct link *link, enum shut how)
{
    if (link->state == LINK_NONE || link->state == LINK_CLOSING)
        return;
    if (how == SHUT_FLUSH && link->state != LINK_CONNECTING) {
        if (link->flying == NULL && link->waiting == NULL) {
            link_drop(link);
        } else if (link->state != LINK_FLUSHING) {
            link->state = LINK_FLUSHING;
            queue_add(&link->loop->flushing, link);
            link_read(link);
        }
        return;
    }
    if (link->later) { /* it was said before: what the socket takes still goes */
        struct span last = span_of(link->waiting->bytes, link->waiting->size);

        link_put(link, &last, 1);
    }
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
    link->state = LINK_OPEN;
    link->user->opened(link);
}

int link_connect(struct link *link, struct link_loop *loop, const struct link_user *user,
                 const struct address *address)
{
    uv_connect_t *request = malloc(sizeof(*request));
    int error;

    must(request != NULL);
    link_init(link, loop, user);
    link->state = LINK_CONNECTING;
    request->data = link;
    uv_tcp_nodelay(&link->tcp, 1);
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
