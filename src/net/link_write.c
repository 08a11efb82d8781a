/* What one connection says: kept until the end of the turn, or until the socket takes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "link_inside.h"
#include "lockstep/base/must.h"

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
    size_t owed; /* of the user's bytes, how many he has not heard of yet */
    size_t room;
    char bytes[];
};

static void link_fly(struct link *link);

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
    write->size = write->owed = 0;
    write->room = room;
    return write;
}

static void write_free(struct link_loop *loop, struct link_write *write)
{
    if (write->room != LATER_BYTES || loop->spares >= SPARES_MAX) {
        free(write);
        return;
    }
    write->size = write->owed = 0;
    write->next = loop->spare;
    loop->spare = write;
    loop->spares++;
}

void link_keep(struct link *link, const struct span *pieces, uint32_t count, size_t skip,
               size_t owed)
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
    link->waiting->owed += owed;
}

void link_owe(struct link *link, size_t owed)
{
    must(link->waiting != NULL);
    link->waiting->owed += owed;
}

size_t link_unowed(const struct link *link)
{
    return link->waiting != NULL ? link->waiting->size - link->waiting->owed : 0;
}

static void link_failed(struct link *link, int error)
{
    link->error = error;
    if (link->state == LINK_FLUSHING)
        link_close(link);
    else
        link->user->lost(link, error);
}

/* Of what is owed, what can't be among the bytes that are left: encrypting makes more of them,
 * never fewer. */
static size_t write_pay(struct link_write *write)
{
    size_t rest = write->owed < write->size ? write->owed : write->size;
    size_t paid = write->owed - rest;

    write->owed = rest;
    return paid;
}

static void link_left(struct link *link, size_t size)
{
    if (size > 0)
        link->user->sent(link, size);
    if (link->flying != NULL || link->waiting != NULL)
        return;
    if (link->state == LINK_FLUSHING)
        link_drop(link);
    else if (link->half)
        link_half(link);
}

static void link_flew(uv_write_t *request, int status)
{
    struct link *link = request->data;
    size_t size = link->flying->owed;

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

void link_say_later(struct link *link)
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

void link_unlater(struct link *link)
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
    size_t paid;

    if (left < 0) {
        link_failed(link, (int)left);
        return;
    }
    write->size -= (size_t)left;
    paid = write_pay(write);
    if (write->size > 0) {
        memmove(write->bytes, write->bytes + left, write->size);
        link_fly(link);
    } else {
        write_free(link->loop, write);
        link->waiting = NULL;
    }
    if (left > 0)
        link_left(link, paid);
}

bool link_say_first(struct link *link)
{
    if (link->waiting != NULL)
        link_say(link);
    return link->state == LINK_CONNECTING && link->error == 0;
}

void link_say_last(struct link *link)
{
    struct span last;

    if (!link->later || link->waiting == NULL)
        return;
    last = span_of(link->waiting->bytes, link->waiting->size);
    link_put(link, &last, 1);
}

/* Called before the loop waits. Who hears that something has left may say more. */
void loop_turned(uv_prepare_t *turn)
{
    struct link_loop *loop = turn->data;

    while (loop->later_first != NULL) {
        struct link *link = loop->later_first;

        link_unlater(link);
        if (link->tls != NULL)
            link_tls_turn(link);
        if (link->waiting == NULL || link->flying != NULL || link->state == LINK_CLOSING)
            continue;
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
    if (link->tls != NULL) {
        link_tls_send(link, pieces, count);
        return 0;
    }
    if (link->flying != NULL || link->waiting != NULL || size < LATER_BYTES) {
        link_keep(link, pieces, count, 0, size);
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
        link_keep(link, pieces, count, (size_t)left, size - (size_t)left);
        link_fly(link);
    }
    return (size_t)left;
}

size_t link_kept(const struct link *link)
{
    return (link->flying != NULL ? link->flying->owed : 0) +
           (link->waiting != NULL ? link->waiting->owed : 0) +
           (link->tls != NULL ? link_tls_kept(link) : 0);
}

void link_writes_free(struct link *link)
{
    must(link->flying == NULL);
    free(link->waiting);
    link->waiting = NULL;
}

void loop_spares_free(struct link_loop *loop)
{
    while (loop->spare != NULL) {
        struct link_write *write = loop->spare;

        loop->spare = write->next;
        free(write);
    }
    loop->spares = SPARES_MAX; /* from now on none is kept */
}
