/* The log and the counters, and the admin interface over them. */
#include <stdio.h>
#include <string.h>

#include "lockstep/admin/admin.h"
#include "lockstep/vault/oauth.h"
#include "log.h"
#include "overseer.h"

static struct tally tally = TALLY_INIT;
static struct admin *admin; /* NULL: there is none */
static struct vault *tokens;

void overseer_report(const struct report *report)
{
    log_session(report);
    tally_report(&tally, report);
}

void overseer_refused(const struct refusal *refusal)
{
    log_refused(refusal);
    tally_refusal(&tally, refusal);
}

static void show_token(const struct oauth_status *status, struct admin_credential *row_r)
{
    static const enum admin_health healths[] = {[OAUTH_GOOD] = ADMIN_GOOD,
                                                [OAUTH_RENEWING] = ADMIN_RENEWING,
                                                [OAUTH_NEEDS_LOGIN] = ADMIN_LOGIN};

    _Static_assert(ADMIN_NAME_MAX > OAUTH_NAME_MAX && ADMIN_ERROR_MAX > OAUTH_ERROR_MAX, "it fits");
    *row_r = (struct admin_credential){
        .health = healths[status->state],
        .came_ms = status->came,
        .ends_ms = status->ends,
        .failed_ms = status->failed,
        .renewals = status->renewals,
        .failures = status->failures,
    };
    memcpy(row_r->name, status->name, sizeof(status->name));
    memcpy(row_r->error, status->error, sizeof(status->error));
}

static size_t show_tokens(void *data, struct admin_credential *rows, size_t room)
{
    struct oauth_status statuses[CONFIG_CREDENTIALS_MAX];
    size_t count = oauth_statuses(tokens, statuses,
                                  room < CONFIG_CREDENTIALS_MAX ? room : CONFIG_CREDENTIALS_MAX);
    size_t i;

    (void)data;
    for (i = 0; i < count && i < room; i++)
        show_token(&statuses[i], &rows[i]);
    return count;
}

bool overseer_open(uv_loop_t *uv, const struct config_admin *config, struct vault *vault,
                   struct text *why)
{
    static const struct admin_user user = {
        .tally = &tally, .version = LOCKSTEP_VERSION, .credentials = show_tokens};
    const struct address *addresses;
    char text[ADDRESS_TEXT_MAX];
    uint32_t count;
    uint32_t i;

    if (config->listen.count == 0)
        return true;
    tokens = vault;
    admin = admin_open(uv, config, &user, why);
    if (admin == NULL)
        return false;
    count = admin_addresses(admin, &addresses);
    for (i = 0; i < count; i++)
        log_say(LOG_INFO, "the admin interface answers at http://%s",
                address_text(&addresses[i], text));
    return true;
}

void overseer_ending(void)
{
    if (admin != NULL)
        admin_ending(admin);
}

void overseer_stop(void)
{
    if (admin != NULL)
        admin_stop(admin);
}

void overseer_close(void)
{
    if (admin != NULL)
        admin_free(&admin);
}
