/*
 * running: a configuration in use: the words, the memory they stand in and the setup made of them.
 */
#ifndef LOCKSTEP_SRC_APP_RUNNING_H
#define LOCKSTEP_SRC_APP_RUNNING_H

#include "config_load.h"
#include "lockstep/net/setup.h"

struct running {
    struct setup setup; /* first, so that it is found again */
    struct config_loaded loaded;
    char *refusals;       /* the texts of the setup */
    struct running *base; /* held: what this is a copy of; NULL: of nothing */
    char *more;           /* what the copy points to beside it */
};

/* As config_load(); `before` is the setup in use, or NULL. The caller holds the result. NULL:
 * stderr has the reason and `code_r` the exit code. */
struct running *running_load(const char *file, const struct config_flag *flags, size_t flag_count,
                             const struct setup *before, int *code_r);

/* A copy of `base`, for more to be put into its configuration, in so many bytes of text. It is not
 * whole before running_complete(), and may be dropped before; the caller holds the result. */
struct running *running_copy(struct running *base, size_t bytes, struct text *arena_r);
/* Checks it, and makes the setup. False: `why` has the sentence. */
bool running_complete(struct running *running, const struct setup *before, struct text *why);

/* Says to stderr what is wrong with its configuration. */
void running_complain(const struct running *running, struct span why);

#endif
