/* commands: what `lockstep WORD` does, one table of options per word. */
#ifndef LOCKSTEP_SRC_APP_COMMANDS_H
#define LOCKSTEP_SRC_APP_COMMANDS_H

#include "options.h"

extern const struct subcommand check_command;
extern const struct subcommand completion_command;
extern const struct subcommand explain_command;
extern const struct subcommand fault_command;
extern const struct subcommand manual_command;
extern const struct subcommand net_command;
extern const struct subcommand oauth_command;
extern const struct subcommand play_command;
extern const struct subcommand run_command;
extern const struct subcommand secret_command;
extern const struct subcommand sink_command;

/* All of them, in the order in which they are shown. */
extern const struct subcommand *const commands[];
extern const size_t command_count;

#endif
