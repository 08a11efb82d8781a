/*
 * load_client: says the same session again and again, as fast as it is answered.
 *
 *     load_client PORT SHAPE SESSIONS MESSAGES AT_ONCE BODY_BYTES
 *
 * SHAPE `lockstep` waits for every answer, `pipelined` says MAIL, RCPT and DATA in one write,
 * `idle` opens all sessions up to the EHLO, prints "idle" and keeps them until standard input ends.
 * MESSAGES is per session. Any answer that is not the expected one ends the run with exit code 1.
 * At its end it prints the seconds it took.
 */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* One write and what must be heard before the next: the first digits of the replies. */
struct step {
    const char *bytes;
    size_t size;
    const char *replies;
};

enum { STEP_BANNER, STEP_HELLO, STEP_MESSAGE, STEPS_MAX = 8 };

struct script {
    struct step steps[STEPS_MAX];
    uint32_t message_steps; /* from STEP_MESSAGE on, said once per message */
    uint64_t messages;
    bool idle;
};

struct session {
    uint32_t step;
    uint32_t heard; /* replies to this step */
    uint64_t messages_left;
    size_t sent; /* bytes of this step */
    bool blocked;
    size_t held_size;
    char held[HELD_BYTES];
};

struct client {
    int epoll;
    struct sockaddr_in address;
    struct script script;
    uint64_t to_open;
    uint64_t open;
    uint64_t waiting; /* idle sessions that have got as far as they go */
    struct session of[FD_MAX];
};

static struct client client;

static void say(int fd)
{
    struct session *session = &client.of[fd];
    const struct step *step = &client.script.steps[session->step];
    bool blocked = false;

    while (session->sent < step->size && !blocked) {
        ssize_t sent =
            send(fd, step->bytes + session->sent, step->size - session->sent, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            load_fail("send", errno);
        blocked = sent < 0;
        session->sent += blocked ? 0 : (size_t)sent;
    }
    if (blocked != session->blocked)
        load_watch(client.epoll, fd, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    session->blocked = blocked;
}

static void open_session(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || fd >= FD_MAX)
        load_fail("socket", errno);
    if (connect(fd, (struct sockaddr *)&client.address, sizeof(client.address)) != 0)
        load_fail("connect", errno);
    load_tune(fd);
    load_watch(client.epoll, fd, EPOLLIN, EPOLL_CTL_ADD);
    client.of[fd] = (struct session){.messages_left = client.script.messages};
    client.to_open--;
    client.open++;
}

static void close_session(int fd)
{
    close(fd);
    client.open--;
    if (client.to_open > 0)
        open_session();
}

/* The step was answered: on to the next one. */
static void advance(int fd)
{
    struct session *session = &client.of[fd];
    uint32_t quit = STEP_MESSAGE + client.script.message_steps;

    if (session->step == STEP_HELLO && client.script.idle) {
        client.waiting++;
        return;
    }
    if (session->step == quit) {
        close_session(fd);
        return;
    }
    session->step++;
    if (session->step == STEP_MESSAGE && session->messages_left == 0)
        session->step = quit;
    if (session->step == quit && session->messages_left > 1) {
        session->messages_left--;
        session->step = STEP_MESSAGE;
    }
    session->heard = 0;
    session->sent = 0;
    say(fd);
}

static void hear_line(int fd, const char *line, size_t size)
{
    struct session *session = &client.of[fd];
    const struct step *step = &client.script.steps[session->step];

    if (size < 4 || line[0] != step->replies[session->heard]) {
        fprintf(stderr, "load: unexpected: %.*s", (int)size, line);
        exit(1);
    }
    if (line[3] == ' ')
        session->heard++;
    if (session->heard > 0 && step->replies[session->heard] == '\0')
        advance(fd);
}

static void hear(int fd)
{
    static char bytes[1U << 16];
    struct session *session = &client.of[fd];
    const char *at = bytes, *end;
    size_t size;
    ssize_t got;

    memcpy(bytes, session->held, session->held_size);
    got = recv(fd, bytes + session->held_size, sizeof(bytes) - session->held_size, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        load_fail("the other side went away", got < 0 ? errno : 0);
    size = session->held_size + (size_t)got;
    session->held_size = 0;
    while (size > 0 && (end = memchr(at, '\n', size)) != NULL) {
        size_t taken = (size_t)(end - at) + 1;

        hear_line(fd, at, taken);
        at += taken;
        size -= taken;
    }
    if (size > HELD_BYTES)
        load_fail("a reply too long", 0);
    if (size > 0) {
        memcpy(session->held, at, size);
        session->held_size = size;
    }
}

/* Lines of 62 letters and a CRLF, as many as fit, and the dot. */
static struct step message_step(size_t body_bytes)
{
    char *body = malloc(body_bytes + 8);
    size_t i;

    if (body == NULL)
        load_fail("malloc", errno);
    for (i = 0; i < body_bytes; i++)
        body[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (char)('a' + i % 26);
    memcpy(body + body_bytes, "\r\n.\r\n", 5);
    return (struct step){body, body_bytes + 5, "2"};
}

static struct step step_of(const char *text, const char *replies)
{
    return (struct step){text, strlen(text), replies};
}

#define MAIL "MAIL FROM:<sender@client.example>\r\n"
#define RCPT "RCPT TO:<recipient@load.example>\r\n"

static void script_write(struct script *script, const char *shape, size_t body_bytes)
{
    uint32_t at = STEP_MESSAGE;

    script->steps[STEP_BANNER] = step_of("", "2");
    script->steps[STEP_HELLO] = step_of("EHLO client.example\r\n", "2");
    if (strcmp(shape, "pipelined") == 0) {
        script->steps[at++] = step_of(MAIL RCPT "DATA\r\n", "223");
    } else if (strcmp(shape, "lockstep") == 0 || strcmp(shape, "idle") == 0) {
        script->steps[at++] = step_of(MAIL, "2");
        script->steps[at++] = step_of(RCPT, "2");
        script->steps[at++] = step_of("DATA\r\n", "3");
    } else {
        load_fail("SHAPE is lockstep, pipelined or idle", 0);
    }
    script->idle = strcmp(shape, "idle") == 0;
    script->steps[at++] = message_step(body_bytes);
    script->message_steps = at - STEP_MESSAGE;
    script->steps[at] = step_of("QUIT\r\n", "2");
}

static void run(void)
{
    struct epoll_event events[256];
    int count, i;

    while (client.open > client.waiting || client.to_open > 0) {
        count = epoll_wait(client.epoll, events, 256, -1);
        for (i = 0; i < count; i++) {
            if (events[i].events & EPOLLOUT)
                say(events[i].data.fd);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                hear(events[i].data.fd);
        }
        if (client.script.idle && client.to_open > 0)
            open_session();
    }
}

int main(int argc, char **argv)
{
    struct timespec start, end;
    uint64_t at_once;

    if (argc != 7)
        load_fail("usage: load_client PORT SHAPE SESSIONS MESSAGES AT_ONCE BODY_BYTES", 0);
    load_raise_limits();
    client.address = (struct sockaddr_in){.sin_family = AF_INET,
                                          .sin_addr = {htonl(INADDR_LOOPBACK)},
                                          .sin_port = htons((uint16_t)load_number(argv[1]))};
    client.to_open = load_number(argv[3]);
    client.script.messages = load_number(argv[4]);
    script_write(&client.script, argv[2], load_number(argv[6]));
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (at_once = load_number(argv[5]); at_once > 0 && client.to_open > 0; at_once--)
        open_session();
    run();
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (client.script.idle) {
        puts("idle");
        fflush(stdout);
        (void)!read(STDIN_FILENO, &(char){0}, 1);
        return 0;
    }
    printf("%.6f\n",
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    return 0;
}
