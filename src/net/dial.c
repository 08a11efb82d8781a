/* One address after the other; names are resolved by libuv's thread pool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/net/dial.h"

#define DIAL_WORDS_MAX 320

enum dial_state {
    DIAL_RESOLVING,  /* libuv holds the dial until its answer */
    DIAL_CONNECTING, /* the link is being connected */
    DIAL_CLOSING,    /* the link is not free yet */
    DIAL_SPENT,      /* everything was tried */
};

struct dial {
    struct dial_plan plan;
    enum dial_state state;
    bool closed;              /* only libuv's answer is still awaited */
    uint32_t next;            /* address of the plan */
    struct addrinfo *results; /* of the name before `next` */
    struct addrinfo *result;  /* the one to try next */
    moment deadline;
    struct address address;
    char words[DIAL_WORDS_MAX];
    uv_getaddrinfo_t request;
};

static void dial_go(struct dial *dial);

static moment dial_now(const struct dial *dial)
{
    return (moment)uv_now(dial->plan.loop->uv);
}

/* The address of the plan that is tried. */
static const struct config_address *dial_row(const struct dial *dial)
{
    const struct config_addresses *addresses = dial->plan.addresses;

    return &addresses->rows[(dial->plan.turn + dial->next - 1) % addresses->count];
}

static void dial_note(struct dial *dial, int error)
{
    struct span why = link_why(dial->plan.link, error);
    char text[ADDRESS_TEXT_MAX];

    snprintf(dial->words, sizeof(dial->words), "%.*s %s %s", (int)why.size, why.at,
             error == UV_ECONNREFUSED ? "by" : "at", address_text(&dial->address, text));
}

static void dial_note_name(struct dial *dial, struct span name, int error)
{
    if (error == UV_EAI_NONAME || error == UV_EAI_NODATA)
        snprintf(dial->words, sizeof(dial->words), "name not found: %.*s", (int)name.size, name.at);
    else
        snprintf(dial->words, sizeof(dial->words), "name not resolved: %.*s: %s", (int)name.size,
                 name.at, uv_strerror(error));
}

/* Whose certificate the server has to have. */
static struct span dial_name(const struct dial *dial)
{
    if (dial->plan.server_name.size > 0)
        return dial->plan.server_name;
    return dial_row(dial)->host;
}

static void dial_connect(struct dial *dial)
{
    int error;

    dial->deadline = dial_now(dial) + dial->plan.wait_ms;
    error = link_connect(dial->plan.link, dial->plan.loop, dial->plan.user, &dial->address);
    dial->state = error == 0 ? DIAL_CONNECTING : DIAL_CLOSING;
    if (error != 0)
        dial_note(dial, error);
    else if (dial->plan.tls != NULL)
        link_secure(dial->plan.link, dial->plan.tls, dial_name(dial));
}

/* Which of a name's addresses a later round begins with; those before it are left out. */
static struct addrinfo *dial_first(const struct dial *dial, struct addrinfo *results)
{
    uint32_t skipped = dial->plan.turn / dial->plan.addresses->count;
    struct addrinfo *result;
    uint32_t count = 0;

    for (result = results; result != NULL; result = result->ai_next)
        count++;
    for (result = results, skipped %= count > 0 ? count : 1; skipped > 0; skipped--)
        result = result->ai_next;
    return result;
}

static void dial_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *results)
{
    struct dial *dial = request->data;

    if (dial->closed) {
        uv_freeaddrinfo(results);
        free(dial);
        return;
    }
    dial->results = results;
    dial->result = dial_first(dial, results);
    if (status != 0)
        dial_note_name(dial, dial_row(dial)->host, status);
    dial_go(dial);
    if (dial->state == DIAL_SPENT)
        dial->plan.failed(dial->plan.data);
}

static int dial_resolve(struct dial *dial, const struct config_address *row)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    char name[256];

    if (row->host.size >= sizeof(name))
        return UV_EAI_NONAME;
    memcpy(name, row->host.at, row->host.size);
    name[row->host.size] = 0;
    dial->request.data = dial;
    dial->state = DIAL_RESOLVING;
    dial->deadline = dial_now(dial) + dial->plan.wait_ms;
    return uv_getaddrinfo(dial->plan.loop->uv, &dial->request, dial_resolved, name, NULL, &hints);
}

/* The next address of the name that was resolved last; false when there is none. */
static bool dial_result(struct dial *dial)
{
    bool usable = false;

    while (dial->result != NULL && !usable) {
        usable = address_copy(dial->result->ai_addr, &dial->address);
        dial->result = dial->result->ai_next;
    }
    if (usable) {
        address_set_port(&dial->address, dial_row(dial)->port);
    } else if (dial->results != NULL) {
        uv_freeaddrinfo(dial->results);
        dial->results = NULL;
    }
    return usable;
}

/* Starts whatever comes next, or ends as DIAL_SPENT. */
static void dial_go(struct dial *dial)
{
    while (!dial_result(dial)) {
        const struct config_address *row;
        int error;

        if (dial->next == dial->plan.addresses->count) {
            dial->state = DIAL_SPENT;
            dial->deadline = dial_now(dial);
            return;
        }
        dial->next++;
        row = dial_row(dial);
        if (address_literal(row->host, row->port, &dial->address))
            break;
        error = dial_resolve(dial, row);
        if (error == 0)
            return;
        dial_note_name(dial, row->host, error);
    }
    dial_connect(dial);
}

struct dial *dial_open(const struct dial_plan *plan)
{
    struct dial *dial = calloc(1, sizeof(*dial));

    must(dial != NULL && plan->addresses->count > 0);
    dial->plan = *plan;
    dial->state = DIAL_CLOSING;
    dial->deadline = MOMENT_NEVER;
    if (plan->link->state == LINK_NONE)
        dial_go(dial);
    return dial;
}

void dial_close(struct dial **closing)
{
    struct dial *dial = *closing;

    *closing = NULL;
    if (dial->results != NULL)
        uv_freeaddrinfo(dial->results);
    dial->results = NULL;
    dial->closed = true;
    if (dial->state == DIAL_RESOLVING)
        uv_cancel((uv_req_t *)&dial->request);
    else
        free(dial);
}

void dial_lost(struct dial *dial, int error)
{
    dial_note(dial, error);
    dial->state = DIAL_CLOSING;
    dial->deadline = MOMENT_NEVER;
    link_shut(dial->plan.link, SHUT_NOW);
}

void dial_gone(struct dial *dial)
{
    dial_go(dial);
    if (dial->state == DIAL_SPENT)
        dial->plan.failed(dial->plan.data);
}

void dial_late(struct dial *dial)
{
    switch (dial->state) {
    case DIAL_RESOLVING:
        /* The answer, now "cancelled" or late, moves the dial on. */
        uv_cancel((uv_req_t *)&dial->request);
        dial->deadline = MOMENT_NEVER;
        break;
    case DIAL_CONNECTING:
        dial_lost(dial, UV_ETIMEDOUT);
        break;
    case DIAL_CLOSING:
        break;
    case DIAL_SPENT:
        dial->plan.failed(dial->plan.data);
        break;
    }
}

moment dial_deadline(const struct dial *dial)
{
    return dial->deadline;
}

const struct address *dial_address(const struct dial *dial)
{
    return &dial->address;
}

struct span dial_server(const struct dial *dial)
{
    const struct dial_plan *plan = &dial->plan;

    return plan->server_name.size > 0 ? plan->server_name : dial_row(dial)->host;
}

struct span dial_words(const struct dial *dial)
{
    return span_of_string(dial->words);
}
