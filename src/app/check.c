/* lockstep check: what is wrong with a configuration, or what it comes to. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "commands.h"
#include "config_load.h"
#include "lockstep/base/must.h"
#include "lockstep/net/setup.h"

/* Bytes that a small configuration is shown in; the buffer grows for a large one. */
#define SHOWN_BYTES 65536U

static void show_config(const struct config_loaded *loaded)
{
    size_t room = SHOWN_BYTES;
    char *memory = NULL;
    struct text out;

    do {
        memory = realloc(memory, room);
        must(memory != NULL);
        out = text_over(memory, room);
        config_show(&loaded->config, &out);
        room *= 2;
    } while (out.cut);
    printf("# read from %s\n%.*s", loaded->file, (int)out.size, out.at);
    free(memory);
}

static void show_warnings(const struct config_loaded *loaded)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text says = text_over(memory, sizeof(memory));
    size_t i;

    for (i = 0; config_warning(&loaded->config, i, &says); i++) {
        fprintf(stderr, "%s: warning: %.*s\n", loaded->file, (int)says.size, says.at);
        text_clear(&says);
    }
}

/* Certificates are read when they are used, which may be on another machine or as another user: so
 * this is no problem of the file. */
static void show_unusable(const struct config_loaded *loaded)
{
    struct setup *setup = calloc(1, sizeof(*setup));
    char memory[CONFIG_SENTENCE_MAX];
    struct text why = text_over(memory, sizeof(memory));

    must(setup != NULL);
    setup->config = &loaded->config;
    if (!setup_secure(setup, NULL, &why))
        fprintf(stderr, "%s: warning: it can't be run here and now: %.*s\n", loaded->file,
                (int)why.size, why.at);
    setup_clear(setup);
    free(setup);
}

static void show_words(void)
{
    struct config_word word;
    char memory[CONFIG_SENTENCE_MAX];
    struct text expected = text_over(memory, sizeof(memory));
    size_t i;

    for (i = 0; config_manual(i, &word, &expected); i++) {
        printf("%s%s%s (%s", word.section, *word.section ? "." : "", word.word, word.place);
        if (*word.initial)
            printf(", default %s", word.initial);
        printf("): %.*s.\n    %s\n", (int)expected.size, expected.at, word.says);
        text_clear(&expected);
    }
}

static int check_file(const char *file)
{
    struct config_loaded *loaded = malloc(sizeof(*loaded));
    int code;

    must(loaded != NULL);
    code = config_load(loaded, file, NULL, 0);
    if (code == 0 && !loaded->file) {
        fputs("lockstep check: there is no " CONFIG_FILE_DEFAULT ": name a file with -c\n", stderr);
        code = EX_NOINPUT;
    }
    if (code == 0) {
        show_config(loaded);
        show_warnings(loaded);
        show_unusable(loaded);
    }
    config_loaded_close(loaded);
    free(loaded);
    return code;
}

/* --- options --- */

struct check_options {
    const char *file;
    bool words;
};

static bool take_config(void *state, const struct option_row *row, char *value)
{
    struct check_options *options = state;

    (void)row;
    options->file = value;
    return *value != 0;
}

static bool take_words(void *state, const struct option_row *row, char *value)
{
    struct check_options *options = state;

    (void)row;
    (void)value;
    options->words = true;
    return true;
}

/* clang-format off */
static const struct option_row rows[] = {
    {'c', "config", "FILE", "the file; default: " CONFIG_FILE_DEFAULT, NULL, take_config},
    {0, "words", NULL, "list every word of a configuration, with its default", NULL, take_words},
};
/* clang-format on */

static int check_start(int argc, char **argv)
{
    struct check_options options = {0};
    int code = options_read(&check_command, &options, argc, argv);

    if (code != OPTIONS_READ)
        return code;
    if (!options.words)
        return check_file(options.file);
    show_words();
    return 0;
}

const struct subcommand check_command = {
    .word = "check",
    .says = "reads a configuration and says what is wrong with it",
    .about = "Reads a configuration. Prints its problems, each as file:line:column: what is wrong, "
             "and what would be right; or, when there are none, the effective configuration.",
    .after = "Exit code: 0, or 78 when there are problems, 66 when the file can't be read.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = check_start,
};
