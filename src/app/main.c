/* lockstep WORD ...: finds the command and hands over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "commands.h"
#include "lockstep/base/must.h"

const struct subcommand *const commands[] = {
    &run_command,     &check_command,  &fault_command,      &sink_command,
    &secret_command,  &oauth_command,  &net_command,        &play_command,
    &explain_command, &manual_command, &completion_command,
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

_Noreturn void must_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "lockstep: %s:%d: this must hold and does not: %s\n", file, line, claim);
    abort();
}

static void print_usage(FILE *file)
{
    size_t i;

    fputs("usage: lockstep COMMAND [OPTION]...\n\nKeeps SMTP conversations in step.\n\n", file);
    for (i = 0; i < command_count; i++)
        fprintf(file, "  %-10s %s\n", commands[i]->word, commands[i]->says);
    fputs("\n`lockstep COMMAND --help` says more; `lockstep --version` says which this is.\n",
          file);
}

static int complain_of_word(const char *word)
{
    struct option_guess guess = option_guess(word);
    size_t i;

    for (i = 0; i < command_count; i++)
        option_guess_offer(&guess, commands[i]->word);
    option_guess_offer(&guess, "--help");
    option_guess_offer(&guess, "--version");
    fprintf(stderr, "lockstep: there is no %s %s", *word == '-' ? "option" : "command", word);
    if (guess.found != NULL)
        fprintf(stderr, ": did you mean %s?", guess.found);
    fputs("\n\n", stderr);
    print_usage(stderr);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    static char help[] = "--help";
    size_t i;

    if (argc == 3 && strcmp(argv[1], "help") == 0) {
        argv[1] = argv[2]; /* `help run` is `run --help` */
        argv[2] = help;
    }
    for (i = 0; argc > 1 && i < command_count; i++) {
        if (strcmp(argv[1], commands[i]->word) == 0)
            return commands[i]->start(argc - 1, argv + 1);
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
    if (argc > 1)
        return complain_of_word(argv[1]);
    print_usage(stderr);
    return EX_USAGE;
}
