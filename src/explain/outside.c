/* What comes from outside the two conversations: who a client is, TLS, answers to questions. */
#include "play.h"

/* The words of an answer. */
#define TOLD_BYTES_MAX 16384U

/* Takes `key=value` off the words; empty: it is not the next. */
static struct span take_value(struct span *rest, struct span key)
{
    struct span after = *rest;
    struct span word;

    if (!span_word(&after, &word) || !span_starts(word, key))
        return SPAN("");
    *rest = after;
    return span_tail(word, key.size);
}

/* "tls", or what is known of a path; false: the word is neither. */
static bool take_trait(struct event *event, struct span word)
{
    size_t i;

    if (span_equal(word, SPAN("tls"))) {
        event->secured = true;
        return true;
    }
    for (i = 0; i < TRAIT_COUNT; i++) {
        if (!span_equal(word, trait_word((enum trait)i)))
            continue;
        event->traits |= 1U << i;
        return true;
    }
    return false;
}

/* `through=10.0.0.1:4711 along`, the second only behind the first. */
static void take_through(struct span *rest, struct arrival *arrival)
{
    struct span after;
    struct span word;

    arrival->through = take_value(rest, SPAN("through="));
    after = *rest;
    arrival->along =
        arrival->through.size > 0 && span_word(&after, &word) && span_equal(word, SPAN("along"));
    if (arrival->along)
        *rest = after;
}

/* `open 192.0.2.1 tls tls-before port=40000 to=192.0.2.2:25 through=10.0.0.1:4711 along
 * certificate=name session=3`, all optional. */
void play_open(struct play *play, enum side side, struct span rest)
{
    struct event event = {.kind = EVENT_OPENED, .side = side, .at = play->now};
    struct arrival arrival = {.destination = SPAN("")};
    struct span word, after = rest;
    uint64_t number = 0;

    if (span_word(&after, &word) && !take_trait(&event, word) &&
        span_find(word, '=') == word.size) {
        event.bytes = word;
        rest = after;
    }
    for (after = rest; span_word(&after, &word) && take_trait(&event, word); rest = after)
        continue;
    if (span_number(take_value(&rest, SPAN("port=")), &number) && number <= UINT16_MAX)
        arrival.port = (uint16_t)number;
    arrival.destination = take_value(&rest, SPAN("to="));
    take_through(&rest, &arrival);
    arrival.certificate = take_value(&rest, SPAN("certificate="));
    event.arrival = &arrival;
    if (span_number(take_value(&rest, SPAN("session=")), &number) && number <= UINT32_MAX)
        event.session = (uint32_t)number;
    if (!play->peers[side].shut)
        play_step(play, &event);
}

/* `secured TLSv1.3 ... certificate=name` */
void play_secured(struct play *play, enum side side, struct span rest)
{
    struct arrival arrival = {.destination = SPAN("")};
    struct event event = {.kind = EVENT_SECURED, .side = side, .at = play->now};
    size_t mark = span_find_span(rest, SPAN("certificate="));

    event.bytes = span_trim(span_head(rest, mark));
    rest = span_tail(rest, mark);
    arrival.certificate = take_value(&rest, SPAN("certificate="));
    event.arrival = &arrival;
    if (!play->peers[side].shut)
        play_step(play, &event);
}

/* The words of an answer, a secret among them made up. */
static void told_words(struct span rest, struct text *words)
{
    size_t mark = span_find_span(rest, SPAN("[secret "));
    struct span number = span_tail(rest, mark + SPAN("[secret ").size);
    uint64_t size = 0;

    text_add(words, span_head(rest, mark));
    if (mark < rest.size && number.size > 0 &&
        span_number(span_head(number, number.size - 1), &size))
        script_secret((size_t)(size < TOLD_BYTES_MAX ? size : TOLD_BYTES_MAX), words);
}

/* `told done|line|again|later|no [moved] [live] words` */
void play_told(struct play *play, struct span rest)
{
    static const struct span kinds[] = {
        [TOLD_DONE] = SPAN_INIT("done"),   [TOLD_LINE] = SPAN_INIT("line"),
        [TOLD_AGAIN] = SPAN_INIT("again"), [TOLD_LATER] = SPAN_INIT("later"),
        [TOLD_NO] = SPAN_INIT("no"),
    };
    struct advice advice = {.serial = play->serial, .credential = NOTHING};
    struct event event = {.kind = EVENT_TOLD, .at = play->now, .advice = &advice};
    char bytes[TOLD_BYTES_MAX];
    struct text words = text_over(bytes, sizeof(bytes));
    struct span word;
    size_t kind;

    span_word(&rest, &word);
    for (kind = 0; kind <= TOLD_NO && !span_equal(kinds[kind], word); kind++)
        ;
    if (kind > TOLD_NO) {
        play_fail(play, SPAN("an answer is told: done, line, again, later or no"));
        return;
    }
    advice.told = (enum told)kind;
    rest = span_trim(rest);
    if (span_starts(rest, SPAN("moved"))) {
        advice.moved = true;
        rest = span_trim(span_tail(rest, SPAN("moved").size));
    }
    if (kind == TOLD_DONE && span_starts(rest, SPAN("live"))) {
        advice.credential = LIVE;
        rest = span_tail(rest, SPAN("live").size);
    }
    told_words(span_trim(rest), &words);
    event.bytes = text_span(&words);
    play_step(play, &event);
    play_settle(play);
}

/* `now RULE`: one of other faults; `now`: those were all, and they hold. */
void play_faults(struct play *play, struct span rest)
{
    struct event event = {.kind = EVENT_FAULTS, .at = play->now, .faults = &play->sets[play->set]};
    char bytes[256];
    struct text error = text_over(bytes, sizeof(bytes));

    if (rest.size > 0) {
        if (!fault_add(&play->sets[play->set], rest, &error))
            play_fail(play, text_span(&error));
        return;
    }
    play_step(play, &event);
    play->set = 1 - play->set;
    play->sets[play->set] = (struct faults){0};
    play_settle(play);
}
