/* Secrets that a program says: a password manager's, a token helper's. */
#include <stdlib.h>
#include <unistd.h> /* environ */

#include "lockstep/base/must.h"
#include "program.h"
#include "supply.h"

/* A program costs a process, and somebody may have to touch a key for it. */
#define COMMAND_FRESH_MS (5U * 60 * 1000)

static bool command_has(const struct config_credential *definition,
                        const struct import_entry *entry)
{
    return entry != NULL ? entry->kind == IMPORT_COMMAND : definition->password_command.size > 0;
}

static void command_done(void *data, const struct secret *secret, struct span why)
{
    struct item *item = data;
    struct offer offer = {.secret = secret};

    item->memo = NULL;
    if (secret != NULL)
        item_offer(item, &offer);
    else
        item_fail(item, SUPPLY_LATER, why);
}

/* A program may need HOME, PATH and more that only its user knows, but not what lockstep has
 * secrets from. Pointers into the environment, to be given back with free(). */
static char **environment_of(struct vault *vault)
{
    size_t count = 0, kept = 0, i;
    char **kept_r;

    while (environ[count] != NULL)
        count++;
    kept_r = calloc(count + 1, sizeof(*kept_r));
    must(kept_r != NULL);
    for (i = 0; i < count; i++) {
        struct span name = span_of_string(environ[i]);

        if (!vault_reads_variable(vault, span_head(name, span_find(name, '='))))
            kept_r[kept++] = environ[i];
    }
    return kept_r;
}

/* msmtp has a shell run its commands, and so people write them for one. */
static void command_fetch(struct item *item, bool again)
{
    char memory[SUPPLY_WORDS_MAX];
    struct text why = text_over(memory, sizeof(memory));
    char **environment = environment_of(item->vault);
    struct program_plan plan = {
        .keeper = item->keeper,
        .name = item->definition->name,
        .line = item->entry != NULL ? item->entry->secret : item->definition->password_command,
        .shell = item->entry != NULL,
        .environment = environment,
        .done = command_done,
        .data = item,
    };

    (void)again;
    must(item->memo == NULL);
    item->memo = program_start(&plan, &why);
    free(environment);
    if (item->memo == NULL)
        item_fail(item, SUPPLY_LATER, text_span(&why));
}

static void command_end(struct item *item)
{
    struct program *program = item->memo;

    if (program != NULL)
        program_stop(&program);
}

const struct source command_source = {
    .kind = "command",
    .fresh_ms = COMMAND_FRESH_MS,
    .has = command_has,
    .end = command_end,
    .fetch = command_fetch,
};
