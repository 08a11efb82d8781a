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
    char *refusals; /* the texts of the setup */
};

/* As config_load(); `before` is the setup in use, or NULL. The caller holds the result. NULL:
 * stderr has the reason and `code_r` the exit code. */
struct running *running_load(const char *file, const struct config_flag *flags, size_t flag_count,
                             const struct setup *before, int *code_r);

/* Says to stderr what is wrong with its configuration. */
void running_complain(const struct running *running, struct span why);

#endif
