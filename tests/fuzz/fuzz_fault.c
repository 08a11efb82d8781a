/* Rules, a line each, up to an empty line; then what they are asked about, at every event. */
#include "lockstep/base/must.h"
#include "lockstep/fault/fault.h"

#include "fuzz.h"

#define RULES_MAX 4

static struct span read_rules(struct span input, struct faults *faults_r)
{
    char memory[320];
    struct text error = text_over(memory, sizeof(memory));
    size_t size = span_find(input, '\n');
    int count;

    *faults_r = (struct faults){0};
    for (count = 0; count < RULES_MAX && size > 0 && input.size > 0; count++) {
        bool good = fault_add(faults_r, span_head(input, size), &error);

        must(good == (error.size == 0)); /* it says what would be right, or takes it */
        text_clear(&error);
        input = span_tail(input, size + 1);
        size = span_find(input, '\n');
    }
    return input;
}

static void ask(const struct faults *faults, struct fault_scene *scene)
{
    struct fault_plan plan;
    struct fault_shape shape;

    fault_shape(faults, scene, &shape);
    if (!fault_choose(faults, scene, &plan) || !plan.changed)
        return;
    must(plan.said.size <= FAULT_TEXT_BYTES_MAX);
    must(plan.said.at == scene->rooms[0] || plan.said.at == scene->rooms[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char rooms[2][FAULT_TEXT_BYTES_MAX];
    static struct fault_memory memory;
    static struct faults faults;
    struct fault_count counts[FAULT_RULES_MAX] = {{0}};
    struct seed seed = {size};
    struct span said = read_rules(span_of((const char *)data, size), &faults);
    int event, verb;

    said = span_head(said, FAULT_CONTENT_BYTES_MAX);
    memory = (struct fault_memory){0};
    for (event = 0; event < FAULT_EVENT_COUNT; event++) {
        for (verb = VERB_UNKNOWN; verb <= VERB_RSET; verb++) {
            struct fault_scene scene = {
                .event = (enum fault_event)event,
                .verb = (enum verb)verb,
                .said = said,
                .code = (uint16_t)(200 + size % 400),
                .early = verb % 2 != 0,
                .client = SPAN("192.0.2.1"),
                .helo = SPAN("client.test"),
                .session = 2,
                .now = (moment)size,
                .seed = &seed,
                .memory = &memory,
                .counts = counts,
                .rooms = {rooms[0], rooms[1]},
            };

            ask(&faults, &scene);
        }
    }
    return 0;
}
