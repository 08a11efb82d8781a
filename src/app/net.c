/* lockstep net: leads the connections of others to the listeners that intercept them. */
#include <getopt.h> /* optind */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "commands.h"
#include "config_load.h"
#include "lockstep/base/must.h"
#include "net_parts.h"

/* Bytes that a plan of a few listeners has; the buffer grows for more. */
#define SCRIPT_BYTES 16384U
#define STEP_BYTES 256U

#define TABLE "table inet " PATH_RULES_TABLE

struct net_plan {
    const struct config *config;
    const char *file;
    struct path_rules rules;
    struct text script; /* its memory is freed at the end */
};

struct net_options {
    const char *file;
    const char *listener; /* NULL: all */
};

/* --- the plan --- */

static int make_plan(struct net_plan *plan, const struct net_options *options)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text error = text_over(memory, sizeof(memory));
    size_t room = SCRIPT_BYTES;
    bool good;

    do {
        plan->script.at = realloc(plan->script.at, room);
        must(plan->script.at != NULL);
        plan->script = text_over(plan->script.at, room);
        good = path_rules_write(plan->config, span_of_string(options->listener), &plan->rules,
                                &plan->script, &error);
        room *= 2;
    } while (plan->script.cut);
    if (good)
        return 0;
    fprintf(stderr, "%s: %.*s\n", plan->file, (int)error.size, error.at);
    return EX_CONFIG;
}

static void print_step(FILE *file, const char *before, const struct path_step *step,
                       const char *after)
{
    char memory[STEP_BYTES];
    struct text text = text_over(memory, sizeof(memory));

    net_step_show(step, &text);
    fprintf(file, "%s%.*s%s\n", before, (int)text.size, text.at, after);
}

static int print_plan(struct net_plan *plan)
{
    size_t i;

    printf("# what `lockstep net apply` does for %s, where it is not done yet\n", plan->file);
    for (i = 0; i < PATH_STEPS; i++) {
        if (path_step_wanted(&plan->rules, &path_steps[i]))
            print_step(stdout, "", &path_steps[i], "");
    }
    printf("nft -f - <<'END'\n%.*sEND\n", (int)plan->script.size, plan->script.at);
    return 0;
}

/* --- whose it is --- */

static bool has_listener(const struct config *config, struct span name)
{
    uint32_t i;

    for (i = 0; i < config->listener_count; i++) {
        if (span_equal(config->listeners[i].name, name))
            return true;
    }
    return false;
}

/* Nothing of somebody else is replaced, nor of another lockstep on this machine. */
static int may_replace(const struct net_plan *plan, const struct net_installed *installed,
                       const struct net_routing *routing)
{
    const char *at = installed->listing;
    struct span name;
    unsigned family;

    if (installed->table == NET_TABLE_FOREIGN) {
        fputs("lockstep net: there is a " TABLE " that lockstep did not make: it is left alone, "
              "give it another name (`nft list " TABLE "`)\n",
              stderr);
        return EX_UNAVAILABLE;
    }
    while (installed->table == NET_TABLE_OURS && net_installed_listener(&at, &name)) {
        if (has_listener(plan->config, name))
            continue;
        fprintf(stderr,
                "lockstep net: the rules that are there lead to listener `%.*s`, which %s does "
                "not have: if they are no longer wanted, `lockstep net remove` takes them away\n",
                (int)name.size, name.at, plan->file);
        return EX_UNAVAILABLE;
    }
    for (family = 0; family < PATH_FAMILIES; family++) {
        if (!routing->foreign[family] || !plan->rules.delivers[family])
            continue;
        fprintf(stderr,
                "lockstep net: somebody else has a route in routing table %d: `ip %s route show "
                "table %d`\n",
                PATH_RULES_ROUTES, family == PATH_IPV6 ? "-6" : "-4", PATH_RULES_ROUTES);
        return EX_UNAVAILABLE;
    }
    return 0;
}

/* --- apply --- */

static void undo_steps(const bool done[PATH_STEPS])
{
    size_t i;

    for (i = 0; i < PATH_STEPS; i++) {
        if (done[i])
            net_step_do(&path_steps[i], false);
    }
}

/* Routes first: a packet with the mark and no route would be forwarded with it. */
static int install(const struct net_plan *plan, const struct net_routing *routing)
{
    bool done[PATH_STEPS] = {false};
    struct span script = text_span(&plan->script);
    int code = net_rules_try(script);
    size_t i;

    for (i = 0; i < PATH_STEPS && code == 0; i++) {
        if (!path_step_wanted(&plan->rules, &path_steps[i]) || routing->there[i])
            continue;
        code = net_step_do(&path_steps[i], true);
        done[i] = code == 0;
    }
    if (code == 0)
        code = net_rules_install(script);
    if (code != 0) {
        undo_steps(done);
        fputs("lockstep net: nothing was changed\n", stderr);
        return code;
    }
    /* What an earlier plan wanted and this one does not. */
    for (i = 0; i < PATH_STEPS && code == 0; i++) {
        if (routing->there[i] && !path_step_wanted(&plan->rules, &path_steps[i]))
            code = net_step_do(&path_steps[i], false);
    }
    return code;
}

static int apply(struct net_plan *plan)
{
    struct net_installed installed;
    struct net_routing routing;
    int code = net_installed_read(&installed);

    if (code == 0)
        code = net_routing_read(&routing);
    if (code == 0)
        code = may_replace(plan, &installed, &routing);
    if (code == 0)
        code = install(plan, &routing);
    net_installed_clear(&installed);
    return code;
}

/* --- check --- */

static unsigned check_table(const struct net_installed *installed, const char *planned)
{
    if (installed->table == NET_TABLE_OURS)
        return net_rules_compare(planned, installed->listing);
    puts(installed->table == NET_TABLE_NONE ? TABLE " is missing" : TABLE " is not lockstep's");
    return 1;
}

static unsigned check_routing(const struct net_plan *plan, const struct net_routing *routing)
{
    unsigned count = 0, family;
    size_t i;

    for (i = 0; i < PATH_STEPS; i++) {
        bool wanted = path_step_wanted(&plan->rules, &path_steps[i]);

        if (wanted == routing->there[i])
            continue;
        print_step(stdout, wanted ? "missing: `" : "no longer wanted: `", &path_steps[i], "`");
        count++;
    }
    for (family = 0; family < PATH_FAMILIES; family++) {
        if (!routing->foreign[family] || !plan->rules.delivers[family])
            continue;
        printf("not lockstep's: a route in `ip %s route show table %d`\n",
               family == PATH_IPV6 ? "-6" : "-4", PATH_RULES_ROUTES);
        count++;
    }
    return count;
}

/* Does what is there do what it is for? Of what is missing that is said already. */
static int check_ways(const struct net_plan *plan, const struct net_routing *routing,
                      unsigned *count)
{
    bool complete[PATH_FAMILIES] = {true, true}, here;
    int code = 0;
    size_t i;

    for (i = 0; i < PATH_STEPS; i++)
        complete[path_steps[i].family] = complete[path_steps[i].family] && routing->there[i];
    for (i = 0; i < PATH_FAMILIES && code == 0; i++) {
        if (!plan->rules.delivers[i] || !complete[i])
            continue;
        code = net_routing_try((enum path_family)i, &here);
        if (code != 0 || here)
            continue;
        printf("another rule in front of ours leads marked packets elsewhere: `ip %s rule`\n",
               i == PATH_IPV6 ? "-6" : "-4");
        ++*count;
    }
    return code;
}

static int check(struct net_plan *plan)
{
    struct net_installed installed;
    struct net_routing routing;
    char *planned = NULL;
    int code = net_installed_read(&installed);
    unsigned count = 0;

    if (code == 0)
        code = net_routing_read(&routing);
    if (code == 0)
        code = net_rules_listing(text_span(&plan->script), &planned);
    if (code == 0) {
        count = check_table(&installed, planned) + check_routing(plan, &routing) +
                net_settings_check(&plan->rules);
        code = check_ways(plan, &routing, &count);
    }
    if (code == 0)
        code = count > 0;
    free(planned);
    net_installed_clear(&installed);
    return code;
}

/* --- remove --- */

/* Is it of no other listener than that one? */
static int may_remove(const struct net_installed *installed, const char *listener)
{
    const char *at = installed->listing;
    struct span name;

    while (listener != NULL && net_installed_listener(&at, &name)) {
        if (span_equal(name, span_of_string(listener)))
            continue;
        fprintf(stderr,
                "lockstep net: the table leads to listener `%.*s` too: leave out --listener, or "
                "`apply` with the one that is to stay\n",
                (int)name.size, name.at);
        return EX_UNAVAILABLE;
    }
    return 0;
}

/* The rules first: see install(). It goes on after a failure, to leave as little as can be. */
static int take_away(const struct net_installed *installed, const struct net_routing *routing)
{
    int code = installed->table == NET_TABLE_OURS ? net_rules_delete() : 0;
    size_t i;

    if (installed->table == NET_TABLE_FOREIGN)
        fputs("lockstep net: lockstep did not make the " TABLE " that is there: it stays\n",
              stderr);
    for (i = PATH_STEPS; i > 0; i--) {
        int failed = routing->there[i - 1] ? net_step_do(&path_steps[i - 1], false) : 0;

        code = code != 0 ? code : failed;
    }
    return code;
}

static int remove_all(const struct net_options *options)
{
    struct net_installed installed;
    struct net_routing routing;
    int code = net_installed_read(&installed);

    if (code == 0)
        code = net_routing_read(&routing);
    if (code == 0 && installed.table == NET_TABLE_OURS)
        code = may_remove(&installed, options->listener);
    if (code == 0)
        code = take_away(&installed, &routing);
    net_installed_clear(&installed);
    return code;
}

/* --- the command --- */

static int with_plan(const struct net_options *options, int (*deed)(struct net_plan *plan))
{
    struct config_loaded *loaded = malloc(sizeof(*loaded));
    struct net_plan plan = {0};
    int code;

    must(loaded != NULL);
    code = config_load(loaded, options->file, NULL, 0);
    if (code == 0 && loaded->file == NULL) {
        fputs("lockstep net: there is no " CONFIG_FILE_DEFAULT ": name a file with -c\n", stderr);
        code = EX_NOINPUT;
    }
    plan.config = &loaded->config;
    plan.file = loaded->file;
    if (code == 0)
        code = make_plan(&plan, options);
    if (code == 0)
        code = deed(&plan);
    free(plan.script.at);
    config_loaded_close(loaded);
    free(loaded);
    return code;
}

static bool take_config(void *state, const struct option_row *row, char *value)
{
    struct net_options *options = state;

    (void)row;
    options->file = value;
    return *value != 0;
}

static bool take_listener(void *state, const struct option_row *row, char *value)
{
    struct net_options *options = state;

    (void)row;
    options->listener = value;
    return *value != 0;
}

/* clang-format off */
static const struct option_row rows[] = {
    {'c', "config", "FILE", "the file; default: " CONFIG_FILE_DEFAULT, NULL, take_config},
    {0, "listener", "NAME", "only this listener; default: all that intercept", NULL, take_listener},
};
/* clang-format on */

static const struct {
    const char *word;
    bool changes; /* or at least looks at what only some may see */
    int (*deed)(struct net_plan *plan);
} deeds[] = {
    {"plan", false, print_plan},
    {"apply", true, apply},
    {"check", true, check},
    {"remove", true, NULL},
};

static int net_start(int argc, char **argv)
{
    struct net_options options = {0};
    int code = options_read(&net_command, &options, argc, argv);
    size_t i;

    if (code != OPTIONS_READ)
        return code;
    for (i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        if (strcmp(argv[optind], deeds[i].word) != 0)
            continue;
        if (deeds[i].changes && !net_may_administrate(deeds[i].word))
            return EX_NOPERM;
        return deeds[i].deed != NULL ? with_plan(&options, deeds[i].deed) : remove_all(&options);
    }
    fprintf(stderr, "lockstep net: \"%s\" is none of %s\n", argv[optind], net_command.operands);
    return EX_USAGE;
}

const struct subcommand net_command = {
    .word = "net",
    .says = "leads connections on the path to listeners that intercept",
    .operands = "plan|apply|check|remove",
    .about =
        "Rules for nftables and for routing, Linux only, by `nft` and `ip` (packages nftables and "
        "iproute2).\n"
        "plan: prints what apply does, as commands, and changes nothing.\n"
        "apply: puts the rules there; they replace those that were put there before. When "
        "something fails nothing is changed.\n"
        "check: says how what is there differs from the plan, and which settings of the machine "
        "stand in the way.\n"
        "remove: takes away all that apply put there.",
    .after = "All rules stand in `table inet lockstep`, and no other is touched. They outlive "
             "lockstep: apply them when it has started, and remove them when it has ended, for "
             "sessions that go on need them. In between connections to the intercepted ports are "
             "reset, or with `fail-open: on` pass. `apply`, `check` and `remove` need "
             "CAP_NET_ADMIN.\n"
             "Exit code: 0; 1 when `check` finds a difference; 64 and above as everywhere.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = net_start,
};
