/* Questions go out, answers come in; what they mean is for the engine and the adviser to know. */
#include "advice.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "path.h"

/* An address that came with an answer; what it points to is its own. It was given for what the
 * session does next, with a credential that came with it: no later connection goes there by it. */
struct moved {
    struct moved *before;
    struct config_addresses where;
    bool used; /* for one connection, which may still be there */
    char host[];
};

bool advice_ask(struct session *session, const struct question *question, struct answer *answer_r)
{
    const struct adviser *adviser = session->worker->user->adviser;
    const struct tls *tls = session->links[SIDE_UPSTREAM].tls;
    uint16_t port;
    char host[ADDRESS_TEXT_MAX];
    char binding[TLS_BINDING_MAX];
    char binding_unique[TLS_BINDING_MAX];
    struct asker asker = {
        .desk = &session->worker->desk,
        .session = session,
        .id = session->id,
        .config = session->setup->config,
        .listener = session->listener,
        .client = span_of_string(address_host(&session->client, host)),
        .secured = session->tls[SIDE_CLIENT][0] != 0,
    };

    if (session->original != NULL)
        asker.original = session->original->where.rows[0];
    (void)engine_client(session->engine, &asker.client, &port);
    if (adviser == NULL) {
        *answer_r = (struct answer){.told = TOLD_NO, .credential = NOTHING};
        return true;
    }
    if (tls != NULL && session->tls[SIDE_UPSTREAM][0] != 0) {
        asker.binding = tls_binding_exporter(tls, binding);
        asker.binding_unique = tls_binding_unique(tls, binding_unique);
    }
    return adviser->ask(adviser->data, &asker, question, &session->memo, answer_r);
}

/* The link, or a dial, may still use what was given before, until there is a next connection. */
static void advice_move(struct session *session, const struct config_address *to)
{
    struct moved *moved = malloc(sizeof(*moved) + to->host.size);

    must(moved != NULL);
    *moved = (struct moved){.before = session->moved, .where = {.count = 1}};
    memcpy(moved->host, to->host.at, to->host.size);
    moved->where.rows[0] =
        (struct config_address){.host = span_of(moved->host, to->host.size), .port = to->port};
    session->moved = moved;
}

static void moved_free(struct moved **at)
{
    while (*at != NULL) {
        struct moved *moved = *at;

        *at = moved->before;
        free(moved);
    }
}

const struct config_addresses *advice_where(struct session *session, uint32_t relay, bool live)
{
    struct moved *moved = session->moved;

    if (live && moved != NULL && !moved->used) {
        moved_free(&moved->before);
        moved->used = true;
        return &moved->where;
    }
    moved_free(&session->moved);
    if (session->original != NULL && config_is_original(&session->setup->config->relays[relay]))
        return &session->original->where;
    return &session->setup->config->relays[relay].address;
}

struct event advice_event(struct session *session, uint32_t serial, const struct answer *answer,
                          struct advice *advice_r)
{
    *advice_r = (struct advice){.told = answer->told,
                                .serial = serial,
                                .credential = answer->credential,
                                .moved = answer->moved};
    if (answer->moved && engine_awaits(session->engine, serial))
        advice_move(session, &answer->relay);
    return (struct event){.kind = EVENT_TOLD, .bytes = answer->bytes, .advice = advice_r};
}

void advice_end(struct session *session)
{
    const struct adviser *adviser = session->worker->user->adviser;

    if (adviser != NULL)
        adviser->forget(adviser->data, session, session->id, &session->memo);
    moved_free(&session->moved);
}
