/* A locked hash table; locked for a few instructions when a session opens and when it ends. */
#include <stdlib.h>
#include <uv.h>

#include "census.h"
#include "lockstep/base/must.h"

#define CENSUS_BUCKETS 4096U

struct census_row {
    struct census_row *next;
    struct address client;
    uint32_t listener;
    uint32_t sessions;
};

struct census {
    uv_mutex_t lock;
    uint32_t sessions[CONFIG_LISTENERS_MAX];
    struct census_row *buckets[CENSUS_BUCKETS];
};

struct census *census_new(void)
{
    struct census *census = calloc(1, sizeof(*census));

    must(census != NULL);
    must(uv_mutex_init(&census->lock) == 0);
    return census;
}

void census_close(struct census **census)
{
    uint32_t i;

    for (i = 0; i < CENSUS_BUCKETS; i++)
        must((*census)->buckets[i] == NULL);
    uv_mutex_destroy(&(*census)->lock);
    free(*census);
    *census = NULL;
}

static uint32_t census_bucket(uint32_t listener, const struct address *client)
{
    struct span bytes = client->any.sa_family == AF_INET6
                            ? span_of((const char *)&client->six.sin6_addr, 16)
                            : span_of((const char *)&client->four.sin_addr, 4);
    uint32_t sum = 2166136261U ^ listener;
    size_t i;

    for (i = 0; i < bytes.size; i++)
        sum = (sum ^ (unsigned char)bytes.at[i]) * 16777619U;
    return sum % CENSUS_BUCKETS;
}

/* The place that points, or would point, to the row. */
static struct census_row **census_find(struct census *census, uint32_t listener,
                                       const struct address *client)
{
    struct census_row **at = &census->buckets[census_bucket(listener, client)];

    while (*at != NULL &&
           ((*at)->listener != listener || !address_same_host(&(*at)->client, client)))
        at = &(*at)->next;
    return at;
}

bool census_enter(struct census *census, uint32_t listener, const struct address *client,
                  const struct config_listener *limits)
{
    struct census_row **at;
    bool room;

    uv_mutex_lock(&census->lock);
    at = census_find(census, listener, client);
    room = census->sessions[listener] < limits->sessions &&
           (*at == NULL || (*at)->sessions < limits->sessions_per_client);
    if (room && *at == NULL) {
        *at = malloc(sizeof(**at));
        must(*at != NULL);
        **at = (struct census_row){.client = *client, .listener = listener};
    }
    if (room) {
        (*at)->sessions++;
        census->sessions[listener]++;
    }
    uv_mutex_unlock(&census->lock);
    return room;
}

void census_leave(struct census *census, uint32_t listener, const struct address *client)
{
    struct census_row **at;
    struct census_row *row;

    uv_mutex_lock(&census->lock);
    at = census_find(census, listener, client);
    row = *at;
    must(row != NULL && row->sessions > 0 && census->sessions[listener] > 0);
    census->sessions[listener]--;
    row->sessions--;
    if (row->sessions == 0) {
        *at = row->next;
        free(row);
    }
    uv_mutex_unlock(&census->lock);
}
