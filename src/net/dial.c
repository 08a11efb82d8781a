/* One address after the other; names are resolved by libuv's thread pool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "legs.h"
#include "lockstep/base/must.h"
#include "lockstep/net/dial.h"
#include "pick.h"

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
    bool closed;   /* only libuv's answer is still awaited */
    bool counted;  /* the pick counts the connection */
    uint32_t next; /* address of the plan whose turn to be resolved it is */
    struct candidates candidates;
    uint8_t rows[PICK_CANDIDATES_MAX]; /* of the plan, by candidate */
    uint32_t current;                  /* the candidate that is tried */
    moment deadline;
    char words[DIAL_WORDS_MAX];
    char preface[DIAL_PREFACE_MAX];
    uv_getaddrinfo_t request;
};

static void dial_go(struct dial *dial);

static moment dial_now(const struct dial *dial)
{
    return (moment)uv_now(dial->plan.loop->uv);
}

/* The address of the plan that is resolved next. */
static uint32_t dial_row(const struct dial *dial)
{
    return (dial->plan.turn + dial->next) % dial->plan.addresses->count;
}

/* Of what is tried. */
static struct span dial_host(const struct dial *dial)
{
    return dial->plan.addresses->rows[dial->rows[dial->current]].host;
}

static void dial_note(struct dial *dial, int error)
{
    struct span why = link_why(dial->plan.link, error);
    char text[ADDRESS_TEXT_MAX];

    snprintf(dial->words, sizeof(dial->words), "%.*s %s %s", (int)why.size, why.at,
             error == UV_ECONNREFUSED ? "by" : "at", address_text(dial_address(dial), text));
}

static void dial_note_name(struct dial *dial, struct span name, int error)
{
    if (error == UV_EAI_NONAME || error == UV_EAI_NODATA)
        snprintf(dial->words, sizeof(dial->words), "name not found: %.*s", (int)name.size, name.at);
    else
        snprintf(dial->words, sizeof(dial->words), "name not resolved: %.*s: %s", (int)name.size,
                 name.at, uv_strerror(error));
}

static void dial_leave(struct dial *dial)
{
    if (dial->counted)
        pick_leave(dial->plan.pick, dial_address(dial));
    dial->counted = false;
}

static void dial_fail(struct dial *dial, int error)
{
    dial_note(dial, error);
    if (dial->counted)
        pick_learn(dial->plan.pick, dial_address(dial), false, dial_now(dial));
    dial_leave(dial);
}

static void dial_connect(struct dial *dial)
{
    const struct dial_plan *plan = &dial->plan;
    int error;

    dial->deadline = dial_now(dial) + dial->plan.wait_ms;
    if (plan->legs != NULL)
        error = legs_connect(plan->legs, plan->leg, plan->link, plan->loop, plan->user,
                             dial_address(dial), &plan->way);
    else
        error = link_connect_by(plan->link, plan->loop, plan->user, dial_address(dial), &plan->way);
    dial->state = error == 0 ? DIAL_CONNECTING : DIAL_CLOSING;
    if (error != 0) {
        dial_fail(dial, error);
        return;
    }
    link_begin_with(dial->plan.link, dial->plan.preface);
    if (dial->plan.tls != NULL)
        link_secure(dial->plan.link, dial->plan.tls, dial_server(dial));
}

/* --- names --- */

static void dial_add(struct dial *dial, const struct address *address, uint32_t row)
{
    struct candidates *candidates = &dial->candidates;

    if (candidates->count == PICK_CANDIDATES_MAX)
        return;
    dial->rows[candidates->count] = (uint8_t)row;
    candidates->addresses[candidates->count] = *address;
    address_set_port(&candidates->addresses[candidates->count++],
                     dial->plan.addresses->rows[row].port);
}

/* Which of a name's addresses a later round begins with; those before it are left out. */
static const struct addrinfo *dial_first(const struct dial *dial, const struct addrinfo *results)
{
    uint32_t skipped = dial->plan.turn / dial->plan.addresses->count;
    const struct addrinfo *result;
    uint32_t count = 0;

    if (dial->plan.balance != BALANCE_ORDER)
        return results;
    for (result = results; result != NULL; result = result->ai_next)
        count++;
    for (result = results, skipped %= count > 0 ? count : 1; skipped > 0; skipped--)
        result = result->ai_next;
    return result;
}

static void dial_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *results)
{
    struct dial *dial = request->data;
    const struct addrinfo *result;
    struct address address;
    uint32_t row;

    if (dial->closed) {
        uv_freeaddrinfo(results);
        free(dial);
        return;
    }
    row = dial_row(dial);
    for (result = dial_first(dial, results); result != NULL; result = result->ai_next)
        if (address_copy(result->ai_addr, &address))
            dial_add(dial, &address, row);
    uv_freeaddrinfo(results);
    if (status != 0)
        dial_note_name(dial, dial->plan.addresses->rows[row].host, status);
    dial->next++;
    dial_go(dial);
    if (dial->state == DIAL_SPENT)
        dial->plan.failed(dial->plan.data);
}

/* Asks for the addresses of the next row; false: they are there, or there are none. */
static bool dial_resolve(struct dial *dial)
{
    const struct config_address *row = &dial->plan.addresses->rows[dial_row(dial)];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct address address;
    char name[256];
    int error = UV_EAI_NONAME;

    if (address_literal(row->host, row->port, &address)) {
        dial_add(dial, &address, dial_row(dial));
        dial->next++;
        return false;
    }
    if (row->host.size < sizeof(name)) {
        memcpy(name, row->host.at, row->host.size);
        name[row->host.size] = 0;
        dial->request.data = dial;
        dial->state = DIAL_RESOLVING;
        dial->deadline = dial_now(dial) + dial->plan.wait_ms;
        error =
            uv_getaddrinfo(dial->plan.loop->uv, &dial->request, dial_resolved, name, NULL, &hints);
    }
    if (error == 0)
        return true;
    dial_note_name(dial, row->host, error);
    dial->next++;
    return false;
}

/* --- one after the other --- */

/* The next that was not tried; `last`: also one that rests. */
static bool dial_choose(struct dial *dial, bool last)
{
    const struct wish wish = {.balance = dial->plan.balance,
                              .slow_start_ms = dial->plan.slow_start_ms,
                              .avoid = dial->plan.avoid};
    struct candidates *candidates = &dial->candidates;
    uint32_t chosen = 0;

    if (dial->plan.pick != NULL)
        chosen = pick_choose(dial->plan.pick, candidates, &wish, last, dial_now(dial));
    else
        while (chosen < candidates->count && (candidates->tried >> chosen & 1U) != 0)
            chosen++;
    if (chosen >= candidates->count)
        return false;
    dial->current = chosen;
    dial->counted = dial->plan.pick != NULL;
    candidates->tried |= 1ULL << chosen;
    return true;
}

/* Starts whatever comes next, or ends as DIAL_SPENT. In order a name is resolved when all before it
 * have failed. */
static void dial_go(struct dial *dial)
{
    bool in_order = dial->plan.balance == BALANCE_ORDER;

    for (;;) {
        bool last = dial->next == dial->plan.addresses->count;

        if ((last || in_order) && dial_choose(dial, last)) {
            dial_connect(dial);
            return;
        }
        if (last) {
            dial->state = DIAL_SPENT;
            dial->deadline = dial_now(dial);
            return;
        }
        if (dial_resolve(dial))
            return;
    }
}

struct dial *dial_open(const struct dial_plan *plan)
{
    struct dial *dial = calloc(1, sizeof(*dial));

    must(dial != NULL && plan->addresses->count > 0);
    must(plan->preface.size <= sizeof(dial->preface));
    dial->plan = *plan;
    if (plan->preface.size > 0)
        memcpy(dial->preface, plan->preface.at, plan->preface.size);
    dial->plan.preface.at = dial->preface;
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
    dial_leave(dial);
    dial->closed = true;
    if (dial->state == DIAL_RESOLVING)
        uv_cancel((uv_req_t *)&dial->request);
    else
        free(dial);
}

void dial_take(struct dial *dial)
{
    dial->counted = false;
}

void dial_lost(struct dial *dial, int error)
{
    dial_fail(dial, error);
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
    return &dial->candidates.addresses[dial->current];
}

struct span dial_server(const struct dial *dial)
{
    const struct dial_plan *plan = &dial->plan;

    return plan->server_name.size > 0 ? plan->server_name : dial_host(dial);
}

struct span dial_words(const struct dial *dial)
{
    return span_of_string(dial->words);
}
