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

static uint32_t census_bucket(const struct address *client)
{
    struct span bytes = client->any.sa_family == AF_INET6
                            ? span_of((const char *)&client->six.sin6_addr, 16)
                            : span_of((const char *)&client->four.sin_addr, 4);
    uint32_t sum = 2166136261U;
    size_t i;

    for (i = 0; i < bytes.size; i++)
        sum = (sum ^ (unsigned char)bytes.at[i]) * 16777619U;
    return sum % CENSUS_BUCKETS;
}

/* The place that points, or would point, to the row. */
static struct census_row **census_find(struct census *census, const struct address *client)
{
    struct census_row **at = &census->buckets[census_bucket(client)];

    while (*at != NULL && !address_same_host(&(*at)->client, client))
        at = &(*at)->next;
    return at;
}

uint32_t census_enter(struct census *census, const struct address *client,
                      const struct config_listener *limits)
{
    struct census_row **at;
    uint32_t number = 0;
    bool room;

    uv_mutex_lock(&census->lock);
    at = census_find(census, client);
    room = census->sessions < limits->sessions &&
           (*at == NULL || (*at)->sessions < limits->sessions_per_client);
    if (room && *at == NULL) {
        *at = malloc(sizeof(**at));
        must(*at != NULL);
        **at = (struct census_row){.client = *client};
    }
    if (room) {
        (*at)->sessions++;
        census->sessions++;
        census->entered += census->entered < UINT32_MAX;
        number = census->entered;
    }
    uv_mutex_unlock(&census->lock);
    return number;
}

void census_leave(struct census **held, const struct address *client)
{
    struct census *census = *held;
    struct census_row **at;
    struct census_row *row;

    uv_mutex_lock(&census->lock);
    at = census_find(census, client);
    row = *at;
    must(row != NULL && row->sessions > 0 && census->sessions > 0);
    census->sessions--;
    row->sessions--;
    if (row->sessions == 0) {
        *at = row->next;
        free(row);
    }
    uv_mutex_unlock(&census->lock);
    census_drop(held);
}
