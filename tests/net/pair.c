/* Two links and the wire between them. */
#include "pair.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lockstep/base/must.h"

#define PATIENCE_S 20
#define STILL_TURNS 30

/* --- what a link tells --- */

static struct peer *peer_of(const struct link *link)
{
    return (struct peer *)(uintptr_t)link;
}

static size_t peer_room(const struct link *link)
{
    return peer_of(link)->room;
}

static void peer_said(struct link *link, struct span bytes)
{
    struct peer *peer = peer_of(link);

    must(bytes.size > 0 && bytes.size <= peer->room && peer->size + bytes.size <= PEER_BYTES_MAX);
    memcpy(peer->bytes + peer->size, bytes.at, bytes.size);
    peer->size += bytes.size;
    peer->most = bytes.size > peer->most ? bytes.size : peer->most;
    if (peer->heard != NULL)
        peer->heard(peer);
}

static void peer_ended(struct link *link)
{
    peer_of(link)->ended++;
}

static void peer_lost(struct link *link, int error)
{
    struct peer *peer = peer_of(link);
    struct span why = link_why(link, error);

    must(peer->error == 0);
    peer->error = error;
    must(why.size < sizeof(peer->why));
    memcpy(peer->why, why.at, why.size);
    link_shut(link, SHUT_NOW);
}

static void peer_sent(struct link *link, size_t count)
{
    must(count > 0);
    peer_of(link)->sent += count;
}

static void peer_secured(struct link *link)
{
    peer_of(link)->secured++;
}

static void peer_peeked(struct link *link, struct span bytes)
{
    struct peer *peer = peer_of(link);
    bool tls = tls_begins(bytes);

    must(peer->sniffed == -1 && peer->size == 0);
    if (peer->skips > 0) {
        size_t size = bytes.size < peer->skips ? bytes.size : peer->skips;

        link_skip(link, size);
        peer->skips -= size;
        return;
    }
    peer->sniffed = tls;
    link_peek(link, false);
    if (tls && peer->context != NULL)
        link_secure(link, peer->context, (struct span){0});
}

static void peer_gone(struct link *link)
{
    peer_of(link)->gone++;
}

static const struct link_user peer_user = {
    .room = peer_room,
    .said = peer_said,
    .ended = peer_ended,
    .lost = peer_lost,
    .sent = peer_sent,
    .secured = peer_secured,
    .peeked = peer_peeked,
    .gone = peer_gone,
};

void peer_say_bytes(struct peer *peer, const char *bytes, size_t size)
{
    struct span piece = span_of(bytes, size);

    peer->sent += link_send(&peer->link, &piece, 1);
}

void peer_say(struct peer *peer, const char *text)
{
    peer_say_bytes(peer, text, strlen(text));
}

bool peer_heard(const struct peer *peer, const char *text)
{
    return span_equal(span_of(peer->bytes, peer->size), span_of_string(text));
}

/* --- the wire --- */

/* True: something moved. */
static bool wire_pass(struct pair *pair, int from)
{
    char bytes[65536];
    size_t most = pair->cut > 0 ? pair->cut : sizeof(bytes);
    ssize_t count;
    ssize_t gone = 0;

    if (pair->ended[from])
        return false;
    if (from == 1 && pair->stop > 0 && pair->stop - pair->passed[1] < most)
        most = pair->stop - pair->passed[1];
    count = most > 0 ? recv(pair->wire[from], bytes, most, MSG_PEEK) : 0;
    if (count < 0)
        return false;
    if (count == 0) {
        pair->ended[from] = true;
        shutdown(pair->wire[!from], SHUT_WR);
        return true;
    }
    if (pair->broken[from] > pair->passed[from] &&
        pair->broken[from] <= pair->passed[from] + (size_t)count)
        bytes[pair->broken[from] - pair->passed[from] - 1] ^= 0x20;
    gone = send(pair->wire[!from], bytes, (size_t)count, MSG_NOSIGNAL);
    if (gone < 0 && errno != EAGAIN) /* nobody there listens any more */
        gone = count;
    if (gone > 0)
        must(recv(pair->wire[from], bytes, (size_t)gone, 0) == gone);
    pair->passed[from] += gone > 0 ? (size_t)gone : 0;
    return gone > 0;
}

/* --- the pair --- */

static void peer_open(struct pair *pair, struct peer *peer, int *wire_r)
{
    int ends[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    peer->room = LINK_READ_BYTES;
    peer->bytes = malloc(PEER_BYTES_MAX);
    peer->sniffed = -1;
    must(peer->bytes != NULL && link_open(&peer->link, &pair->loop, &peer_user, ends[0]) == 0);
    *wire_r = ends[1];
}

struct pair *pair_new(void)
{
    struct pair *pair = calloc(1, sizeof(*pair));

    must(pair != NULL && uv_loop_init(&pair->uv) == 0);
    link_loop_init(&pair->loop, &pair->uv);
    peer_open(pair, &pair->client, &pair->wire[0]);
    peer_open(pair, &pair->server, &pair->wire[1]);
    return pair;
}

static bool pair_turn(struct pair *pair)
{
    bool moved = wire_pass(pair, 0);

    moved = wire_pass(pair, 1) || moved;
    uv_run(&pair->uv, UV_RUN_NOWAIT);
    return moved;
}

void pair_run(struct pair *pair, bool (*done)(const struct pair *pair))
{
    time_t until = time(NULL) + PATIENCE_S;

    while (!done(pair)) {
        pair_turn(pair);
        cr_assert_lt(time(NULL), until, "client %s, server %s", pair->client.why, pair->server.why);
    }
}

void pair_settle(struct pair *pair)
{
    int still = 0;

    while (still < STILL_TURNS)
        still = pair_turn(pair) ? 0 : still + 1;
}

static bool both_gone(const struct pair *pair)
{
    return pair->client.link.state == LINK_NONE && pair->server.link.state == LINK_NONE;
}

void pair_close(struct pair *pair)
{
    link_shut(&pair->client.link, SHUT_NOW);
    link_shut(&pair->server.link, SHUT_NOW);
    pair_run(pair, both_gone);
    link_loop_close(&pair->loop);
    uv_run(&pair->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&pair->uv) == 0);
    close(pair->wire[0]);
    close(pair->wire[1]);
    free(pair->client.bytes);
    free(pair->server.bytes);
    free(pair);
}

bool both_secured(const struct pair *pair)
{
    return pair->client.secured > 0 && pair->server.secured > 0;
}

bool either_lost(const struct pair *pair)
{
    return pair->client.error != 0 || pair->server.error != 0;
}
