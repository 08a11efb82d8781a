/* Replies: what is said, and how it becomes lines. */
#include <string.h>

#include "lockstep/base/must.h"

#include "machine.h"

void sink_emit(struct sink *sink, enum sink_output_kind kind, struct span bytes)
{
    must(sink->queue_count < SINK_QUEUE_MAX);
    sink->queue[sink->queue_count++] = (struct sink_output){kind, bytes};
}

bool sink_minds(const struct sink *sink, enum sink_say what)
{
    return sink->settings->personality->words[what].text.size > 0;
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

/* What the client said is repeated without what could make another line of it, and not for ever. */
static void reply_repeat(struct sink *sink, struct span said)
{
    size_t i;

    for (i = 0; i < said.size && i < SINK_REPEAT_BYTES; i++) {
        unsigned char byte = (unsigned char)said.at[i];

        text_add_byte(&sink->reply, byte < ' ' || byte == 0x7f ? '?' : said.at[i]);
    }
}

/* Queue ids are made of what was sent before, so that a session can be played again. */
static void reply_queued(struct sink *sink)
{
    static const struct span digits = SPAN_INIT("0123456789ABCDEF");
    int shift;

    if (sink->queued.size > 0) {
        text_add(&sink->reply, text_span(&sink->queued));
        return;
    }
    for (shift = 28; shift >= 0; shift -= 4)
        text_add_byte(&sink->reply, digits.at[sink->counts.messages >> (unsigned)shift & 0xFU]);
}

/* What the client said that a letter stands for; false: it stands for something else. */
static bool letter_said(const struct sink *sink, char letter, struct span *said_r)
{
    const struct sink_telling *telling = &sink->telling;
    size_t equals = span_find(telling->option, '=');
    const struct {
        char letter;
        struct span said;
    } rows[] = {
        {'n', text_span(&sink->name)},
        {'l', telling->line},
        {'a', telling->argument},
        {'m', telling->mailbox},
        {'e', telling->path},
        {'f', telling->before},
        {'o', telling->option},
        {'k', span_head(telling->option, equals)},
        {'x', span_tail(telling->option, equals + 1)},
        {'r', text_span(&sink->refusal)},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]) && rows[i].letter != letter; i++)
        ;
    *said_r = i < sizeof(rows) / sizeof(rows[0]) ? rows[i].said : span_of("", 0);
    return i < sizeof(rows) / sizeof(rows[0]);
}

/* What stands for a letter in the words of a personality. */
static void reply_letter(struct sink *sink, char letter)
{
    struct span said;

    if (letter_said(sink, letter, &said)) {
        reply_repeat(sink, said);
        return;
    }
    switch (letter) {
    case 'h':
        text_add(&sink->reply, sink->settings->hostname);
        break;
    case 'g':
        text_add(&sink->reply, sink->settings->banner);
        break;
    case 'p':
        text_add(&sink->reply, sink->peer);
        break;
    case 'v':
        text_add(&sink->reply, verb_facts(sink->telling.verb)->word);
        break;
    case 's':
        if (sink->settings->size_bytes > 0)
            text_add_number(&sink->reply, sink->settings->size_bytes);
        break;
    case 'b':
        text_add_number(&sink->reply, sink->mail.chunk_whole);
        break;
    case 't':
        text_add_number(&sink->reply, sink->mail.bytes);
        break;
    case 'q':
        reply_queued(sink);
        break;
    default:
        must(false); /* a personality is wrong */
    }
}

/* How many bytes at the front are an enhanced status code and its blank: "5.7.1 ". */
static size_t status_size(struct span text)
{
    size_t dots = 0, i;

    for (i = 0; i < text.size && (text.at[i] == '.' || (text.at[i] >= '0' && text.at[i] <= '9'));
         i++)
        dots += text.at[i] == '.';
    return dots == 2 && i < text.size && text.at[i] == ' ' ? i + 1 : 0;
}

static void words_line(struct sink *sink, struct span line)
{
    const struct sink_settings *settings = sink->settings;
    size_t code = SPAN("250 ").size;
    struct span rest = span_tail(line, code);
    uint32_t hidden = settings->personality->offered & ~settings->offered;

    text_add(&sink->reply, span_head(line, code));
    if ((hidden & SINK_BIT(ENHANCEDSTATUSCODES)) != 0)
        rest = span_tail(rest, status_size(rest));
    while (rest.size > 0) {
        size_t mark = span_find(rest, '%');

        text_add(&sink->reply, span_head(rest, mark));
        if (mark + 1 < rest.size)
            reply_letter(sink, rest.at[mark + 1]);
        rest = span_tail(rest, mark + 2);
    }
}

static void reply_words(struct sink *sink, struct span words)
{
    for (;;) {
        size_t end = span_find(words, '\n');

        words_line(sink, span_head(words, end));
        if (end == words.size)
            return;
        text_add(&sink->reply, SPAN("\r\n"));
        words = span_tail(words, end + 1);
    }
}

/* A line stands already, and another is to follow it, with its code. */
static void reply_join(struct sink *sink, size_t last_line, struct span words)
{
    size_t line;

    sink->said[last_line + SPAN("250").size] = '-';
    text_add(&sink->reply, SPAN("\r\n"));
    line = sink->reply.size;
    reply_words(sink, words);
    memcpy(sink->said + line, sink->said + last_line, SPAN("250").size);
}

_Static_assert(sizeof(((struct sink *)0)->faults) / sizeof(uint32_t) == COUNT_COUNT,
               "a count of each kind");

const struct sink_limit *sink_count(struct sink *sink, enum sink_count count)
{
    enum sink_count kind = count == COUNT_QUIET ? COUNT_ERROR : count;
    const struct sink_limit *limit = &sink->settings->personality->limits[kind];

    if (count == COUNT_NOT)
        return NULL;
    sink->faults[kind]++;
    if (limit->max > 0 && sink->faults[kind] + (limit->excess == EXCESS_AFTER) > limit->max)
        return limit;
    return count == COUNT_UNKNOWN ? sink_count(sink, COUNT_ERROR) : NULL; /* what is unknown is
                                                                             an error, too */
}

static void say(struct sink *sink, const struct sink_personality *personality, enum sink_say before,
                enum sink_say what)
{
    const struct sink_word *word = &personality->words[what];
    const struct sink_limit *limit = sink_count(sink, (enum sink_count)word->count);
    const struct sink_word *excess = limit == NULL ? NULL : &personality->words[limit->say];
    bool ends = word->ends || limit != NULL;
    size_t line;

    reply_begin(sink);
    if (before != SAY_NOTHING) {
        reply_words(sink, personality->words[before].text);
        text_add(&sink->reply, SPAN("\r\n"));
    }
    line = sink->reply.size;
    if (limit == NULL || limit->excess != EXCESS_INSTEAD)
        reply_words(sink, word->text);
    else
        reply_words(sink, excess->text);
    if (limit != NULL && limit->excess == EXCESS_JOINED && word->count != COUNT_QUIET)
        reply_join(sink, line, excess->text);
    if (limit != NULL && limit->excess == EXCESS_AFTER) {
        text_add(&sink->reply, SPAN("\r\n"));
        reply_words(sink, excess->text);
        sink->counts.replies++;
    }
    sink_say_reply(sink);
    if (ends)
        sink_close(sink);
}

void sink_say(struct sink *sink, enum sink_say what)
{
    say(sink, sink->settings->personality, SAY_NOTHING, what);
}

void sink_say_reasoned(struct sink *sink, enum sink_say what)
{
    say(sink, sink->settings->personality, SAY_DATA_REASON, what);
}

void sink_say_manners(struct sink *sink, enum sink_say what)
{
    say(sink, sink->settings->manners, SAY_NOTHING, what);
}

void sink_say_line(struct sink *sink, struct span line)
{
    reply_begin(sink);
    text_add(&sink->reply, span_head(line, sizeof(sink->said) - SPAN("\r\n").size));
    sink_say_reply(sink);
}

/* "SIZE" without a number has no blank either. */
static void keyword_add(struct sink *sink, size_t *last_line, struct span words)
{
    sink->said[*last_line + SPAN("250").size] = '-';
    text_add(&sink->reply, SPAN("\r\n"));
    *last_line = sink->reply.size;
    text_add(&sink->reply, SPAN("250 "));
    while (words.size > 0) {
        size_t mark = span_find(words, '%');

        text_add(&sink->reply, span_head(words, mark));
        if (mark + 1 < words.size)
            reply_letter(sink, words.at[mark + 1]);
        words = span_tail(words, mark + 2);
    }
    while (sink->said[sink->reply.size - 1] == ' ')
        sink->reply.size--;
}

/* RFC 5321 4.1.1.1: HELO is answered by one line, EHLO by one more for each extension. */
void sink_say_hello(struct sink *sink)
{
    const struct sink_personality *personality = sink->settings->personality;
    const struct sink_keyword *keyword;
    uint32_t told = 0;
    size_t line = 0;
    unsigned i;

    reply_begin(sink);
    reply_words(sink, personality->words[sink->extended ? SAY_EHLO_OK : SAY_HELO_OK].text);
    for (keyword = personality->keywords; sink->extended && keyword->text.size > 0; keyword++) {
        if (keyword->extension != EXTENSION_NONE && !sink_offers(sink, keyword->extension))
            continue;
        told |= keyword->extension == EXTENSION_NONE ? 0 : 1U << keyword->extension;
        keyword_add(sink, &line, keyword->text);
    }
    for (i = 0; sink->extended && i < EXTENSION_NONE; i++) { /* by --offer */
        if ((told >> i & 1U) == 0 && sink_offers(sink, (enum extension)i))
            keyword_add(sink, &line, extension_facts((enum extension)i)->keyword);
    }
    sink_say_reply(sink);
}
