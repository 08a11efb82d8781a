/* Listeners on the path between others: words that contradict each other. */
#include "conflict.h"

static bool is_original(const struct config *config, uint32_t relay)
{
    return relay != NOTHING && relay < config->relay_count &&
           config_is_original(&config->relays[relay]);
}

/* What is said of connections that are not intercepted; empty: nothing. */
static struct span idle_word(const struct config_path *path)
{
    if (path->ports.count > 0)
        return SPAN("ports");
    if (path->destinations.count > 0)
        return SPAN("destinations");
    return path->fail_open ? SPAN("fail-open") : SPAN("");
}

static struct span idle_conflict(const struct config *config,
                                 const struct config_listener *listener, struct text *error)
{
    struct span word = idle_word(&listener->path);

    if (word.size > 0) {
        text_add_byte(error, '`');
        text_add(error, word);
        return conflict_at(word, error,
                           SPAN("` is of intercepted connections: write `intercept: tproxy` or "
                                "redirect, or leave it out"));
    }
    if (is_original(config, listener->relay))
        return conflict_at(SPAN("relay"), error,
                           SPAN("nobody who connects here wants to go elsewhere: write `intercept: "
                                "tproxy` or redirect, or name another relay"));
    return SPAN("");
}

struct span path_conflict(const struct config *config, const struct config_listener *listener,
                          struct text *error)
{
    const struct config_path *path = &listener->path;
    uint32_t i;

    if (path->intercept == INTERCEPT_NONE)
        return idle_conflict(config, listener, error);
    if (path->ports.count == 0)
        return conflict_at(SPAN("intercept"), error,
                           SPAN("connections to which ports? write `ports: [25]`"));
    if (path->fail_open && path->intercept == INTERCEPT_REDIRECT)
        return conflict_at(SPAN("fail-open"), error,
                           SPAN("what is redirected to a program that is not there is refused by "
                                "the kernel: write `intercept: tproxy`, or `fail-open: off`"));
    if (path->fail_open && listener->proxy_from.count > 0)
        return conflict_at(
            SPAN("fail-open"), error,
            SPAN("what passes does so before its PROXY header says whose it is: leave "
                 "proxy-from out, or write `fail-open: off`"));
    for (i = 0; i < listener->listen.count; i++) {
        if (listener->listen.rows[i].port == 0)
            return conflict_at(SPAN("listen"), error,
                               SPAN("the rules that lead connections here must name its port: "
                                    "write one instead of 0"));
    }
    return SPAN("");
}

struct span original_conflict(const struct config *config, const struct config_listener *listener,
                              const struct route *route, struct text *error)
{
    uint32_t relay = route->relay == NOTHING ? listener->relay : route->relay;

    if (!is_original(config, relay))
        return SPAN("");
    if (listener->path.intercept == INTERCEPT_NONE)
        return conflict_at(SPAN("relay"), error,
                           SPAN("nobody who connects to this listener wants to go elsewhere: write "
                                "`intercept: tproxy` or redirect there, or name another relay"));
    /* Whoever is connected to would be given the password. */
    if (route->credential != NOTHING && route->pop.size == 0 &&
        listener->path.destinations.count == 0)
        return conflict_at(SPAN("credential"), error,
                           SPAN("it would be given to whatever server a client connects to: write "
                                "`destinations` in the listener"));
    if (route->credential != NOTHING && route->pop.size == 0 &&
        config->relays[relay].session.security == SECURITY_NONE &&
        !config->relays[relay].session.allow_clear)
        return conflict_at(SPAN("credential"), error,
                           SPAN("it would go to `original` in clear: write `tls: required` in that "
                                "relay, or `allow_clear: on`"));
    return SPAN("");
}
