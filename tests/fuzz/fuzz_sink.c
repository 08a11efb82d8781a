/* The sink: the first byte chooses its settings, the rest is what a client says. How that was cut
 * must not matter, except to those who punish early talk, who must only survive. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"

#include "fuzz.h"
#include "sink_player.h"

#define INPUT_MAX 4096U

static struct sink_settings settings_of(uint8_t byte)
{
    static const struct sink_verdict verdict = {VERB_RCPT, SPAN_INIT("*@no"), SPAN_INIT("450 n")};
    const struct sink_personality *row = sink_personality_row((byte & 3U) + 4U * (byte >> 6));
    struct sink_settings settings = sink_play_settings();

    if (row != NULL)
        sink_settings_take(&settings, row);
    settings.auth = (byte & 4U) != 0 ? SINK_AUTH_ANY : SINK_AUTH_NONE;
    settings.size_bytes = (byte & 8U) != 0 ? 64 : 0;
    settings.verdicts = &verdict;
    settings.verdict_count = (byte & 16U) != 0;
    if ((byte & 32U) != 0)
        settings.offered &= ~SINK_BIT(PIPELINING);
    return settings;
}

static struct span copy_of(struct span bytes)
{
    char *copy = malloc(bytes.size + 1);

    must(copy != NULL);
    memcpy(copy, bytes.at, bytes.size);
    return span_of(copy, bytes.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_tail(span_of((const char *)data, size), 1);
    struct sink_settings settings = settings_of(size > 0 ? data[0] : 0);
    struct span replies, content, events;
    unsigned cut;

    if (input.size > INPUT_MAX)
        return 0;
    sink_play(&settings, input, WHOLE);
    replies = copy_of(text_span(&heard.replies));
    content = copy_of(text_span(&heard.content));
    events = copy_of(text_span(&heard.events));
    for (cut = BYTE_BY_BYTE; cut < 6; cut++) {
        sink_play(&settings, input, cut);
        if (settings.personality != sink_personality_row(0))
            continue;
        must(span_equal(replies, text_span(&heard.replies)));
        must(span_equal(content, text_span(&heard.content)));
        must(span_equal(events, text_span(&heard.events)));
    }
    free((char *)(uintptr_t)replies.at);
    free((char *)(uintptr_t)content.at);
    free((char *)(uintptr_t)events.at);
    return 0;
}
