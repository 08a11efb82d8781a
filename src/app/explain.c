/* lockstep explain: what recorded sessions tell. */
#include <errno.h>
#include <getopt.h> /* optind */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "commands.h"
#include "lockstep/base/must.h"
#include "lockstep/explain/proposal.h"
#include "whole_file.h"

/* Bytes of one report. */
#define REPORT_BYTES 4096U

struct explain_options {
    bool propose;
};

/* One transcript more; false: it can't be read, and stderr says why. */
static bool read_session(struct proposal *proposal, const char *name)
{
    char bytes[REPORT_BYTES];
    struct text report = text_over(bytes, sizeof(bytes));
    struct script script;
    size_t size = 0;
    char *file = whole_file_read(name, &size);
    void *memory;
    bool right;

    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", name, strerror(errno));
        return false;
    }
    memory = malloc(script_size(span_of(file, size)) + 1);
    must(memory != NULL);
    right = script_read(&script, span_of_string(name), span_of(file, size), memory, &report);
    if (right)
        proposal_read(proposal, &script);
    else
        fprintf(stderr, "%.*s", (int)report.size, report.at);
    free(memory);
    free(file);
    return right;
}

static int propose(char **names)
{
    struct proposal *proposal = calloc(1, sizeof(*proposal));
    struct text text = text_over(malloc(PROPOSAL_BYTES_MAX), PROPOSAL_BYTES_MAX);
    int code = 0;

    must(proposal != NULL && text.at != NULL);
    for (; *names != NULL; names++) {
        if (!read_session(proposal, *names))
            code = EX_NOINPUT;
    }
    if (proposal->sessions > 0) {
        proposal_show(proposal, &text);
        printf("%.*s", (int)text.size, text.at);
    }
    free(text.at);
    free(proposal);
    return code;
}

static bool take_propose(void *state, const struct option_row *row, char *value)
{
    struct explain_options *options = state;

    (void)row;
    (void)value;
    options->propose = true;
    return true;
}

/* clang-format off */
static const struct option_row rows[] = {
    {0, "propose-repairs", NULL, "the repairs that would have made the sessions succeed, as lines "
     "of a configuration", NULL, take_propose},
};
/* clang-format on */

static int explain_start(int argc, char **argv)
{
    struct explain_options options = {0};
    int code = options_read(&explain_command, &options, argc, argv);

    if (code != OPTIONS_READ)
        return code;
    if (!options.propose) {
        fputs("lockstep explain: say what to explain: --propose-repairs\n", stderr);
        return EX_USAGE;
    }
    return propose(argv + optind);
}

const struct subcommand explain_command = {
    .word = "explain",
    .says = "tells from transcripts which repairs would have helped",
    .operands = "FILE...",
    .about = "Reads transcripts that `lockstep run` wrote, best of a listener with `mode: observe` "
             "in front of the clients in question; it may still be writing them. A repair is "
             "proposed when a command that it would have changed was refused or never answered. "
             "What is on by itself is named in a comment; the rest stands as it goes into a "
             "listener, or into a route for the clients named beside it.",
    .after = "Exit code: 0, or 66 when a file can't be read; the others count all the same.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = explain_start,
};
