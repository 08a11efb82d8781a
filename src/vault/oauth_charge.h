/*
 * oauth_charge: keeps the token of one credential alive, on the keeper's loop: watches its life
 * (token), asks the endpoint (oauth_call) and keeps what comes (oauth_keep), in this order:
 *
 * - A new refresh token is on disk before its access token is used: whoever is killed in between
 *   finds the one that is good. When it can't be written that is tried again, and meanwhile the old
 *   access token is used as long as it holds.
 * - What is kept is looked at before it is used and now and then: a login at the command line, or
 *   another program that renews the same token, is noticed and nothing is asked twice.
 * - One request at a time, also across a reload of the configuration: whoever is replaced while its
 *   request is under way ends with the answer, and its successor waits for it.
 */
#ifndef LOCKSTEP_SRC_VAULT_OAUTH_CHARGE_H
#define LOCKSTEP_SRC_VAULT_OAUTH_CHARGE_H

#include "keeper.h"
#include "lockstep/vault/oauth.h"
#include "oauth_call.h"
#include "oauth_keep.h"
#include "token.h"

struct oauth_charge;

struct oauth_charge_user {
    /* A token is there: a new one, or the one that was asked for. */
    void (*came)(void *data, const struct secret *access, uint32_t fresh_ms);
    /* Told to whoever asked: there is none now. `person`: somebody must log in for it. */
    void (*failed)(void *data, struct span why, bool person);
};

/* `user` and `data` are told until the charge is left; `keeper` and `store` outlive it. */
struct oauth_charge *oauth_charge_take(struct keeper *keeper, struct store *store,
                                       const struct config_credential *definition,
                                       const struct oauth_charge_user *user, void *data);
/* Somebody wants the token: one of the user's two is called, at once or later. `refused`: the one
 * that was used last was refused by a relay. */
void oauth_charge_want(struct oauth_charge *charge, bool refused);
/* Nothing is told any more; ends when it can. */
void oauth_charge_leave(struct oauth_charge **charge);

/* Any other thread: waits for the answers that those who were left still wait for, for a while: a
 * refresh token may be in one that nobody could get again. */
void oauth_charge_settle(const struct keeper *keeper);

/* Of all charges on that keeper; see oauth_statuses(). Any thread. */
size_t oauth_charge_statuses(const struct keeper *keeper, struct oauth_status *rows, size_t room);

#endif
