/* Options read, explained and complained about, all from the rows of a table. */
#include "options.h"

#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "lockstep/base/must.h"
#include "lockstep/base/text.h"

#define COLUMNS 80
/* Where the sentence of an option begins. */
#define SAYS_COLUMN 30

/* What getopt says for the long form of row i; --help is the one behind the last. */
#define LONG_FORM 256

/* --- help --- */

/* `column` is where the file's line ends now: 0, or `indent` when the indentation stands already.
 */
static void print_text(FILE *file, const char *text, int indent, int column)
{
    while (*text != 0) {
        int size = (int)strcspn(text, " \n");

        if (column > indent && column + 1 + size > COLUMNS) {
            fputc('\n', file);
            column = 0;
        }
        if (column == 0)
            column = fprintf(file, "%*s", indent, "");
        else if (column > indent)
            column += fprintf(file, " ");
        column += fprintf(file, "%.*s", size, text);
        text += size;
        if (*text == '\n') {
            fputs("\n\n", file);
            column = 0;
        }
        text += *text != 0;
    }
    fputc('\n', file);
}

static void print_row(FILE *file, const struct option_row *row)
{
    const char *value = row->value != NULL ? row->value : "";
    bool spare = *value == '['; /* "[a|b]" is shown as "[=a|b]" */
    int column = row->letter != 0 ? fprintf(file, "  -%c, ", row->letter) : fprintf(file, "      ");

    column += fprintf(file, "--%s", row->name);
    if (*value != 0)
        column += fprintf(file, "%s%s", spare ? "[=" : " ", value + spare);
    if (column + 2 > SAYS_COLUMN) {
        fputc('\n', file);
        column = 0;
    }
    fprintf(file, "%*s", SAYS_COLUMN - column, "");
    print_text(file, row->says, SAYS_COLUMN, SAYS_COLUMN);
}

void options_usage(FILE *file, const struct subcommand *command)
{
    fprintf(file, "usage: lockstep %s%s%s%s\n", command->word,
            command->row_count > 0 ? " [OPTION]..." : "", command->operands != NULL ? " " : "",
            command->operands != NULL ? command->operands : "");
}

static const struct option_row help = {'h', "help", NULL, "this text", NULL, NULL};

static void print_help(const struct subcommand *command)
{
    size_t i;

    options_usage(stdout, command);
    fputc('\n', stdout);
    print_text(stdout, command->about, 0, 0);
    fputc('\n', stdout);
    for (i = 0; i < command->row_count; i++)
        print_row(stdout, &command->rows[i]);
    print_row(stdout, &help);
    if (command->after != NULL) {
        fputc('\n', stdout);
        print_text(stdout, command->after, 0, 0);
    }
}

/* --- guesses --- */

struct option_guess option_guess(const char *word)
{
    struct span span = span_of_string(word);

    return (struct option_guess){.word = span, .away = 2 + span.size / 4};
}

void option_guess_offer(struct option_guess *guess, const char *candidate)
{
    size_t away = span_distance(guess->word, span_of_string(candidate));

    if (away < guess->away && away < strlen(candidate)) {
        guess->away = away;
        guess->found = candidate;
    }
}

/* --- complaints: what is wrong, then how it is written --- */

static int end_complaint(const struct subcommand *command)
{
    options_usage(stderr, command);
    fprintf(stderr, "`lockstep %s --help` says more.\n", command->word);
    return EX_USAGE;
}

static int complain_of_unknown(const struct subcommand *command, const char *given)
{
    struct option_guess guess;
    char name[64] = "";
    size_t i;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(given, "="), given);
    guess = option_guess(name + strspn(name, "-"));
    for (i = 0; strncmp(name, "--", 2) == 0 && i < command->row_count; i++)
        option_guess_offer(&guess, command->rows[i].name);
    fprintf(stderr, "lockstep %s: there is no option %s", command->word, name);
    if (guess.found != NULL)
        fprintf(stderr, ": did you mean --%s?", guess.found);
    fputc('\n', stderr);
    return end_complaint(command);
}

static int complain_of_value(const struct subcommand *command, const struct option_row *row,
                             const char *value)
{
    /* What might be a password is not repeated: a complaint ends up in logs. */
    if (strstr(row->value, "PASSWORD") != NULL)
        fprintf(stderr, "lockstep %s: --%s can't be that; write it so:\n", command->word,
                row->name);
    else
        fprintf(stderr, "lockstep %s: --%s can't be \"%s\"; write it so:\n", command->word,
                row->name, value != NULL ? value : "");
    print_row(stderr, row);
    return EX_USAGE;
}

/* What getopt calls '?': no such option, or a value behind one that takes none. */
static int complain_of_option(const struct subcommand *command, const struct option_row *row,
                              char **argv)
{
    char letter[] = {'-', (char)optopt, 0};

    if (row == NULL)
        return complain_of_unknown(command, optopt != 0 ? letter : argv[optind - 1]);
    fprintf(stderr, "lockstep %s: --%s takes no value\n", command->word, row->name);
    return end_complaint(command);
}

static int complain_of_operands(const struct subcommand *command, int count, char **operands)
{
    if (command->operands == NULL)
        fprintf(stderr, "lockstep %s: \"%s\" is no option, and nothing else is expected\n",
                command->word, *operands);
    else if (count == 0)
        fprintf(stderr, "lockstep %s: %s is missing\n", command->word, command->operands);
    else
        fprintf(stderr, "lockstep %s: one too many: \"%s\"\n", command->word, operands[1]);
    return end_complaint(command);
}

/* --- reading --- */

/* The tables that getopt wants. */
struct forms {
    struct option longs[OPTION_ROWS_MAX + 2];
    char letters[2 * OPTION_ROWS_MAX + 4];
};

static void make_forms(const struct subcommand *command, struct forms *forms_r)
{
    struct text letters = text_over(forms_r->letters, sizeof(forms_r->letters) - 1);
    size_t i;

    must(command->row_count <= OPTION_ROWS_MAX);
    *forms_r = (struct forms){0};
    text_add_byte(&letters, ':'); /* a missing value is told from an unknown option */
    for (i = 0; i <= command->row_count; i++) {
        const struct option_row *row = i < command->row_count ? &command->rows[i] : &help;
        int value = row->value == NULL   ? no_argument
                    : *row->value == '[' ? optional_argument
                                         : required_argument;

        forms_r->longs[i] = (struct option){row->name, value, NULL, LONG_FORM + (int)i};
        if (row->letter != 0)
            text_add_byte(&letters, row->letter);
        if (row->letter != 0 && value == required_argument)
            text_add_byte(&letters, ':');
    }
}

/* The row that getopt's answer stands for, `help` among them; NULL: none. */
static const struct option_row *find_row(const struct subcommand *command, int form)
{
    size_t i;

    for (i = 0; i < command->row_count; i++) {
        if (form == LONG_FORM + (int)i || (form != 0 && form == command->rows[i].letter))
            return &command->rows[i];
    }
    return form == LONG_FORM + (int)i || form == help.letter ? &help : NULL;
}

static int take_option(const struct subcommand *command, void *state, int form, char **argv)
{
    const struct option_row *row = find_row(command, form == '?' || form == ':' ? optopt : form);

    if (form == ':') {
        fprintf(stderr, "lockstep %s: --%s needs a value: %s\n", command->word, row->name,
                row->value);
        print_row(stderr, row);
        return EX_USAGE;
    }
    if (form == '?')
        return complain_of_option(command, row, argv);
    if (row == &help) {
        print_help(command);
        return 0;
    }
    return row->take(state, row, optarg) ? OPTIONS_READ : complain_of_value(command, row, optarg);
}

int options_read(const struct subcommand *command, void *state, int argc, char **argv)
{
    struct forms forms;
    int code = OPTIONS_READ;
    int count;
    int form;

    make_forms(command, &forms);
    opterr = 0;
    while (code == OPTIONS_READ &&
           (form = getopt_long(argc, argv, forms.letters, forms.longs, NULL)) != -1)
        code = take_option(command, state, form, argv);
    count = argc - optind;
    if (code != OPTIONS_READ)
        return code;
    if (command->operands == NULL || (count == 0 && *command->operands == '[')
            ? count == 0
            : count == 1 || (count > 1 && strstr(command->operands, "...")))
        return OPTIONS_READ;
    return complain_of_operands(command, count, argv + optind);
}
