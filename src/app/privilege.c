/* Capabilities: what for, and which. */
#include "privilege.h"

#include <sys/capability.h>

#include "lockstep/base/must.h"
#include "lockstep/net/path.h"
#include "log.h"

/* The leak checker attaches to its own process when that ends. */
#if defined(__SANITIZE_ADDRESS__)
#define PRIVILEGE_LEAKS true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PRIVILEGE_LEAKS true
#endif
#endif
#ifndef PRIVILEGE_LEAKS
#define PRIVILEGE_LEAKS false
#endif

/* --- what for --- */

static bool intercepts(const struct config *config)
{
    uint32_t i;

    for (i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].path.intercept != INTERCEPT_NONE)
            return true;
    }
    return false;
}

static const struct config_listener *first_tproxy(const struct config *config)
{
    uint32_t i;

    for (i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].path.intercept == INTERCEPT_TPROXY)
            return &config->listeners[i];
    }
    return NULL;
}

static const struct config_relay *first_borrower(const struct config *config)
{
    uint32_t i;

    for (i = 0; i < config->relay_count; i++) {
        if (config->relays[i].source == SOURCE_CLIENT)
            return &config->relays[i];
    }
    return NULL;
}

static bool borrows(const struct config *config)
{
    return first_tproxy(config) != NULL || first_borrower(config) != NULL;
}

/* Files of others are written, with their owners kept, and sockets of others connected to. */
static bool writes(const struct config *config)
{
    bool found = config->transcripts.directory.size > 0 || config->store.directory.size > 0;
    uint32_t i;

    for (i = 0; i < config->credential_count && !found; i++)
        found = config->credentials[i].oauth.token_file.size > 0;
    for (i = 0; i < config->listener_count && !found; i++)
        found = config->listeners[i].auth.socket.size > 0;
    return found;
}

static bool runs_commands(const struct config *config)
{
    uint32_t i;

    for (i = 0; i < config->credential_count; i++) {
        if (config->credentials[i].password_command.size > 0)
            return true;
    }
    return false;
}

bool privilege_suffices(const struct config *config, struct text *why)
{
    const struct config_listener *listener = first_tproxy(config);
    const struct config_relay *relay = first_borrower(config);

    if ((listener == NULL && relay == NULL) || path_may_borrow())
        return true;
    text_add(why, listener != NULL ? SPAN("listener `") : SPAN("relay `"));
    text_add(why, listener != NULL ? listener->name : relay->name);
    text_add(why, listener != NULL ? SPAN("`: `intercept: tproxy`") : SPAN("`: `source: client`"));
    text_add(why, SPAN(" needs CAP_NET_ADMIN (or CAP_NET_RAW): give it with `setcap "
                       "cap_net_admin,cap_net_bind_service+ep` to the program, or with "
                       "AmbientCapabilities= in the unit, and start lockstep anew"));
    return false;
}

/* --- which --- */

static bool is_held(cap_t held, cap_value_t value)
{
    cap_flag_value_t flag = CAP_CLEAR;

    return cap_get_flag(held, value, CAP_PERMITTED, &flag) == 0 && flag == CAP_SET;
}

static bool is_kept(const struct config *config, cap_t held, cap_value_t value)
{
    bool mark = intercepts(config);

    switch (value) {
    case CAP_NET_BIND_SERVICE: /* also of addresses that a later reading brings */
    case CAP_DAC_READ_SEARCH:  /* certificates and keys are read again with it */
        return true;
    case CAP_DAC_OVERRIDE:
    case CAP_CHOWN:
    case CAP_FOWNER:
        return writes(config);
    case CAP_NET_ADMIN: /* one of the two is enough for addresses of others, this for marks */
        return mark || (borrows(config) && !is_held(held, CAP_NET_RAW));
    case CAP_NET_RAW:
        return borrows(config) && !(mark && is_held(held, CAP_NET_ADMIN));
    case CAP_SYS_PTRACE:
        return PRIVILEGE_LEAKS;
    default:
        return false;
    }
}

/* What a program of root's that is started later could get back. A command that brings passwords
 * may be one that has to have more. */
static void drop_bounds(const struct config *config, cap_t held)
{
    cap_value_t value;

    if (runs_commands(config) || !is_held(held, CAP_SETPCAP))
        return;
    for (value = 0; value < cap_max_bits(); value++) {
        if (!is_kept(config, held, value) && cap_get_bound(value) == 1)
            cap_drop_bound(value);
    }
}

static void keep_needed(const struct config *config, cap_t held)
{
    cap_t kept = cap_init();
    cap_value_t value;

    must(kept != NULL);
    for (value = 0; value < cap_max_bits(); value++) {
        if (!is_held(held, value) || !is_kept(config, held, value))
            continue;
        cap_set_flag(kept, CAP_PERMITTED, 1, &value, CAP_SET);
        cap_set_flag(kept, CAP_EFFECTIVE, 1, &value, CAP_SET);
    }
    /* With it goes what would be handed on to programs that are started (ambient). */
    if (cap_set_proc(kept) != 0)
        log_say(LOG_WARNING, "capabilities that are not needed can't be given up");
    cap_free(kept);
}

void privilege_warn(const struct config *config)
{
    if (intercepts(config) && !path_may_mark())
        log_say(LOG_WARNING,
                "connections to relays can't be marked without CAP_NET_ADMIN: rules must let them"
                " pass by other means, or lockstep will intercept and refuse its own");
}

void privilege_drop(const struct config *config)
{
    cap_t held = cap_get_proc();

    must(held != NULL);
    drop_bounds(config, held);
    keep_needed(config, held);
    cap_free(held);
    privilege_warn(config);
}
