/* Replies: what is said, and how it becomes lines. */
#include "lockstep/base/must.h"

#include "machine.h"

const struct sink_words sink_words_strict = {{
#define WORD_ROW(name, code, status, text) \
    [SAY_##name] = {code, SPAN_INIT(status), SPAN_INIT(text)},
    SINK_WORDS_STRICT(WORD_ROW)
#undef WORD_ROW
}};

void sink_emit(struct sink *sink, enum sink_output_kind kind, struct span bytes)
{
    must(sink->queue_count < SINK_QUEUE_MAX);
    sink->queue[sink->queue_count++] = (struct sink_output){kind, bytes};
}

static void reply_begin(struct sink *sink)
{
    sink->reply = text_over(sink->said, sizeof(sink->said));
}

void sink_say_reply(struct sink *sink)
{
    text_add(&sink->reply, SPAN("\r\n"));
    must(!sink->reply.cut);
    sink->counts.replies++;
    sink_emit(sink, SINK_REPLY, text_span(&sink->reply));
    if (span_starts(text_span(&sink->reply), SPAN("421"))) /* RFC 5321 3.8 */
        sink_close(sink);
}

void sink_say(struct sink *sink, enum sink_say what)
{
    const struct sink_word *word = &sink->settings->words->rows[what];

    reply_begin(sink);
    text_add_number(&sink->reply, word->code);
    text_add_byte(&sink->reply, ' ');
    if (word->status.size > 0 && (sink->settings->offered & SINK_BIT(ENHANCEDSTATUSCODES)) != 0) {
        text_add(&sink->reply, word->status);
        text_add_byte(&sink->reply, ' ');
    }
    text_add(&sink->reply, word->text);
    sink_say_reply(sink);
}

void sink_say_line(struct sink *sink, struct span line)
{
    reply_begin(sink);
    text_add(&sink->reply, span_head(line, sizeof(sink->said) - SPAN("\r\n").size));
    sink_say_reply(sink);
}

void sink_say_banner(struct sink *sink)
{
    reply_begin(sink);
    text_add(&sink->reply, SPAN("220 "));
    text_add(&sink->reply, sink->settings->hostname);
    text_add_byte(&sink->reply, ' ');
    text_add(&sink->reply, sink->settings->banner);
    sink_say_reply(sink);
}

static void keyword_add(struct sink *sink, enum extension extension)
{
    text_add(&sink->reply, extension_facts(extension)->keyword);
    if (extension == EXTENSION_AUTH)
        text_add(&sink->reply, SPAN(" PLAIN LOGIN"));
    if (extension == EXTENSION_SIZE && sink->settings->size_bytes > 0) {
        text_add_byte(&sink->reply, ' ');
        text_add_number(&sink->reply, sink->settings->size_bytes);
    }
}

/* RFC 5321 4.1.1.1: HELO is answered by one line, EHLO by one more for each extension. */
void sink_say_hello(struct sink *sink)
{
    size_t separator;
    unsigned i;

    reply_begin(sink);
    text_add(&sink->reply, SPAN("250"));
    separator = sink->reply.size;
    text_add_byte(&sink->reply, ' ');
    text_add(&sink->reply, sink->settings->hostname);
    for (i = 0; i < EXTENSION_NONE; i++) {
        if (!sink_offers(sink, (enum extension)i))
            continue;
        sink->said[separator] = '-';
        text_add(&sink->reply, SPAN("\r\n250"));
        separator = sink->reply.size;
        text_add_byte(&sink->reply, ' ');
        keyword_add(sink, (enum extension)i);
    }
    sink_say_reply(sink);
}
