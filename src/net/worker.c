/* A worker's life: its memory, its orders, its draining. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "arrive.h"
#include "lockstep/base/must.h"

/* For the last words of sessions that were ended for lack of time. */
#define DRAIN_GRACE_MS 3000U

#define WARN_EVERY_MS 10000

/* One mapping holds what the engines of this loop share. Pages nobody touches cost nothing. */
static void worker_lend(struct worker *worker)
{
    uint64_t count = worker->setup->config->memory_bytes / BLOCK_SIZE;
    size_t scratch = SIDE_COUNT * SCRATCH_SEND_BYTES + SCRATCH_RECORD_BYTES;
    char *at;

    worker->memory_bytes = scratch + (size_t)count * BLOCK_SIZE;
    at = mmap(NULL, worker->memory_bytes, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(at != MAP_FAILED);
    worker->memory = at;
    worker->lender.outboxes[SIDE_CLIENT].scratch = at;
    worker->lender.outboxes[SIDE_UPSTREAM].scratch = at + SCRATCH_SEND_BYTES;
    worker->lender.record_scratch = at + SIDE_COUNT * SCRATCH_SEND_BYTES;
    pool_init(&worker->lender.pool, at + scratch, (uint32_t)count);
}

static void worker_accepted(struct listener *listener, int fd, const struct address *peer)
{
    arrive(listener->data, fd, peer);
}

/* Said once in a while: it happens again with every look at the listening socket. */
static void worker_rests(struct listener *listener, int error)
{
    struct port *port = listener->data;
    struct worker *worker = port->worker;
    moment now = (moment)uv_now(&worker->uv);

    if (now < worker->warn_at)
        return;
    worker->warn_at = now + WARN_EVERY_MS;
    worker->user->warn("clients have to wait until others have ended", error);
}

/* --- the end --- */

/* Everything is over: what is still open are handles of ours, and without them the loop ends. */
static void worker_wind_up(struct worker *worker)
{
    while (worker->free != NULL) {
        struct session *session = worker->free;

        worker->free = session->next;
        session_dispose(session);
    }
    link_loop_close(&worker->links);
    desk_close(&worker->desk);
    uv_close((uv_handle_t *)&worker->drain, NULL);
    uv_close((uv_handle_t *)&worker->wake, NULL);
}

void worker_released(struct worker *worker)
{
    if (worker->draining && worker->sessions == NULL &&
        !uv_is_closing((uv_handle_t *)&worker->wake))
        worker_wind_up(worker);
}

static void worker_drained(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    struct session *session = worker->sessions;

    while (session != NULL) {
        struct session *next = session->next;

        session_kill(session);
        session = next;
    }
}

/* Each engine ends its session by itself when its listener's patience is over; the worker only sees
 * to those whose peers do not let them go. */
static uint32_t worker_drain_ms(const struct worker *worker)
{
    const struct config *config = worker->setup->config;
    uint32_t longest_ms = 0;
    size_t i;

    for (i = 0; i < config->listener_count; i++) {
        uint32_t wait_ms = config->listeners[i].policy.wait_ms[WAIT_DRAIN];

        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
    }
    return longest_ms + DRAIN_GRACE_MS;
}

static void worker_begin_drain(struct worker *worker)
{
    struct session *session = worker->sessions;
    uint32_t i;

    worker->draining = true;
    for (i = 0; i < worker->port_count; i++)
        listener_stop(&worker->ports[i].listener);
    uv_timer_start(&worker->drain, worker_drained, worker_drain_ms(worker), 0);
    while (session != NULL) {
        struct session *next = session->next;

        session_stop(session);
        session = next;
    }
    worker_released(worker);
}

/* --- orders --- */

/* Each port goes on with the listener of its name. */
static void worker_use(struct worker *worker, struct setup *setup)
{
    uint32_t i;
    uint32_t n;

    for (i = 0; i < worker->port_count; i++) {
        struct port *port = &worker->ports[i];
        struct span name = port->setup->config->listeners[port->index].name;

        for (n = 0; n < setup->config->listener_count; n++) {
            if (!span_equal(setup->config->listeners[n].name, name))
                continue;
            setup_hold(setup);
            setup_drop(port->setup);
            heading_drop(&port->heading);
            port->setup = setup;
            port->index = n;
            break;
        }
    }
    setup_drop(worker->setup);
    worker->setup = setup;
}

static void worker_wake(uv_async_t *wake)
{
    struct worker *worker = wake->data;
    struct setup *setup;
    bool drain;

    uv_mutex_lock(&worker->orders.lock);
    setup = worker->orders.setup;
    drain = worker->orders.drain;
    worker->orders.setup = NULL;
    uv_mutex_unlock(&worker->orders.lock);
    if (setup != NULL)
        worker_use(worker, setup);
    if (drain && !worker->draining)
        worker_begin_drain(worker);
}

void worker_reload(struct worker *worker, struct setup *setup)
{
    setup_hold(setup);
    uv_mutex_lock(&worker->orders.lock);
    if (worker->orders.setup != NULL)
        setup_drop(worker->orders.setup);
    worker->orders.setup = setup;
    uv_mutex_unlock(&worker->orders.lock);
    uv_async_send(&worker->wake);
}

void worker_drain(struct worker *worker)
{
    uv_mutex_lock(&worker->orders.lock);
    worker->orders.drain = true;
    uv_mutex_unlock(&worker->orders.lock);
    uv_async_send(&worker->wake);
}

/* --- the beginning --- */

void worker_init(struct worker *worker, struct setup *setup, struct port *ports,
                 uint32_t port_count)
{
    uint32_t i;

    setup_hold(setup);
    worker->setup = setup;
    worker->ports = ports;
    worker->port_count = port_count;
    must(uv_loop_init(&worker->uv) == 0);
    must(uv_mutex_init(&worker->orders.lock) == 0);
    must(uv_async_init(&worker->uv, &worker->wake, worker_wake) == 0);
    uv_timer_init(&worker->uv, &worker->drain);
    worker->wake.data = worker;
    worker->drain.data = worker;
    must(getrandom(&worker->seed, sizeof(worker->seed), 0) == sizeof(worker->seed));
    link_loop_init(&worker->links, &worker->uv);
    desk_open(&worker->desk, &worker->uv);
    worker_lend(worker);
    for (i = 0; i < port_count; i++) {
        setup_hold(setup);
        ports[i].setup = setup;
        ports[i].worker = worker;
        listener_start(&ports[i].listener, &worker->uv, ports[i].fd, worker_accepted, &ports[i]);
        ports[i].listener.rests = worker_rests;
    }
}

static void worker_run(void *data)
{
    struct worker *worker = data;

    uv_run(&worker->uv, UV_RUN_DEFAULT);
    worker->over(worker->data);
}

int worker_start(struct worker *worker)
{
    return uv_thread_create(&worker->thread, worker_run, worker);
}

void worker_close(struct worker *worker)
{
    uint32_t i;

    uv_thread_join(&worker->thread);
    for (i = 0; i < worker->port_count; i++) {
        setup_drop(worker->ports[i].setup);
        heading_drop(&worker->ports[i].heading);
    }
    if (worker->orders.setup != NULL)
        setup_drop(worker->orders.setup);
    setup_drop(worker->setup);
    uv_mutex_destroy(&worker->orders.lock);
    must(uv_loop_close(&worker->uv) == 0);
    munmap(worker->memory, worker->memory_bytes);
}
