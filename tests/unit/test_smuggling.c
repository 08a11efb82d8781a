#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/engine/engine.h"

/*
 * SMTP smuggling (F-53): whatever made two messages of one, or a command of text, somewhere. Each
 * such text goes through the engine, cut at every byte, with different repairs; what came out is
 * read by a relay that reads strictly and by one that takes any CR or LF for a line end. They must
 * read the same, and nothing that the client's own reading of its bytes does not have.
 */

static const struct span ends[] = {
    SPAN_INIT("\n.\n"),
    SPAN_INIT("\n.\r\n"),
    SPAN_INIT("\n.\r"),
    SPAN_INIT("\r.\r"),
    SPAN_INIT("\r.\n"),
    SPAN_INIT("\r.\r\n"),
    SPAN_INIT("\r\n.\r"),
    SPAN_INIT("\r\n.\n"),
    SPAN_INIT("\r\n.\n\n"),
    SPAN_INIT("\n\n.\n\n"),
    SPAN_INIT("\n\n.\r\n"),
    SPAN_INIT("\n\n.\r\r\n"),
    SPAN_INIT("\r\n.\r\r\n"),
    SPAN_INIT("\r\r\n.\r\r\n"),
    SPAN_INIT("\r\r\n.\r\n"),
    SPAN_INIT("\r\r\n.\n"),
    SPAN_INIT("\r\r\n.\r"),
    SPAN_INIT("\n.\r\r\n"),
    SPAN_INIT("\r\r.\r\r"),
    SPAN_INIT("\r\r\r\n.\r\n"),
    SPAN_INIT("\r\n.\r\r\r\n"),
    SPAN_INIT("\n\r.\n\r"),
    SPAN_INIT("\r\n\r.\r\n"),
    SPAN_INIT("\r\n\n.\r\n"),
    SPAN_INIT("\r\n.\r\n"),
    SPAN_INIT("\r\n\0.\r\n"),
    SPAN_INIT("\r\n.\0\r\n"),
    SPAN_INIT("\r\n.\r\0\n"),
    SPAN_INIT("\r\0\n.\r\n"),
    SPAN_INIT("\r\n. \r\n"),
    SPAN_INIT("\r\n.\t\r\n"),
    SPAN_INIT("\r\n .\r\n"),
    SPAN_INIT("\r\n..\r\n"),
    SPAN_INIT("\r\n..\n"),
    SPAN_INIT("\n..\n"),
    SPAN_INIT("\n..\r\n"),
    SPAN_INIT("\r\n.\x0b\r\n"),
    SPAN_INIT("\x0b.\x0b"),
    SPAN_INIT("\x0c.\x0c"),
    SPAN_INIT("\x85.\x85"),
    SPAN_INIT("\r\n\x1a"),
    SPAN_INIT("\x8d\x8a\xae\x8d\x8a"),
    SPAN_INIT("\xc2\x85.\xc2\x85"),
    SPAN_INIT(""),
};
static const struct span line_ends[] = {SPAN_INIT("\r\n"), SPAN_INIT("\n"), SPAN_INIT("\r"),
                                        SPAN_INIT("\r\r\n")};

enum way {
    WAY_DATA,
    WAY_CHUNK,   /* to an upstream that takes BDAT */
    WAY_CONVERT, /* to one that does not */
    WAY_COMMAND, /* no message at all: a command with that in its argument */
    WAY_REFUSED, /* DATA is refused, and the message comes all the same */
    WAY_EARLY,   /* before that is known */
    WAY_COUNT
};

#define BIT(name) REPAIR_BIT(REPAIR_##name)
#define SETS 7

static struct lender lender;
static struct policy policy;
static void *memory;

/* --- readers --- */

struct reading {
    bool lf, cr;   /* end a line, too */
    bool lf_end;   /* LF "." LF ends a message, too */
    bool lenient;  /* a dot between any line ends does */
    bool refusing; /* DATA is refused, and no message follows, ... */
    bool stray;    /* ... or it does all the same, and is none */
    size_t paused; /* LF "." LF is an end where the client paused: here, ... */
    bool always;   /* ... or anywhere */
    bool hasty;    /* and it did not wait for the answer: nothing behind it is read */
};

struct seen {
    struct span text; /* MAIL and RCPT; of a message: nothing */
    size_t end;       /* where it ends in what was read */
};

struct list {
    struct seen rows[64];
    size_t count;
};

static void add(struct list *list, struct span text, struct span all, struct span rest)
{
    cr_assert(list->count < 64);
    list->rows[list->count++] = (struct seen){text, all.size - rest.size};
}

/* How long the line end at the front is; 0: there is none. */
static size_t line_end(struct span rest, const struct reading *reading)
{
    if (span_starts(rest, SPAN("\r\n")))
        return 2;
    return (reading->lf && span_starts(rest, SPAN("\n"))) ||
           (reading->cr && span_starts(rest, SPAN("\r")));
}

static bool take_line(struct span *rest, const struct reading *reading, struct span *line_r)
{
    size_t at;

    for (at = 0; at < rest->size; at++) {
        size_t end = line_end(span_tail(*rest, at), reading);

        if (end == 0)
            continue;
        *line_r = span_head(*rest, at);
        *rest = span_tail(*rest, at + end);
        return true;
    }
    return false;
}

/* Takes a message off the front; false: it has no end. */
static bool take_message(struct span *rest, const struct reading *reading, bool *at_lf_r)
{
    const struct reading strict = {.lf = false};
    struct span from = *rest, line;
    bool bare = false; /* the line before ended in a LF of its own */

    *at_lf_r = false;
    while (reading->lf_end ? take_line(rest, &(struct reading){.lf = true}, &line)
                           : take_line(rest, reading->lenient ? reading : &strict, &line)) {
        bool lf = from.at[from.size - rest->size - 1] == '\n' &&
                  !span_ends(span_head(from, from.size - rest->size), SPAN("\r\n"));

        if (span_equal(line, SPAN(".")) && (!reading->lf_end || bare == lf)) {
            *at_lf_r = lf && reading->lf_end;
            return true;
        }
        bare = lf;
    }
    return false;
}

static bool says(struct span line, const char *verb)
{
    return span_starts_fold(line, span_of_string(verb));
}

/* A chunk, with its last byte; false: it is not whole. */
static bool take_chunk(struct span *rest, struct span line, bool *last_r)
{
    struct span word;
    uint64_t size = 0;

    span_word(&line, &word);
    span_word(&line, &word);
    if (!span_number(word, &size) || size > rest->size)
        return false;
    *last_r = span_word(&line, &word);
    *rest = span_tail(*rest, (size_t)size);
    return true;
}

/* What follows the command line, a message or a chunk; false: it can't be read on behind it. */
static bool take_content(struct span all, struct span *rest, struct span line,
                         const struct reading *reading, struct list *list)
{
    bool flag = false, at_lf;

    if (says(line, "BDAT")) {
        if (!take_chunk(rest, line, &flag))
            return false;
        if (flag)
            add(list, SPAN(""), all, *rest);
    }
    if (!says(line, "DATA") || reading->refusing)
        return true;
    if (!take_message(rest, reading, &at_lf))
        return false;
    if (at_lf && !reading->always && rest->size > 0 && reading->paused != all.size - rest->size)
        return false;
    if (!reading->stray)
        add(list, SPAN(""), all, *rest);
    return !at_lf || !reading->hasty;
}

/* What somebody who reads like that sees of envelopes and whole messages. */
static void read_all(struct span all, const struct reading *reading, struct list *list)
{
    struct span rest = all, line;
    bool goes_on = true;

    *list = (struct list){.count = 0};
    while (goes_on && take_line(&rest, reading, &line)) {
        if (says(line, "MAIL") || says(line, "RCPT"))
            add(list, line, all, rest);
        goes_on = take_content(all, &rest, line, reading, list);
    }
}

/* --- a session --- */

struct session {
    struct engine *engine;
    struct text upstream; /* all that it heard */
    struct text said;     /* by the client */
    size_t answered;      /* bytes of `upstream` */
    bool body, chunks, refusing;
    bool late; /* the answer to a message, or a refusal of DATA, waits until the client has said all
                */
};

static void happen(struct session *session, enum event_kind kind, enum side side, struct span bytes)
{
    struct event event = {.kind = kind, .side = side, .bytes = bytes};
    struct effect effect;
    uint32_t i;

    engine_step(session->engine, &event);
    while (engine_take(session->engine, &effect)) {
        for (i = 0;
             effect.kind == EFFECT_SEND && effect.side == SIDE_UPSTREAM && i < effect.piece_count;
             i++)
            text_add(&session->upstream, effect.pieces[i]);
    }
    cr_assert_not(session->upstream.cut);
}

static void say(struct session *session, enum side side, struct span bytes)
{
    if (engine_room(session->engine, side) >= bytes.size && bytes.size > 0)
        happen(session, EVENT_BYTES, side, bytes);
}

static struct span reply_to(struct session *session, struct span line)
{
    if (says(line, "EHLO"))
        return session->chunks ? SPAN("250-up\r\n250 CHUNKING\r\n") : SPAN("250 up\r\n");
    if (!says(line, "DATA"))
        return SPAN("250 ok\r\n");
    session->body = !session->refusing;
    return session->body ? SPAN("354 go on\r\n") : SPAN("451 4.3.0 not now\r\n");
}

/* The upstream, which reads strictly, answers what it has heard; false: there is nothing. */
static bool answer(struct session *session)
{
    const struct reading strict = {.lf = false};
    struct span rest = span_tail(text_span(&session->upstream), session->answered);
    struct span line, reply = SPAN("250 taken\r\n");
    bool ignored;

    if (session->body) {
        if (session->late || !take_message(&rest, &strict, &ignored))
            return false;
        session->body = false;
    } else {
        if (!take_line(&rest, &strict, &line))
            return false;
        if (session->late && session->refusing && says(line, "DATA"))
            return false;
        if (says(line, "BDAT") && !take_chunk(&rest, line, &ignored))
            return false;
        reply = reply_to(session, line);
    }
    session->answered = session->upstream.size - rest.size;
    say(session, SIDE_UPSTREAM, reply);
    return true;
}

static void talk(struct session *session, struct span bytes)
{
    text_add(&session->said, bytes);
    say(session, SIDE_CLIENT, bytes);
    while (answer(session))
        ;
}

static void begin(struct session *session, enum way way)
{
    session->chunks = way == WAY_CHUNK;
    session->refusing = way == WAY_REFUSED || way == WAY_EARLY;
    session->engine = engine_init(memory, &policy, &lender, 1, 0);
    happen(session, EVENT_OPENED, SIDE_CLIENT, SPAN(""));
    happen(session, EVENT_OPENED, SIDE_UPSTREAM, SPAN(""));
    say(session, SIDE_UPSTREAM, SPAN("220 up ESMTP\r\n"));
    talk(session, SPAN("EHLO c\r\n"));
    if (way == WAY_COMMAND)
        return;
    talk(session, SPAN("MAIL FROM:<a@b>\r\n"));
    talk(session, SPAN("RCPT TO:<x@b>\r\n"));
    if (way == WAY_DATA || way == WAY_REFUSED)
        talk(session, SPAN("DATA\r\n"));
}

/* --- what must hold --- */

static uint64_t repairs_of_set(size_t number)
{
    uint64_t all = REPAIR_COUNT < 64 ? REPAIR_BIT(REPAIR_COUNT) - 1 : UINT64_MAX;
    uint64_t initial, convert = BIT(BDAT_TO_DATA);
    struct policy fresh;

    policy_default(&fresh);
    initial = fresh.repairs;
    {
        const uint64_t sets[SETS] = {0,
                                     initial,
                                     all,
                                     all & ~BIT(LF_END_OF_DATA),
                                     convert | BIT(BARE_LF),
                                     convert | BIT(DOUBLED_CR),
                                     convert | BIT(BARE_LF) | BIT(LF_END_OF_DATA)};

        return sets[number];
    }
}

/* Is it the command that the client said, but for a doubled CR? */
static bool is_said(struct span own, struct span read)
{
    return span_starts(own, read) &&
           (own.size == read.size || span_equal(span_tail(own, read.size), SPAN("\r")));
}

/* What was read, in its order; some of what the client said may have gone no further. */
static bool holds_all(const struct list *own, const struct list *read)
{
    size_t at = 0, i;

    for (i = 0; i < read->count; i++) {
        while (at < own->count && !is_said(own->rows[at].text, read->rows[i].text))
            at++;
        if (at++ == own->count)
            return false;
    }
    return true;
}

static bool same(const struct list *one, const struct list *other)
{
    size_t i;

    for (i = 0; i < one->count && i < other->count; i++) {
        if (one->rows[i].end != other->rows[i].end ||
            !span_equal(one->rows[i].text, other->rows[i].text))
            return false;
    }
    return one->count == other->count;
}

static const char *wrong_with(const struct session *session, size_t paused, bool always)
{
    bool bare_lf = (policy.repairs & BIT(BARE_LF)) != 0;
    bool lf_end = bare_lf && (policy.repairs & BIT(LF_END_OF_DATA)) != 0;
    struct reading own = {.lf = bare_lf,
                          .lf_end = lf_end,
                          .paused = paused,
                          .always = always,
                          .hasty = session->late,
                          .stray = session->refusing};
    struct reading strict = {.refusing = session->refusing};
    struct reading lenient = {
        .lf = true, .cr = true, .lenient = true, .refusing = session->refusing};
    struct list client, one, other;

    read_all(text_span(&session->said), &own, &client);
    read_all(text_span(&session->upstream), &strict, &one);
    read_all(text_span(&session->upstream), &lenient, &other);
    if (!same(&one, &other))
        return "a strict and a lenient relay read the same";
    return holds_all(&client, &one) ? NULL : "a relay reads what the client said, and no more";
}

/* Said in pieces of `most` bytes behind a first one of `cut`. */
static const char *play(enum way way, struct span text, size_t cut, size_t most, bool late)
{
    static char heard[4096], said[4096];
    struct session session = {.upstream = text_over(heard, sizeof(heard)),
                              .said = text_over(said, sizeof(said)),
                              .late = late};
    struct span piece = span_head(text, cut);
    const char *wrong;
    size_t paused;

    begin(&session, way);
    paused = session.said.size + cut;
    for (; text.size > 0; piece = span_head(text, most)) {
        talk(&session, piece);
        text = span_tail(text, piece.size);
    }
    session.late = false;
    while (answer(&session))
        ;
    session.late = late;
    wrong = wrong_with(&session, paused, most == 1);
    engine_close(session.engine);
    cr_assert_eq(lender.pool.lent, 0);
    return wrong;
}

static void write_smuggled(struct text *text, struct span end, struct span line)
{
    static const char *const lines[] = {"MAIL FROM:<evil@b>", "RCPT TO:<victim@b>", "DATA",
                                        "smuggled", "."};
    size_t i;

    text_add(text, end);
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        text_add(text, span_of_string(lines[i]));
        text_add(text, line);
    }
}

/* What the client says behind the envelope, or instead of it. */
static struct span write_text(struct text *text, enum way way, struct span end, struct span line)
{
    char bytes[256];
    struct text inner = text_over(bytes, sizeof(bytes));

    text_clear(text);
    /* What comes too early may look like a command from its first byte on. */
    if (way != WAY_EARLY || (policy.repairs & BIT(EARLY_BODY)) == 0)
        text_add(&inner, SPAN("hello"));
    write_smuggled(&inner, end, line);
    if (way == WAY_CHUNK || way == WAY_CONVERT) {
        text_add(text, SPAN("BDAT "));
        text_add_number(text, inner.size);
        text_add(text, SPAN(" LAST\r\n"));
    }
    if (way == WAY_EARLY)
        text_add(text, SPAN("DATA\r\n"));
    if (way == WAY_COMMAND)
        text_add(text, SPAN("NOOP "));
    text_add(text, text_span(&inner));
    if (way != WAY_CHUNK && way != WAY_CONVERT)
        text_add(text, SPAN("\r\n.\r\n"));
    text_add(text, SPAN("MAIL FROM:<next@b>\r\n"));
    return text_span(text);
}

static void check(enum way way, struct span end, struct span line, size_t set)
{
    char bytes[512];
    struct text memory_of_text = text_over(bytes, sizeof(bytes));
    struct span text;
    /* Elsewhere it makes no difference, or all of one. */
    int late = way == WAY_EARLY, lates = late || way == WAY_DATA || way == WAY_COMMAND ? 2 : 1;
    size_t cut;

    policy.repairs = repairs_of_set(set);
    text = write_text(&memory_of_text, way, end, line);
    for (; late < lates; late++) {
        for (cut = 1; cut <= text.size; cut++) {
            const char *wrong = play(way, text, cut, text.size, late);

            cr_assert_null(wrong, "way %d set %zu late %d cut %zu of '%.*s': %s", (int)way, set,
                           late, cut, (int)text.size, text.at, wrong);
        }
        cr_assert_null(play(way, text, 1, 1, late), "way %d set %zu late %d in bytes of '%.*s'",
                       (int)way, set, late, (int)text.size, text.at);
    }
}

static void check_way(enum way way)
{
    size_t end, line, set;

    policy_default(&policy);
    pool_init(&lender.pool, malloc(8 * BLOCK_SIZE), 8);
    lender.outboxes[SIDE_CLIENT].scratch = malloc(SCRATCH_SEND_BYTES);
    lender.outboxes[SIDE_UPSTREAM].scratch = malloc(SCRATCH_SEND_BYTES);
    memory = malloc(engine_size(&policy));
    for (end = 0; end < sizeof(ends) / sizeof(ends[0]); end++) {
        for (line = 0; line < sizeof(line_ends) / sizeof(line_ends[0]); line++) {
            for (set = 0; set < SETS; set++)
                check(way, ends[end], line_ends[line], set);
        }
    }
    free(memory);
    free(lender.pool.memory);
    free(lender.outboxes[SIDE_CLIENT].scratch);
    free(lender.outboxes[SIDE_UPSTREAM].scratch);
}

Test(smuggling, in_a_message)
{
    check_way(WAY_DATA);
}

Test(smuggling, in_chunks)
{
    check_way(WAY_CHUNK);
}

Test(smuggling, in_chunks_that_become_a_message)
{
    check_way(WAY_CONVERT);
}

Test(smuggling, in_commands)
{
    check_way(WAY_COMMAND);
}

Test(smuggling, behind_a_refused_data)
{
    check_way(WAY_REFUSED);
}

Test(smuggling, behind_a_data_that_is_refused_later)
{
    check_way(WAY_EARLY);
}
