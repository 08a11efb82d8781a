/*
 * oauth_keep: where the tokens of one credential are kept: in the store, under the credential's
 * name, or in a file of the form that Postfix's sasl-xoauth2 reads and writes.
 *
 * Either holds the same JSON object. Who else writes there (a login at the command line, another
 * program) is noticed by asking oauth_keep_changed().
 */
#ifndef LOCKSTEP_SRC_VAULT_OAUTH_KEEP_H
#define LOCKSTEP_SRC_VAULT_OAUTH_KEEP_H

#include "lockstep/base/moment.h"
#include "lockstep/vault/store.h"
#include "oauth.h"
#include "private.h"

/* All that is kept of a credential; all zero: nothing. Wipe it with oauth_record_clear(). */
struct oauth_record {
    struct secret access;
    struct secret refresh;
    moment came; /* the access token; in milliseconds since 1970, like all of these */
    moment ends;
    moment failed; /* 0: it did not, since */
    bool barred;   /* a person must act */
    char error[OAUTH_WORDS_MAX + 1];
    char
        mark[OAUTH_MARK_MAX + 1]; /* whose they are; empty: another program's, which does not say */
};

struct oauth_keep {
    struct store *store; /* NULL: there is none, or a file is used */
    struct span name;
    struct span file;
    struct span mark;   /* of the party */
    uint64_t version;   /* of the store's, when last read or written */
    int64_t written_s;  /* likewise: versions begin anew behind `lockstep secret remove` */
    struct stamp stamp; /* of the file, likewise */
};

enum oauth_kept {
    OAUTH_KEPT,
    OAUTH_KEPT_NOTHING, /* nobody has logged in yet as this party, or there is no place for it */
    OAUTH_KEPT_FAILED,  /* `error` says why */
};

void oauth_record_clear(struct oauth_record *record);
/* What is to be kept when `tokens` came, asked for at that time, where `before` was. */
void oauth_record_grant(struct oauth_record *record_r, const struct oauth_record *before,
                        const struct oauth_tokens *tokens, moment at);
/* And when something else came. */
void oauth_record_fail(struct oauth_record *record, moment at, struct span words, bool barred);
/* False: that is no such object. */
bool oauth_record_read(struct oauth_record *record_r, struct span json);
/* As of the party with that mark. What else stands in `before`, which may be empty, stays. An
 * access token for which there is no room is left out, for it can be had again. False: not even the
 * rest fits. */
bool oauth_record_write(const struct oauth_record *record, struct span mark, struct span before,
                        struct secret *json_r);

/* Borrows the definition's texts and the party's mark; `store` may be NULL. */
void oauth_keep_init(struct oauth_keep *keep_r, const struct config_credential *definition,
                     const struct oauth_party *party, struct store *store);
/* Is there a place at all? */
bool oauth_keep_there(const struct oauth_keep *keep);
bool oauth_keep_changed(const struct oauth_keep *keep);
enum oauth_kept oauth_keep_read(struct oauth_keep *keep, struct oauth_record *record_r,
                                struct text *error);
/* On disk when it returns OAUTH_KEPT; what was there stays whole until then. */
enum oauth_kept oauth_keep_write(struct oauth_keep *keep, const struct oauth_record *record,
                                 struct text *error);

#endif
