/*
 * dovecot: asks Dovecot's authentication service whether a password is right, by the protocol its
 * own login processes speak with it (version 1) on a Unix socket.
 *
 *     < VERSION 1 2 / MECH PLAIN ... / SPID ... / COOKIE ... / DONE       > VERSION 1 1 / CPID ...
 *     > AUTH 7 PLAIN service=smtp nologin rip=192.0.2.7 secured resp=AGEAYg==
 *     < OK 7 user=a       or      FAIL 7 user=a code=temp_fail
 *
 * One connection for a socket, made when the first asks, with as many questions under way as there
 * are. When it is lost they are asked once more on a new one, for Dovecot may just have been
 * restarted. All of it belongs to the keeper's thread.
 */
#ifndef LOCKSTEP_SRC_VAULT_DOVECOT_H
#define LOCKSTEP_SRC_VAULT_DOVECOT_H

#include "keeper.h"

/* Bytes of a socket's path, NUL included. */
#define DOVECOT_PATH_MAX 108U
/* Bytes of a line of the service's; one that is longer is nonsense. */
#define DOVECOT_LINE_MAX 8192U

struct dovecot;

/* The asker's memory, until `done` or forgotten. */
struct dovecot_ask {
    /* Once, perhaps before dovecot_ask() returns. DONE, NO, or LATER with a reason for the log.
     * Must not ask or forget others. */
    void (*done)(struct dovecot_ask *ask, enum told told, struct span why);
    void *data;
    struct span client;
    bool secured;
    struct span user;
    struct span password;
    /* The rest is dovecot's business. */
    uint32_t id;
    bool said;
    bool again;
    struct dovecot_ask *next;
};

/* NULL: that can't be the path of a socket. */
struct dovecot *dovecot_open(struct keeper *keeper, struct span path);
/* Those who still ask are told LATER. */
void dovecot_close(struct dovecot **dovecot);
bool dovecot_is(const struct dovecot *dovecot, struct span path);
void dovecot_ask(struct dovecot *dovecot, struct dovecot_ask *ask);
void dovecot_forget(struct dovecot *dovecot, struct dovecot_ask *ask);

#endif
