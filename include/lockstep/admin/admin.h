/*
 * admin: what an operator, his tools and his tests ask the running proxy, over HTTP: whether it
 * lives and is ready (/livez, /readyz) and what it has counted (/metrics). admin_page() tells all
 * there is.
 *
 * What is wrong is answered with a status from 400 on and JSON: {"error": "..."}. Nothing it says
 * is a secret, and no label is an address. It listens on loopback only, unless a token is
 * configured: then all but /livez wants it, as "Authorization: Bearer TOKEN". Web pages of others
 * can't ask through a browser on this machine: their Origin is refused, and without a token any
 * Host but an address and localhost.
 *
 * It runs on the owner's loop: answers are small, and nobody waits for them.
 */
#ifndef LOCKSTEP_ADMIN_ADMIN_H
#define LOCKSTEP_ADMIN_ADMIN_H

#include <jansson.h>
#include <uv.h>

#include "lockstep/admin/tally.h"
#include "lockstep/net/history.h"

/* Bytes of what is sent with a request. */
#define ADMIN_BODY_MAX 65536U
/* Bytes of a token. */
#define ADMIN_TOKEN_MIN 16U
#define ADMIN_TOKEN_MAX 256U
#define ADMIN_NAME_MAX 129U
#define ADMIN_ERROR_MAX 321U

enum admin_health {
    ADMIN_GOOD,
    ADMIN_FAILING,  /* its secret can't be brought, or a relay refused it */
    ADMIN_RENEWING, /* there is no token now; it is being fetched */
    ADMIN_LOGIN,    /* likewise, and a person must act */
};

/* How a credential is. */
struct admin_credential {
    char name[ADMIN_NAME_MAX];
    enum admin_health health;
    bool token;        /* it has tokens; the next six are about them */
    bool barred;       /* a person must act, although a token may still hold */
    int64_t came_ms;   /* since 1970, like all of these; 0: there is none */
    int64_t ends_ms;   /* 0: there is none */
    int64_t failed_ms; /* 0: the last renewal was good */
    uint64_t renewals; /* since the start */
    uint64_t failures;
    char error[ADMIN_ERROR_MAX]; /* what is wrong; never a secret */
};

/*
 * What may be changed from outside: proxies, as Toxiproxy calls listeners of `mode: fault`. They
 * are an object of them by name, each with its name, listen, upstream, enabled, toxics (toxic.h)
 * and, when it has one, seed.
 */
enum admin_used {
    ADMIN_USED,
    ADMIN_REFUSED, /* they make no good configuration */
    ADMIN_UNABLE,  /* an address can't be listened on */
    ADMIN_ENDING,  /* too late */
};

struct admin_control {
    json_t *(*proxies)(void *data); /* as they are; a new reference */
    /* Puts these into use, whole; `why` says why not, and then nothing has changed. Listeners of
     * the configuration can't be left out. */
    enum admin_used (*use)(void *data, json_t *proxies, struct text *why);
    bool (*is_configured)(void *data, const char *name); /* it stands in the configuration */
    bool (*may_make)(void *data);                        /* new ones, and end those made */
    void *data;
};

struct admin_user {
    struct tally *tally;
    const char *version;
    struct history *history; /* NULL: no session is remembered */
    /* How the credentials are now: how many there are, of which as many as fit were written. */
    size_t (*credentials)(void *data, struct admin_credential *rows, size_t room);
    /* Likewise, of what has limits; NULL: nothing has. */
    uint32_t (*limits)(void *data, struct limits_row *rows, uint32_t room);
    void *data;
    const struct admin_control *control; /* NULL: there is nothing to change */
};

struct admin;

/* NULL: `error` says why, for instance that anybody may read the token. `user` outlives it. */
struct admin *admin_open(uv_loop_t *uv, const struct config_admin *config,
                         const struct admin_user *user, struct text *error);
/* With the real ports, in the order of the configuration. */
uint32_t admin_addresses(const struct admin *admin, const struct address **addresses_r);
/* No longer ready: the proxy is ending. */
void admin_ending(struct admin *admin);
/* Its handles close with the next turns of the loop. */
void admin_stop(struct admin *admin);
/* When the loop has ended. */
void admin_free(struct admin **admin);

/* One row of the manual; false: there is none of that number. */
struct admin_page {
    struct span method; /* "GET" */
    struct span path;   /* a segment `*` is any one */
    const char *says;
};

bool admin_page(size_t number, struct admin_page *page_r);

#endif
