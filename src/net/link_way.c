/* Sockets that are made ready before they connect. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_inside.h"
#include "lockstep/net/path.h"

int path_transparent(int fd, sa_family_t family, bool on)
{
    const int value = on ? 1 : 0;
    bool six = family == AF_INET6;
    int done = setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP,
                          six ? IPV6_TRANSPARENT : IP_TRANSPARENT, &value, sizeof(value));

    return done == 0 ? 0 : -errno;
}

/* The port is chosen together with the destination, so that there are as many as a port has numbers
 * for each destination, and not for all of them. */
static int way_borrow(int fd, const struct address *from)
{
    struct address here = *from;
    const int on = 1;

    address_set_port(&here, 0);
    if (path_transparent(fd, here.any.sa_family, true) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0 ||
        bind(fd, &here.any, address_size(&here)) != 0)
        return -errno;
    return 0;
}

/* Without the right to set it there is no mark, which was said when the program began. */
static void way_mark(int fd, uint32_t mark)
{
    int done = setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));

    (void)done;
}

int link_prepare(struct link *link, sa_family_t family, const struct link_way *way)
{
    int error = 0;
    int fd;

    if (way->from == NULL && way->mark == 0)
        return 0;
    if (way->from != NULL && way->from->any.sa_family != family)
        return UV_EAFNOSUPPORT;
    fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (way->mark != 0)
        way_mark(fd, way->mark);
    if (way->from != NULL)
        error = way_borrow(fd, way->from);
    if (error == 0)
        error = uv_tcp_open(&link->tcp, fd);
    if (error != 0)
        close(fd);
    return error;
}
