/* Two links; what one says the other hears, as fast as it listens. */
#include "pass.h"

#include <stdlib.h>

#include "legs.h"
#include "lockstep/base/must.h"

/* Of one worker. Each has two descriptors; beyond them clients are refused after all. */
#define PASSES_MAX 4096U
/* Nobody else will notice a peer that has vanished. */
#define PASS_ALIVE_S 120U

struct pass {
    struct pass *next; /* in the worker's list */
    struct pass *before;
    struct worker *worker;
    struct leg *leg;
    bool ended[SIDE_COUNT]; /* that side says no more */
    struct link links[SIDE_COUNT];
};

static const struct link_user pass_users[SIDE_COUNT];

static enum side pass_side(const struct link *link)
{
    return (enum side)(link->user - pass_users);
}

static struct pass *pass_of(const struct link *link)
{
    const struct link *first = link - pass_side(link);

    return (struct pass *)((uintptr_t)first - offsetof(struct pass, links));
}

static struct link *pass_other(const struct link *link)
{
    return &pass_of(link)->links[pass_side(link) == SIDE_CLIENT ? SIDE_UPSTREAM : SIDE_CLIENT];
}

static bool pass_is_over(const struct pass *pass)
{
    return pass->ended[SIDE_CLIENT] && pass->ended[SIDE_UPSTREAM];
}

/* Whoever loses one side must see that on the other. */
static void pass_break(struct pass *pass)
{
    link_shut(&pass->links[SIDE_CLIENT], SHUT_RESET);
    link_shut(&pass->links[SIDE_UPSTREAM], SHUT_RESET);
}

/* --- what the links tell --- */

static void pass_opened(struct link *link)
{
    uv_tcp_keepalive(&link->tcp, 1, PASS_ALIVE_S);
    link_read(pass_other(link));
}

/* As much as the other side may still be told. */
static size_t pass_room(const struct link *link)
{
    const struct link *other = pass_other(link);
    size_t kept = link_kept(other);

    return other->state == LINK_OPEN && kept < LINK_READ_BYTES ? LINK_READ_BYTES - kept : 0;
}

static void pass_said(struct link *link, struct span bytes)
{
    struct link *other = pass_other(link);

    link_send(other, &bytes, 1);
    if (other->error != 0)
        pass_break(pass_of(link));
}

static void pass_sent(struct link *link, size_t count)
{
    (void)count;
    link_read(pass_other(link));
}

static void pass_ended(struct link *link)
{
    struct pass *pass = pass_of(link);

    pass->ended[pass_side(link)] = true;
    if (!pass_is_over(pass)) {
        link_shut(pass_other(link), SHUT_HALF);
        return;
    }
    link_shut(&pass->links[SIDE_CLIENT], SHUT_FLUSH);
    link_shut(&pass->links[SIDE_UPSTREAM], SHUT_FLUSH);
}

static void pass_lost(struct link *link, int error)
{
    (void)error;
    pass_break(pass_of(link));
}

static void pass_gone(struct link *link)
{
    struct pass *pass = pass_of(link);
    struct worker *worker = pass->worker;

    if (pass_side(link) == SIDE_UPSTREAM)
        legs_leave(worker->legs, &pass->leg);
    if (pass->links[SIDE_CLIENT].state != LINK_NONE ||
        pass->links[SIDE_UPSTREAM].state != LINK_NONE) {
        if (!pass_is_over(pass)) /* else the other still says what it was given to say */
            pass_break(pass);
        return;
    }
    if (pass->before != NULL)
        pass->before->next = pass->next;
    else
        worker->passes = pass->next;
    if (pass->next != NULL)
        pass->next->before = pass->before;
    worker->pass_count--;
    free(pass);
    worker_released(worker);
}

#define PASS_USER                                                                         \
    {                                                                                     \
        .opened = pass_opened, .room = pass_room, .said = pass_said, .ended = pass_ended, \
        .lost = pass_lost, .sent = pass_sent, .gone = pass_gone,                          \
    }

static const struct link_user pass_users[SIDE_COUNT] = {PASS_USER, PASS_USER};

/* --- beginning and end --- */

bool pass_open(struct worker *worker, const struct caller *caller)
{
    const struct link_way way = {.from = &caller->client, .mark = PATH_MARK};
    struct pass *pass;

    if (worker->pass_count == PASSES_MAX)
        return false;
    pass = calloc(1, sizeof(*pass));
    must(pass != NULL);
    pass->worker = worker;
    pass->next = worker->passes;
    if (pass->next != NULL)
        pass->next->before = pass;
    worker->passes = pass;
    worker->pass_count++;
    if (link_open(&pass->links[SIDE_CLIENT], &worker->links, &pass_users[SIDE_CLIENT],
                  caller->fd) != 0)
        return true; /* taken, and `gone` follows */
    uv_tcp_keepalive(&pass->links[SIDE_CLIENT].tcp, 1, PASS_ALIVE_S);
    if (legs_connect(worker->legs, &pass->leg, &pass->links[SIDE_UPSTREAM], &worker->links,
                     &pass_users[SIDE_UPSTREAM], &caller->destination, &way) != 0)
        link_shut(&pass->links[SIDE_CLIENT], SHUT_RESET);
    return true;
}

void pass_kill_all(struct worker *worker)
{
    struct pass *pass;

    for (pass = worker->passes; pass != NULL; pass = pass->next)
        pass_break(pass);
}
