/* lockstep explain: what recorded sessions tell. */
#include <errno.h>
#include <getopt.h> /* optind */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ask_admin.h"
#include "commands.h"
#include "lockstep/base/must.h"
#include "lockstep/explain/proposal.h"
#include "lockstep/http/url.h"
#include "whole_file.h"

/* Bytes of one report. */
#define REPORT_BYTES 4096U

/* Bytes of what the admin interface is asked for. */
#define TARGET_BYTES 1024U

struct explain_options {
    bool propose;
    const char *admin;    /* of a running lockstep; NULL: there are files */
    const char *listener; /* NULL: of all */
    const char *token_file;
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

static int propose_live(const struct explain_options *options)
{
    char memory[TARGET_BYTES];
    struct text target = text_over(memory, sizeof(memory));
    struct admin_question question = {.url = options->admin, .token_file = options->token_file};

    text_add(&target, SPAN("/api/v1/proposal"));
    if (options->listener != NULL) {
        text_add(&target, SPAN("?listener="));
        url_escape(span_of_string(options->listener), &target);
    }
    question.target = text_span(&target);
    return ask_admin(&question);
}

static bool take_propose(void *state, const struct option_row *row, char *value)
{
    struct explain_options *options = state;

    (void)row;
    (void)value;
    options->propose = true;
    return true;
}

static bool take_admin(void *state, const struct option_row *row, char *value)
{
    struct explain_options *options = state;

    (void)row;
    options->admin = value;
    return *value != 0;
}

static bool take_listener(void *state, const struct option_row *row, char *value)
{
    struct explain_options *options = state;

    (void)row;
    options->listener = value;
    return *value != 0;
}

static bool take_token_file(void *state, const struct option_row *row, char *value)
{
    struct explain_options *options = state;

    (void)row;
    options->token_file = value;
    return *value != 0;
}

static int complain(const char *words)
{
    fprintf(stderr, "lockstep explain: %s\n", words);
    return EX_USAGE;
}

/* clang-format off */
static const struct option_row rows[] = {
    {0, "propose-repairs", NULL, "the repairs that would have made the sessions succeed, as lines "
     "of a configuration", NULL, take_propose},
    {0, "admin", "URL", "of the sessions that a running lockstep remembers, asked at its admin "
     "interface, e.g. http://127.0.0.1:8474", NULL, take_admin},
    {0, "listener", "NAME", "with --admin: of that listener only", NULL, take_listener},
    {0, "token-file", "FILE", "with --admin: the file of the token that must be shown", NULL,
     take_token_file},
};
/* clang-format on */

static int explain_start(int argc, char **argv)
{
    struct explain_options options = {0};
    int code = options_read(&explain_command, &options, argc, argv);

    if (code != OPTIONS_READ)
        return code;
    if (!options.propose)
        return complain("say what to explain: --propose-repairs");
    if (options.admin == NULL && (options.listener != NULL || options.token_file != NULL))
        return complain("--listener and --token-file go with --admin");
    if ((options.admin != NULL) == (argv[optind] != NULL))
        return complain("name either transcripts, FILE..., or --admin URL");
    return options.admin != NULL ? propose_live(&options) : propose(argv + optind);
}

const struct subcommand explain_command = {
    .word = "explain",
    .says = "tells from transcripts which repairs would have helped",
    .operands = "[FILE...]",
    .about =
        "Reads transcripts that `lockstep run` wrote, or with --admin those that it remembers, "
        "best of a listener with `mode: observe` "
        "in front of the clients in question; it may still be writing them. A repair is "
        "proposed when a command that it would have changed was refused or never answered. "
        "What is on by itself is named in a comment; the rest stands as it goes into a "
        "listener, or into a route for the clients named beside it.",
    .after = "Exit code: 0; 66 when a file can't be read, and the others count all the same; 69 "
             "when nobody answers there, or not with a proposal.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = explain_start,
};
