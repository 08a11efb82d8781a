/* A configuration file: whatever it says, it is taken or its problems are named; what is taken is
 * shown as a file that says the same. */
#include <stdlib.h>

#include "config_yaml.h"
#include "lockstep/base/must.h"

#include "fuzz.h"

#define SHOWN_BYTES (1U << 20)

static struct config config;
static struct config_problems problems;
static char shown[2][SHOWN_BYTES];

/* libfyaml 0.7.12 forgets to free what it needed to put a text of many escapes together; what we
 * forget is still found. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

/* The effective configuration of the file as text; empty when it has problems. */
static struct span effective(struct span file, char *memory)
{
    size_t room = 2 * file.size + 1;
    struct text arena = text_over(malloc(room), room);
    struct text out = text_over(memory, SHOWN_BYTES);
    struct config_yaml yaml;
    struct config_tree tree;
    bool good;

    must(arena.at != NULL);
    problems.count = problems.more = 0;
    config_default(&config);
    good = config_yaml_read(&yaml, file, &problems);
    tree = config_yaml_tree(&yaml);
    good = good && config_read(&config, &tree, &arena, &problems);
    must(good == (problems.count == 0));
    if (good)
        config_show(&config, &out);
    config_yaml_close(&yaml);
    free(arena.at);
    must(!out.cut);
    return text_span(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span first, second;

    if (size > CONFIG_YAML_BYTES_MAX)
        return 0;
    first = effective(span_of((const char *)data, size), shown[0]);
    if (first.size == 0)
        return 0;
    second = effective(first, shown[1]);
    must(span_equal(first, second));
    return 0;
}
