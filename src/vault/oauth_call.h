/*
 * oauth_call: one question to an OAuth endpoint, from reading the client's secret to the verdict on
 * the answer. Keys and secrets are read anew each time, so that a new file counts at once.
 */
#ifndef LOCKSTEP_SRC_VAULT_OAUTH_CALL_H
#define LOCKSTEP_SRC_VAULT_OAUTH_CALL_H

#include "lockstep/vault/store.h"
#include "oauth.h"

/* For everything; well below the margin that tokens are renewed within. */
#define OAUTH_CALL_MS 20000U

/* The caller's memory, zeroed, until `told` was called or the call was cancelled. */
struct oauth_call {
    struct link_loop *loop;
    struct store *store; /* may be NULL */
    const struct config_credential *definition;
    const struct oauth_party *party;
    enum oauth_step step;
    struct secret given; /* see enum oauth_step; of OAUTH_ASSERT it is made here */
    struct span verifier;
    struct span redirect;
    /* Called once, not before oauth_call_start() has returned. The call may be started again in it;
     * what came stays until then, or until oauth_call_clear(). */
    void (*told)(struct oauth_call *call, const struct oauth_verdict *verdict);
    struct oauth_tokens tokens; /* OAUTH_GRANTED came of it, except of OAUTH_DEVICE */
    struct oauth_device device; /* OAUTH_GRANTED came of OAUTH_DEVICE */
    /* The rest is the call's business. */
    struct secret secret;
    struct secret assertion; /* the client's */
    struct http_client *client;
    struct http_call *http;
};

/* False: it can't be asked, `error` says why, and nothing will be told. */
bool oauth_call_start(struct oauth_call *call, moment now, struct text *error);
bool oauth_call_flying(const struct oauth_call *call);
/* Given up, if it is under way; wipes all of it. */
void oauth_call_clear(struct oauth_call *call);

#endif
