/*
 * Accepting. We call accept4 ourselves: it tells the peer's address in the same call, and what to
 * do when the process is out of descriptors is for us to decide.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lockstep/net/listener.h"

#define LISTENER_BACKLOG 1024
#define LISTENER_BURST 64U
/* How long to wait for a descriptor to come free before looking again. */
#define LISTENER_PAUSE_MS 100U

static int listener_option(int fd, int level, int option)
{
    int on = 1;

    return setsockopt(fd, level, option, &on, sizeof(on)) == 0 ? 0 : -errno;
}

/* SO_REUSEPORT would let two programs share a port without noticing. So the first socket binds
 * without it, hears EADDRINUSE when somebody is there, and allows others of ours only then. */
static int listener_prepare(int fd, const struct address *address, enum listener_share share)
{
    int error = listener_option(fd, SOL_SOCKET, SO_REUSEADDR);

    if (error == 0 && address->any.sa_family == AF_INET6)
        error = listener_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (error == 0)
        error = listener_option(fd, IPPROTO_TCP, TCP_NODELAY);
    if (error == 0 && share == LISTENER_JOINED)
        error = listener_option(fd, SOL_SOCKET, SO_REUSEPORT);
    if (error == 0 && bind(fd, &address->any, address_size(address)) != 0)
        error = -errno;
    if (error == 0 && share == LISTENER_FIRST)
        error = listener_option(fd, SOL_SOCKET, SO_REUSEPORT);
    if (error == 0 && listen(fd, LISTENER_BACKLOG) != 0)
        error = -errno;
    return error;
}

int listener_bind(struct address *address, enum listener_share share)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct address real = *address;
    socklen_t size = sizeof(real);
    int error;

    if (fd < 0)
        return -errno;
    error = listener_prepare(fd, address, share);
    if (error == 0 && getsockname(fd, &real.any, &size) != 0)
        error = -errno;
    if (error != 0) {
        close(fd);
        return error;
    }
    address_set_port(address, address_port(&real));
    return fd;
}

static void listener_ready(uv_poll_t *poll, int status, int events);

static void listener_resume(uv_timer_t *timer)
{
    struct listener *listener = timer->data;

    uv_poll_start(&listener->poll, UV_READABLE, listener_ready);
}

/* The listening socket stays readable while descriptors are short; without a pause the loop would
 * turn in place. */
static void listener_rest(struct listener *listener, int error)
{
    if (listener->rests != NULL)
        listener->rests(listener, error);
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->pause, listener_resume, LISTENER_PAUSE_MS, 0);
}

static void listener_take(struct listener *listener, uint32_t most)
{
    uint32_t taken;

    for (taken = 0; taken < most && listener->fd >= 0; taken++) {
        struct address peer = {0};
        socklen_t size = sizeof(peer);
        int fd = accept4(listener->fd, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            listener_rest(listener, -errno);
            return;
        }
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd >= 0)
            listener->accepted(listener, fd, &peer);
    }
}

/* Takes what is there, but not so much that those already connected wait long. */
static void listener_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    listener_take(poll->data, LISTENER_BURST);
}

void listener_empty(struct listener *listener)
{
    listener_take(listener, 2 * LISTENER_BACKLOG);
}

void listener_start(struct listener *listener, uv_loop_t *loop, int fd, listener_accepted *accepted,
                    void *data)
{
    *listener = (struct listener){.accepted = accepted, .data = data, .fd = fd};
    uv_timer_init(loop, &listener->pause);
    listener->pause.data = listener;
    uv_poll_init(loop, &listener->poll, fd);
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, listener_ready);
}

static void listener_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    listener->closing--;
    if (listener->closing == 0 && listener->stopped != NULL)
        listener->stopped(listener);
}

void listener_stop(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    listener->closing = 2;
    uv_close((uv_handle_t *)&listener->pause, listener_closed);
    uv_close((uv_handle_t *)&listener->poll, listener_closed);
    close(listener->fd);
    listener->fd = -1;
}
