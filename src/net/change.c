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

void session_reload(struct session *session, struct setup *setup)
{
    const struct config_listener *now = listener_named(setup, session->listener->name);

    if (session->over || now == NULL)
        return;
    if (!now->enabled)
        session_kill(session);
    else if (session->listener->policy.mode == MODE_FAULT && now->policy.mode == MODE_FAULT &&
             !same_faults(session->faults, &now->policy.faults))
        take_faults(session, setup, &now->policy.faults);
}
