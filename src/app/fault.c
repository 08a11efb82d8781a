/* lockstep fault: a faulty path on demand, and what can go wrong on it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "fault_words.h"
#include "run.h"

#define LISTEN_DEFAULT "127.0.0.1:2526"

struct fault_run {
    struct config_flag flags[RUN_FLAGS_MAX];
    size_t flag_count;
    bool listens, seeded, list, words;
};

/* --- what there is --- */

static int print_profiles(void)
{
    const struct fault_profile *profile;
    size_t i;

    for (i = 0; (profile = fault_profile(i)) != NULL; i++)
        printf("%-20s %s [%s; %s]\n", profile->name, profile->says, profile->sources,
               profile->confidence);
    return 0;
}

static void print_profile(const struct fault_profile *profile)
{
    size_t i;

    printf("# %s\n# %s; %s\n# put right by lockstep: %s\n", profile->says, profile->sources,
           profile->confidence, profile->healed);
    for (i = 0; profile->rules[i] != NULL; i++)
        puts(profile->rules[i]);
}

void fault_print_kind(const struct fault_kind_row *kind)
{
    static const struct {
        const char *name;
        const char *value;
    } words[] = {
#define WORD(id, name, form, value) {name, value},
        FAULT_ARGUMENTS(WORD)
#undef WORD
    };
    size_t i;

    fputs(kind->name.at, stdout);
    for (i = 0; i < FAULT_ARGUMENT_COUNT; i++) {
        bool needed = (kind->needs >> i & 1U) != 0;

        if ((kind->arguments >> i & 1U) == 0)
            continue;
        printf(" %s%s%s%s%s", needed ? "" : "[", words[i].name,
               *words[i].name != 0 && *words[i].value != 0 ? "=" : "", words[i].value,
               needed ? "" : "]");
    }
}

const char *fault_events_sentence(const struct fault_kind_row *kind,
                                  char memory[FAULT_EVENTS_SENTENCE_MAX])
{
    struct text text = text_over(memory, FAULT_EVENTS_SENTENCE_MAX - 1);

    text_add(&text, SPAN("Stands on "));
    fault_kind_events(kind, &text);
    text_add_byte(&text, '.');
    memory[text.size] = 0;
    return memory;
}

static void print_word(const char *name, bool value, const char *says)
{
    char word[32];

    snprintf(word, sizeof(word), "%s%s", name, value ? "=" : "");
    printf("  %-16s %s\n", word, says);
}

/* The grammar of rules, from its own tables. */
static int print_words(void)
{
    size_t i;

    puts(FAULT_RULE_FORM "\n\nevents");
#define WORD(id, name, says) print_word(name, false, says);
    FAULT_EVENTS(WORD)
#undef WORD
    puts("\ntriggers, all of which must hold");
#define WORD(id, name, form, says) print_word(name, (form) != FORM_FLAG, says);
    FAULT_TRIGGERS(WORD)
#undef WORD
    puts("\nkinds");
    for (i = 0; i < FAULT_KIND_COUNT; i++) {
        const struct fault_kind_row *row = fault_kind_row((enum fault_kind)i);
        char where[FAULT_EVENTS_SENTENCE_MAX];

        fputs("  ", stdout);
        fault_print_kind(row);
        printf("\n      %s\n      %s\n", row->says, fault_events_sentence(row, where));
    }
    return 0;
}

/* --- options --- */

static bool add_flag(struct fault_run *run, const char *option, const char *path, const char *value)
{
    if (run->flag_count == RUN_FLAGS_MAX)
        return false;
    run->flags[run->flag_count++] = (struct config_flag){option, path, value};
    return true;
}

static bool take_word(void *state, const struct option_row *row, char *value)
{
    struct fault_run *run = state;

    run->listens = run->listens || strcmp(row->name, "listen") == 0;
    run->seeded = run->seeded || strcmp(row->name, "seed") == 0;
    return add_flag(run, row->name, row->word, value);
}

static bool take_setting(void *state, const struct option_row *row, char *value)
{
    char *equals = strchr(value, '=');

    if (equals == NULL)
        return false;
    *equals = 0;
    return add_flag(state, row->name, value, equals + 1);
}

static bool take_list(void *state, const struct option_row *row, char *value)
{
    struct fault_run *run = state;

    (void)value;
    run->list = run->list || strcmp(row->name, "list") == 0;
    run->words = run->words || strcmp(row->name, "words") == 0;
    return true;
}

/* clang-format off */
static const struct option_row rows[] = {
    {0, "listen", "ADDR:PORT", "where clients are served; default: " LISTEN_DEFAULT, "listen",
     take_word},
    {0, "upstream", "URL", "the relay behind the path; default: a sink of its own", "address",
     take_word},
    {0, "seed", "N", "the same faults as the run that printed it", "seed", take_word},
    {0, "admin", "ADDR:PORT", "where Toxiproxy's clients tell it what to do, over HTTP",
     "admin.listen", take_word},
    {0, "transcripts", "DIR", "write a transcript of each session", "transcripts.directory",
     take_word},
    {0, "set", "WORD=VALUE", "any word of the configuration, e.g. limits.rows=4", NULL,
     take_setting},
    {0, "list", NULL, "print the profiles, or the rules of those that are named, and end", NULL,
     take_list},
    {0, "words", NULL, "print what rules are made of, and end", NULL, take_list},
};
/* clang-format on */

static int list(int count, char **names)
{
    int i;

    if (count == 0)
        return print_profiles();
    for (i = 0; i < count; i++) {
        const struct fault_profile *profile = fault_profile_find(span_of_string(names[i]));

        if (profile == NULL) {
            fprintf(stderr, "lockstep fault: there is no profile %s; --list prints all\n",
                    names[i]);
            return EX_USAGE;
        }
        print_profile(profile);
    }
    return 0;
}

static int fault_main(int argc, char **argv)
{
    static struct fault_run run;
    char seed[24];
    int code;
    int i;

    add_flag(&run, "control", "admin.control", "on");
    code = options_read(&fault_command, &run, argc, argv);
    if (code != OPTIONS_READ)
        return code;
    if (run.words)
        return print_words();
    if (run.list)
        return list(argc - optind, argv + optind);
    snprintf(seed, sizeof(seed), "%u", 1U + (unsigned)time(NULL) % 1000000U);
    if (!run.listens)
        add_flag(&run, "listen", "listen", LISTEN_DEFAULT);
    if (!run.seeded)
        add_flag(&run, "seed", "seed", seed);
    add_flag(&run, "mode", "mode", "fault");
    add_flag(&run, "workers", "workers", "1"); /* what sessions share is counted by one */
    for (i = optind; i < argc; i++) {
        if (!add_flag(&run, "fault", "faults", argv[i]))
            return EX_USAGE;
    }
    return run_with(&fault_command, run.flags, run.flag_count);
}

const struct subcommand fault_command = {
    .word = "fault",
    .says = "a faulty path on demand, in front of a real relay",
    .operands = "[FAULT...]",
    .about = "Passes SMTP sessions on to a relay as a faulty firewall would. A FAULT is the name "
             "of a profile, what some product is known to do, or a rule such as "
             "\"command RCPT nth=2 do drop\". Without one nothing goes wrong.",
    .after = "It prints the seed of its random numbers: with the same seed, clients and relay it "
             "does the same again. It is ended like `lockstep run`.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = fault_main,
};
