/* The player: both peers, both sockets and the clock of one engine, moved by a script. */
#include <string.h>

#include "play.h"

/* Blocks the engine may borrow: more than one session can ever hold. */
#define PLAY_BLOCKS 16U
/* The clock at the start; not 0, so that a moment is never taken for a duration. */
#define PLAY_STARTED 1000000
/* Bytes of notes and of life lines, and of what is said beyond what the script expects. */
#define PLAY_WORDS_BYTES (256U * 1024U)
/* Steps without any progress of the clock, after which it is stuck. */
#define STUCK_STEPS_MAX 100U
/* Record effects of one step. */
#define RECORDS_MAX 8U

struct player_way player_way(uint32_t number)
{
    if (number < PLAYER_RANDOM)
        return (struct player_way){.cut = (enum player_cut)number};
    return (struct player_way){.cut = PLAYER_RANDOM, .seed = number - PLAYER_RANDOM + 1};
}

/* --- memory --- */

static size_t rounded(size_t size)
{
    return (size + 15U) & ~(size_t)15U;
}

/* All that is said, and what `@ start ready` and a mistake may add. */
static size_t stream_room(const struct script *script, size_t id)
{
    bool said = id != STREAM_NOTES && id != STREAM_CLIENT_LIFE && id != STREAM_UPSTREAM_LIFE;

    return rounded(PLAY_WORDS_BYTES + (said ? (size_t)script->said_bytes : script->count * 128U));
}

size_t player_size(const struct script *script, const struct policy *policy)
{
    size_t size = rounded(sizeof(struct play)) + rounded(engine_size(policy));
    size_t id;

    size += PLAY_BLOCKS * BLOCK_SIZE + SIDE_COUNT * SCRATCH_SEND_BYTES;
    size += SCRATCH_RECORD_BYTES + rounded(SCRATCH_RECORD_BYTES + 2);
    for (id = 0; id < STREAM_COUNT; id++)
        size += stream_room(script, id);
    return size;
}

static char *carve(char **memory, size_t size)
{
    char *start = *memory;

    *memory += rounded(size);
    return start;
}

static struct play *play_init(const struct script *script, const struct policy *policy,
                              struct player_way way, char *memory)
{
    struct play *play = (void *)carve(&memory, sizeof(struct play));
    const struct script_line *seed = script_setting(script, SCRIPT_SEED);
    uint64_t number = 1;
    size_t id;

    if (script_setting(script, SCRIPT_UNCUT) != NULL)
        way.cut = PLAYER_MERGED;
    *play = (struct play){.script = script, .policy = policy, .way = way};
    play->seed.state = way.seed;
    play->lender.faults = &play->remembered;
    play->peers[SIDE_CLIENT].due = true;
    play->started = play->now = PLAY_STARTED;
    pool_init(&play->lender.pool, carve(&memory, PLAY_BLOCKS * BLOCK_SIZE), PLAY_BLOCKS);
    play->lender.outboxes[SIDE_CLIENT].scratch = carve(&memory, SCRATCH_SEND_BYTES);
    play->lender.outboxes[SIDE_UPSTREAM].scratch = carve(&memory, SCRATCH_SEND_BYTES);
    play->lender.record_scratch = carve(&memory, SCRATCH_RECORD_BYTES);
    play->scratch = carve(&memory, SCRATCH_RECORD_BYTES + 2);
    for (id = 0; id < STREAM_COUNT; id++) {
        size_t room = stream_room(script, id);

        play->streams[id].text = text_over(carve(&memory, room), room);
    }
    if (seed != NULL)
        span_number(seed->rest, &number);
    play->engine =
        engine_init(carve(&memory, engine_size(policy)), policy, &play->lender, number, play->now);
    return play;
}

/* --- the engine's effects --- */

static void add_life(struct play *play, enum side side, struct span words)
{
    struct stream *stream = &play->streams[stream_life(side)];

    text_add(&stream->text, words);
    text_add_byte(&stream->text, '\n');
}

static void apply_send(struct play *play, const struct effect *effect)
{
    bool to_upstream = effect->side == SIDE_UPSTREAM;
    struct stream *stream = &play->streams[stream_said(effect->side, to_upstream)];
    uint32_t i;

    for (i = 0; i < effect->piece_count; i++) {
        text_add(&stream->text, effect->pieces[i]);
        play->peers[effect->side].unsent += effect->pieces[i].size;
    }
    if (!play->peers[effect->side].open || play->peers[effect->side].shut)
        play_fail(play, SPAN("something was sent to a side that is not there"));
}

static void apply(struct play *play, const struct effect *effect)
{
    static const struct span shuts[] = {
        [SHUT_FLUSH] = SPAN_INIT("shut flush"),
        [SHUT_NOW] = SPAN_INIT("shut now"),
        [SHUT_RESET] = SPAN_INIT("shut reset"),
        [SHUT_HALF] = SPAN_INIT("shut half"),
    };

    struct peer_model *upstream = &play->peers[SIDE_UPSTREAM];

    switch (effect->kind) {
    case EFFECT_CONNECT:
        add_life(play, SIDE_UPSTREAM, SPAN("connect"));
        *upstream =
            (struct peer_model){.line = upstream->said, /* the old leg's lines are its own */
                                .said = upstream->said,
                                .slow = upstream->slow,
                                .left = upstream->left || upstream->open,
                                .due = true};
        break;
    case EFFECT_SEND:
        apply_send(play, effect);
        break;
    case EFFECT_SECURE:
        add_life(play, effect->side, SPAN("secure"));
        break;
    case EFFECT_SHUT:
        add_life(play, effect->side, shuts[effect->how]);
        if (effect->how == SHUT_HALF)
            break;
        play->peers[effect->side].shut = true;
        if (effect->how != SHUT_FLUSH)
            play->peers[effect->side].unsent = 0;
        break;
    case EFFECT_ASK:
        play->serial = effect->question->serial;
        break;
    case EFFECT_LEARN:
    case EFFECT_RECORD:
        break;
    }
}

/* One step and all that comes of it. The record is read last: it tells of the other effects. */
void play_step(struct play *play, const struct event *event)
{
    struct span records[RECORDS_MAX];
    struct effect effect;
    size_t count = 0;
    size_t i;

    if (play->failed || engine_over(play->engine))
        return;
    engine_step(play->engine, event);
    while (engine_take(play->engine, &effect)) {
        apply(play, &effect);
        if (effect.kind == EFFECT_RECORD && count < RECORDS_MAX)
            records[count++] = effect.pieces[0];
    }
    for (i = 0; i < count; i++) {
        if (play->log != NULL)
            text_add(play->log, records[i]);
        expect_record(play, records[i]);
    }
}

static void play_event(struct play *play, enum event_kind kind, enum side side, struct span bytes)
{
    struct event event = {.kind = kind, .side = side, .at = play->now, .bytes = bytes};

    if (kind == EVENT_SENT) {
        event.count = bytes.size;
        event.bytes = SPAN("");
    }
    play_step(play, &event);
}

static void play_bytes(struct play *play, enum side side, struct span bytes)
{
    bool to_upstream = side == SIDE_CLIENT;

    text_add(&play->streams[stream_said(side, to_upstream)].text, bytes);
    play_event(play, EVENT_BYTES, side, bytes);
}

/* --- the peers and their sockets --- */

static bool says(const struct script_line *line, enum side side)
{
    return line->part == SCRIPT_STIMULUS && line->record.side == side &&
           (line->record.kind == RECORD_SAID || line->record.kind == RECORD_BODY);
}

/* Puts the peer at its next unread byte; false: everything it said was read, or never will be. */
static bool peer_pending(struct play *play, enum side side)
{
    struct peer_model *peer = &play->peers[side];

    if (peer->shut)
        return false;
    for (; peer->line < peer->said; peer->line++, peer->offset = 0) {
        const struct script_line *line = &play->script->lines[peer->line];

        if (says(line, side) && peer->offset < script_said_size(line))
            return true;
    }
    return false;
}

/* How many bytes the next read brings at most. */
static size_t read_limit(struct play *play, size_t room)
{
    static const size_t sizes[] = {3, 30, 300, BLOCK_SIZE};
    size_t size;

    switch (play->way.cut) {
    case PLAYER_LINES:
    case PLAYER_MERGED:
        return room;
    case PLAYER_BYTES:
        return 1;
    case PLAYER_RANDOM:
        size = sizes[seed_below(&play->seed, sizeof(sizes) / sizeof(sizes[0]))];
        return 1 + seed_below(&play->seed, size < room ? size : room);
    }
    return room;
}

/* One read from that side; false: there was nothing to read, or no room for it. */
static bool peer_read(struct play *play, enum side side)
{
    struct peer_model *peer = &play->peers[side];
    size_t room = engine_over(play->engine) ? 0 : engine_room(play->engine, side);
    char bytes[BLOCK_SIZE];
    size_t size = 0;
    size_t limit;

    if (room == 0 || !peer_pending(play, side))
        return false;
    limit = read_limit(play, room);
    do {
        const struct script_line *line = &play->script->lines[peer->line];
        size_t count = script_said(line, peer->offset, bytes + size, limit - size);

        size += count;
        peer->offset += count;
    } while (size < limit && play->way.cut != PLAYER_LINES && peer_pending(play, side));
    play_bytes(play, side, span_of(bytes, size));
    return true;
}

static bool peer_end(struct play *play, enum side side)
{
    struct peer_model *peer = &play->peers[side];

    if (!peer->end_due || peer->shut || peer_pending(play, side))
        return false;
    peer->end_due = false;
    play_event(play, EVENT_ENDED, side, SPAN(""));
    return true;
}

static bool peer_sent(struct play *play, enum side side)
{
    struct peer_model *peer = &play->peers[side];
    size_t count = peer->unsent;

    if (count == 0 || peer->slow)
        return false;
    peer->unsent = 0;
    play_event(play, EVENT_SENT, side, (struct span){.size = count});
    return true;
}

/* Lets the sockets work until nothing moves. */
void play_settle(struct play *play)
{
    bool moved = true;

    while (moved && !play->failed) {
        moved = peer_sent(play, SIDE_CLIENT) || peer_sent(play, SIDE_UPSTREAM) ||
                peer_read(play, SIDE_CLIENT) || peer_read(play, SIDE_UPSTREAM) ||
                peer_end(play, SIDE_CLIENT) || peer_end(play, SIDE_UPSTREAM);
    }
}

static void play_until(struct play *play, moment target)
{
    uint32_t stuck = 0;

    while (!play->failed && !engine_over(play->engine)) {
        moment due = engine_deadline(play->engine);

        if (due > target)
            break;
        stuck = due > play->now ? 0 : stuck + 1;
        if (stuck > STUCK_STEPS_MAX)
            play_fail(play, SPAN("the engine's deadline passed and does not move"));
        play->now = due > play->now ? due : play->now;
        play_event(play, EVENT_TIME, SIDE_CLIENT, SPAN(""));
        play_settle(play);
    }
    play->now = target > play->now ? target : play->now;
}

/* --- stimuli --- */

static void play_said(struct play *play, enum side side)
{
    struct peer_model *peer = &play->peers[side];
    uint32_t line = play->line;

    if (peer->left && !peer->open && peer->due) {
        peer->line = peer->said = line + 1; /* by the connection that was left: nobody reads it */
        return;
    }
    if (!peer->open || peer->ended) {
        play_fail(play, SPAN("this side is not there to say anything"));
        return;
    }
    peer->said = line + 1;
    if (play->way.cut != PLAYER_LINES) {
        /* The neighbours too: they may be read together with this one. */
        for (line++; line < play->script->count; line++) {
            const struct script_line *next = &play->script->lines[line];
            bool waits = next->record.timed && next->record.at > play->now - play->started;

            if (next->part != SCRIPT_NOTHING && (!says(next, side) || waits))
                break;
            if (next->part != SCRIPT_NOTHING)
                peer->said = line + 1;
        }
    }
    play->line = peer->said - 1;
    play_settle(play);
}

/* What is wrong with a side doing that now; NULL: nothing. */
static const char *life_fault(const struct peer_model *peer, enum script_life life)
{
    if (life == SCRIPT_OPEN)
        return !peer->due || peer->open || peer->ended ? "this side can't open now" : NULL;
    if (life == SCRIPT_END || life == SCRIPT_SECURED)
        return !peer->open || peer->ended ? "this side is not there to end" : NULL;
    return !peer->due || peer->failed ? "this side is not there to fail" : NULL;
}

static void play_life(struct play *play, const struct script_line *line)
{
    enum side side = line->record.side;
    struct peer_model *peer = &play->peers[side];
    const char *fault = life_fault(peer, line->life);

    if (fault != NULL) {
        play_fail(play, span_of_string(fault));
    } else if (line->life == SCRIPT_END) {
        peer->end_due = peer->ended = true;
    } else if (line->life == SCRIPT_OPEN) {
        peer->open = true;
        play_open(play, side, line->rest);
    } else if (line->life == SCRIPT_SECURED) {
        play_secured(play, side, line->rest);
    } else {
        bool shut = peer->shut;

        peer->end_due = false;
        peer->ended = peer->failed = true;
        peer->unsent = 0;
        peer->shut = true; /* what was not read yet is lost */
        if (!shut)         /* after which there may be another one */
            play_event(play, EVENT_FAILED, side, line->rest);
    }
    play_settle(play);
}

static bool side_read(struct span *rest, enum side *side_r)
{
    struct span word;

    span_word(rest, &word);
    *side_r = span_equal(word, SPAN("client")) ? SIDE_CLIENT : SIDE_UPSTREAM;
    return *side_r == SIDE_CLIENT || span_equal(word, SPAN("upstream"));
}

static void play_sent(struct play *play, struct span rest)
{
    struct peer_model *peer;
    uint64_t count;
    enum side side;

    if (!side_read(&rest, &side)) {
        play_fail(play, SPAN("written: @ sent client 100, or @ sent upstream"));
        return;
    }
    peer = &play->peers[side];
    rest = span_trim(rest);
    if (rest.size == 0) {
        peer->slow = false;
    } else if (!span_number(rest, &count) || count > peer->unsent) {
        play_fail(play, SPAN("so many bytes do not wait to be sent there"));
        return;
    } else {
        peer->unsent -= (size_t)count;
        play_event(play, EVENT_SENT, side, (struct span){.size = (size_t)count});
    }
    play_settle(play);
}

static void play_wait(struct play *play, struct span rest)
{
    uint64_t ms;

    if (!script_duration(rest, &ms)) {
        play_fail(play, SPAN("a wait is written 500ms, 5s, 2m or 1h"));
        return;
    }
    play_until(play, play->now + (moment)ms);
}

/* --- @ start ready --- */

static void play_start(struct play *play, struct span rest)
{
    char bytes[SCRIPT_KEYWORDS_BYTES_MAX];
    struct text reply = text_over(bytes, sizeof(bytes));
    size_t id;

    script_keywords(play->script, &reply);
    if (!span_equal(rest, SPAN("ready")) || play->peers[SIDE_CLIENT].open || reply.cut) {
        play_fail(play, SPAN("written: @ start ready, before anything else; few keywords"));
        return;
    }
    play->peers[SIDE_CLIENT].open = true;
    play_event(play, EVENT_OPENED, SIDE_CLIENT, SPAN(""));
    play->peers[SIDE_UPSTREAM].open = true;
    play_event(play, EVENT_OPENED, SIDE_UPSTREAM, SPAN(""));
    play_bytes(play, SIDE_UPSTREAM, SPAN("220 up.example ESMTP\r\n"));
    play_settle(play);
    play_bytes(play, SIDE_CLIENT, SPAN("EHLO c.example\r\n"));
    play_settle(play);
    play_bytes(play, SIDE_UPSTREAM, text_span(&reply));
    play_settle(play);
    expect_recorded(play);
    for (id = 0; id < STREAM_COMPARED; id++)
        play->streams[id].matched = play->streams[id].text.size;
    if (!engine_idle(play->engine))
        play_fail(play, SPAN("the session did not get ready"));
}

/* --- the script --- */

static void play_setting(struct play *play, const struct script_line *line)
{
    enum side side;
    struct span rest = line->rest;

    switch (line->word) {
    case SCRIPT_START:
        play_start(play, rest);
        break;
    case SCRIPT_WAIT:
        play_wait(play, rest);
        break;
    case SCRIPT_STOP:
        play_event(play, EVENT_STOP, SIDE_CLIENT, SPAN(""));
        play_settle(play);
        break;
    case SCRIPT_SLOW:
        if (!side_read(&rest, &side))
            play_fail(play, SPAN("written: @ slow client, or @ slow upstream"));
        play->peers[side].slow = true;
        break;
    case SCRIPT_SENT:
        play_sent(play, rest);
        break;
    case SCRIPT_TOLD:
        play_told(play, rest);
        break;
    case SCRIPT_NOW:
        play_faults(play, rest);
        break;
    case SCRIPT_POLICY:
    case SCRIPT_SEED:
    case SCRIPT_UPSTREAM:
    case SCRIPT_UNFINISHED:
    case SCRIPT_UNCUT:
        break;
    }
}

static void play_stimulus(struct play *play, const struct script_line *line)
{
    switch (line->record.kind) {
    case RECORD_SAID:
    case RECORD_BODY:
        play_said(play, line->record.side);
        break;
    case RECORD_LIFE:
        play_life(play, line);
        break;
    case RECORD_SETTING:
        play_setting(play, line);
        break;
    case RECORD_NOTE:
    case RECORD_COMMENT:
        break;
    }
}

static void play_line(struct play *play, bool *answered)
{
    const struct script_line *line = &play->script->lines[play->line];
    moment at = play->started + line->record.at;
    bool waits = line->record.timed && at > play->now;

    if (line->part != SCRIPT_STIMULUS && line->part != SCRIPT_EXPECTED)
        return;
    if (waits || (line->part == SCRIPT_STIMULUS && *answered))
        expect_nothing_more(play);
    *answered = line->part == SCRIPT_EXPECTED;
    if (play->failed)
        return;
    if (waits)
        play_until(play, at);
    if (line->part == SCRIPT_STIMULUS)
        play_stimulus(play, line);
    else
        expect_line(play);
}

static void play_end(struct play *play)
{
    bool claimed = script_setting(play->script, SCRIPT_UNFINISHED) != NULL;
    bool over = engine_over(play->engine);
    bool finished = over || (engine_idle(play->engine) && !peer_pending(play, SIDE_CLIENT) &&
                             !peer_pending(play, SIDE_UPSTREAM));

    expect_nothing_more(play);
    expect_recorded(play);
    if (!finished && !claimed)
        play_fail(play, SPAN("the script ends and something is still owed; if that is meant, "
                             "write `@ unfinished why`"));
    if (finished && claimed)
        play_fail(play, SPAN("the script says `unfinished`, but nothing is owed"));
    engine_close(play->engine);
    if (play->lender.pool.lent > 0)
        play_fail(play, SPAN("the session is closed and did not give all blocks back"));
}

bool player_play(const struct script *script, const struct policy *policy, struct player_way way,
                 void *memory, struct text *report, struct text *log)
{
    struct play *play = play_init(script, policy, way, memory);
    bool answered = false;

    play->report = report;
    play->log = log;
    for (play->line = 0; play->line < script->count && !play->failed; play->line++)
        play_line(play, &answered);
    if (!play->failed)
        play_end(play);
    return !play->failed;
}
