/*
 * overseer: what the operator of a running proxy sees of it: the log's lines of sessions, and the
 * admin interface with its counters. There is one, as there is one log.
 */
#ifndef LOCKSTEP_SRC_APP_OVERSEER_H
#define LOCKSTEP_SRC_APP_OVERSEER_H

#include "lockstep/admin/admin.h"
#include "lockstep/net/history.h"
#include "lockstep/vault/vault.h"

/* For the shell; any thread. */
void overseer_report(const struct report *report);
void overseer_refused(const struct refusal *refusal);

/* Opens the admin interface, when one is configured. False: `why` says why it can't be. */
bool overseer_open(uv_loop_t *uv, const struct config_admin *config, struct vault *vault,
                   struct history *history, const struct admin_control *control, struct text *why);
/* Whose limits are shown from now on. */
void overseer_watch(const struct shell *shell);
/* Tells whoever asks that the proxy is ending. */
void overseer_ending(void);
/* Closes what stands on the loop; then, when the loop has ended, gives back the rest. */
void overseer_stop(void);
void overseer_close(void);

#endif
