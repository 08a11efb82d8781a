/* One row per credential. */
#include "health.h"

#include <string.h>

#include "lockstep/base/must.h"
#include "vault_state.h"

static void keep(char *to, size_t room, struct span from)
{
    struct text text = text_over(to, room - 1);

    text_add(&text, from);
    to[text.size] = 0;
}

void health_open(struct health *health)
{
    must(uv_mutex_init(&health->lock) == 0);
}

void health_close(struct health *health)
{
    uv_mutex_destroy(&health->lock);
}

void health_define(struct health *health, struct config_credential *const *credentials,
                   uint32_t count)
{
    uint32_t i;

    uv_mutex_lock(&health->lock);
    memset(health->rows, 0, sizeof(health->rows));
    health->count = count;
    for (i = 0; i < count; i++)
        keep(health->rows[i].name, VAULT_NAME_MAX, credentials[i]->name);
    uv_mutex_unlock(&health->lock);
}

void health_say(struct vault *vault, struct span name, enum ail ail, struct span why)
{
    struct health *health = &vault->health;
    uint32_t i;

    name = span_head(name, VAULT_NAME_MAX - 1);
    uv_mutex_lock(&health->lock);
    for (i = 0; i < health->count; i++)
        if (span_equal(span_of_string(health->rows[i].name), name))
            keep(health->rows[i].why[ail], VAULT_WHY_MAX, why);
    uv_mutex_unlock(&health->lock);
}

size_t vault_conditions(struct vault *vault, struct vault_condition *rows, size_t room)
{
    struct health *health = &vault->health;
    size_t count;
    size_t i;

    uv_mutex_lock(&health->lock);
    count = health->count;
    for (i = 0; i < count && i < room; i++) {
        const struct health_row *row = &health->rows[i];
        const char *why = row->why[AIL_SECRET][0] != 0 ? row->why[AIL_SECRET] : row->why[AIL_LOGIN];

        memcpy(rows[i].name, row->name, sizeof(row->name));
        memcpy(rows[i].why, why, sizeof(row->why[0]));
    }
    uv_mutex_unlock(&health->lock);
    return count;
}
