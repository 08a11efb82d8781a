/*
 * store: lockstep's own place for secrets: a directory with one file for each, encrypted with
 * AES-256-GCM.
 *
 * One file each, so that a write touches no other secret, and reading needs no lock: a file is
 * replaced whole, by rename. Each write takes a fresh random nonce; name, kind, version and time
 * are authenticated with it, so that files can't be exchanged for each other unnoticed. What can't
 * be noticed is an older copy of the whole directory put in its place.
 *
 * One process writes at a time; another gets a sentence that says so.
 */
#ifndef LOCKSTEP_VAULT_STORE_H
#define LOCKSTEP_VAULT_STORE_H

#include "lockstep/base/secret.h"
#include "lockstep/base/text.h"

/* Bytes of a secret's name: letters, digits and "-_.@+", no dot in front. */
#define STORE_NAME_MAX 128U
#define STORE_KEY_BYTES 32U

struct store;

struct store_place {
    struct span directory;
    struct span key_file;       /* or */
    struct span key_credential; /* systemd's, which may itself be sealed to a TPM */
};

enum store_kind { STORE_PASSWORD, STORE_TOKEN }; /* a token is a record in JSON, OAuth's */

/* What is known of a stored secret beside itself. */
struct stored {
    char name[STORE_NAME_MAX + 1];
    enum store_kind kind;
    uint64_t version;  /* 1 with the first write, one more with each */
    int64_t written_s; /* since 1970 */
};

enum store_result {
    STORE_DONE,
    STORE_MISSING, /* there is no secret of that name */
    STORE_FAILED,  /* `error` says why */
};

/* NULL: `error` says why. The directory is made when it is missing. */
struct store *store_open(const struct store_place *place, struct text *error);
void store_close(struct store **store);
/* Is it the one at that place? No store is at no place, whose directory is empty. */
bool store_is(const struct store *store, const struct store_place *place);
/* Any thread, each with a store of its own or in turns. `stored_r` may be NULL. */
enum store_result store_read(struct store *store, struct span name, struct secret *secret_r,
                             struct stored *stored_r, struct text *error);
/* On disk, and the directory too, when it returns STORE_DONE. */
enum store_result store_write(struct store *store, struct span name, enum store_kind kind,
                              const struct secret *secret, struct text *error);
enum store_result store_remove(struct store *store, struct span name, struct text *error);
bool store_name_valid(struct span name);

/* The names in it, in their order; to be given back with free(). SIZE_MAX: `error` says why. */
size_t store_names(struct store *store, struct stored **rows_r, struct text *error);
/* Writes a fresh key into a file that is not there yet. */
bool store_make_key(struct span path, struct text *error);

#endif
