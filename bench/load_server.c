/*
 * load_server: a relay that takes everything and keeps nothing.
 *
 *     load_server [no-pipelining]
 *
 * It prints its port when ready, and its counts when standard input ends. With `no-pipelining` it
 * does not offer PIPELINING, and a byte behind a command that came before the command's answer is
 * counted as early and ends the session with 503. A message ends when the bytes read so far end in
 * CRLF.CRLF: the load client says nothing behind the dot before it is answered.
 */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (1U << 18)
#define ANSWER_BYTES (1U << 16)
#define TERMINATOR "\r\n.\r\n"
#define TERMINATOR_SIZE (sizeof(TERMINATOR) - 1)

struct session {
    bool in_body;
    size_t held_size;
    char held[HELD_BYTES]; /* a command's start, or a message's last bytes */
};

struct server {
    int epoll;
    int listener;
    bool pipelining;
    uint64_t sessions;
    uint64_t messages;
    uint64_t early_bytes;
    size_t answer_size;
    char answer[ANSWER_BYTES];
    char bytes[HELD_BYTES + READ_BYTES];
    struct session of[FD_MAX];
};

enum command { COMMAND_HELLO, COMMAND_ENVELOPE, COMMAND_DATA, COMMAND_QUIT, COMMAND_OTHER };

static struct server server;

static enum command command_of(const char *line, size_t size)
{
    static const struct {
        char word[5];
        enum command command;
    } words[] = {{"MAIL", COMMAND_ENVELOPE}, {"RCPT", COMMAND_ENVELOPE},
                 {"DATA", COMMAND_DATA},     {"EHLO", COMMAND_HELLO},
                 {"QUIT", COMMAND_QUIT},     {"RSET", COMMAND_ENVELOPE}};
    size_t i;

    for (i = 0; size >= 4 && i < sizeof(words) / sizeof(words[0]); i++)
        if (strncasecmp(line, words[i].word, 4) == 0)
            return words[i].command;
    return COMMAND_OTHER;
}

static void answer(const char *text)
{
    size_t size = strlen(text);

    if (server.answer_size + size > ANSWER_BYTES)
        load_fail("too many commands at once", 0);
    memcpy(server.answer + server.answer_size, text, size);
    server.answer_size += size;
}

/* False: the session is over. */
static bool obey(struct session *session, const char *line, size_t size)
{
    switch (command_of(line, size)) {
    case COMMAND_HELLO:
        answer(server.pipelining
                   ? "250-load.example\r\n250-PIPELINING\r\n250-SIZE 0\r\n250 8BITMIME\r\n"
                   : "250-load.example\r\n250-SIZE 0\r\n250 8BITMIME\r\n");
        return true;
    case COMMAND_ENVELOPE:
        answer("250 2.1.0 Ok\r\n");
        return true;
    case COMMAND_DATA:
        answer("354 End data with <CR><LF>.<CR><LF>\r\n");
        session->in_body = true;
        return true;
    case COMMAND_QUIT:
        answer("221 2.0.0 Bye\r\n");
        return false;
    case COMMAND_OTHER:
        answer("500 5.5.1 Not known here\r\n");
        return true;
    }
    return false;
}

static void hold(struct session *session, const char *bytes, size_t size)
{
    if (size > HELD_BYTES)
        load_fail("a line too long", 0);
    memmove(session->held, bytes, size);
    session->held_size = size;
}

/* `bytes` starts with what was held. */
static void read_body(struct session *session, const char *bytes, size_t size)
{
    size_t kept = size < TERMINATOR_SIZE ? size : TERMINATOR_SIZE;
    const char *tail = bytes + size - kept;

    if (kept == TERMINATOR_SIZE && memcmp(tail, TERMINATOR, TERMINATOR_SIZE) == 0) {
        session->in_body = false;
        session->held_size = 0;
        server.messages++;
        answer("250 2.0.0 Ok: queued\r\n");
        return;
    }
    hold(session, tail, kept);
}

/* False: the session is over. */
static bool read_bytes(struct session *session, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *end;
        size_t taken;

        if (session->in_body) {
            read_body(session, bytes, size);
            return true;
        }
        end = memchr(bytes, '\n', size);
        if (end == NULL)
            break;
        taken = (size_t)(end - bytes) + 1;
        if (taken < size && !server.pipelining) {
            server.early_bytes += size - taken;
            answer("503 5.5.0 I said no PIPELINING\r\n");
            return false;
        }
        if (!obey(session, bytes, taken))
            return false;
        bytes += taken;
        size -= taken;
    }
    hold(session, bytes, size);
    return true;
}

static void serve(int fd)
{
    struct session *session = &server.of[fd];
    ssize_t got;
    bool stays;

    memcpy(server.bytes, session->held, session->held_size);
    got = recv(fd, server.bytes + session->held_size, READ_BYTES, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        close(fd);
        return;
    }
    server.answer_size = 0;
    stays = read_bytes(session, server.bytes, session->held_size + (size_t)got);
    if (server.answer_size > 0 && send(fd, server.answer, server.answer_size, MSG_NOSIGNAL) < 0)
        stays = false;
    if (!stays)
        close(fd);
}

static void welcome(void)
{
    static const char banner[] = "220 load.example ESMTP\r\n";
    int fd;

    while ((fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (fd >= FD_MAX)
            load_fail("too many sessions", 0);
        load_tune(fd);
        server.of[fd].in_body = false;
        server.of[fd].held_size = 0;
        server.sessions++;
        load_watch(server.epoll, fd, EPOLLIN, EPOLL_CTL_ADD);
        (void)!send(fd, banner, sizeof(banner) - 1, MSG_NOSIGNAL);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        load_fail("accept", errno);
}

static void listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);

    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server.listener < 0 ||
        bind(server.listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(server.listener, SOMAXCONN) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &size) != 0)
        load_fail("listen", errno);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    int count, i;

    server.pipelining = !(argc > 1 && strcmp(argv[1], "no-pipelining") == 0);
    load_raise_limits();
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    listen_somewhere();
    load_watch(server.epoll, server.listener, EPOLLIN, EPOLL_CTL_ADD);
    load_watch(server.epoll, STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        count = epoll_wait(server.epoll, events, 256, -1);
        for (i = 0; i < count; i++) {
            if (events[i].data.fd == STDIN_FILENO) {
                printf("sessions %ju messages %ju early %ju\n", (uintmax_t)server.sessions,
                       (uintmax_t)server.messages, (uintmax_t)server.early_bytes);
                return 0;
            }
            if (events[i].data.fd == server.listener)
                welcome();
            else
                serve(events[i].data.fd);
        }
    }
}
