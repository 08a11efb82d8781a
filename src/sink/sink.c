/* The machine: from phase to phase, and what becomes of those who talk too early. */
#include <string.h>

#include "lockstep/base/must.h"

#include "machine.h"

#define VERB_BIT(name) (1U << VERB_##name)
#define EVERY_VERB UINT32_MAX
#define EXIM_ALWAYS                                                                       \
    (VERB_BIT(HELO) | VERB_BIT(EHLO) | VERB_BIT(DATA) | VERB_BIT(VRFY) | VERB_BIT(EXPN) | \
     VERB_BIT(NOOP) | VERB_BIT(ETRN) | VERB_BIT(STARTTLS))
#define EXIM_UNOFFERED (EXIM_ALWAYS | VERB_BIT(MAIL) | VERB_BIT(RCPT) | VERB_BIT(RSET))
#define POSTFIX_LAST \
    (VERB_BIT(HELO) | VERB_BIT(EHLO) | VERB_BIT(DATA) | VERB_BIT(NOOP) | VERB_BIT(VRFY))

/* How far the client may pipeline, by what it was told. */
enum standing { STANDING_PIPELINING, STANDING_EHLO, STANDING_OLD, STANDING_COUNT };

/* One bit per verb: bytes that stand behind it before it is answered end the session. */
static const struct {
    enum sink_say say;
    bool banner; /* bytes before the banner do, too */
    uint32_t behind[STANDING_COUNT];
} early_rules[] = {
    [SINK_EARLY_TAKEN] = {SAY_NOTHING, false, {0, 0, 0}},
    [SINK_EARLY_OPENSMTPD] = {SAY_EARLY_OPENSMTPD, false, {0, EVERY_VERB, EVERY_VERB}},
    [SINK_EARLY_EXIM] = {SAY_EARLY_EXIM, true, {EXIM_ALWAYS, EXIM_UNOFFERED, EXIM_UNOFFERED}},
    [SINK_EARLY_POSTFIX] = {SAY_EARLY_POSTFIX, true, {POSTFIX_LAST, POSTFIX_LAST, EVERY_VERB}},
};

void sink_settings_default(struct sink_settings *settings_r)
{
    *settings_r = (struct sink_settings){
        .words = &sink_words_strict,
        .hostname = SPAN("sink.invalid"),
        .banner = SPAN("ESMTP lockstep sink"),
        .offered = SINK_OFFERED_DEFAULT,
        .recipients = 1000,
    };
}

void sink_init(struct sink *sink, const struct sink_settings *settings, moment now)
{
    must((settings->offered & ~SINK_OFFERABLE) == 0);
    must(settings->hostname.size + settings->banner.size <= SINK_REPLY_BYTES / 2);
    memset(sink, 0, offsetof(struct sink, said));
    sink->settings = settings;
    sink->now = now;
    sink->input = span_of(sink->kept, 0);
}

bool sink_offers(const struct sink *sink, enum extension extension)
{
    if (!sink->extended)
        return false;
    if (extension == EXTENSION_AUTH)
        return sink->settings->auth != SINK_AUTH_NONE;
    return (sink->settings->offered >> extension & 1U) != 0;
}

static bool pattern_fits(struct span pattern, struct span mailbox)
{
    size_t star = span_find(pattern, '*');
    struct span end = span_tail(pattern, star + 1);

    if (star == pattern.size)
        return span_equal_fold(pattern, mailbox);
    return mailbox.size >= star + end.size &&
           span_equal_fold(span_head(mailbox, star), span_head(pattern, star)) &&
           span_equal_fold(span_tail(mailbox, mailbox.size - end.size), end);
}

bool sink_verdict(const struct sink *sink, enum verb verb, struct span mailbox,
                  struct span *reply_r)
{
    size_t i;

    for (i = 0; i < sink->settings->verdict_count; i++) {
        const struct sink_verdict *verdict = &sink->settings->verdicts[i];

        if (verdict->verb == verb && pattern_fits(verdict->pattern, mailbox)) {
            *reply_r = verdict->reply;
            return !span_starts(verdict->reply, SPAN("2"));
        }
    }
    return false;
}

void sink_close(struct sink *sink)
{
    if (sink->mail.begun)
        sink_emit(sink, SINK_ABANDON, span_of("", 0));
    sink->mail.begun = false;
    sink->phase = SINK_PHASE_CLOSED;
    sink_emit(sink, SINK_CLOSE, span_of("", 0));
}

/* Has the answer's moment come? The first question starts the delay. */
static bool sink_due(struct sink *sink)
{
    if (sink->due == 0 && sink->settings->reply_delay_ms > 0)
        sink->due = sink->now + sink->settings->reply_delay_ms;
    if (sink->due > sink->now)
        return false;
    sink->due = 0;
    return true;
}

/* RFC 2920 3.1: may nothing stand behind this verb though PIPELINING was offered? The end of a
 * message, by its dot or its last chunk, may be followed by the next group. */
static bool ends_group(enum verb verb)
{
    return verb_facts(verb)->last && verb != VERB_END;
}

/* Something is about to be answered, and `input` is what stands behind it. True: the client was
 * too early and has been thrown out for it. */
static bool sink_overtaken(struct sink *sink, enum verb verb)
{
    enum standing standing = !sink->extended                           ? STANDING_OLD
                             : sink_offers(sink, EXTENSION_PIPELINING) ? STANDING_PIPELINING
                                                                       : STANDING_EHLO;
    bool punished = (early_rules[sink->settings->early].behind[standing] >> verb & 1U) != 0;

    if (sink->input.size == 0)
        return false;
    if (punished || standing != STANDING_PIPELINING || ends_group(verb))
        sink->counts.violations++;
    if (punished) {
        sink_say(sink, early_rules[sink->settings->early].say);
        sink_close(sink);
    }
    return punished;
}

static bool banner_step(struct sink *sink)
{
    if (!sink_due(sink))
        return false;
    sink->phase = SINK_PHASE_COMMAND;
    if (sink->input.size > 0)
        sink->counts.violations++;
    if (sink->input.size > 0 && early_rules[sink->settings->early].banner) {
        sink_say(sink, early_rules[sink->settings->early].say);
        sink_close(sink);
    } else {
        sink_say_banner(sink);
    }
    return true;
}

/* A line of an AUTH exchange, which is longer than others may be. */
static bool auth_line(const struct sink *sink)
{
    return sink->phase == SINK_PHASE_RESPONSE || span_starts_fold(sink->input, SPAN("AUTH "));
}

static bool line_step(struct sink *sink)
{
    bool response = sink->phase == SINK_PHASE_RESPONSE;
    bool long_one = auth_line(sink);
    bool chunk;
    struct command command;
    struct line line;
    enum parsed parsed =
        line_next(sink->input, long_one ? SINK_AUTH_LINE_BYTES : SINK_LINE_BYTES, &line);

    if (parsed == PARSED_BAD) {
        sink->overlong = long_one ? SAY_AUTH_LONG : SAY_LINE_LONG;
        sink->phase = SINK_PHASE_OVERLONG;
        return true;
    }
    command_parse(line.text, &command);
    chunk = !response && command.verb == VERB_BDAT; /* it is answered behind its chunk */
    if (parsed == PARSED_MORE || (!chunk && !sink_due(sink)))
        return false;
    sink->input = span_tail(sink->input, line.taken);
    if (line.bare_lf) { /* what the next line is depends on the reader: smuggling */
        sink_say(sink, SAY_BARE_LINE);
        sink_close(sink);
    } else if (response) {
        if (!sink_overtaken(sink, VERB_RESPONSE))
            auth_respond(sink, line.text);
    } else if (chunk || !sink_overtaken(sink, command.verb)) {
        command_obey(sink, &line, &command);
    }
    return true;
}

static bool overlong_step(struct sink *sink)
{
    size_t end = span_find(sink->input, '\n');

    if (end == sink->input.size) {
        sink->input = span_of(sink->kept, 0);
        return false;
    }
    if (!sink_due(sink)) {
        sink->input = span_tail(sink->input, end);
        return false;
    }
    sink->input = span_tail(sink->input, end + 1);
    sink->phase = SINK_PHASE_COMMAND;
    if (!sink_overtaken(sink, VERB_UNKNOWN))
        sink_say(sink, (enum sink_say)sink->overlong);
    return true;
}

/* One step; false: it needs more input, or time. */
static bool sink_step(struct sink *sink)
{
    switch (sink->phase) {
    case SINK_PHASE_BANNER:
        return banner_step(sink);
    case SINK_PHASE_COMMAND:
    case SINK_PHASE_RESPONSE:
        return line_step(sink);
    case SINK_PHASE_OVERLONG:
        return overlong_step(sink);
    case SINK_PHASE_MESSAGE:
        return message_step(sink);
    case SINK_PHASE_CHUNK:
        return chunk_step(sink);
    case SINK_PHASE_WHOLE:
        if (!sink_due(sink))
            return false;
        if (!sink_overtaken(sink, VERB_END))
            whole_step(sink);
        return true;
    case SINK_PHASE_ANSWER:
        answer_step(sink);
        return true;
    case SINK_PHASE_CLOSED:
        sink->input = span_of(sink->kept, 0);
        return false;
    }
    return false;
}

size_t sink_room(const struct sink *sink)
{
    return SINK_INPUT_BYTES - sink->input.size;
}

void sink_feed(struct sink *sink, struct span bytes, moment now)
{
    must(bytes.size <= sink_room(sink));
    sink->now = now;
    if (bytes.size == 0)
        return;
    if (sink->input.size == 0) {
        sink->input = bytes;
        return;
    }
    must(sink->input.at == sink->kept);
    memcpy(sink->kept + sink->input.size, bytes.at, bytes.size);
    sink->input.size += bytes.size;
}

bool sink_take(struct sink *sink, struct sink_output *output_r)
{
    if (sink->queue_first == sink->queue_count) {
        sink->queue_first = sink->queue_count = 0;
        while (sink->queue_count == 0 && sink_step(sink))
            ;
    }
    if (sink->queue_count == 0) { /* what is left waits for more, in a place of our own */
        memmove(sink->kept, sink->input.at, sink->input.size);
        sink->input.at = sink->kept;
        return false;
    }
    *output_r = sink->queue[sink->queue_first++];
    return true;
}

void sink_answer(struct sink *sink, struct span reply)
{
    must(sink->phase == SINK_PHASE_ANSWER);
    sink->reply = text_over(sink->said, sizeof(sink->said));
    text_add(&sink->reply, span_head(reply, sizeof(sink->said) - SPAN("\r\n").size));
}

moment sink_deadline(const struct sink *sink)
{
    return sink->due > 0 ? sink->due : MOMENT_NEVER;
}
