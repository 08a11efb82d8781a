/* One machine at a time, with what it said. */
#include <string.h>

#include "lockstep/base/seed.h"

#include "sink_player.h"

static char replies_bytes[1 << 20];
static char content_bytes[1 << 20];
static char events_bytes[1 << 16];

struct heard heard;

static void take_all(const char *answer)
{
    struct sink_output output;

    while (sink_take(&heard.sink, &output)) {
        static const char letters[] = {' ', 'S', 'R', 'B', ' ', 'E', 'A', 'C'};

        if (output.kind == SINK_REPLY)
            text_add(&heard.replies, output.bytes);
        else if (output.kind == SINK_CONTENT)
            text_add(&heard.content, output.bytes);
        else
            text_add_byte(&heard.events, letters[output.kind]);
        if (output.kind == SINK_SENDER || output.kind == SINK_RECIPIENT)
            text_add(&heard.events, output.bytes);
        if (output.kind == SINK_END && answer)
            sink_answer(&heard.sink, span_of_string(answer));
    }
}

void sink_play_begin(const struct sink_settings *settings)
{
    heard.replies = text_over(replies_bytes, sizeof(replies_bytes));
    heard.content = text_over(content_bytes, sizeof(content_bytes));
    heard.events = text_over(events_bytes, sizeof(events_bytes));
    sink_init(&heard.sink, settings, 0);
    take_all(NULL);
}

void sink_play_feed(struct span input, moment now, const char *answer)
{
    static char lent[SINK_INPUT_BYTES];

    memcpy(lent, input.at, input.size);
    sink_feed(&heard.sink, span_of(lent, input.size), now);
    take_all(answer);
    memset(lent, '?', input.size);
}

void sink_play(const struct sink_settings *settings, struct span input, unsigned cut)
{
    struct seed seed = {cut};

    sink_play_begin(settings);
    while (input.size > 0) {
        size_t size = sink_room(&heard.sink);

        if (cut == BYTE_BY_BYTE)
            size = 1;
        else if (cut != WHOLE)
            size = 1 + (size_t)seed_below(&seed, 40);
        sink_play_feed(span_head(input, size), 0, NULL);
        input = span_tail(input, size);
    }
}

struct sink_settings sink_play_settings(void)
{
    struct sink_settings settings;

    sink_settings_default(&settings);
    settings.hostname = SPAN("s");
    settings.banner = SPAN("b");
    return settings;
}
