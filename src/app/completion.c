/* lockstep completion: what a shell needs to complete our words, from the tables of options. */
#include <getopt.h> /* optind */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "commands.h"
#include "lockstep/policy/config.h"
#include "lockstep/sink/sink.h"

enum kind { KIND_NOTHING, KIND_ANY, KIND_WORDS, KIND_SETTINGS, KIND_FILE, KIND_DIRECTORY };

/* What may stand behind an option, or in the place of operands. */
static enum kind kind_of(const char *value)
{
    if (value == NULL)
        return KIND_NOTHING;
    if (strchr(value, '|') != NULL || strcmp(value, "PERSONALITY") == 0)
        return KIND_WORDS;
    if (strncmp(value, "FILE", 4) == 0 || strncmp(value, "[FILE", 5) == 0)
        return KIND_FILE;
    if (strcmp(value, "WORD=VALUE") == 0)
        return KIND_SETTINGS;
    return strcmp(value, "DIR") == 0 ? KIND_DIRECTORY : KIND_ANY;
}

/* Whether it can be given on a command line: lists of things and the version of the file can't, and
 * nothing that stands in a file as often as one likes. */
static bool is_setting(const struct config_word *word)
{
    static const char *const places[] = {"any", "listener", "relay"};
    size_t i;

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (strcmp(word->place, places[i]) == 0 && strcmp(word->word, "routes") != 0)
            return true;
    }
    return strcmp(word->place, "top") == 0 && (*word->section != 0 || *word->initial != 0);
}

/* The words of "a|b", "[a|b]" or "a NAME|b", or those of the configuration, or the personalities of
 * the sink, with a space between them. */
static void put_words(const char *value)
{
    struct config_word word;
    char memory[CONFIG_SENTENCE_MAX];
    struct text expected = text_over(memory, sizeof(memory));
    size_t i;

    if (strcmp(value, "PERSONALITY") == 0) {
        for (i = 0; sink_personality_row(i) != NULL; i++)
            printf("%s ", sink_personality_name(sink_personality_row(i)).at);
        return;
    }
    if (kind_of(value) != KIND_SETTINGS) {
        for (; *value != 0; value++) {
            if (*value == ' ')
                value += strcspn(value, "|") - 1; /* what follows a word is no word */
            else if (*value != '[' && *value != ']')
                putchar(*value == '|' ? ' ' : *value);
        }
        return;
    }
    for (i = 0; config_manual(i, &word, &expected); i++) {
        if (is_setting(&word))
            printf("%s%s%s= ", word.section, *word.section ? "." : "", word.word);
    }
}

/* A sentence inside of single quotes; `also` are bytes that need a backslash there. */
static void put_quoted(const char *text, const char *also)
{
    for (; *text != 0; text++) {
        if (*text == '\'')
            fputs("'\\'", stdout);
        else if (strchr(also, *text) != NULL)
            putchar('\\');
        putchar(*text);
    }
}

/* Every option, "--config --listen". */
static void put_options(const struct subcommand *command)
{
    size_t i;

    for (i = 0; i < command->row_count; i++)
        printf("--%s ", command->rows[i].name);
    fputs("--help", stdout);
}

/* --- bash --- */

/* What is offered where such a value stands. */
static void bash_offer(const char *value)
{
    enum kind kind = kind_of(value);

    if (kind == KIND_FILE || kind == KIND_DIRECTORY) {
        printf("_lockstep_paths %s", kind == KIND_FILE ? "-f" : "-d");
    } else if (kind == KIND_WORDS || kind == KIND_SETTINGS) {
        fputs(kind == KIND_SETTINGS ? "compopt -o nospace 2>/dev/null\n        " : "", stdout);
        fputs("_lockstep_words '", stdout);
        put_words(value);
        putchar('\'');
    }
}

/* What follows an option that takes a value; one that may be left out only stands behind "=". */
static void bash_values(const struct subcommand *command)
{
    size_t i;

    for (i = 0; i < command->row_count; i++) {
        const struct option_row *row = &command->rows[i];

        if (row->value == NULL)
            continue;
        fputs("    ", stdout);
        if (row->letter != 0)
            printf("'%s -%c' | ", command->word, row->letter);
        if (*row->value != '[')
            printf("'%s --%s' | ", command->word, row->name);
        printf("'%s --%s=')\n        ", command->word, row->name);
        bash_offer(row->value);
        puts(kind_of(row->value) == KIND_ANY ? "return ;;" : "\n        return ;;");
    }
}

static void bash_write(void)
{
    size_t i;

    puts("# bash completion for lockstep\n"
         "_lockstep_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
         "_lockstep_paths() {\n"
         "    compopt -o filenames 2>/dev/null\n"
         "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
         "}\n"
         "_lockstep() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "    COMPREPLY=()\n"
         "    # To bash `=` is a word of its own.\n"
         "    if [ \"$cur\" = = ]; then cur='' before+==\n"
         "    elif [ \"$before\" = = ]; then before=${COMP_WORDS[COMP_CWORD - 2]}=; fi\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    fputs("        _lockstep_words '", stdout);
    for (i = 0; i < command_count; i++)
        printf("%s ", commands[i]->word);
    puts("help --help --version'\n        return\n    fi\n"
         "    case \"${COMP_WORDS[1]} $before\" in");
    for (i = 0; i < command_count; i++)
        bash_values(commands[i]);
    puts("    esac\n    case \"${COMP_WORDS[1]} $cur\" in");
    for (i = 0; i < command_count; i++) {
        bool operands = commands[i]->operands != NULL;

        printf("    '%s %s'*) _lockstep_words '", commands[i]->word, operands ? "-" : "");
        put_options(commands[i]);
        puts("' ;;");
        if (!operands)
            continue;
        printf("    '%s '*) ", commands[i]->word);
        bash_offer(commands[i]->operands);
        puts(" ;;");
    }
    puts("    esac\n}\ncomplete -F _lockstep lockstep");
}

/* --- zsh --- */

/* ":NAME:WHAT", with which _arguments is told of a value. */
static void zsh_value(const char *value)
{
    enum kind kind = kind_of(value);

    fputs(*value == '[' ? "::" : ":", stdout);
    if (kind == KIND_WORDS || kind == KIND_SETTINGS) {
        fputs("value:(", stdout);
        put_words(value);
        putchar(')');
        return;
    }
    put_quoted(value, ":");
    fputs(kind == KIND_FILE ? ":_files" : kind == KIND_DIRECTORY ? ":_files -/" : ": ", stdout);
}

static void zsh_option(const struct option_row *row)
{
    const char *joined = row->value == NULL ? "" : *row->value == '[' ? "=-" : "=";

    fputs(" \\\n            '*", stdout);
    if (row->letter != 0)
        printf("'{-%c,--%s%s}'", row->letter, row->name, joined);
    else
        printf("--%s%s", row->name, joined);
    putchar('[');
    put_quoted(row->says, "[]");
    putchar(']');
    if (row->value != NULL)
        zsh_value(row->value);
    putchar('\'');
}

static void zsh_write(void)
{
    size_t i, k;

    puts("#compdef lockstep\n_lockstep() {\n    local -a commands=(");
    for (i = 0; i < command_count; i++) {
        printf("        '%s:", commands[i]->word);
        put_quoted(commands[i]->says, ":");
        puts("'");
    }
    puts("    )\n"
         "    if (( CURRENT == 2 )); then\n"
         "        _describe command commands\n"
         "        return\n"
         "    fi\n"
         "    shift words\n"
         "    (( CURRENT-- ))\n"
         "    case $words[1] in");
    for (i = 0; i < command_count; i++) {
        printf("    %s)\n        _arguments -s '--help[say how it is used]'", commands[i]->word);
        for (k = 0; k < commands[i]->row_count; k++)
            zsh_option(&commands[i]->rows[k]);
        if (commands[i]->operands != NULL) {
            fputs(" \\\n            '*", stdout);
            zsh_value(commands[i]->operands);
            putchar('\'');
        }
        puts(" ;;");
    }
    puts("    esac\n}\n_lockstep \"$@\"");
}

/* --- fish --- */

static void fish_value(const char *value)
{
    switch (kind_of(value)) {
    case KIND_NOTHING:
        break;
    case KIND_ANY:
        fputs(" -x", stdout);
        break;
    case KIND_WORDS:
    case KIND_SETTINGS:
        fputs(*value == '[' ? " -f -a '" : " -x -a '", stdout);
        put_words(value);
        putchar('\'');
        break;
    case KIND_FILE:
        fputs(" -r -F", stdout);
        break;
    case KIND_DIRECTORY:
        fputs(" -x -a '(__fish_complete_directories)'", stdout);
        break;
    }
}

static void fish_says(const char *says)
{
    fputs(" -d '", stdout);
    for (; *says != 0; says++)
        printf(*says == '\'' || *says == '\\' ? "\\%c" : "%c", *says);
    puts("'");
}

static void fish_write(void)
{
    size_t i, k;

    puts("# fish completion for lockstep\ncomplete -c lockstep -f");
    for (i = 0; i < command_count; i++) {
        const struct subcommand *command = commands[i];

        printf("complete -c lockstep -n __fish_use_subcommand -a %s", command->word);
        fish_says(command->says);
        for (k = 0; k < command->row_count; k++) {
            const struct option_row *row = &command->rows[k];

            printf("complete -c lockstep -n '__fish_seen_subcommand_from %s'", command->word);
            if (row->letter != 0)
                printf(" -s %c", row->letter);
            printf(" -l %s", row->name);
            fish_value(row->value);
            fish_says(row->says);
        }
        if (command->operands == NULL)
            continue;
        printf("complete -c lockstep -n '__fish_seen_subcommand_from %s'", command->word);
        fish_value(command->operands);
        putchar('\n');
    }
}

/* --- the command --- */

static const struct {
    const char *word;
    void (*write)(void);
} shells[] = {
    {"bash", bash_write},
    {"zsh", zsh_write},
    {"fish", fish_write},
};

static int completion_start(int argc, char **argv)
{
    int code = options_read(&completion_command, NULL, argc, argv);
    size_t i;

    if (code != OPTIONS_READ)
        return code;
    for (i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(argv[optind], shells[i].word) == 0) {
            shells[i].write();
            return 0;
        }
    }
    fprintf(stderr, "lockstep completion: \"%s\" is none of %s\n", argv[optind],
            completion_command.operands);
    return EX_USAGE;
}

const struct subcommand completion_command = {
    .word = "completion",
    .says = "prints what a shell needs to complete these words",
    .operands = "bash|zsh|fish",
    .about = "Prints a script for that shell, with which the tabulator key completes commands, "
             "options and their values.",
    .after = "In bash: `source <(lockstep completion bash)`. An installed lockstep has put all "
             "three where shells look for them.",
    .start = completion_start,
};
