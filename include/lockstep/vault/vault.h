/*
 * vault: where credentials come from, and who answers the questions that take one.
 *
 * It has one thread of its own, the keeper's, with a libuv loop: password commands, HTTP, tokens
 * and POP3 run there, so that no session ever waits for them on its worker's thread.
 *
 * Credentials are looked up in the newest configuration. A session that began under an older one
 * gets its credential as long as the newest defines it word for word the same; otherwise it is told
 * to come again, which makes it a session of the newest. So no secret ever goes where its present
 * definition would not send it.
 */
#ifndef LOCKSTEP_VAULT_VAULT_H
#define LOCKSTEP_VAULT_VAULT_H

#include "lockstep/net/adviser.h"

#define VAULT_NAME_MAX 129U
#define VAULT_WHY_MAX 321U

struct vault;

enum vault_weight { VAULT_INFO, VAULT_WARNING, VAULT_ERROR };

struct vault_user {
    /* One line for the log, never with a secret in it; from any thread. */
    void (*say)(void *data, enum vault_weight weight, struct span line);
    /* The time in milliseconds, on a clock that never goes back; NULL: the system's. */
    moment (*now)(void *data);
    void *data;
};

/* Copies what it needs of the configuration and starts the keeper; `user` outlives the vault.
 * NULL: `error` says why. */
struct vault *vault_open(const struct config *config, const struct vault_user *user,
                         struct text *error);
/* From now on by this configuration. False: `error` says why, and everything stays as it was. */
bool vault_reload(struct vault *vault, const struct config *config, struct text *error);
/* The adviser for shell_start(); it lives as long as the vault. */
const struct adviser *vault_adviser(struct vault *vault);
/* What is wrong with a credential since the configuration was read. */
struct vault_condition {
    char name[VAULT_NAME_MAX];
    char why[VAULT_WHY_MAX]; /* empty: nothing that is known; never a secret */
};

/* Any thread: a row per credential. How many there are, of which as many as fit were written. */
size_t vault_conditions(struct vault *vault, struct vault_condition *rows, size_t room);
/* When no session is left. What is still under way is given up; NULL afterwards. */
void vault_close(struct vault **vault);

#endif
