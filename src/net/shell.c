/* The workers together: sockets are bound here, one thread is started for each worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "legs.h"
#include "lockstep/base/must.h"
#include "pacer.h"
#include "pick.h"
#include "place.h"
#include "session.h"

/* For all workers to have done what they were told. */
#define SHELL_WAIT_NS (5ULL * 1000 * 1000 * 1000)

struct shell {
    struct places *places; /* of the newest setup */
    struct shell_user user;
    struct transcripts *transcripts;
    struct pacer *pacer;
    struct legs *legs;
    atomic_uint running;
    uint32_t worker_count;
    struct worker *workers;
    struct address *addresses; /* of the places, for those who ask */
    uv_mutex_t lock;
    uv_cond_t changed;
    uint32_t outstanding; /* orders that were given and not carried out yet */
};

/* --- orders --- */

static struct port *port_new(const struct place *place, uint32_t worker)
{
    struct port *port = calloc(1, sizeof(*port));

    must(port != NULL);
    port->serial = place->serial;
    port->address = place->address;
    port->census = census_hold(place->census);
    port->fd = place->sockets[worker];
    return port;
}

static struct order *order_new(const struct places *places, uint32_t worker)
{
    struct order *order = calloc(1, sizeof(*order) + places->count * sizeof(order->placed[0]));
    uint32_t i;

    must(order != NULL);
    setup_hold(places->setup);
    order->setup = places->setup;
    order->count = places->count;
    for (i = 0; i < places->count; i++) {
        const struct place *place = &places->rows[i];

        order->placed[i] = (struct placed){.serial = place->serial, .listener = place->listener};
        if (place->sockets != NULL)
            order->placed[i].port = port_new(place, worker);
    }
    return order;
}

/* From the worker's thread. */
static void shell_carried_out(void *data)
{
    struct shell *shell = data;

    uv_mutex_lock(&shell->lock);
    shell->outstanding--;
    uv_cond_signal(&shell->changed);
    uv_mutex_unlock(&shell->lock);
}

/* These are the places from now on. */
static void shell_order(struct shell *shell, struct places *places)
{
    uint32_t n;

    uv_mutex_lock(&shell->lock);
    shell->outstanding += shell->worker_count;
    uv_mutex_unlock(&shell->lock);
    for (n = 0; n < shell->worker_count; n++)
        worker_order(&shell->workers[n], order_new(places, n));
    places_handed(places);
    if (shell->places != NULL)
        places_free(&shell->places);
    shell->places = places;
}

static void shell_await(struct shell *shell)
{
    uint64_t until = uv_hrtime() + SHELL_WAIT_NS;
    uint64_t now;

    uv_mutex_lock(&shell->lock);
    while (shell->outstanding > 0 && (now = uv_hrtime()) < until)
        uv_cond_timedwait(&shell->changed, &shell->lock, until - now);
    uv_mutex_unlock(&shell->lock);
}

/* --- start --- */

static void shell_worker_over(void *data)
{
    struct shell *shell = data;

    if (atomic_fetch_sub(&shell->running, 1) == 1)
        shell->user.over(shell->user.data);
}

static void shell_run(struct shell *shell, struct places *places)
{
    uint32_t n;

    atomic_store(&shell->running, shell->worker_count);
    for (n = 0; n < shell->worker_count; n++) {
        struct worker *worker = &shell->workers[n];

        worker->user = &shell->user;
        worker->transcripts = shell->transcripts;
        worker->pacer = shell->pacer;
        worker->legs = shell->legs;
        if (shell->user.history != NULL)
            worker->history = history_join(shell->user.history);
        worker->over = shell_worker_over;
        worker->carried_out = shell_carried_out;
        worker->data = shell;
        worker_init(worker, places->setup);
        if (places->setup->config->seed != 0)
            worker->seed.state = places->setup->config->seed + n;
    }
    shell_order(shell, places);
    for (n = 0; n < shell->worker_count; n++)
        must(worker_start(&shell->workers[n]) == 0);
    shell_await(shell);
}

static void shell_free(struct shell *shell)
{
    if (shell->places != NULL)
        places_free(&shell->places);
    if (shell->transcripts != NULL)
        transcripts_close(&shell->transcripts);
    pacer_close(&shell->pacer);
    legs_free(&shell->legs);
    uv_mutex_destroy(&shell->lock);
    uv_cond_destroy(&shell->changed);
    free(shell->addresses);
    free(shell->workers);
    free(shell);
}

static struct shell *shell_new(const struct setup *setup, const struct shell_user *user)
{
    struct shell *shell = calloc(1, sizeof(*shell));
    uint32_t workers = setup->config->workers;

    must(shell != NULL);
    if (workers == 0)
        workers = uv_available_parallelism();
    shell->user = *user;
    must(uv_mutex_init(&shell->lock) == 0 && uv_cond_init(&shell->changed) == 0);
    shell->legs = legs_new();
    shell->worker_count = workers;
    shell->pacer = pacer_new();
    pacer_configure(shell->pacer, setup->config);
    shell->workers = calloc(workers, sizeof(struct worker));
    shell->addresses = calloc(PLACES_MAX, sizeof(struct address));
    must(shell->workers != NULL && shell->addresses != NULL);
    return shell;
}

/* 0, or what keeps its directory from being written to. */
static int shell_transcribe(struct shell *shell, const struct config_transcripts *transcripts,
                            char *where_r)
{
    if (transcripts->directory.size == 0)
        return 0;
    shell->transcripts = transcripts_new(transcripts);
    if (shell->transcripts != NULL)
        return 0;
    snprintf(where_r, ADDRESS_TEXT_MAX, "%.*s", (int)transcripts->directory.size,
             transcripts->directory.at);
    return -errno;
}

static int shell_listen(const struct shell *shell, struct setup *setup, struct places **places_r,
                        char *where_r)
{
    int error = places_make(places_r, shell->places, setup, shell->worker_count);

    if (error == 0)
        return 0;
    address_text(&(*places_r)->wanted, where_r);
    places_free(places_r);
    return error;
}

struct shell *shell_start(struct setup *setup, const struct shell_user *user, int *error_r,
                          char *where_r)
{
    struct shell *shell = shell_new(setup, user);
    struct places *places;

    where_r[0] = 0;
    *error_r = shell_transcribe(shell, &setup->config->transcripts, where_r);
    if (*error_r == 0)
        *error_r = shell_listen(shell, setup, &places, where_r);
    if (*error_r != 0) {
        shell_free(shell);
        return NULL;
    }
    shell_run(shell, places);
    return shell;
}

uint32_t shell_addresses(const struct shell *shell, const struct address **addresses_r)
{
    uint32_t i;

    for (i = 0; i < shell->places->count; i++)
        shell->addresses[i] = shell->places->rows[i].address;
    *addresses_r = shell->addresses;
    return shell->places->count;
}

bool shell_address(const struct shell *shell, struct span listener, struct address *address_r)
{
    const struct places *places = shell->places;
    uint32_t i;

    for (i = 0; i < places->count; i++) {
        if (!span_equal(places->setup->config->listeners[places->rows[i].listener].name, listener))
            continue;
        *address_r = places->rows[i].address;
        return true;
    }
    return false;
}

int shell_reload(struct shell *shell, struct setup *setup, char *where_r)
{
    struct places *places;
    int error = shell_listen(shell, setup, &places, where_r);

    if (error != 0)
        return error;
    pacer_configure(shell->pacer, setup->config);
    shell_order(shell, places);
    shell_await(shell);
    return 0;
}

/* The relay's row; a new one, where it has none. */
static struct limits_row *relay_limits(struct limits_row *rows, uint32_t *count, uint32_t room,
                                       struct span name)
{
    uint32_t i;

    name = span_head(name, LIMITS_NAME_MAX - 1);
    for (i = 0; i < *count; i++)
        if (!rows[i].listener && span_equal(span_of_string(rows[i].name), name))
            return &rows[i];
    if (*count == room)
        return NULL;
    rows[*count] = (struct limits_row){.held = 0};
    memcpy(rows[*count].name, name.at, name.size);
    return &rows[(*count)++];
}

uint32_t shell_limits(const struct shell *shell, struct limits_row *rows, uint32_t room)
{
    const struct setup *setup = shell->places->setup;
    uint32_t count = pacer_look(shell->pacer, rows, room);
    uint32_t i;

    for (i = 0; i < setup->config->relay_count; i++) {
        struct limits_row *row = relay_limits(rows, &count, room, setup->config->relays[i].name);
        struct pick *pick = setup_pick(setup, i);

        if (row != NULL && pick != NULL) /* of the original relay nothing is known */
            row->resting = pick_resting(pick, (moment)(uv_hrtime() / 1000000), &row->failures);
    }
    return count;
}

void shell_drain(struct shell *shell)
{
    uint32_t n;

    for (n = 0; n < shell->worker_count; n++)
        worker_drain(&shell->workers[n]);
}

void shell_close(struct shell **shell)
{
    uint32_t n;

    for (n = 0; n < (*shell)->worker_count; n++)
        worker_close(&(*shell)->workers[n]);
    shell_free(*shell);
    *shell = NULL;
}

size_t shell_session_size(const struct policy *policy)
{
    return session_size(policy);
}
