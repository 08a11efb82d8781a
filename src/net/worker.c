/* A worker's life: its memory, its orders, its draining. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "arrive.h"
#include "lockstep/base/must.h"
#include "pass.h"

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
    worker->lender.faults = &worker->faults;
}

/* --- ports --- */

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

static void port_stopped(struct listener *listener)
{
    free(listener); /* the port's first member */
}

/* Not to be looked at again. */
static void port_stop(struct port *port)
{
    setup_drop(port->setup);
    heading_drop(&port->heading);
    census_drop(&port->census);
    listener_stop(&port->listener);
}

/* One that no loop has seen. */
static void port_abandon(struct port *port)
{
    census_drop(&port->census);
    close(port->fd);
    free(port);
}

static void port_use(struct port *port, struct setup *setup, uint32_t listener)
{
    setup_hold(setup);
    if (port->setup != NULL)
        setup_drop(port->setup);
    heading_drop(&port->heading);
    port->setup = setup;
    port->index = listener;
}

static void port_start(struct worker *worker, struct port *port)
{
    port->worker = worker;
    port->next = worker->ports;
    worker->ports = port;
    listener_start(&port->listener, &worker->uv, port->fd, worker_accepted, port);
    port->listener.rests = worker_rests;
    port->listener.stopped = port_stopped;
}

/* Whom the kernel has accepted already would be reset with the socket; who comes later finds the
 * way that leads past a lockstep that is not there. */
static void port_let_pass(struct port *port)
{
    if (port->setup->config->listeners[port->index].path.fail_open)
        listener_empty(&port->listener);
}

/* Rules can lead connections to others to a socket only if that agrees. */
static void port_intercept(struct port *port)
{
    const struct config_listener *listener = &port->setup->config->listeners[port->index];
    bool on = listener->path.intercept == INTERCEPT_TPROXY;
    int error;

    if (!on && !port->transparent)
        return;
    error = path_transparent(port->listener.fd, port->address.any.sa_family, on);
    port->transparent = on;
    if (error != 0)
        port->worker->user->warn("connections to others can't be taken up", error);
}

static void worker_stop_ports(struct worker *worker)
{
    while (worker->ports != NULL) {
        struct port *port = worker->ports;

        worker->ports = port->next;
        port_stop(port);
    }
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
    if (worker->draining && worker->sessions == NULL && worker->passes == NULL &&
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
    pass_kill_all(worker);
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
    struct port *port;

    worker->draining = true;
    for (port = worker->ports; port != NULL; port = port->next)
        port_let_pass(port);
    worker_stop_ports(worker);
    uv_timer_start(&worker->drain, worker_drained, worker_drain_ms(worker), 0);
    while (session != NULL) {
        struct session *next = session->next;

        session_stop(session);
        session = next;
    }
    worker_released(worker);
}

/* --- orders --- */

static const struct placed *find_placed(const struct order *order, uint64_t serial)
{
    uint32_t i;

    for (i = 0; i < order->count; i++) {
        if (order->placed[i].serial == serial)
            return &order->placed[i];
    }
    return NULL;
}

static void worker_use_ports(struct worker *worker, const struct order *order)
{
    struct port **at = &worker->ports;
    uint32_t i;

    while (*at != NULL) {
        struct port *port = *at;
        const struct placed *placed = find_placed(order, port->serial);

        if (placed != NULL) {
            port_use(port, order->setup, placed->listener);
            at = &port->next;
        } else {
            *at = port->next;
            port_stop(port);
        }
    }
    for (i = 0; i < order->count; i++) {
        struct port *port = order->placed[i].port;

        if (port == NULL)
            continue;
        port_use(port, order->setup, order->placed[i].listener);
        port_start(worker, port);
    }
    for (at = &worker->ports; *at != NULL; at = &(*at)->next)
        port_intercept(*at);
}

static void worker_use(struct worker *worker, struct order *order)
{
    struct session *session = worker->sessions;

    if (!worker->draining)
        worker_use_ports(worker, order);
    while (session != NULL && !worker->draining) {
        struct session *next = session->next;

        session_reload(session, order->setup);
        session = next;
    }
    session_feed_starved(worker);
    setup_hold(order->setup);
    setup_drop(worker->setup);
    worker->setup = order->setup;
}

static void order_free(struct order *order)
{
    setup_drop(order->setup);
    free(order);
}

/* Nobody will carry it out. */
static void order_abandon(struct order *order)
{
    uint32_t i;

    for (i = 0; i < order->count; i++) {
        if (order->placed[i].port != NULL)
            port_abandon(order->placed[i].port);
    }
    order_free(order);
}

static void worker_carry_out(struct worker *worker, struct order *order)
{
    bool late = worker->draining;

    worker_use(worker, order);
    if (late)
        order_abandon(order);
    else
        order_free(order);
    worker->carried_out(worker->data);
}

static struct order *take_orders(struct worker *worker, bool *drain_r)
{
    struct order *first;

    uv_mutex_lock(&worker->orders.lock);
    first = worker->orders.first;
    worker->orders.first = NULL;
    worker->orders.last = &worker->orders.first;
    *drain_r = worker->orders.drain;
    uv_mutex_unlock(&worker->orders.lock);
    return first;
}

static void worker_wake(uv_async_t *wake)
{
    struct worker *worker = wake->data;
    bool drain;
    struct order *order = take_orders(worker, &drain);

    while (order != NULL) {
        struct order *next = order->next;

        worker_carry_out(worker, order);
        order = next;
    }
    if (drain && !worker->draining)
        worker_begin_drain(worker);
}

void worker_order(struct worker *worker, struct order *order)
{
    uv_mutex_lock(&worker->orders.lock);
    *worker->orders.last = order;
    worker->orders.last = &order->next;
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

void worker_init(struct worker *worker, struct setup *setup)
{
    setup_hold(setup);
    worker->setup = setup;
    must(uv_loop_init(&worker->uv) == 0);
    must(uv_mutex_init(&worker->orders.lock) == 0);
    worker->orders.last = &worker->orders.first;
    must(uv_async_init(&worker->uv, &worker->wake, worker_wake) == 0);
    uv_timer_init(&worker->uv, &worker->drain);
    worker->wake.data = worker;
    worker->drain.data = worker;
    must(getrandom(&worker->seed, sizeof(worker->seed), 0) == sizeof(worker->seed));
    link_loop_init(&worker->links, &worker->uv);
    desk_open(&worker->desk, &worker->uv);
    worker_lend(worker);
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
    struct order *order;
    bool drain;

    uv_thread_join(&worker->thread);
    order = take_orders(worker, &drain);
    while (order != NULL) {
        struct order *next = order->next;

        order_abandon(order);
        order = next;
    }
    setup_drop(worker->setup);
    uv_mutex_destroy(&worker->orders.lock);
    must(uv_loop_close(&worker->uv) == 0);
    munmap(worker->memory, worker->memory_bytes);
}
