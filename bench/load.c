/* What the load client and the load server share. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

void load_fail(const char *what, int number)
{
    fprintf(stderr, "load: %s%s%s\n", what, number ? ": " : "", number ? strerror(number) : "");
    exit(1);
}

uint64_t load_number(const char *digits)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(digits, &end, 10);
    if (errno != 0 || end == digits || *end != '\0')
        load_fail("not a number", EINVAL);
    return number;
}

void load_raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        load_fail("getrlimit", errno);
    limit.rlim_cur = limit.rlim_max < FD_MAX ? limit.rlim_max : FD_MAX;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        load_fail("setrlimit", errno);
}

void load_tune(int fd)
{
    int on = 1;

    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        load_fail("fcntl", errno);
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        load_fail("TCP_NODELAY", errno);
}

void load_watch(int epoll, int fd, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    if (epoll_ctl(epoll, operation, fd, &event) != 0)
        load_fail("epoll_ctl", errno);
}
