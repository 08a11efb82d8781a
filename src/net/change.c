/* A session goes on under the setup it began with, but for what can go wrong in it. */
#include "session.h"

static const struct config_listener *listener_named(const struct setup *setup, struct span name)
{
    const struct config *config = setup->config;
    uint32_t i;

    for (i = 0; i < config->listener_count; i++) {
        if (span_equal(config->listeners[i].name, name))
            return &config->listeners[i];
    }
    return NULL;
}

static bool same_faults(const struct faults *one, const struct faults *other)
{
    uint32_t i;

    if (one->count != other->count)
        return false;
    for (i = 0; i < one->count; i++) {
        if (!span_equal(one->entries[i], other->entries[i]))
            return false;
    }
    return true;
}

void session_tell_faults(struct session *session)
{
    if (session->faults_of != NULL)
        session_feed(session, (struct event){.kind = EVENT_FAULTS, .faults = session->faults});
}

void session_drop_faults(struct session *session)
{
    if (session->faults_of != NULL)
        setup_drop(session->faults_of);
    session->faults_of = NULL;
}

/* The engine looks at the faults before until it has heard of the new ones. */
static void take_faults(struct session *session, struct setup *setup, const struct faults *faults)
{
    struct setup *before = session->faults_of;

    setup_hold(setup);
    session->faults_of = setup;
    session->faults = faults;
    if (!session->arriving)
        session_tell_faults(session);
    if (before != NULL)
        setup_drop(before);
}

static bool leads_elsewhere(const struct session *session, const struct setup *setup,
                            const struct config_listener *now)
{
    const struct config *before = session->setup->config;
    uint32_t relay = session->listener->relay;

    return relay < before->relay_count && now->relay < setup->config->relay_count &&
           !setup_same_relay(&before->relays[relay], &setup->config->relays[now->relay]);
}

/* A test's path that is no longer there, or leads elsewhere, is not there for open sessions either.
 */
void session_reload(struct session *session, struct setup *setup)
{
    const struct config_listener *now = listener_named(setup, session->listener->name);
    bool fault = session->listener->policy.mode == MODE_FAULT;

    if (session->over)
        return;
    if (now == NULL ? fault : !now->enabled || (fault && leads_elsewhere(session, setup, now)))
        session_kill(session);
    else if (now != NULL && fault && now->policy.mode == MODE_FAULT &&
             !same_faults(session->faults, &now->policy.faults))
        take_faults(session, setup, &now->policy.faults);
}
