/*
 * A locked hash table. A connection to this machine may be established, and accepted by another
 * thread, before connect() has returned: so the lock is held from before it until its port, which
 * the kernel chooses, is in the table; who looks for it waits that long.
 */
#include "legs.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "lockstep/base/must.h"

#define LEGS_BUCKETS 4096U

struct leg {
    struct leg *next;
    struct address from;
    struct address to;
    bool borrowed; /* `from` is the client's: the client's own ports may be the same */
};

struct legs {
    uv_mutex_t lock;
    struct leg *buckets[LEGS_BUCKETS];
};

struct legs *legs_new(void)
{
    struct legs *legs = calloc(1, sizeof(*legs));

    must(legs != NULL);
    must(uv_mutex_init(&legs->lock) == 0);
    return legs;
}

void legs_free(struct legs **legs)
{
    uv_mutex_destroy(&(*legs)->lock);
    free(*legs);
    *legs = NULL;
}

static struct leg **legs_bucket(struct legs *legs, const struct address *from)
{
    return &legs->buckets[address_port(from) % LEGS_BUCKETS];
}

static struct leg *leg_new(struct legs *legs, const struct link *link, const struct address *to,
                           bool borrowed)
{
    struct sockaddr_storage here = {0};
    int size = sizeof(here);
    struct leg **bucket;
    struct leg *leg = calloc(1, sizeof(*leg));

    must(leg != NULL);
    if (uv_tcp_getsockname(&link->tcp, (struct sockaddr *)&here, &size) != 0 ||
        !address_copy((struct sockaddr *)&here, &leg->from)) {
        free(leg);
        return NULL;
    }
    leg->to = *to;
    leg->borrowed = borrowed;
    bucket = legs_bucket(legs, &leg->from);
    leg->next = *bucket;
    *bucket = leg;
    return leg;
}

int legs_connect(struct legs *legs, struct leg **leg_r, struct link *link, struct link_loop *loop,
                 const struct link_user *user, const struct address *address,
                 const struct link_way *way)
{
    int error;

    uv_mutex_lock(&legs->lock);
    error = link_connect_by(link, loop, user, address, way);
    *leg_r = error == 0 ? leg_new(legs, link, address, way->from != NULL) : NULL;
    uv_mutex_unlock(&legs->lock);
    return error;
}

void legs_leave(struct legs *legs, struct leg **leaving)
{
    struct leg *leg = *leaving;
    struct leg **at;

    if (leg == NULL)
        return;
    *leaving = NULL;
    uv_mutex_lock(&legs->lock);
    at = legs_bucket(legs, &leg->from);
    while (*at != leg)
        at = &(*at)->next;
    *at = leg->next;
    uv_mutex_unlock(&legs->lock);
    free(leg);
}

static bool same_end(const struct address *one, const struct address *other)
{
    return address_same_host(one, other) && address_port(one) == address_port(other);
}

bool legs_hold(struct legs *legs, const struct address *from, const struct address *to)
{
    const struct leg *leg;

    uv_mutex_lock(&legs->lock);
    leg = *legs_bucket(legs, from);
    while (leg != NULL &&
           !(same_end(&leg->from, from) && (!leg->borrowed || same_end(&leg->to, to))))
        leg = leg->next;
    uv_mutex_unlock(&legs->lock);
    return leg != NULL;
}
