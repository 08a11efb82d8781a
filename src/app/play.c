/* lockstep play: transcripts through the engine, each in many ways of cutting what is read. */
#include <errno.h>
#include <getopt.h> /* optind */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "commands.h"
#include "junit.h"
#include "lockstep/base/must.h"
#include "lockstep/explain/player.h"
#include "play_wire.h"
#include "whole_file.h"

/* Bytes of one report. */
#define REPORT_BYTES 16384U
/* Bytes of the largest ladder. */
#define LOG_BYTES (4U << 20)

struct play_options {
    bool once;
    bool verbose;
    struct play_wire_options wire;
    struct play_wires *wires; /* NULL: through the engine */
    const char *junit_name;
    struct junit *junit; /* NULL: nobody wants it */
};

static void *allocate(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    must(memory != NULL);
    return memory;
}

/* One line of the record as a rung: the client left, the upstream right. */
static void print_rung(const struct record *record, struct span line)
{
    struct span text = span_tail(line, span_find(line, ' ') + 1); /* without its moment */
    bool said = record->kind == RECORD_SAID || record->kind == RECORD_BODY;
    int size;

    if (!said) {
        printf("%43s %.*s\n", "|", (int)text.size, text.at);
        return;
    }
    text = span_tail(text, SPAN("C> ").size);
    size = (int)text.size;
    if (record->side == SIDE_CLIENT)
        printf("%-38.*s %s\n", size, text.at, record->to_upstream ? "-->|" : "<--|");
    else
        printf("%43s%s %.*s\n", "|", record->to_upstream ? "-->" : "<--", size, text.at);
}

static void print_ladder(struct span log)
{
    char *scratch = allocate(log.size + 2);

    while (log.size > 0) {
        struct span line = span_head(log, span_find(log, '\n'));
        struct record record;

        if (record_read(line, scratch, &record) == NULL)
            print_rung(&record, line);
        log = span_tail(log, line.size + 1);
    }
    free(scratch);
}

static bool play_ways(const struct script *script, const struct play_options *options,
                      struct text *report)
{
    struct text log = {0};
    struct policy policy;
    uint32_t ways = options->once ? 1 : PLAYER_WAYS;
    uint32_t number;
    bool agreed = true;
    void *memory;

    if (!player_policy(script, &policy, report))
        return false;
    memory = allocate(player_size(script, &policy));
    if (options->verbose)
        log = text_over(allocate(LOG_BYTES), LOG_BYTES);
    for (number = 0; agreed && number < ways; number++) {
        bool logged = options->verbose && number == 0;

        agreed =
            player_play(script, &policy, player_way(number), memory, report, logged ? &log : NULL);
    }
    print_ladder(text_span(&log));
    free(log.at);
    free(memory);
    return agreed;
}

static bool play_script(const char *name, struct span file, const struct play_options *options)
{
    char *bytes = allocate(REPORT_BYTES);
    struct text report = text_over(bytes, REPORT_BYTES);
    void *memory = allocate(script_size(file));
    struct script script;
    bool agreed;

    if (options->junit != NULL)
        junit_begin(options->junit);
    agreed = script_read(&script, span_of_string(name), file, memory, &report) &&
             (options->wires != NULL ? play_wires_play(options->wires, &script, &report)
                                     : play_ways(&script, options, &report));
    if (options->verbose && agreed)
        printf("%s: agreed\n", name);
    fflush(stdout);
    fprintf(stderr, "%.*s%s", (int)report.size, report.at, report.cut ? "\n...\n" : "");
    if (options->junit != NULL)
        junit_end(options->junit, name, agreed ? JUNIT_PASSED : JUNIT_FAILED, text_span(&report));
    free(memory);
    free(bytes);
    return agreed;
}

static void say_unread(const char *name, const char *why, const struct play_options *options)
{
    fprintf(stderr, "%s: %s\n", name, why);
    if (options->junit == NULL)
        return;
    junit_begin(options->junit);
    junit_end(options->junit, name, JUNIT_ERROR, span_of_string(why));
}

static int play_files(char **names, const struct play_options *options)
{
    unsigned passed = 0;
    unsigned failed = 0;
    int code = 0;

    for (; *names != NULL; names++) {
        size_t size = 0;
        char *bytes = whole_file_read(*names, &size);

        if (bytes == NULL) {
            say_unread(*names, strerror(errno), options);
            failed++;
            code = EX_NOINPUT;
            continue;
        }
        if (play_script(*names, span_of(bytes, size), options))
            passed++;
        else
            failed++;
        free(bytes);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return code == 0 && failed > 0 ? 1 : code;
}

/* --- options --- */

static bool take_once(void *state, const struct option_row *row, char *value)
{
    struct play_options *options = state;

    (void)row;
    (void)value;
    options->once = true;
    return true;
}

static bool take_verbose(void *state, const struct option_row *row, char *value)
{
    struct play_options *options = state;

    (void)row;
    (void)value;
    options->verbose = true;
    return true;
}

static bool take_upstream(void *state, const struct option_row *row, char *value)
{
    struct play_options *options = state;

    (void)row;
    options->wire.upstream = value;
    return true;
}

static bool take_client(void *state, const struct option_row *row, char *value)
{
    struct play_options *options = state;

    (void)row;
    options->wire.client = value;
    return true;
}

static bool take_junit(void *state, const struct option_row *row, char *value)
{
    struct play_options *options = state;

    (void)row;
    options->junit_name = value;
    return true;
}

/* clang-format off */
static const struct option_row rows[] = {
    {0, "once", NULL, "play each file in one way only: line by line", NULL, take_once},
    {'v', "verbose", NULL, "print what happened, as a ladder", NULL, take_verbose},
    {0, "upstream", "HOST:PORT", "be the client over a socket: connect there", NULL,
     take_upstream},
    {0, "client", "HOST:PORT", "be the upstream over a socket: listen there", NULL, take_client},
    {0, "junit", "FILE", "write the outcome of each file there as JUnit XML, for a CI system", NULL,
     take_junit},
};
/* clang-format on */

/* The exit code, when the file can't be written. */
static int say_unwritten(const char *name)
{
    fprintf(stderr, "lockstep play: %s: %s\n", name, strerror(errno));
    return EX_CANTCREAT;
}

static int play_start(int argc, char **argv)
{
    struct play_options options = {0};
    int code = options_read(&play_command, &options, argc, argv);

    if (code != OPTIONS_READ)
        return code;
    if (options.junit_name != NULL) {
        options.junit = junit_open(options.junit_name);
        if (options.junit == NULL)
            return say_unwritten(options.junit_name);
    }
    if (options.wire.upstream != NULL || options.wire.client != NULL) {
        options.wires = play_wires_open(&options.wire);
        code = options.wires == NULL ? EX_UNAVAILABLE : OPTIONS_READ;
    }
    if (code == OPTIONS_READ)
        code = play_files(argv + optind, &options);
    if (options.wires != NULL)
        play_wires_close(&options.wires);
    if (options.junit != NULL && !junit_close(&options.junit, "lockstep play"))
        return say_unwritten(options.junit_name);
    return code;
}

const struct subcommand play_command = {
    .word = "play",
    .says = "plays transcripts through the engine, or over sockets, and compares",
    .operands = "FILE...",
    .about = "Plays transcripts: what the client and the upstream say in the file is fed into the "
             "engine, and all that the engine says and decides must be exactly what the file says "
             "next. Each file is played with whole lines, byte by byte, with neighbouring lines in "
             "one read, and cut at random; the outcome must be the same.",
    .after =
        "Over sockets what is said is compared, once and as it comes, and nothing is waited for "
        "longer than 10 seconds. With --upstream alone replies are compared by their codes. "
        "To play a file through `lockstep run --listen A --upstream smtp://B`: "
        "`lockstep play --client B --upstream A FILE`.\nThe last line is `N passed, N failed`. "
        "Exit code: 0, or 1 when one disagrees, 66 "
        "when a file can't be read, 73 when the one of --junit can't be written.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = play_start,
};
