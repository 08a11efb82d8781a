/* run: what `lockstep run` does, for a command that is short for it. */
#ifndef LOCKSTEP_SRC_APP_RUN_H
#define LOCKSTEP_SRC_APP_RUN_H

#include "commands.h"
#include "config_load.h"

/* Flags that run_with takes. */
#define RUN_FLAGS_MAX 64U

/* Runs the proxy by these flags, without a file, in the command's name. Returns an exit code. */
int run_with(const struct subcommand *command, const struct config_flag *flags, size_t count);

#endif
