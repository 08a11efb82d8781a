/* A locked hash table; locked for a few instructions when a session opens and when it ends. */
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

#include "census.h"
#include "lockstep/base/must.h"

#define CENSUS_BUCKETS 1024U

struct census_row {
    struct census_row *next;
    struct address client;
    uint32_t sessions;
};

struct census {
    atomic_uint holders;
    uv_mutex_t lock;
    uint32_t sessions;
    uint32_t entered; /* since it was made */
    struct census_row *buckets[CENSUS_BUCKETS];
};

struct census *census_new(void)
{
    struct census *census = calloc(1, sizeof(*census));

    must(census != NULL);
    must(uv_mutex_init(&census->lock) == 0);
    atomic_store(&census->holders, 1);
    return census;
}

struct census *census_hold(struct census *census)
{
    atomic_fetch_add(&census->holders, 1);
    return census;
}

void census_drop(struct census **held)
{
    struct census *census = *held;
    uint32_t i;

    *held = NULL;
    if (atomic_fetch_sub(&census->holders, 1) > 1)
        return;
    for (i = 0; i < CENSUS_BUCKETS; i++)
        must(census->buckets[i] == NULL);
    uv_mutex_destroy(&census->lock);
    free(census);
}

/* The place that points, or would point, to the row. */
static struct census_row **census_find(struct census *census, const struct address *client)
{
    struct census_row **at = &census->buckets[address_hash(client) % CENSUS_BUCKETS];

    while (*at != NULL && !address_same_host(&(*at)->client, client))
        at = &(*at)->next;
    return at;
}

/* One session more of that client, if it may have one. The caller holds the lock. */
static bool census_add(struct census *census, const struct address *client, uint32_t most)
{
    struct census_row **at = census_find(census, client);

    if (*at != NULL && (*at)->sessions >= most)
        return false;
    if (*at == NULL) {
        *at = malloc(sizeof(**at));
        must(*at != NULL);
        **at = (struct census_row){.client = *client};
    }
    (*at)->sessions++;
    return true;
}

static void census_take(struct census *census, const struct address *client)
{
    struct census_row **at = census_find(census, client);
    struct census_row *row = *at;

    must(row != NULL && row->sessions > 0);
    row->sessions--;
    if (row->sessions == 0) {
        *at = row->next;
        free(row);
    }
}

uint32_t census_enter(struct census *census, const struct address *client, uint32_t most,
                      uint32_t most_of_client)
{
    uint32_t number = 0;

    uv_mutex_lock(&census->lock);
    if (census->sessions < most && census_add(census, client, most_of_client)) {
        census->sessions++;
        census->entered += census->entered < UINT32_MAX;
        number = census->entered;
    }
    uv_mutex_unlock(&census->lock);
    return number;
}

bool census_move(struct census *census, const struct address *from, const struct address *to,
                 uint32_t most_of_client)
{
    bool moved;

    uv_mutex_lock(&census->lock);
    moved = census_add(census, to, most_of_client);
    if (moved)
        census_take(census, from);
    uv_mutex_unlock(&census->lock);
    return moved;
}

void census_leave(struct census **held, const struct address *client)
{
    struct census *census = *held;

    uv_mutex_lock(&census->lock);
    must(census->sessions > 0);
    census_take(census, client);
    census->sessions--;
    uv_mutex_unlock(&census->lock);
    census_drop(held);
}
