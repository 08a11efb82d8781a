/* commands: what `lockstep WORD` does, one function per word; each knows its own --help. */
#ifndef LOCKSTEP_SRC_APP_COMMANDS_H
#define LOCKSTEP_SRC_APP_COMMANDS_H

/* argv[0] is the word. Each returns an exit code of sysexits.h. */
int check_main(int argc, char **argv);
int play_main(int argc, char **argv);
int run_main(int argc, char **argv);
int sink_main(int argc, char **argv);

#endif
