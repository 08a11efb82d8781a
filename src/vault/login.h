/*
 * login: are a name and a password those of a client of ours? Asked are
 *
 * - a file with lines `user:hash`, hashes of crypt(3) that begin with "$" or of Argon2, which is
 *   read anew for each login and refused when others can read it;
 * - or Dovecot's authentication service on a Unix socket, by its protocol for clients.
 *
 * Hashing takes its time on the thread pool, never on a worker's loop. A name that does not exist
 * takes as long as a wrong password.
 */
#ifndef LOCKSTEP_SRC_VAULT_LOGIN_H
#define LOCKSTEP_SRC_VAULT_LOGIN_H

#include "errand.h"

/* Under way at the same time; one more is told to come later. */
#define LOGIN_TRIES_MAX 256U
/* Hashed at the same time; the pool has four threads, and looks up names on them too. */
#define LOGIN_HASHING_MAX 2U
/* From being checked to the service's answer. */
#define LOGIN_DEADLINE_MS 20000U

struct login;

/* All of it is copied. */
struct login_query {
    struct span file;
    struct span socket; /* asked when there is no file */
    struct span client; /* its address, without port */
    bool secured;       /* it speaks TLS */
    struct span user;
    struct span password;
};

struct login *login_open(struct keeper *keeper);
/* When the keeper has ended. */
void login_close(struct login **login);
/* Any thread. The outcome is TOLD_DONE; TOLD_NO: wrong; TOLD_LATER: nobody knows now. */
void login_ask(struct login *login, const struct login_query *query, struct errand *errand);
/* See errands_forget(). */
void login_forget(struct login *login, struct errand *errand);

#endif
