/* A transcript over real sockets: one thread, poll(), and a limit to every wait. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "play_wire.h"

/* Longest wait for anything the other party has to do, and for what the script waits. */
#define PATIENCE_MS 10000
#define SHOWN_BYTES_MAX 400U
#define READ_BYTES 65536U

/* One connection of ours. */
struct wire {
    int fd;      /* -1: there is none */
    char *heard; /* everything so far */
    size_t size;
    size_t room;
    size_t matched; /* bytes the script has expected */
    bool ended;     /* the other party said its last */
};

struct play_wires {
    struct addrinfo *upstream; /* NULL: the client is not played */
    int listener;              /* -1: the upstream is not played */
    struct wire wires[SIDE_COUNT];
    const struct script *script;
    const struct script_line *line;
    struct text *report;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool played(const struct play_wires *wires, enum side side)
{
    return side == SIDE_CLIENT ? wires->upstream != NULL : wires->listener >= 0;
}

/* --- reports --- */

static bool fail(struct play_wires *wires, const char *says, struct span got)
{
    script_place(wires->script, wires->line->number, wires->report);
    text_add(wires->report, span_of_string(says));
    text_add(wires->report, SPAN("\n    - "));
    text_add(wires->report, span_head(wires->line->raw, SHOWN_BYTES_MAX));
    text_add_byte(wires->report, '\n');
    while (got.size > 0) {
        char bytes[SHOWN_BYTES_MAX];
        struct text text = text_over(bytes, sizeof(bytes));
        struct span line = span_head(got, span_find(got, '\n') + 1);
        const struct record *record = &wires->line->record;

        record_said(&text, 0, record->side, record->to_upstream, line);
        text_add(wires->report, SPAN("    + "));
        text_add(wires->report, span_tail(text_span(&text), SPAN("+0 ").size));
        got = span_tail(got, line.size);
    }
    return false;
}

/* --- sockets --- */

static void wire_close(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    free(wire->heard);
    *wire = (struct wire){.fd = -1};
}

static void wire_open(struct wire *wire, int fd)
{
    int on = 1;

    wire_close(wire);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    wire->fd = fd;
}

static void wire_read(struct wire *wire)
{
    ssize_t count;

    if (wire->room - wire->size < READ_BYTES) {
        wire->room = 2 * wire->room + READ_BYTES;
        wire->heard = realloc(wire->heard, wire->room);
        must(wire->heard != NULL);
    }
    count = recv(wire->fd, wire->heard + wire->size, wire->room - wire->size, 0);
    if (count > 0)
        wire->size += (size_t)count;
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        wire->ended = true;
}

/* Waits for either side to say something, and for `writer` to take something. */
static void wires_wait(struct play_wires *wires, const struct wire *writer, int64_t until)
{
    struct pollfd polls[SIDE_COUNT];
    int64_t left = until - now_ms();
    size_t side;

    for (side = 0; side < SIDE_COUNT; side++) {
        const struct wire *wire = &wires->wires[side];

        polls[side] = (struct pollfd){.fd = wire->ended && wire != writer ? -1 : wire->fd};
        polls[side].events = wire->ended ? 0 : POLLIN;
        polls[side].events |= wire == writer ? POLLOUT : 0;
    }
    if (left <= 0 || poll(polls, SIDE_COUNT, (int)left) <= 0)
        return;
    for (side = 0; side < SIDE_COUNT; side++)
        if ((polls[side].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !wires->wires[side].ended)
            wire_read(&wires->wires[side]);
}

static bool wire_send(struct play_wires *wires, struct wire *wire, struct span bytes)
{
    int64_t until = now_ms() + PATIENCE_MS;

    while (bytes.size > 0 && now_ms() < until) {
        ssize_t count = send(wire->fd, bytes.at, bytes.size, MSG_NOSIGNAL);

        if (count >= 0)
            bytes = span_tail(bytes, (size_t)count);
        else if (errno != EAGAIN && errno != EINTR)
            return fail(wires, "could not be said: the connection is lost", SPAN(""));
        else
            wires_wait(wires, wire, until);
    }
    return bytes.size == 0 || fail(wires, "could not be said: nobody reads", SPAN(""));
}

static struct span wire_rest(const struct wire *wire)
{
    return span_of(wire->heard == NULL ? "" : wire->heard + wire->matched,
                   wire->size - wire->matched);
}

/* Waits until so many bytes more, or a whole line (0), are there to be matched. */
static bool wire_await(struct play_wires *wires, struct wire *wire, uint64_t size)
{
    int64_t until = now_ms() + PATIENCE_MS;

    for (;;) {
        struct span rest = wire_rest(wire);

        if (size > 0 ? rest.size >= size : span_find(rest, '\n') < rest.size)
            return true;
        if (wire->ended)
            return fail(wires, "the connection ended instead of this", rest);
        if (now_ms() >= until)
            return fail(wires, "did not come in time", rest);
        wires_wait(wires, NULL, until);
    }
}

/* --- the script --- */

static bool side_open(struct play_wires *wires, enum side side)
{
    const struct addrinfo *address = wires->upstream;
    struct pollfd ready = {.fd = wires->listener, .events = POLLIN};
    int fd = -1;

    if (side == SIDE_UPSTREAM) {
        if (poll(&ready, 1, PATIENCE_MS) > 0)
            fd = accept(wires->listener, NULL, NULL);
        if (fd < 0)
            return fail(wires, "nobody connected to the upstream", SPAN(""));
    } else {
        fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
        if (fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
            if (fd >= 0)
                close(fd);
            return fail(wires, strerror(errno), SPAN(""));
        }
    }
    wire_open(&wires->wires[side], fd);
    return true;
}

static bool side_says(struct play_wires *wires, enum side side)
{
    uint64_t size = script_said_size(wires->line);
    uint64_t at = 0;

    if (wires->wires[side].fd < 0)
        return fail(wires, "this side is not open", SPAN(""));
    while (at < size) {
        char bytes[READ_BYTES];
        size_t count = script_said(wires->line, at, bytes, sizeof(bytes));

        if (!wire_send(wires, &wires->wires[side], span_of(bytes, count)))
            return false;
        at += count;
    }
    return true;
}

static bool side_hears_code(struct play_wires *wires, struct wire *wire)
{
    struct span line;

    if (!wire_await(wires, wire, 0))
        return false;
    line = wire_rest(wire);
    line = span_head(line, span_find(line, '\n') + 1);
    if (!span_equal(span_head(line, 3), span_head(wires->line->record.bytes, 3)))
        return fail(wires, "another code came", line);
    wire->matched += line.size;
    return true;
}

static bool side_hears(struct play_wires *wires, enum side side)
{
    struct wire *wire = &wires->wires[side];
    uint64_t size = script_said_size(wires->line);
    uint64_t at = 0;

    if (side == SIDE_CLIENT && !played(wires, SIDE_UPSTREAM))
        return side_hears_code(wires, wire);
    if (!wire_await(wires, wire, size))
        return false;
    while (at < size && wires->line->record.kind == RECORD_SAID) {
        char bytes[READ_BYTES];
        size_t count = script_said(wires->line, at, bytes, sizeof(bytes));
        struct span heard = span_tail(wire_rest(wire), (size_t)at);

        if (!span_equal(span_head(heard, count), span_of(bytes, count)))
            return fail(wires, "something else came", heard);
        at += count;
    }
    wire->matched += (size_t)size;
    return true;
}

static bool side_lives(struct play_wires *wires, enum side side)
{
    struct wire *wire = &wires->wires[side];
    struct linger reset = {.l_onoff = 1};
    int64_t until = now_ms() + PATIENCE_MS;

    switch (wires->line->life) {
    case SCRIPT_OPEN:
        return side_open(wires, side);
    case SCRIPT_END:
        shutdown(wire->fd, SHUT_WR);
        return true;
    case SCRIPT_FAIL:
        setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        wire_close(wire);
        return true;
    case SCRIPT_CONNECT:
        return true;
    case SCRIPT_SECURE:
    case SCRIPT_SECURED:
        return fail(wires, "TLS is not played over real connections", SPAN(""));
    case SCRIPT_SHUT:
        break;
    }
    while (wire->fd >= 0 && !wire->ended && now_ms() < until)
        wires_wait(wires, NULL, until);
    if (wire->fd >= 0 && !wire->ended)
        return fail(wires, "the connection did not end", wire_rest(wire));
    if (wire_rest(wire).size > 0)
        return fail(wires, "more was said before the end", wire_rest(wire));
    return true;
}

/* Reads a whole reply (three digits and a blank) or a command, whatever it is. */
static bool side_skips(struct play_wires *wires, enum side side, bool reply)
{
    struct wire *wire = &wires->wires[side];
    bool last = false;

    while (!last) {
        struct span line;

        if (!wire_await(wires, wire, 0))
            return false;
        line = wire_rest(wire);
        last = !reply || line.size < 4 || line.at[3] != '-';
        wire->matched += span_find(line, '\n') + 1;
    }
    return true;
}

/* Both sides are made ready, as `@ start ready` makes them; the upstream's keywords are the
 * script's. */
static bool start_ready(struct play_wires *wires)
{
    struct wire *client = &wires->wires[SIDE_CLIENT];
    struct wire *upstream = &wires->wires[SIDE_UPSTREAM];
    char bytes[SCRIPT_KEYWORDS_BYTES_MAX];
    struct text reply = text_over(bytes, sizeof(bytes));
    bool good = true;

    script_keywords(wires->script, &reply);
    if (client->fd < 0 && played(wires, SIDE_CLIENT))
        good = side_open(wires, SIDE_CLIENT);
    if (good && played(wires, SIDE_UPSTREAM))
        good = side_open(wires, SIDE_UPSTREAM) &&
               wire_send(wires, upstream, SPAN("220 up.example ESMTP\r\n"));
    if (good && played(wires, SIDE_CLIENT))
        good = side_skips(wires, SIDE_CLIENT, true) &&
               wire_send(wires, client, SPAN("EHLO c.example\r\n"));
    if (good && played(wires, SIDE_UPSTREAM))
        good = side_skips(wires, SIDE_UPSTREAM, false) &&
               wire_send(wires, upstream, text_span(&reply));
    if (good && played(wires, SIDE_CLIENT))
        good = side_skips(wires, SIDE_CLIENT, true);
    return good;
}

static bool play_setting(struct play_wires *wires)
{
    int64_t until = now_ms();
    uint64_t ms = 0;

    if (wires->line->word == SCRIPT_START)
        return start_ready(wires);
    if (wires->line->word != SCRIPT_WAIT)
        return true;
    if (!script_duration(wires->line->rest, &ms) || ms > PATIENCE_MS)
        return fail(wires, "over sockets waits are short", SPAN(""));
    until += (int64_t)ms;
    while (now_ms() < until)
        wires_wait(wires, NULL, until);
    return true;
}

static bool play_line(struct play_wires *wires)
{
    const struct script_line *line = wires->line;
    enum side side = line->record.side;

    switch (line->record.kind) {
    case RECORD_SAID:
    case RECORD_BODY:
        if (!played(wires, side))
            return true;
        return line->part == SCRIPT_STIMULUS ? side_says(wires, side) : side_hears(wires, side);
    case RECORD_LIFE:
        return !played(wires, side) || side_lives(wires, side);
    case RECORD_SETTING:
        return play_setting(wires);
    case RECORD_NOTE:
    case RECORD_COMMENT:
        break;
    }
    return true;
}

/* Connections that the session before had asked for and never used belong to no script. */
static void drop_strays(const struct play_wires *wires)
{
    struct pollfd ready = {.fd = wires->listener, .events = POLLIN};

    while (wires->listener >= 0 && poll(&ready, 1, 0) > 0) {
        int fd = accept(wires->listener, NULL, NULL);

        if (fd < 0)
            return;
        close(fd);
    }
}

bool play_wires_play(struct play_wires *wires, const struct script *script, struct text *report)
{
    bool agreed = true;
    size_t side;
    uint32_t i;

    wires->script = script;
    wires->report = report;
    drop_strays(wires);
    for (i = 0; i < script->count && agreed; i++) {
        wires->line = &script->lines[i];
        agreed = play_line(wires);
    }
    for (side = 0; side < SIDE_COUNT; side++) {
        struct span rest = wire_rest(&wires->wires[side]);

        if (agreed && rest.size > 0)
            agreed = fail(wires, "more came than expected, by the end", rest);
        wire_close(&wires->wires[side]);
    }
    return agreed;
}

/* --- opening --- */

/* HOST:PORT; an IPv6 address stands in brackets. */
static struct addrinfo *resolve(const char *place, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(place, ':');
    char host[256];
    size_t size = colon == NULL ? 0 : (size_t)(colon - place);
    bool bracketed = size > 2 && place[0] == '[' && place[size - 1] == ']';
    int error;

    if (colon == NULL || size >= sizeof(host)) {
        fprintf(stderr, "lockstep play: an address is written HOST:PORT, not `%s`\n", place);
        return NULL;
    }
    size -= bracketed ? 2 : 0;
    memcpy(host, place + (bracketed ? 1 : 0), size);
    host[size] = '\0';
    error = getaddrinfo(size > 0 ? host : NULL, colon + 1, &hints, &found);
    if (error != 0)
        fprintf(stderr, "lockstep play: %s: %s\n", place, gai_strerror(error));
    return found;
}

static bool start_listening(struct play_wires *wires, const char *place)
{
    struct addrinfo *address = resolve(place, AI_PASSIVE);
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    char host[256];
    char port[32];
    int on = 1;

    if (address == NULL)
        return false;
    wires->listener = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
    setsockopt(wires->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (wires->listener < 0 || bind(wires->listener, address->ai_addr, address->ai_addrlen) < 0 ||
        listen(wires->listener, 16) < 0) {
        fprintf(stderr, "lockstep play: %s: %s\n", place, strerror(errno));
        freeaddrinfo(address);
        return false;
    }
    freeaddrinfo(address);
    getsockname(wires->listener, (struct sockaddr *)&bound, &size);
    getnameinfo((struct sockaddr *)&bound, size, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    printf("lockstep play: ready, listening on %s%s%s:%s\n", bound.ss_family == AF_INET6 ? "[" : "",
           host, bound.ss_family == AF_INET6 ? "]" : "", port);
    fflush(stdout);
    return true;
}

struct play_wires *play_wires_open(const struct play_wire_options *options)
{
    struct play_wires *wires = malloc(sizeof(*wires));

    must(wires != NULL);
    *wires = (struct play_wires){.listener = -1, .wires = {{.fd = -1}, {.fd = -1}}};
    if (options->upstream != NULL)
        wires->upstream = resolve(options->upstream, 0);
    if ((options->upstream != NULL && wires->upstream == NULL) ||
        (options->client != NULL && !start_listening(wires, options->client)))
        play_wires_close(&wires);
    return wires;
}

void play_wires_close(struct play_wires **wires)
{
    if ((*wires)->upstream != NULL)
        freeaddrinfo((*wires)->upstream);
    if ((*wires)->listener >= 0)
        close((*wires)->listener);
    wire_close(&(*wires)->wires[SIDE_CLIENT]);
    wire_close(&(*wires)->wires[SIDE_UPSTREAM]);
    free(*wires);
    *wires = NULL;
}
