/* The machine: from phase to phase, and what becomes of those who talk too early. */
#include <string.h>

#include "lockstep/base/must.h"

#include "machine.h"

void sink_settings_default(struct sink_settings *settings_r)
{
    *settings_r = (struct sink_settings){
        .hostname = SPAN("sink.invalid"),
        .banner = SPAN("ESMTP lockstep sink"),
    };
    sink_settings_take(settings_r, &sink_strict);
}

void sink_init(struct sink *sink, const struct sink_settings *settings, moment now)
{
    must((settings->offered & ~SINK_OFFERABLE) == 0);
    must(settings->hostname.size + settings->banner.size <= SINK_REPLY_BYTES / 4);
    memset(sink, 0, offsetof(struct sink, named));
    sink->settings = settings;
    sink->spared = settings->personality->spared;
    sink->peer = SPAN("127.0.0.1");
    sink->name = text_over(sink->named, sizeof(sink->named));
    sink->queued = text_over(sink->queue_id, sizeof(sink->queue_id));
    sink->refusal = text_over(sink->refused, sizeof(sink->refused));
    sink->now = now;
    sink->input = span_of(sink->kept, 0);
}

bool sink_offers(const struct sink *sink, enum extension extension)
{
    if (!sink->extended && !sink->settings->personality->old_extensions)
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
    if (sink->phase == SINK_PHASE_CLOSED)
        return;
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

static enum sink_standing standing_of(const struct sink *sink)
{
    if (!sink->extended)
        return STANDING_OLD;
    return sink_offers(sink, EXTENSION_PIPELINING) ? STANDING_PIPELINING : STANDING_EHLO;
}

/* Is what stands behind this verb worth the session? */
static bool ends_it(const struct sink *sink, enum verb verb)
{
    const struct sink_early *early = &sink->settings->manners->early;
    enum sink_standing standing = standing_of(sink);
    uint32_t pardoned = sink->counts.messages == 0 ? early->pardoned[standing] : 0;

    return ((early->behind[standing] & ~pardoned) >> verb & 1U) != 0;
}

/* Something is about to be answered, and `input` is what stands behind it. True: the client was
 * too early and has been answered for it. */
static bool sink_overtaken(struct sink *sink, enum verb verb)
{
    bool ends = ends_it(sink, verb);
    bool spoils = !ends && (sink->settings->manners->early.spoils >> verb & 1U) != 0;

    if (sink->input.size == 0)
        return false;
    if (ends || spoils || standing_of(sink) != STANDING_PIPELINING || ends_group(verb))
        sink->counts.violations++;
    if (sink->extended && (sink->settings->personality->waits >> verb & 1U) != 0)
        sink->pipelined = true;
    if (ends || spoils)
        sink_say_manners(sink, SAY_EARLY);
    sink->spoilt = sink->spoilt || spoils;
    if (ends)
        sink_close(sink);
    return ends || spoils;
}

static bool banner_step(struct sink *sink)
{
    if (!sink_due(sink))
        return false;
    sink->phase = SINK_PHASE_COMMAND;
    if (sink->input.size > 0)
        sink->counts.violations++;
    if (sink->input.size > 0 && sink->settings->manners->early.banner) {
        sink_say_manners(sink, SAY_EARLY);
        sink_close(sink);
    } else {
        sink_say(sink, SAY_BANNER);
    }
    return true;
}

/* Do these manners mind what stands behind BDAT, which is its chunk? */
static bool chunk_early(const struct sink *sink)
{
    const struct sink_settings *settings = sink->settings;
    uint32_t behind =
        settings->manners->early.behind[sink->extended ? STANDING_EHLO : STANDING_OLD];

    return !sink_minds(sink, SAY_CHUNK_OK) ||
           (settings->manners == settings->personality && (behind >> VERB_BDAT & 1U) != 0);
}

/* A line of an AUTH exchange, which is longer than others may be. */
static bool auth_line(const struct sink *sink)
{
    return sink->phase == SINK_PHASE_RESPONSE || span_starts_fold(sink->input, SPAN("AUTH "));
}

static uint32_t line_limit(const struct sink *sink, bool long_one)
{
    uint32_t limit = sink->settings->personality->line_bytes;

    if (long_one)
        return SINK_AUTH_LINE_BYTES;
    return limit > 0 ? limit : SINK_LINE_BYTES;
}

/* One whole line, which has its turn. */
static void line_obey(struct sink *sink, const struct line *line, const struct command *command,
                      bool response)
{
    bool chunk = !response && command->verb == VERB_BDAT; /* it is answered behind its chunk */
    enum verb verb = response ? VERB_AUTH : command->verb;

    sink->telling = (struct sink_telling){
        .verb = verb,
        .line = line->text,
        .argument = response ? line->text : command->argument,
    };
    if (line->bare_lf && sink_minds(sink, SAY_BARE_LINE)) {
        sink_say(sink, SAY_BARE_LINE); /* what the next line is depends on the reader: smuggling */
        sink_close(sink);
    } else if (response) {
        if (!sink_overtaken(sink, VERB_RESPONSE))
            auth_respond(sink, line->text);
    } else if ((chunk && !chunk_early(sink)) || !sink_overtaken(sink, command->verb)) {
        command_obey(sink, line, command);
    }
    sink->telling = (struct sink_telling){.verb = verb}; /* the line may go with its read */
}

static bool line_step(struct sink *sink)
{
    bool response = sink->phase == SINK_PHASE_RESPONSE;
    bool long_one = auth_line(sink);
    struct command command;
    struct line line;
    enum parsed parsed = line_next(sink->input, line_limit(sink, long_one), &line);

    if (parsed == PARSED_BAD) {
        sink->overlong = long_one ? SAY_AUTH_LONG : SAY_LINE_LONG;
        sink->phase = SINK_PHASE_OVERLONG;
        return true;
    }
    command_parse(line.text, &command);
    if (parsed == PARSED_MORE || ((response || command.verb != VERB_BDAT) && !sink_due(sink)))
        return false;
    sink->input = span_tail(sink->input, line.taken);
    line_obey(sink, &line, &command, response);
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

void sink_queued(struct sink *sink, struct span name)
{
    must(sink->phase == SINK_PHASE_ANSWER);
    text_clear(&sink->queued);
    text_add(&sink->queued, name);
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
