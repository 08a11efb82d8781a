/* Lists of sessions, one of the live and one of the ended, and their text in two pieces: the
 * beginning, and what came last. */
#include "lockstep/net/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "lockstep/base/must.h"
#include "lockstep/record/record.h"
#include "lockstep/smtp/command.h"
#include "past.h"

/* Bytes that a text begins with; it doubles from there. */
#define KEPT_BYTES_MIN 1024U
/* Longer lines are not searched for a tag. */
#define TAG_LINE_MAX 600U
#define UNFINISHED "@ unfinished the session is still open\n"
/* Room for what a transcript says around its heading and its lines. */
#define FRAME_BYTES_MAX 512U

struct kept {
    char *at;
    size_t size;
    size_t room;
};

struct past {
    struct history_part *part;
    struct past *next; /* of the live; of the ended the one that ended next */
    struct past *before;
    struct heading *heading;
    struct past_facts facts;
    struct kept start; /* whole lines, as all that follows */
    struct kept end;
    bool idle;       /* nothing is owed to anybody */
    bool start_full; /* what comes goes to the end */
    uint32_t tag_lines;
};

struct history_part {
    struct history_part *next;
    struct history *history;
    uv_mutex_t lock;
    uint64_t bytes; /* of all texts, and what stands around them */
    struct past *live;
    struct past *oldest; /* of the ended */
    struct past *newest;
    uint32_t ended;
};

struct history {
    uint32_t ended_max;     /* of a part */
    uint64_t bytes_max;     /* of a part */
    uint64_t session_bytes; /* of one transcript's lines */
    atomic_uint_fast64_t serial;
    struct history_part *parts;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void name_keep(char *name, size_t room, struct span span)
{
    struct text text = text_over(name, room - 1);

    text_add(&text, span);
    name[text.size] = 0;
}

/* --- the whole --- */

struct history *history_new(const struct config_admin *config)
{
    struct history *history;

    if (!config_keeps_sessions(config))
        return NULL;
    history = calloc(1, sizeof(*history));
    must(history != NULL);
    history->ended_max = config->sessions;
    history->bytes_max = config->memory_bytes;
    history->session_bytes = config->session_bytes;
    return history;
}

struct history_part *history_join(struct history *history)
{
    struct history_part *part = calloc(1, sizeof(*part));

    must(part != NULL && uv_mutex_init(&part->lock) == 0);
    part->history = history;
    part->next = history->parts;
    history->parts = part;
    return part;
}

static void past_free(struct past *past)
{
    past->part->bytes -= sizeof(*past) + past->start.room + past->end.room;
    heading_drop(&past->heading);
    free(past->start.at);
    free(past->end.at);
    free(past);
}

/* False: there was none. */
static bool part_forget(struct history_part *part)
{
    struct past *past = part->oldest;

    if (past == NULL)
        return false;
    part->oldest = past->next;
    if (part->oldest == NULL)
        part->newest = NULL;
    part->ended--;
    past_free(past);
    return true;
}

void history_free(struct history **history)
{
    while ((*history)->parts != NULL) {
        struct history_part *part = (*history)->parts;

        (*history)->parts = part->next;
        while (part_forget(part))
            continue;
        must(part->live == NULL && part->bytes == 0);
        uv_mutex_destroy(&part->lock);
        free(part);
    }
    free(*history);
    *history = NULL;
}

/* --- lines --- */

/* Room for so many bytes more, in all not above `most`; false: there is none to be had. */
static bool kept_reserve(struct past *past, struct kept *kept, size_t more, size_t most)
{
    struct history_part *part = past->part;
    size_t room = kept->room > 0 ? kept->room : KEPT_BYTES_MIN;

    if (kept->size + more <= kept->room)
        return true;
    if (kept->size + more > most)
        return false;
    while (room < kept->size + more)
        room *= 2;
    room = room < most ? room : most;
    while (part->bytes - kept->room + room > part->history->bytes_max)
        if (!part_forget(part))
            return false;
    part->bytes += room - kept->room;
    kept->at = realloc(kept->at, room);
    must(kept->at != NULL);
    kept->room = room;
    return true;
}

static void kept_add(struct kept *kept, struct span lines)
{
    memcpy(kept->at + kept->size, lines.at, lines.size);
    kept->size += lines.size;
}

static uint64_t lines_in(struct span lines)
{
    uint64_t count = 0;

    for (; lines.size > 0; count++)
        lines = span_tail(lines, span_find(lines, '\n') + 1);
    return count;
}

/* Drops whole lines from the front, at least so many bytes of them. */
static void kept_drop(struct past *past, struct kept *kept, size_t bytes)
{
    struct span all = span_of(kept->at, kept->size);
    struct span rest = span_tail(all, bytes);
    size_t dropped;

    rest = span_tail(rest, span_find(rest, '\n') + 1);
    dropped = all.size - rest.size;
    past->facts.lines_left_out += lines_in(span_head(all, dropped));
    memmove(kept->at, kept->at + dropped, rest.size);
    kept->size = rest.size;
}

/* The oldest half goes at once, so that not every line moves all others. */
static void add_to_end(struct past *past, struct span line, size_t most)
{
    if (!kept_reserve(past, &past->end, line.size, most) && past->end.size > 0)
        kept_drop(past, &past->end,
                  past->end.size / 2 > line.size ? past->end.size / 2 : line.size);
    if (kept_reserve(past, &past->end, line.size, most))
        kept_add(&past->end, line);
    else
        past->facts.lines_left_out++;
}

static void add_lines(struct past *past, struct span lines)
{
    size_t half = (size_t)past->part->history->session_bytes / 2;

    if (!past->start_full && kept_reserve(past, &past->start, lines.size, half)) {
        kept_add(&past->start, lines);
        return;
    }
    while (lines.size > 0) {
        struct span line = span_head(lines, span_find(lines, '\n') + 1);

        past->start_full = past->start_full || !kept_reserve(past, &past->start, line.size, half);
        if (past->start_full)
            add_to_end(past, line, half);
        else
            kept_add(&past->start, line);
        lines = span_tail(lines, line.size);
    }
}

/* --- facts --- */

/* The name behind EHLO or HELO, if the line is that. */
static struct span greeted(struct span line, char *scratch)
{
    struct span said;
    struct record record;
    struct command command;

    if (line.size > TAG_LINE_MAX || record_read(line, scratch, &record) != NULL ||
        record.kind != RECORD_SAID || record.side != SIDE_CLIENT || !record.to_upstream)
        return (struct span){0};
    said = span_head(record.bytes, span_find(record.bytes, '\r'));
    command_parse(span_head(said, span_find(said, '\n')), &command);
    if (command.verb != VERB_EHLO && command.verb != VERB_HELO)
        return (struct span){0};
    return span_trim(command.argument);
}

static void find_tag(struct past *past, struct span lines)
{
    char scratch[TAG_LINE_MAX + 2];

    while (lines.size > 0 && past->facts.tag[0] == 0 && past->tag_lines < HISTORY_TAG_LINES_MAX) {
        struct span line = span_head(lines, span_find(lines, '\n'));

        name_keep(past->facts.tag, sizeof(past->facts.tag), greeted(line, scratch));
        lines = span_tail(lines, line.size + 1);
        past->tag_lines++;
    }
}

static void take_facts(struct past_facts *facts, const struct report *report)
{
    const struct summary *summary = &report->summary;
    int side;

    facts->client = report->client;
    facts->through = report->through;
    facts->relay = report->relay;
    name_keep(facts->relay_name, sizeof(facts->relay_name), report->relay_name);
    name_keep(facts->credential, sizeof(facts->credential), report->credential);
    for (side = 0; side < SIDE_COUNT; side++)
        name_keep(facts->tls[side], sizeof(facts->tls[side]), report->tls[side]);
    facts->commands = summary->commands;
    facts->messages = summary->messages;
    facts->refused = summary->refused;
    facts->recipients = summary->recipients;
    facts->repairs = summary->repairs;
    facts->message_bytes = summary->message_bytes;
}

/* --- a session's life --- */

struct past *past_open(struct history_part *part, struct heading *heading,
                       const struct report *report)
{
    struct past *past = calloc(1, sizeof(*past));
    struct past_facts *facts;

    must(past != NULL);
    facts = &past->facts;
    past->part = part;
    past->heading = heading_hold(heading);
    facts->id = report->id;
    facts->serial = atomic_fetch_add(&part->history->serial, 1);
    facts->started_ms = now_ms();
    take_facts(facts, report);
    name_keep(facts->listener, sizeof(facts->listener), report->listener);
    uv_mutex_lock(&part->lock);
    part->bytes += sizeof(*past);
    past->next = part->live;
    if (past->next != NULL)
        past->next->before = past;
    part->live = past;
    uv_mutex_unlock(&part->lock);
    return past;
}

void past_add(struct past *past, struct span lines, const struct report *report, bool idle)
{
    uv_mutex_lock(&past->part->lock);
    find_tag(past, lines);
    add_lines(past, lines);
    take_facts(&past->facts, report);
    past->idle = idle;
    uv_mutex_unlock(&past->part->lock);
}

/* What is not needed goes back: it will not grow any more. */
static void kept_shrink(struct past *past, struct kept *kept)
{
    char *at;

    past->part->bytes -= kept->room - kept->size;
    kept->room = kept->size;
    if (kept->size == 0) {
        free(kept->at);
        kept->at = NULL;
        return;
    }
    at = realloc(kept->at, kept->size);
    kept->at = at != NULL ? at : kept->at;
}

static void part_ended(struct history_part *part, struct past *past)
{
    if (past->before != NULL)
        past->before->next = past->next;
    else
        part->live = past->next;
    if (past->next != NULL)
        past->next->before = past->before;
    past->next = past->before = NULL;
    if (part->newest != NULL)
        part->newest->next = past;
    else
        part->oldest = past;
    part->newest = past;
    part->ended++;
    while (part->ended > part->history->ended_max || part->bytes > part->history->bytes_max)
        if (!part_forget(part))
            break;
}

void past_end(struct past **past, const struct report *report)
{
    struct history_part *part = (*past)->part;
    struct past_facts *facts = &(*past)->facts;
    const char *ending = report->summary.ending;

    uv_mutex_lock(&part->lock);
    take_facts(facts, report);
    facts->ended_ms = now_ms();
    name_keep(facts->ending, sizeof(facts->ending),
              span_of_string(ending != NULL ? ending : "lost"));
    kept_shrink(*past, &(*past)->start);
    kept_shrink(*past, &(*past)->end);
    part_ended(part, *past);
    uv_mutex_unlock(&part->lock);
    *past = NULL;
}

/* --- who asks --- */

static bool client_fits(const struct address *client, struct span wanted)
{
    char text[ADDRESS_TEXT_MAX];

    return span_equal_fold(span_of_string(address_host(client, text)), wanted) ||
           span_equal_fold(span_of_string(address_text(client, text)), wanted);
}

static bool past_fits(const struct past_facts *facts, const struct past_filter *filter)
{
    if (filter->by_id && facts->id != filter->id)
        return false;
    if ((filter->live_only && facts->ended_ms != 0) ||
        (filter->ended_only && facts->ended_ms == 0) || facts->started_ms < filter->since_ms)
        return false;
    if (filter->listener.size > 0 && !span_equal(span_of_string(facts->listener),
                                                 span_head(filter->listener, HISTORY_NAME_MAX - 1)))
        return false;
    if (filter->tag.size > 0 &&
        !span_equal_fold(span_of_string(facts->tag), span_head(filter->tag, HISTORY_TAG_MAX - 1)))
        return false;
    return filter->client.size == 0 || client_fits(&facts->client, filter->client);
}

struct listing {
    const struct past_filter *filter;
    struct past_facts *rows;
    size_t count;
    size_t room;
};

static void list_chain(struct listing *listing, const struct past *past)
{
    for (; past != NULL; past = past->next) {
        if (!past_fits(&past->facts, listing->filter))
            continue;
        if (listing->count == listing->room) {
            listing->room = listing->room * 2 + 16;
            listing->rows = realloc(listing->rows, listing->room * sizeof(*listing->rows));
            must(listing->rows != NULL);
        }
        listing->rows[listing->count++] = past->facts;
    }
}

static int newer_first(const void *one, const void *other)
{
    uint64_t mine = ((const struct past_facts *)one)->serial;
    uint64_t its = ((const struct past_facts *)other)->serial;

    return mine < its ? 1 : mine > its ? -1 : 0;
}

struct past_facts *history_list(struct history *history, const struct past_filter *filter,
                                size_t *count_r)
{
    struct listing listing = {.filter = filter, .room = 1};
    struct history_part *part;

    listing.rows = malloc(sizeof(*listing.rows));
    must(listing.rows != NULL);
    for (part = history->parts; part != NULL; part = part->next) {
        uv_mutex_lock(&part->lock);
        list_chain(&listing, part->live);
        list_chain(&listing, part->oldest);
        uv_mutex_unlock(&part->lock);
    }
    qsort(listing.rows, listing.count, sizeof(*listing.rows), newer_first);
    *count_r = listing.count;
    return listing.rows;
}

static const struct past *find_past(const struct past *past, uint64_t id)
{
    while (past != NULL && past->facts.id != id)
        past = past->next;
    return past;
}

/* What transcript.c writes into a file. */
static char *past_text(const struct past *past, size_t *size_r)
{
    const struct heading *heading = past->heading;
    const struct past_facts *facts = &past->facts;
    bool known = facts->client.any.sa_family != AF_UNSPEC;
    size_t room = FRAME_BYTES_MAX + heading->size + past->start.size + past->end.size;
    char address[ADDRESS_TEXT_MAX];
    struct text text = text_over(malloc(room), room);

    must(text.at != NULL);
    text_add(&text, SPAN("# client "));
    text_add(&text,
             span_of_string(address_text(known ? &facts->client : &facts->through, address)));
    text_add_byte(&text, '\n');
    text_add(&text, span_of(heading->text, heading->size));
    text_add(&text, SPAN("@ seed "));
    text_add_number(&text, facts->id);
    text_add(&text, facts->ended_ms == 0 && !past->idle ? SPAN("\n" UNFINISHED) : SPAN("\n"));
    text_add(&text, span_of(past->start.at, past->start.size));
    if (past->facts.lines_left_out > 0) {
        text_add(&text, SPAN("# cut: "));
        text_add_number(&text, past->facts.lines_left_out);
        text_add(&text, SPAN(" lines are left out here\n"));
    }
    text_add(&text, span_of(past->end.at, past->end.size));
    must(!text.cut);
    *size_r = text.size;
    return text.at;
}

char *history_text(struct history *history, uint64_t id, struct past_facts *facts_r, size_t *size_r)
{
    struct history_part *part;
    char *text = NULL;

    for (part = history->parts; part != NULL && text == NULL; part = part->next) {
        const struct past *past;

        uv_mutex_lock(&part->lock);
        past = find_past(part->live, id);
        if (past == NULL)
            past = find_past(part->oldest, id);
        if (past != NULL) {
            text = past_text(past, size_r);
            *facts_r = past->facts;
        }
        uv_mutex_unlock(&part->lock);
    }
    return text;
}

size_t history_forget(struct history *history)
{
    struct history_part *part;
    size_t count = 0;

    for (part = history->parts; part != NULL; part = part->next) {
        uv_mutex_lock(&part->lock);
        while (part_forget(part))
            count++;
        uv_mutex_unlock(&part->lock);
    }
    return count;
}
