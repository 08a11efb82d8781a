/* The log and the counters, and the admin interface over them. */
#include <stdio.h>
#include <string.h>

#include "lockstep/admin/admin.h"
#include "lockstep/vault/oauth.h"
#include "log.h"
#include "overseer.h"

static struct tally tally = TALLY_INIT;
static struct admin *admin; /* NULL: there is none */
static struct vault *credentials;
static const struct shell *watched; /* NULL: there is none yet */

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

_Static_assert(ADMIN_NAME_MAX >= VAULT_NAME_MAX && VAULT_NAME_MAX > OAUTH_NAME_MAX &&
                   ADMIN_ERROR_MAX >= VAULT_WHY_MAX && VAULT_WHY_MAX > OAUTH_ERROR_MAX,
               "what one says the other can show");

static void show_condition(const struct vault_condition *condition, struct admin_credential *row_r)
{
    *row_r = (struct admin_credential){
        .health = condition->why[0] != 0 ? ADMIN_FAILING : ADMIN_GOOD,
    };
    memcpy(row_r->name, condition->name, sizeof(condition->name));
    memcpy(row_r->error, condition->why, sizeof(condition->why));
}

/* Of its tokens OAuth knows more than of its secrets the vault. */
static void show_token(const struct oauth_status *status, struct admin_credential *row)
{
    static const enum admin_health healths[] = {[OAUTH_GOOD] = ADMIN_GOOD,
                                                [OAUTH_RENEWING] = ADMIN_RENEWING,
                                                [OAUTH_NEEDS_LOGIN] = ADMIN_LOGIN};

    row->token = true;
    row->barred = status->barred;
    row->came_ms = status->came;
    row->ends_ms = status->ends;
    row->failed_ms = status->failed;
    row->renewals = status->renewals;
    row->failures = status->failures;
    if (status->state == OAUTH_GOOD)
        return;
    row->health = healths[status->state];
    memcpy(row->error, status->error, sizeof(status->error));
}

static size_t show_credentials(void *data, struct admin_credential *rows, size_t room)
{
    struct vault_condition conditions[CONFIG_CREDENTIALS_MAX];
    struct oauth_status statuses[CONFIG_CREDENTIALS_MAX];
    size_t count = vault_conditions(credentials, conditions, CONFIG_CREDENTIALS_MAX);
    size_t status_count = oauth_statuses(credentials, statuses, CONFIG_CREDENTIALS_MAX);
    size_t i, k;

    (void)data;
    for (i = 0; i < count && i < room && i < CONFIG_CREDENTIALS_MAX; i++) {
        show_condition(&conditions[i], &rows[i]);
        for (k = 0; k < status_count && k < CONFIG_CREDENTIALS_MAX; k++)
            if (strcmp(statuses[k].name, rows[i].name) == 0)
                show_token(&statuses[k], &rows[i]);
    }
    return count;
}

static uint32_t show_limits(void *data, struct limits_row *rows, uint32_t room)
{
    (void)data;
    return watched != NULL ? shell_limits(watched, rows, room) : 0;
}

void overseer_watch(const struct shell *shell)
{
    watched = shell;
}

bool overseer_open(uv_loop_t *uv, const struct config_admin *config, struct vault *vault,
                   struct history *history, const struct admin_control *control, struct text *why)
{
    static struct admin_user user = {
        .tally = &tally,
        .version = LOCKSTEP_VERSION,
        .credentials = show_credentials,
        .limits = show_limits,
    };
    const struct address *addresses;
    char text[ADDRESS_TEXT_MAX];
    uint32_t count;
    uint32_t i;

    if (config->listen.count == 0)
        return true;
    credentials = vault;
    user.history = history;
    user.control = control;
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
