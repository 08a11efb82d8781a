/*
 * oauth: OAuth 2.0 tokens as their owner sees them: how they are, and how to log in for them.
 *
 * A running vault renews its tokens by itself; what is here for the command line works beside it,
 * on what is stored, and the vault notices what changed there.
 */
#ifndef LOCKSTEP_VAULT_OAUTH_H
#define LOCKSTEP_VAULT_OAUTH_H

#include "lockstep/vault/vault.h"

#define OAUTH_NAME_MAX 128U
#define OAUTH_ERROR_MAX 320U

enum oauth_state {
    OAUTH_GOOD,        /* there is a token that holds */
    OAUTH_RENEWING,    /* there is none now: it is being fetched, or tried again and again */
    OAUTH_NEEDS_LOGIN, /* a person must act: the error says who and what */
};

struct oauth_status {
    char name[OAUTH_NAME_MAX + 1]; /* the credential's */
    enum oauth_state state;
    moment came;   /* the access token; in milliseconds since 1970, like all of these; 0: none is */
    moment ends;   /* 0: there is none */
    moment next;   /* when the endpoint is asked again; MOMENT_NEVER: not by itself */
    moment failed; /* 0: the last answer was good, or nobody was asked yet */
    uint64_t renewals;               /* since the start */
    uint64_t failures;               /* likewise */
    bool barred;                     /* a person must act, although a token may still hold */
    char error[OAUTH_ERROR_MAX + 1]; /* of the last failure; never a secret */
};

/* Any thread: what the vault knows now of its tokens, one row per credential. How many there are,
 * of which as many as fit were written. */
size_t oauth_statuses(struct vault *vault, struct oauth_status *rows, size_t room);

/* --- for the command line; each runs a loop of its own and waits --- */

/* What is stored; it does not ask anybody. False: `error` says why it can't be read. */
bool oauth_status_read(const struct config *config, const struct config_credential *credential,
                       struct oauth_status *status_r, struct text *error);
/* Renews it now, and stores what came. */
bool oauth_refresh(const struct config *config, const struct config_credential *credential,
                   struct oauth_status *status_r, struct text *error);

enum oauth_way {
    OAUTH_WAY_CONFIGURED, /* by the credential's grant; the device's where that says nothing */
    OAUTH_WAY_DEVICE,     /* RFC 8628: a code is typed on another machine */
    OAUTH_WAY_BROWSER,    /* RFC 6749 4.1: the browser comes back to a port of ours, or: */
    OAUTH_WAY_PASTE,      /* the person brings back what the browser was sent to */
};

struct oauth_person {
    /* Shows text to the person. */
    void (*show)(void *data, const char *text);
    /* Where a line the person typed comes from; -1: nowhere. */
    int input;
    void *data;
};

bool oauth_login(const struct config *config, const struct config_credential *credential,
                 enum oauth_way way, const struct oauth_person *person,
                 struct oauth_status *status_r, struct text *error);

#endif
