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

static void refuse_report(const struct port *port, const struct address *client, enum refused why)
{
    const struct shell_user *user = port->worker->user;
    struct refusal refusal = {
        .why = why,
        .listener = port->setup->config->listeners[port->index].name,
        .client = *client,
    };

    if (user->refused != NULL)
        user->refused(&refusal);
}

void refuse_in_session(const struct session *session)
{
    const struct shell_user *user = session->worker->user;
    struct refusal refusal = {
        .why = REFUSED_CERTIFICATE,
        .listener = session->listener->name,
        .client = session->client,
    };

    if (user->refused != NULL)
        user->refused(&refusal);
}

/* In a flood of them nobody waits for their goodbye: descriptors are for sessions. */
void refuse(struct port *port, int fd, const struct address *client, enum refused why)
{
    static const struct link_user user = {.sent = refused_sent, .gone = refused_gone};
    struct worker *worker = port->worker;
    struct refused_client *refused = malloc(sizeof(*refused));

    must(refused != NULL);
    refused->worker = worker;
    worker->refused++;
    refuse_report(port, client, why);
    if (link_open(&refused->link, &worker->links, &user, fd) != 0)
        return;
    link_send(&refused->link, &port->setup->listeners[port->index].refusals[why], 1);
    link_shut(&refused->link, worker->refused > REFUSED_MAX ? SHUT_NOW : SHUT_FLUSH);
}
