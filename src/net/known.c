/* What is known of a session, for its report. */
#include "account.h"
#include "through.h"

#include <stdlib.h>
#include <string.h>

/* Empty as long as none was tried. */
static struct span session_relay_name(const struct session *session)
{
    if (session->relay.any.sa_family == AF_UNSPEC)
        return (struct span){0};
    if (session->moved != NULL)
        return SPAN("live");
    return session->setup->config->relays[session->relay_number].name;
}

struct address session_client(const struct session *session)
{
    struct address client;
    struct span host;
    uint16_t port;

    if (!engine_client(session->engine, &host, &port))
        return session->client;
    if (!address_literal(host, port, &client))
        client = (struct address){.any = {.sa_family = AF_UNSPEC}};
    return client;
}

/* Whom somebody else speaks for, and who that is: the last, where there are two. */
static void session_sum_up_client(const struct session *session, struct report *report)
{
    struct span host;
    uint16_t port;

    if (session->through != NULL)
        report->through = session->through->peer;
    if (!engine_client(session->engine, &host, &port))
        return;
    report->through = session->client;
    report->client = session_client(session);
}

void session_sum_up(const struct session *session, struct report *report_r)
{
    *report_r = (struct report){
        .id = session->id,
        .listener = session->listener->name,
        .client = session->refused ? session->through->client : session->client,
        .relay = session->relay,
        .relay_name = session_relay_name(session),
        .tls = {span_of_string(session->tls[SIDE_CLIENT]),
                span_of_string(session->tls[SIDE_UPSTREAM])},
        .relay_error = span_of_string(session->relay_error),
        .duration_ms = (uint64_t)(session_now(session) - session->opened_at),
        .held = session->account != NULL ? session->account->times : 0,
        .held_ms = session->account != NULL ? session->account->waited_ms : 0,
        .repairs = session->worker->lender.repairs,
    };
    engine_summary(session->engine, &report_r->summary);
    session_sum_up_client(session, report_r);
    if (report_r->summary.credential == LIVE || report_r->summary.credential == LIVE_ROUTE)
        report_r->credential = SPAN("live");
    else if (report_r->summary.credential != NOTHING)
        report_r->credential =
            session->setup->config->credentials[report_r->summary.credential].name;
}

void session_note_tls(struct session *session, enum side side)
{
    char memory[TLS_WORDS_MAX];
    struct span words = tls_words(session->links[side].tls, memory);
    struct text kept = text_over(session->tls[side], TLS_VERSION_MAX - 1);

    text_add(&kept, span_head(words, span_find(words, ' ')));
    session->tls[side][kept.size] = 0;
}

void session_note_failure(struct session *session, const struct event *event)
{
    if (event->kind != EVENT_FAILED || event->side != SIDE_UPSTREAM)
        return;
    free(session->relay_error);
    session->relay_error = strndup(event->bytes.at, event->bytes.size);
}
