/* From files and flags to one checked configuration. */
#include "config_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "config_yaml.h"
#include "lockstep/base/must.h"

#define HOSTNAME_BYTES 256U
#define LISTEN_DEFAULT "127.0.0.1:2525"

static int complain(const char *what, struct span sentence)
{
    fprintf(stderr, "%s: %.*s\n", what, (int)sentence.size, sentence.at);
    return EX_CONFIG;
}

struct sorted {
    const struct config_problem *problem;
};

static int compare_places(const void *one, const void *other)
{
    const struct config_problem *a = ((const struct sorted *)one)->problem;
    const struct config_problem *b = ((const struct sorted *)other)->problem;

    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->column == b->column ? 0 : a->column < b->column ? -1 : 1;
}

/* In the order of the file, which is the order in which they are mended. */
static void print_problems(const char *file, const struct config_problems *problems)
{
    struct sorted sorted[CONFIG_PROBLEMS_MAX];
    uint32_t i;

    for (i = 0; i < problems->count; i++)
        sorted[i].problem = &problems->rows[i];
    qsort(sorted, problems->count, sizeof(sorted[0]), compare_places);
    for (i = 0; i < problems->count; i++) {
        const struct config_problem *problem = sorted[i].problem;

        fprintf(stderr, "%s:%u:%u: %.*s\n", file, problem->line, problem->column,
                (int)problem->says.size, problem->says.at);
    }
    if (problems->more > 0)
        fprintf(stderr, "%s: there is more: mend these first\n", file);
}

/* The whole file, allocated; NULL: it can't be read, and stderr has the reason. */
static char *read_file(const char *name, size_t *size_r)
{
    char *bytes = malloc(CONFIG_YAML_BYTES_MAX + 1);
    FILE *file = fopen(name, "rb");
    bool good = false;

    must(bytes != NULL);
    if (file) {
        *size_r = fread(bytes, 1, CONFIG_YAML_BYTES_MAX + 1, file);
        good = !ferror(file);
    }
    if (!good)
        fprintf(stderr, "%s: %s\n", name, strerror(errno));
    if (good && *size_r > CONFIG_YAML_BYTES_MAX) {
        fprintf(stderr, "%s: more than %u bytes: this is no configuration\n", name,
                CONFIG_YAML_BYTES_MAX);
        good = false;
    }
    if (file)
        fclose(file);
    if (good)
        return bytes;
    free(bytes);
    return NULL;
}

static int read_yaml(struct config *config, const char *name, struct span bytes, struct text *arena)
{
    struct config_problems *problems = calloc(1, sizeof(*problems));
    struct config_yaml yaml;
    struct config_tree tree;
    bool good;

    must(problems != NULL);
    good = config_yaml_read(&yaml, bytes, problems);
    tree = config_yaml_tree(&yaml);
    good = good && config_read(config, &tree, arena, problems);
    print_problems(name, problems);
    config_yaml_close(&yaml);
    free(problems);
    return good ? 0 : EX_CONFIG;
}

static bool names_address(const struct config_flag *flag)
{
    return strcmp(flag->path, "listen") == 0 || strcmp(flag->path, "address") == 0;
}

static bool has_path(const struct config_flag *flags, size_t count, const char *path)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (strcmp(flags[i].path, path) == 0)
            return true;
    }
    return false;
}

static int apply_flags(struct config *config, const struct config_flag *flags, size_t count,
                       struct text *arena)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text error = text_over(memory, sizeof(memory));
    int code = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        text_clear(&error);
        if (config_set(config, span_of_string(flags[i].path), span_of_string(flags[i].value), arena,
                       &error))
            continue;
        fprintf(stderr, "command line: --%s: %.*s\n", flags[i].option, (int)error.size, error.at);
        code = EX_USAGE;
    }
    text_clear(&error);
    if (code == 0 && !config_check(config, &error))
        code = complain("command line", text_span(&error));
    return code ? EX_USAGE : 0;
}

/* The machine's own name, where it has a proper one. */
static void set_hostname(struct config *config, struct text *arena)
{
    char name[HOSTNAME_BYTES], memory[CONFIG_SENTENCE_MAX];
    struct text ignored = text_over(memory, sizeof(memory));

    if (gethostname(name, sizeof(name)) == 0 && memchr(name, '\0', sizeof(name)))
        (void)config_set(config, SPAN("hostname"), span_of_string(name), arena, &ignored);
}

static size_t flags_size(const struct config_flag *flags, size_t count)
{
    size_t size = 0, i;

    for (i = 0; i < count; i++)
        size += strlen(flags[i].value);
    return size;
}

int config_load(struct config_loaded *loaded_r, const char *file, const struct config_flag *flags,
                size_t flag_count)
{
    static const struct config_flag listen_default = {"listen", "listen", LISTEN_DEFAULT};
    struct config *config = &loaded_r->config;
    size_t room = HOSTNAME_BYTES + sizeof(LISTEN_DEFAULT) + flags_size(flags, flag_count);
    size_t bytes_size = 0;
    bool addressed = false;
    char *bytes = NULL;
    struct text arena;
    int code = 0;
    size_t i;

    loaded_r->memory = NULL;
    for (i = 0; i < flag_count; i++)
        addressed = addressed || names_address(&flags[i]);
    loaded_r->file = NULL;
    if (file && addressed) {
        complain(file, SPAN("addresses stand in the file: leave out the file, or the flags"));
        return EX_USAGE;
    }
    if (!file && !addressed && access(CONFIG_FILE_DEFAULT, F_OK) == 0)
        file = CONFIG_FILE_DEFAULT;
    loaded_r->file = file;
    if (file && !(bytes = read_file(file, &bytes_size)))
        return EX_NOINPUT;
    /* As in config_yaml: reading makes text longer by a half at worst. */
    arena = text_over(loaded_r->memory = malloc(room + 2 * bytes_size), room + 2 * bytes_size);
    must(arena.at != NULL);
    config_default(config);
    set_hostname(config, &arena);
    if (file)
        code = read_yaml(config, file, span_of(bytes, bytes_size), &arena);
    else
        config_single(config, has_path(flags, flag_count, "address"));
    if (code == 0 && !file && !has_path(flags, flag_count, "listen"))
        code = apply_flags(config, &listen_default, 1, &arena);
    if (code == 0)
        code = apply_flags(config, flags, flag_count, &arena);
    free(bytes);
    return code;
}

void config_loaded_close(struct config_loaded *loaded)
{
    free(loaded->memory);
    loaded->memory = NULL;
}
