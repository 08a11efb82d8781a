/*
 * options: one table per command. Parsing, --help, the manual and the completions of the shells
 * walk over the same rows, so that they can't disagree.
 */
#ifndef LOCKSTEP_SRC_APP_OPTIONS_H
#define LOCKSTEP_SRC_APP_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#include "lockstep/base/span.h"

#define OPTION_ROWS_MAX 32U

struct option_row {
    char letter;      /* the short form; 0: it has none */
    const char *name; /* without its hyphens */
    /* What stands behind it, NULL: nothing. "a|b": one of these; "[a|b]": it may be left out, and
     * then stands behind "="; FILE and DIR are completed as such, PERSONALITY too. */
    const char *value;
    const char *says;
    const char *word; /* of the configuration, where the option is another way to write one */
    /* Puts it into what the command keeps; false: that is no good value. `value` is NULL when
     * none was given. */
    bool (*take)(void *state, const struct option_row *row, char *value);
};

struct subcommand {
    const char *word;
    const char *says;     /* a few words, for the list of commands */
    const char *operands; /* "FILE...": at least one; "[FILE...]": any number; "a|b": exactly
                              one of these; NULL: none */
    const char *about;    /* what it is for; a line is a paragraph */
    const char *after;    /* what is to be known besides its options; NULL: nothing */
    const struct option_row *rows;
    size_t row_count;
    int (*start)(int argc, char **argv); /* argv[0] is the word; an exit code of sysexits.h */
};

/* What options_read says when the command is to go on. */
#define OPTIONS_READ (-1)

/*
 * Takes every option of the command line into `state`; getopt's `optind` is then the first operand.
 * OPTIONS_READ; or 0 after --help, or EX_USAGE after a complaint on stderr: the exit code.
 */
int options_read(const struct subcommand *command, void *state, int argc, char **argv);

/* "usage: lockstep WORD ..." */
void options_usage(FILE *file, const struct subcommand *command);

/* Looks for the word that was meant: offer every candidate, then see what was `found`. */
struct option_guess {
    struct span word;
    const char *found; /* NULL: nothing is like it */
    size_t away;
};

struct option_guess option_guess(const char *word);
void option_guess_offer(struct option_guess *guess, const char *candidate);

#endif
