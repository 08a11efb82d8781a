/* The workers together: sockets are bound here, one thread is started for each worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "session.h"

#define SHELL_ADDRESSES_MAX (CONFIG_LISTENERS_MAX * CONFIG_ADDRESSES_MAX * 2U)

struct shell {
    struct setup *setup; /* that of the start */
    struct shell_user user;
    struct census *census;
    struct transcripts *transcripts;
    atomic_uint running;
    uint32_t address_count;
    struct address addresses[SHELL_ADDRESSES_MAX];
    uint32_t listeners[SHELL_ADDRESSES_MAX]; /* whose address it is */
    int sockets[SHELL_ADDRESSES_MAX];        /* the first worker's */
    uint32_t worker_count;
    struct worker *workers;
    struct port *ports; /* address_count for each worker */
};

/* --- addresses --- */

/* One socket of the first worker; the others join its address later, whose port is known then. */
static int shell_bind(struct shell *shell, struct address address, uint32_t listener)
{
    enum listener_share share = shell->worker_count > 1 ? LISTENER_FIRST : LISTENER_ALONE;
    uint32_t at = shell->address_count;
    int fd = listener_bind(&address, share);

    must(at < SHELL_ADDRESSES_MAX);
    shell->addresses[at] = address; /* also a failed one, to be named */
    if (fd < 0)
        return fd;
    shell->listeners[at] = listener;
    shell->sockets[at] = fd;
    shell->address_count++;
    return 0;
}

/* "*" is every address there is: IPv6 on the port that IPv4 got, if the machine has IPv6. */
static int shell_bind_all(struct shell *shell, const struct config_address *row, uint32_t listener)
{
    struct address address;
    int error;

    address_literal(SPAN("0.0.0.0"), row->port, &address);
    error = shell_bind(shell, address, listener);
    if (error != 0)
        return error;
    address_literal(SPAN("::"), address_port(&shell->addresses[shell->address_count - 1]),
                    &address);
    error = shell_bind(shell, address, listener);
    return error == UV_EAFNOSUPPORT || error == UV_EADDRNOTAVAIL ? 0 : error;
}

/* A name is looked up once, at the start, when waiting for it harms nobody. */
static int shell_bind_name(struct shell *shell, const struct config_address *row, uint32_t listener)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *result;
    uv_getaddrinfo_t request;
    uv_loop_t loop;
    char name[256] = "";
    int error;

    if (row->host.size >= sizeof(name))
        return UV_EAI_NONAME;
    memcpy(name, row->host.at, row->host.size);
    must(uv_loop_init(&loop) == 0);
    error = uv_getaddrinfo(&loop, &request, NULL, name, NULL, &hints);
    uv_loop_close(&loop);
    if (error != 0)
        return error;
    for (result = request.addrinfo; result != NULL && error == 0; result = result->ai_next) {
        struct address address;

        if (!address_copy(result->ai_addr, &address))
            continue;
        address_set_port(&address, row->port);
        error = shell_bind(shell, address, listener);
    }
    uv_freeaddrinfo(request.addrinfo);
    return error;
}

static int shell_bind_row(struct shell *shell, const struct config_address *row, uint32_t listener)
{
    struct address address;

    if (span_equal(row->host, SPAN("*")))
        return shell_bind_all(shell, row, listener);
    if (address_literal(row->host, row->port, &address))
        return shell_bind(shell, address, listener);
    return shell_bind_name(shell, row, listener);
}

/* --- start --- */

static int shell_listen(struct shell *shell)
{
    const struct config *config = shell->setup->config;
    uint32_t i;
    uint32_t n;
    int error = 0;

    for (i = 0; i < config->listener_count && error == 0; i++)
        for (n = 0; n < config->listeners[i].listen.count && error == 0; n++)
            error = shell_bind_row(shell, &config->listeners[i].listen.rows[n], i);
    return error;
}

/* Makes every worker's ports; the sockets of the others join those of the first. */
static int shell_join(struct shell *shell)
{
    uint32_t count = shell->worker_count * shell->address_count;
    uint32_t i;

    must(count > 0);
    shell->ports = calloc(count, sizeof(struct port));
    must(shell->ports != NULL);
    for (i = 0; i < count; i++) {
        uint32_t at = i % shell->address_count;
        struct port *port = &shell->ports[i];

        port->index = shell->listeners[at];
        port->census = shell->listeners[at];
        port->fd = i < shell->address_count ? shell->sockets[i]
                                            : listener_bind(&shell->addresses[at], LISTENER_JOINED);
        if (port->fd < 0)
            return port->fd;
    }
    return 0;
}

static void shell_worker_over(void *data)
{
    struct shell *shell = data;

    if (atomic_fetch_sub(&shell->running, 1) == 1)
        shell->user.over(shell->user.data);
}

static void shell_run(struct shell *shell)
{
    uint32_t n;

    atomic_store(&shell->running, shell->worker_count);
    for (n = 0; n < shell->worker_count; n++) {
        struct worker *worker = &shell->workers[n];

        worker->user = &shell->user;
        worker->census = shell->census;
        worker->transcripts = shell->transcripts;
        if (shell->user.history != NULL)
            worker->history = history_join(shell->user.history);
        worker->over = shell_worker_over;
        worker->data = shell;
        worker_init(worker, shell->setup, &shell->ports[n * shell->address_count],
                    shell->address_count);
        if (shell->setup->config->seed != 0)
            worker->seed.state = shell->setup->config->seed + n;
    }
    for (n = 0; n < shell->worker_count; n++)
        must(worker_start(&shell->workers[n]) == 0);
}

static void shell_free(struct shell *shell)
{
    setup_drop(shell->setup);
    if (shell->transcripts != NULL)
        transcripts_close(&shell->transcripts);
    census_close(&shell->census);
    free(shell->ports);
    free(shell->workers);
    free(shell);
}

static struct shell *shell_new(struct setup *setup, const struct shell_user *user)
{
    struct shell *shell = calloc(1, sizeof(*shell));
    uint32_t workers = setup->config->workers;

    must(shell != NULL);
    if (workers == 0)
        workers = uv_available_parallelism();
    setup_hold(setup);
    shell->setup = setup;
    shell->user = *user;
    shell->census = census_new();
    shell->worker_count = workers;
    shell->workers = calloc(workers, sizeof(struct worker));
    must(shell->workers != NULL);
    return shell;
}

/* Before the workers run: gives back what was bound. */
static void shell_abandon(struct shell *shell)
{
    uint32_t i;

    for (i = 0; i < shell->address_count; i++)
        close(shell->sockets[i]);
    for (i = shell->address_count;
         shell->ports != NULL && i < shell->worker_count * shell->address_count; i++)
        if (shell->ports[i].fd > 0)
            close(shell->ports[i].fd);
    shell_free(shell);
}

struct shell *shell_start(struct setup *setup, const struct shell_user *user, int *error_r,
                          char *where_r)
{
    struct shell *shell = shell_new(setup, user);
    const struct config_transcripts *transcripts = &setup->config->transcripts;

    where_r[0] = 0;
    if (transcripts->directory.size > 0) {
        shell->transcripts = transcripts_new(transcripts);
        *error_r = shell->transcripts != NULL ? 0 : -errno;
        if (*error_r != 0) {
            snprintf(where_r, ADDRESS_TEXT_MAX, "%.*s", (int)transcripts->directory.size,
                     transcripts->directory.at);
            shell_abandon(shell);
            return NULL;
        }
    }
    *error_r = shell_listen(shell);
    if (*error_r != 0)
        address_text(&shell->addresses[shell->address_count], where_r);
    else
        *error_r = shell_join(shell);
    if (*error_r != 0) {
        shell_abandon(shell);
        return NULL;
    }
    shell_run(shell);
    return shell;
}

uint32_t shell_addresses(const struct shell *shell, const struct address **addresses_r)
{
    *addresses_r = shell->addresses;
    return shell->address_count;
}

void shell_reload(struct shell *shell, struct setup *setup)
{
    uint32_t n;

    for (n = 0; n < shell->worker_count; n++)
        worker_reload(&shell->workers[n], setup);
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
