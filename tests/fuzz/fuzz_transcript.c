/* Any text as a transcript: read, and played in every way. What is played with agreement line by
 * line agrees in every other cut too, because outputs do not depend on cuts (invariant 6). */
#include <stdlib.h>

#include "lockstep/base/must.h"
#include "lockstep/explain/player.h"

#include "fuzz.h"

#define REPORT_BYTES 4096U
/* Ways that are played of each input: lines, bytes, merged, and some random ones. */
#define WAYS 6U
/* Larger plays say nothing new, slowly. */
#define SAID_BYTES_MAX (1U << 17)

static void *allocate(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    must(memory != NULL);
    return memory;
}

static void play_all(const struct script *script, struct text *report)
{
    struct policy policy;
    bool agreed = true;
    uint32_t number;
    void *memory;

    if (!player_policy(script, &policy, report))
        return;
    memory = allocate(player_size(script, &policy));
    for (number = 0; number < WAYS && agreed; number++) {
        bool agrees = player_play(script, &policy, player_way(number), memory, report, NULL);

        must(agrees || number == 0);
        must(agrees || report->size > 0);
        agreed = agrees;
    }
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span file = span_of((const char *)data, size);
    char bytes[REPORT_BYTES];
    struct text report = text_over(bytes, sizeof(bytes));
    void *memory = allocate(script_size(file));
    struct script script;

    if (script_read(&script, SPAN("fuzz"), file, memory, &report)) {
        if (script.said_bytes <= SAID_BYTES_MAX)
            play_all(&script, &report);
    } else {
        must(report.size > 0);
    }
    free(memory);
    return 0;
}
