/* lockstep WORD ...: finds the command and hands over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "commands.h"
#include "lockstep/base/must.h"

static const struct {
    const char *word;
    const char *says;
    int (*main)(int argc, char **argv);
} commands[] = {
    {"run", "passes SMTP sessions on to a relay and keeps them in step", run_main},
    {"check", "reads a configuration and says what is wrong with it", check_main},
    {"sink", "a strict relay to test against, which can store what it accepts", sink_main},
    {"play", "plays transcripts through the engine, or over sockets, and compares", play_main},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

_Noreturn void must_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "lockstep: %s:%d: this must hold and does not: %s\n", file, line, claim);
    abort();
}

static void print_usage(FILE *file)
{
    size_t i;

    fputs("usage: lockstep COMMAND [OPTION]...\n\nKeeps SMTP conversations in step.\n\n", file);
    for (i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-8s %s\n", commands[i].word, commands[i].says);
    fputs("\n`lockstep COMMAND --help` says more; `lockstep --version` says which this is.\n",
          file);
}

int main(int argc, char **argv)
{
    static char help[] = "--help";
    size_t i;

    if (argc == 3 && strcmp(argv[1], "help") == 0) {
        argv[1] = argv[2]; /* `help run` is `run --help` */
        argv[2] = help;
    }
    for (i = 0; argc > 1 && i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].word) == 0)
            return commands[i].main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("lockstep " LOCKSTEP_VERSION);
        return 0;
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
                     strcmp(argv[1], "help") == 0)) {
        print_usage(stdout);
        return 0;
    }
    print_usage(stderr);
    return EX_USAGE;
}
