/* One road for every change: a new configuration, which is used whole or not at all. */
#include "control.h"

#include <string.h>
#include <uv.h>

#include "log.h"
#include "proxies.h"

/* Takes the hold on `next` over. */
static enum admin_used control_use(struct control *control, struct running *next, struct text *why)
{
    char where[ADDRESS_TEXT_MAX];
    int error = shell_reload(control->shell, &next->setup, where);

    if (error != 0) {
        setup_drop(&next->setup);
        text_add(why, span_of_string(where));
        text_add(why, SPAN(": "));
        text_add(why, span_of_string(uv_strerror(error)));
        return ADMIN_UNABLE;
    }
    setup_drop(&control->newest->setup);
    control->newest = next;
    if (control->changed != NULL)
        proxies_settle(control->changed, control->shell);
    return ADMIN_USED;
}

/* What was read with what was changed; NULL: `why` says why there is no such thing. */
static struct running *control_make(const struct control *control, struct running *base,
                                    const json_t *changed, struct text *why)
{
    if (changed != NULL && json_object_size(changed) > 0)
        return proxies_apply(base, changed, &control->newest->setup, why);
    setup_hold(&base->setup);
    return base;
}

bool control_reload(struct control *control, struct running *base, struct text *why)
{
    struct running *next = control_make(control, base, control->changed, why);

    if (next == NULL || control_use(control, next, why) != ADMIN_USED) {
        setup_drop(&base->setup);
        return false;
    }
    setup_drop(&control->base->setup);
    control->base = base;
    return true;
}

/* --- over HTTP --- */

static json_t *show(void *data)
{
    const struct control *control = data;

    return proxies_show(&control->base->loaded.config, control->changed, control->shell);
}

static enum admin_used use(void *data, json_t *proxies, struct text *why)
{
    struct control *control = data;
    json_t *before = control->changed;
    json_t *changed;
    struct running *next;
    enum admin_used used;

    if (control->ending) {
        text_add(why, SPAN("lockstep is ending"));
        return ADMIN_ENDING;
    }
    changed = proxies_changed(&control->base->loaded.config, proxies, control->shell);
    next = control_make(control, control->base, changed, why);
    if (next == NULL) {
        json_decref(changed);
        return ADMIN_REFUSED;
    }
    control->changed = changed;
    used = control_use(control, next, why);
    control->changed = used == ADMIN_USED ? changed : before;
    json_decref(used == ADMIN_USED ? before : changed);
    if (used == ADMIN_USED)
        log_say(LOG_INFO, "proxies or toxics were changed over HTTP");
    return used;
}

static bool is_configured(void *data, const char *name)
{
    const struct control *control = data;

    return proxies_configured(&control->base->loaded.config, name);
}

static bool may_make(void *data)
{
    const struct control *control = data;

    return control->base->loaded.config.admin.control;
}

void control_begin(struct control *control, struct running *base)
{
    *control = (struct control){
        .base = base,
        .newest = base,
        .admin = {.proxies = show,
                  .use = use,
                  .is_configured = is_configured,
                  .may_make = may_make,
                  .data = control},
    };
    setup_hold(&base->setup);
    setup_hold(&base->setup);
}

void control_end(struct control *control)
{
    setup_drop(&control->newest->setup);
    setup_drop(&control->base->setup);
    json_decref(control->changed);
}
