/* A link that is dialled, and a timer over it. The memory stays until both are closed. */
#include "lockstep/http/visit.h"

#include <stdlib.h>

#include "lockstep/base/must.h"
#include "lockstep/net/dial.h"

/* Of the whole time each address gets one part, so that a dead one leaves time for the next. */
#define DIAL_PARTS 3U
/* The longest name of a host, and more. */
#define HOST_MAX 256U

struct visit {
    struct link link; /* first, so that a link is its visit */
    uv_timer_t timer;
    const struct visit_user *user;
    void *data;
    struct dial *dial; /* NULL: connected */
    struct config_addresses addresses;
    moment deadline;
    uint32_t deadline_ms;
    bool over;  /* nothing is told any more */
    bool ended; /* by the user */
    bool timer_gone;
    struct text words; /* of what went wrong */
    char words_bytes[VISIT_WORDS_MAX];
    char host[HOST_MAX];
};

static struct visit *link_visit(const struct link *link)
{
    return (struct visit *)(uintptr_t)link;
}

static moment visit_now(const struct visit *visit)
{
    return (moment)uv_now(visit->timer.loop);
}

static void visit_free(struct visit *visit)
{
    if (visit->ended && visit->timer_gone && visit->link.state == LINK_NONE)
        free(visit);
}

/* --- what goes wrong --- */

static void visit_fail(struct visit *visit)
{
    visit->over = true;
    uv_timer_stop(&visit->timer);
    visit->user->failed(visit->data, text_span(&visit->words));
}

static void visit_undialled(void *data)
{
    struct visit *visit = data;

    text_add(&visit->words, dial_words(visit->dial));
    visit_fail(visit);
}

static void visit_arm(struct visit *visit);

static void visit_due(uv_timer_t *timer)
{
    struct visit *visit = timer->data;

    if (visit->words.size == 0 && visit_now(visit) >= visit->deadline) {
        text_add(&visit->words, SPAN("no answer within "));
        text_add_number(&visit->words, (visit->deadline_ms + 999) / 1000);
        text_add(&visit->words, SPAN(" s"));
    }
    if (visit->words.size > 0) {
        visit_fail(visit);
        return;
    }
    if (visit->dial != NULL && dial_deadline(visit->dial) <= visit_now(visit))
        dial_late(visit->dial);
    visit_arm(visit);
}

static void visit_arm(struct visit *visit)
{
    moment until = visit->words.size > 0 ? visit_now(visit) : visit->deadline;

    if (visit->over)
        return;
    if (visit->dial != NULL && dial_deadline(visit->dial) < until)
        until = dial_deadline(visit->dial);
    until -= visit_now(visit);
    uv_timer_start(&visit->timer, visit_due, until > 0 ? (uint64_t)until : 0, 0);
}

/* --- the link --- */

static void visit_opened(struct link *link)
{
    struct visit *visit = link_visit(link);

    dial_close(&visit->dial);
    visit_arm(visit);
    visit->user->ready(visit->data);
}

static void visit_secured(struct link *link)
{
    struct visit *visit = link_visit(link);

    visit->user->ready(visit->data);
}

static size_t visit_room(const struct link *link)
{
    (void)link;
    return LINK_READ_BYTES;
}

static void visit_said(struct link *link, struct span bytes)
{
    struct visit *visit = link_visit(link);

    if (!visit->over)
        visit->user->said(visit->data, bytes);
}

static void visit_ended(struct link *link)
{
    struct visit *visit = link_visit(link);

    if (!visit->over)
        visit->user->ended(visit->data, link->truncated);
}

static void visit_lost(struct link *link, int error)
{
    struct visit *visit = link_visit(link);

    if (visit->dial != NULL) {
        dial_lost(visit->dial, error);
        visit_arm(visit);
    } else if (!visit->over && visit->words.size == 0) {
        if (link->tls == NULL || error != UV_EPROTO)
            text_add(&visit->words, SPAN("connection lost: "));
        text_add(&visit->words, link_why(link, error));
        visit_fail(visit);
    }
}

static void visit_sent(struct link *link, size_t count)
{
    (void)link;
    (void)count;
}

static void visit_gone(struct link *link)
{
    struct visit *visit = link_visit(link);

    if (visit->dial != NULL) {
        dial_gone(visit->dial);
        visit_arm(visit);
    } else {
        visit_free(visit);
    }
}

static const struct link_user visit_link = {
    .opened = visit_opened,
    .room = visit_room,
    .said = visit_said,
    .ended = visit_ended,
    .lost = visit_lost,
    .sent = visit_sent,
    .secured = visit_secured,
    .gone = visit_gone,
};

/* --- what the user does --- */

void visit_say(struct visit *visit, const struct span *pieces, uint32_t count)
{
    link_send(&visit->link, pieces, count);
    if (visit->link.error != 0 && visit->words.size == 0) {
        text_add(&visit->words, SPAN("connection lost: "));
        text_add(&visit->words, link_why(&visit->link, visit->link.error));
        visit_arm(visit);
    }
}

void visit_secure(struct visit *visit, struct tls_context *tls)
{
    link_secure(&visit->link, tls, visit->addresses.rows[0].host);
}

static void visit_timer_gone(uv_handle_t *timer)
{
    struct visit *visit = timer->data;

    visit->timer_gone = true;
    visit_free(visit);
}

void visit_end(struct visit **ending, enum shut how)
{
    struct visit *visit = *ending;

    *ending = NULL;
    visit->over = true;
    visit->ended = true;
    if (visit->dial != NULL)
        dial_close(&visit->dial);
    link_shut(&visit->link, how);
    uv_close((uv_handle_t *)&visit->timer, visit_timer_gone);
}

struct visit *visit_begin(const struct visit_plan *plan)
{
    struct visit *visit = calloc(1, sizeof(*visit));
    struct text host;
    struct dial_plan dial = {
        .loop = plan->loop,
        .user = &visit_link,
        .wait_ms = plan->deadline_ms / DIAL_PARTS,
        .tls = plan->tls,
        .failed = visit_undialled,
    };

    must(visit != NULL);
    visit->user = plan->user;
    visit->data = plan->data;
    visit->words = text_over(visit->words_bytes, sizeof(visit->words_bytes));
    text_add(&visit->words, plan->trouble);
    host = text_over(visit->host, sizeof(visit->host));
    text_add(&host, plan->host);
    visit->addresses.count = 1;
    visit->addresses.rows[0] = (struct config_address){text_span(&host), plan->port};
    visit->deadline_ms = plan->deadline_ms;
    uv_timer_init(plan->loop->uv, &visit->timer);
    visit->timer.data = visit;
    visit->deadline = visit_now(visit) + plan->deadline_ms;
    dial.link = &visit->link;
    dial.addresses = &visit->addresses;
    dial.data = visit;
    if (visit->words.size == 0)
        visit->dial = dial_open(&dial);
    visit_arm(visit);
    return visit;
}
