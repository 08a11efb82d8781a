/* A hash table that forgets. */
#include "clients.h"

#include <stdlib.h>

#include "lockstep/base/must.h"

/* So many new ones are as good a moment as any to forget old ones; and when there are too many, but
 * not so often that it would cost what it is to spare. */
#define CLIENTS_SWEPT 1024U
#define CLIENTS_SWEPT_FULL_MS 1000

static void clients_forget(struct clients *clients, moment now)
{
    uint32_t i;

    clients->fresh = 0;
    for (i = 0; i < CLIENT_BUCKETS; i++) {
        struct client **at = &clients->buckets[i];

        while (*at != NULL) {
            struct client *client = *at;

            if (!gate_idle(&client->gate, now)) {
                at = &client->next;
                continue;
            }
            *at = client->next;
            free(client);
            clients->count--;
        }
    }
}

/* There may be one more. */
static bool clients_room(struct clients *clients, moment now)
{
    bool full = clients->count >= CLIENTS_MAX;

    if (clients->fresh++ >= CLIENTS_SWEPT || (full && now >= clients->forget_next)) {
        if (full)
            clients->forget_next = now + CLIENTS_SWEPT_FULL_MS;
        clients_forget(clients, now);
    }
    return clients->count < CLIENTS_MAX;
}

struct client *clients_find(struct clients *clients, const struct pacer_row *listener,
                            const struct rates *rates, const struct address *address, moment now)
{
    struct address site = address_site(address);
    struct client **bucket = &clients->buckets[address_hash(&site) % CLIENT_BUCKETS];
    struct client *client;

    for (client = *bucket; client != NULL; client = client->next)
        if (client->listener == listener && address_same_host(&client->address, &site))
            break;
    if (client == NULL && clients_room(clients, now)) {
        client = calloc(1, sizeof(*client));
        must(client != NULL);
        client->listener = listener;
        client->address = site;
        client->next = *bucket;
        *bucket = client;
        clients->count++;
    }
    if (client != NULL)
        client->gate.rates = *rates;
    return client;
}

bool clients_use(const struct clients *clients, const struct pacer_row *listener)
{
    const struct client *client;
    uint32_t i;

    for (i = 0; i < CLIENT_BUCKETS && clients->count > 0; i++)
        for (client = clients->buckets[i]; client != NULL; client = client->next)
            if (client->listener == listener)
                return true;
    return false;
}

uint32_t clients_waiting(const struct clients *clients, const struct pacer_row *listener)
{
    const struct client *client;
    uint32_t waiting = 0, i;

    for (i = 0; i < CLIENT_BUCKETS && clients->count > 0; i++)
        for (client = clients->buckets[i]; client != NULL; client = client->next)
            waiting += client->listener == listener ? client->gate.waiting : 0;
    return waiting;
}

void clients_clear(struct clients *clients)
{
    uint32_t i;

    for (i = 0; i < CLIENT_BUCKETS; i++) {
        while (clients->buckets[i] != NULL) {
            struct client *client = clients->buckets[i];

            clients->buckets[i] = client->next;
            free(client);
        }
    }
    clients->count = 0;
}
