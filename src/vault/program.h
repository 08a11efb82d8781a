/*
 * program: runs a program that says a secret.
 */
#ifndef LOCKSTEP_SRC_VAULT_PROGRAM_H
#define LOCKSTEP_SRC_VAULT_PROGRAM_H

#include "keeper.h"
#include "lockstep/base/secret.h"

/* How long it may run; a person with a token to touch may stand behind it. */
#define PROGRAM_DEADLINE_MS 30000U
/* Words of a command, and bytes of all of them. */
#define PROGRAM_WORDS_MAX 64U
#define PROGRAM_BYTES_MAX 4096U

struct program;

struct program_plan {
    struct keeper *keeper;
    struct span name; /* of the credential, for the log; borrowed until `done` */
    struct span line;
    bool shell;         /* /bin/sh takes the line; otherwise it is words with blanks between */
    char **environment; /* its own; NULL-ended, and borrowed for the call that starts it */
    /* On the keeper's thread, once, never before program_start() has returned. `secret` is the
     * first line of what it said; NULL: `why` says what went wrong. */
    void (*done)(void *data, const struct secret *secret, struct span why);
    void *data;
};

/* On the keeper's thread. NULL: `error` says why. */
struct program *program_start(const struct program_plan *plan, struct text *error);
/* It is killed with all it started, and `done` is not called any more. */
void program_stop(struct program **program);

#endif
