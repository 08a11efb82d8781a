/* lockstep check: what is wrong with a configuration, or what it comes to. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "commands.h"
#include "config_load.h"
#include "lockstep/base/must.h"

static const char usage[] =
    "usage: lockstep check [-c FILE] | --words\n"
    "\n"
    "Reads a configuration. Prints its problems, each as file:line:column: what is wrong, and\n"
    "what would be right; or, when there are none, the effective configuration.\n"
    "\n"
    "  -c, --config FILE  the file; default: " CONFIG_FILE_DEFAULT "\n"
    "      --words        list every word of a configuration, with its default\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit code: 0, or 78 when there are problems.\n";

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
    struct config_loaded loaded;
    int code = config_load(&loaded, file, NULL, 0);

    if (code == 0 && !loaded.file) {
        fputs("lockstep check: there is no " CONFIG_FILE_DEFAULT ": name a file with -c\n", stderr);
        code = EX_NOINPUT;
    }
    if (code == 0)
        show_config(&loaded);
    config_loaded_close(&loaded);
    return code;
}

int check_main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"words", no_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    int letter;

    while ((letter = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (letter) {
        case 'c':
            file = optarg;
            break;
        case 'w':
            show_words();
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    return check_file(file);
}
