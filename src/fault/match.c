/* Whether a rule has to do with what happens. What counts is counted last, so that `nth=2` is the
 * second that fits in all else. */
#include "faults.h"

static char folded(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

bool fault_like(struct span pattern, struct span text)
{
    size_t star = SIZE_MAX, retry = 0, at = 0, i = 0;

    while (i < text.size) {
        if (at < pattern.size && pattern.at[at] == '*') {
            star = at++;
            retry = i;
        } else if (at < pattern.size && folded(pattern.at[at]) == folded(text.at[i])) {
            at++;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++retry;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.at[at] == '*')
        at++;
    return at == pattern.size;
}

static bool code_begins(struct span wanted, uint16_t code)
{
    bool other = span_starts(wanted, SPAN("!"));
    char bytes[8];
    struct text digits = text_over(bytes, sizeof(bytes));

    text_add_number(&digits, code);
    return span_starts(text_span(&digits), span_tail(wanted, other ? 1 : 0)) != other;
}

/* Like the pattern; or with ! in front, unlike it. */
static bool is_like(struct span pattern, struct span text)
{
    bool other = span_starts(pattern, SPAN("!"));

    return fault_like(span_tail(pattern, other ? 1 : 0), text) != other;
}

static bool holds(const struct fault_scene *scene, struct span pattern)
{
    bool other = span_starts(pattern, SPAN("!"));

    if (scene->event != FAULT_CONTENT)
        return is_like(pattern, scene->said);
    pattern = span_tail(pattern, other ? 1 : 0);
    return (span_find_span(scene->said, pattern) < scene->said.size) != other;
}

/* Has any line more bytes, its end not counted? */
static bool has_longer(const struct fault_scene *scene, uint64_t most)
{
    uint64_t column = scene->column;
    size_t i;

    for (i = 0; i < scene->said.size && column <= most; i++) {
        char byte = scene->said.at[i];

        if (byte == '\n')
            column = 0;
        else if (byte != '\r')
            column++;
    }
    return column > most;
}

/* A record of a handshake (RFC 8446 5.1) with a ClientHello (4.1.2): behind 9 bytes the newest
 * version up to 1.2, which 1.3 says too. */
static bool offers_newer_tls(struct span bytes)
{
    return bytes.size > 10 && bytes.at[0] == 22 && bytes.at[5] == 1 && bytes.at[9] == 3 &&
           bytes.at[10] > 1;
}

/* The triggers that look at one thing each; those that count come later. */
static bool fits_one(const struct fault_value *value, const struct fault_scene *scene,
                     uint32_t number)
{
    switch ((enum fault_trigger)value->what) {
    case TRIGGER_MATCH:
        return holds(scene, value->text);
    case TRIGGER_CODE:
        return code_begins(value->text, scene->code);
    case TRIGGER_LONGER:
        return has_longer(scene, value->number);
    case TRIGGER_AFTER:
        return scene->before + scene->said.size > value->number;
    case TRIGGER_CLIENT:
        return is_like(value->text, scene->client);
    case TRIGGER_HELO:
        return is_like(value->text, scene->helo);
    case TRIGGER_ABOVE:
        return value->number <= number && scene->counts[number - value->number].acted > 0;
    case TRIGGER_HEADER:
        return scene->header;
    case TRIGGER_BODY:
        return !scene->header;
    case TRIGGER_SESSIONS:
        return value->number == 0 || scene->session % value->number == 0;
    case TRIGGER_EARLY:
        return scene->early;
    case TRIGGER_FOLLOWED:
        return scene->followed;
    case TRIGGER_SPLIT:
        return scene->split;
    case TRIGGER_NEWER_TLS:
        return offers_newer_tls(scene->said);
    case TRIGGER_NONE_ACCEPTED:
        return scene->none_accepted;
    case TRIGGER_LAST_REFUSED:
        return scene->last_refused;
    case TRIGGER_NTH:
    case TRIGGER_EVERY:
    case TRIGGER_FIRST:
    case TRIGGER_CHANCE:
    case TRIGGER_SHARE:
    case TRIGGER_OVER:
    case TRIGGER_NEW:
    case FAULT_TRIGGER_COUNT:
        break;
    }
    return true;
}

/* Have more come than that in that time? A bucket that leaks. */
static bool runs_over(const struct fault_value *value, const struct fault_scene *scene,
                      uint32_t number)
{
    uint64_t most = value->number * value->per_ms;
    uint64_t *level;
    uint64_t leaked;

    if (scene->memory == NULL)
        return false;
    level = &scene->memory->buckets[number].level;
    leaked = (uint64_t)(scene->now - scene->memory->buckets[number].at) * value->number;
    *level -= *level < leaked ? *level : leaked;
    scene->memory->buckets[number].at = scene->now;
    if (*level + value->per_ms > most)
        return true;
    *level += value->per_ms;
    return false;
}

static uint64_t marked(uint64_t mark, struct span bytes)
{
    size_t i;

    for (i = 0; i < bytes.size; i++) /* FNV-1a: to tell apart, not to protect */
        mark = (mark ^ (unsigned char)folded(bytes.at[i])) * 0x100000001b3U;
    return (mark ^ 0xff) * 0x100000001b3U;
}

/* Was the same not yet said by that client, or not so long ago? */
static bool is_new(uint64_t ms, const struct fault_scene *scene)
{
    struct fault_memory *memory = scene->memory;
    uint64_t mark = marked(marked(0xcbf29ce484222325U, scene->client), scene->said);
    size_t i;

    if (memory == NULL)
        return false;
    for (i = 0; i < FAULT_SEEN_MAX; i++) {
        if (memory->seen[i].mark == mark)
            return (uint64_t)(scene->now - memory->seen[i].first) < ms;
    }
    i = memory->seen_next++ % FAULT_SEEN_MAX;
    memory->seen[i].mark = mark;
    memory->seen[i].first = scene->now;
    return true;
}

/* Drawn once in a session. */
static bool drawn(const struct fault_value *value, const struct fault_scene *scene,
                  struct fault_count *count)
{
    if (count->lot == LOT_NONE)
        count->lot = seed_below(scene->seed, 100) < value->number ? LOT_IN : LOT_OUT;
    return count->lot == LOT_IN;
}

/* Everything else fits: now what counts. */
static bool counts(const struct fault_value *value, const struct fault_scene *scene,
                   uint32_t number)
{
    struct fault_count *count = &scene->counts[number];

    switch ((enum fault_trigger)value->what) {
    case TRIGGER_NTH:
        return count->fitted == value->number;
    case TRIGGER_EVERY:
        return value->number == 0 || count->fitted % value->number == 0;
    case TRIGGER_FIRST:
        return count->acted < value->number;
    case TRIGGER_CHANCE:
        return seed_below(scene->seed, 100) < value->number;
    case TRIGGER_SHARE:
        return drawn(value, scene, count);
    case TRIGGER_OVER:
        return runs_over(value, scene, number);
    case TRIGGER_NEW:
        return is_new(value->number, scene);
    case TRIGGER_SESSIONS:
    case TRIGGER_MATCH:
    case TRIGGER_CODE:
    case TRIGGER_LONGER:
    case TRIGGER_AFTER:
    case TRIGGER_CLIENT:
    case TRIGGER_HELO:
    case TRIGGER_ABOVE:
    case TRIGGER_HEADER:
    case TRIGGER_BODY:
    case TRIGGER_EARLY:
    case TRIGGER_FOLLOWED:
    case TRIGGER_SPLIT:
    case TRIGGER_NEWER_TLS:
    case TRIGGER_NONE_ACCEPTED:
    case TRIGGER_LAST_REFUSED:
    case FAULT_TRIGGER_COUNT:
        break;
    }
    return true;
}

bool fault_fits(const struct fault_rule *rule, const struct fault_scene *scene, uint32_t number)
{
    bool named = (rule->verbs >> scene->verb & 1U) != 0;
    uint32_t i;

    if (rule->event != scene->event || (rule->verbs != 0 && named == rule->other_verbs))
        return false;
    for (i = 0; i < rule->when_count; i++) {
        if (!fits_one(&rule->when[i], scene, number))
            return false;
    }
    scene->counts[number].fitted++;
    for (i = 0; i < rule->when_count; i++) {
        if (!counts(&rule->when[i], scene, number))
            return false;
    }
    scene->counts[number].acted++;
    return true;
}
