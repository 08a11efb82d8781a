/* What netfilter did to a connection, asked of its socket. */
#include "path.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "legs.h"
#include "lockstep/base/must.h"
#include "lockstep/net/listener.h"

/* SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST: the kernel's header for them can't be had together with
 * the C library's. */
#define PATH_ORIGINAL_DST 80

/* --- where it was going --- */

/* Connection tracking remembers what was rewritten; of a connection that it does not know there is
 * nothing to be had. */
static bool path_redirected(int fd, sa_family_t family, struct sockaddr *original_r,
                            socklen_t *size)
{
    int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;

    return getsockopt(fd, level, PATH_ORIGINAL_DST, original_r, size) == 0;
}

static bool path_destination(enum intercept how, struct caller *caller)
{
    struct sockaddr_storage found = {0};
    socklen_t size = sizeof(found);
    struct sockaddr *at = (struct sockaddr *)&found;
    bool known = how == INTERCEPT_TPROXY
                     ? getsockname(caller->fd, at, &size) == 0
                     : path_redirected(caller->fd, caller->client.any.sa_family, at, &size);

    return known && address_copy(at, &caller->destination);
}

/* --- whether that is ourselves --- */

static bool is_any(const struct address *address)
{
    static const struct address none;

    return address->any.sa_family == AF_INET6
               ? IN6_IS_ADDR_UNSPECIFIED(&address->six.sin6_addr)
               : address->four.sin_addr.s_addr == none.four.sin_addr.s_addr;
}

/* Is it an address of this machine? Asked only of a port that is listened on at all of them. */
static bool is_local(const struct address *address)
{
    struct ifaddrs *all, *at;
    struct address own;
    bool found = false;

    if (getifaddrs(&all) != 0)
        return true; /* rather none than a loop */
    for (at = all; at != NULL && !found; at = at->ifa_next)
        found = at->ifa_addr != NULL && address_copy(at->ifa_addr, &own) &&
                address_same_host(&own, address);
    freeifaddrs(all);
    return found;
}

static bool is_listened_on(const struct worker *worker, const struct address *address)
{
    const struct port *port;

    for (port = worker->ports; port != NULL; port = port->next) {
        const struct address *here = &port->address;

        if (here->any.sa_family != address->any.sa_family ||
            address_port(here) != address_port(address))
            continue;
        if (address_same_host(here, address) || (is_any(here) && is_local(address)))
            return true;
    }
    return false;
}

static bool is_wanted(const struct config_path *path, const struct address *destination)
{
    char host[ADDRESS_TEXT_MAX];
    uint32_t i;

    if (path->destinations.count > 0 &&
        !networks_hold(&path->destinations, span_of_string(address_host(destination, host))))
        return false;
    for (i = 0; i < path->ports.count; i++) {
        if (path->ports.rows[i] == address_port(destination))
            return true;
    }
    return false;
}

enum refused path_look(const struct port *port, struct caller *caller)
{
    const struct config_path *path = &port->setup->config->listeners[port->index].path;

    if (path->intercept == INTERCEPT_NONE)
        return REFUSED_COUNT;
    if (!path_destination(path->intercept, caller)) {
        caller->destination = (struct address){0};
        return REFUSED_DIRECT;
    }
    if (is_listened_on(port->worker, &caller->destination))
        return REFUSED_DIRECT;
    if (legs_hold(port->worker->legs, &caller->client, &caller->destination))
        return REFUSED_LOOP;
    if (!is_wanted(path, &caller->destination))
        return REFUSED_DESTINATION;
    return REFUSED_COUNT;
}

/* --- as a relay --- */

struct original *original_new(const struct address *destination)
{
    struct original *original = calloc(1, sizeof(*original));

    must(original != NULL);
    original->address = *destination;
    original->where.count = 1;
    original->where.rows[0] =
        (struct config_address){.host = span_of_string(address_host(destination, original->host)),
                                .port = address_port(destination)};
    return original;
}

/* --- what is allowed --- */

static int path_try(int level, int option, const void *value, socklen_t size)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = fd < 0 || setsockopt(fd, level, option, value, size) != 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

bool path_may_borrow(void)
{
    const int on = 1;

    return path_try(IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) == 0;
}

bool path_may_mark(void)
{
    const uint32_t mark = PATH_MARK;

    return path_try(SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0;
}
