/* A link without a session. */
#include "refuse.h"

#include <stdlib.h>

#include "lockstep/base/must.h"
#include "session.h"

#define REFUSED_MAX 256U

struct refused_client {
    struct link link; /* first, so that it is found again */
    struct worker *worker;
};

static void refused_sent(struct link *link, size_t count)
{
    (void)link;
    (void)count;
}

static void refused_gone(struct link *link)
{
    struct refused_client *refused = (struct refused_client *)link;

    refused->worker->refused--;
    free(refused);
}

void refuse_report(const struct worker *worker, const struct config_listener *listener,
                   const struct caller *caller, enum refused why, bool passed)
{
    struct refusal refusal = {
        .why = why,
        .listener = listener->name,
        .client = caller->client,
        .destination = caller->destination,
        .passed = passed,
    };

    if (worker->user->refused != NULL)
        worker->user->refused(&refusal);
}

void refuse_in_session(const struct session *session, const struct address *client,
                       enum refused why)
{
    struct caller caller = {.fd = -1, .client = *client};

    if (session->original != NULL)
        caller.destination = session->original->address;
    refuse_report(session->worker, session->listener, &caller, why, false);
}

/* In a flood of them nobody waits for their goodbye: descriptors are for sessions. */
void refuse(struct port *port, const struct caller *caller, enum refused why)
{
    static const struct link_user user = {.sent = refused_sent, .gone = refused_gone};
    struct worker *worker = port->worker;
    struct refused_client *refused = malloc(sizeof(*refused));

    must(refused != NULL);
    refused->worker = worker;
    worker->refused++;
    refuse_report(worker, &port->setup->config->listeners[port->index], caller, why, false);
    if (link_open(&refused->link, &worker->links, &user, caller->fd) != 0)
        return;
    link_send(&refused->link, &port->setup->listeners[port->index].refusals[why], 1);
    link_shut(&refused->link, worker->refused > REFUSED_MAX ? SHUT_NOW : SHUT_FLUSH);
}
