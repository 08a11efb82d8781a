/*
 * The ledger: one row per command, in the client's order, and the cursors that walk over it.
 * Rows, the kept reason and the texts share one lent block:
 *
 *     rows[ROWS_MAX] | reason | ours | kept | texts, a ring in which each text lies in one piece
 *
 * Rows retire in order, so their texts do too. Rows of ours say constant words and use no text; but
 * for one at a time, which has a place of its own. An envelope that may have to be said again is
 * kept beside them.
 */
#include <string.h>

#include "lockstep/base/secret.h"

#include "state.h"

#define ROWS_BYTES (ROWS_MAX * sizeof(struct row))
#define REASON_AT ROWS_BYTES
#define OURS_AT (REASON_AT + REASON_BYTES_MAX)
#define KEPT_AT (OURS_AT + OURS_BYTES_MAX)
#define TEXTS_AT (KEPT_AT + KEPT_BYTES_MAX)
#define NOWHERE UINT32_MAX

_Static_assert((ROWS_MAX & (ROWS_MAX - 1)) == 0, "row numbers wrap");
_Static_assert(BLOCK_SIZE - TEXTS_AT > LIMIT_LINE_BYTES_MAX + MENDED_GROWTH_MAX,
               "an empty ledger takes every legal line");

static char *block_of(const struct engine *engine)
{
    return pool_at(&engine->lender->pool, engine->ledger.block);
}

struct row *ledger_row(const struct engine *engine, uint32_t number)
{
    const struct ledger *ledger = &engine->ledger;

    must(number - ledger->release < ledger->tail - ledger->release);
    return (struct row *)(void *)block_of(engine) + number % ROWS_MAX;
}

bool ledger_empty(const struct engine *engine)
{
    return engine->ledger.release == engine->ledger.tail;
}

static bool ledger_open(struct engine *engine)
{
    if (engine->ledger.block == 0) {
        engine->ledger.block = pool_lend(&engine->lender->pool);
        engine->starved = engine->ledger.block == 0;
    }
    return engine->ledger.block != 0;
}

/* Where a text of that size can lie now. */
static uint32_t text_place(const struct engine *engine, size_t size)
{
    const struct ledger *ledger = &engine->ledger;
    bool wrapped = ledger->text_end < ledger->text_start;
    uint32_t limit = wrapped ? ledger->text_start : BLOCK_SIZE - TEXTS_AT;

    if (ledger->text_end + size < limit)
        return ledger->text_end;
    if (!wrapped && size < ledger->text_start)
        return 0;
    return NOWHERE;
}

bool ledger_has_room(struct engine *engine, size_t text_size)
{
    const struct ledger *ledger = &engine->ledger;
    uint32_t rows = engine->policy->limits.rows;

    if (rows > ROWS_MAX - ROWS_OF_OURS_MAX)
        rows = ROWS_MAX - ROWS_OF_OURS_MAX;
    return ledger->tail - ledger->release < rows && ledger_open(engine) &&
           text_place(engine, text_size) != NOWHERE;
}

struct row *ledger_append(struct engine *engine, enum verb verb, struct span text)
{
    struct ledger *ledger = &engine->ledger;
    uint32_t place = text_place(engine, text.size);
    struct row *row;

    must(ledger->block != 0 && ledger->tail - ledger->release < ROWS_MAX && place != NOWHERE);
    row = ledger_row(engine, ledger->tail++);
    *row = (struct row){.verb = (uint8_t)verb,
                        .text_at = place,
                        .text_size = (uint32_t)text.size,
                        .alone = verb_facts(verb)->last};
    memcpy(block_of(engine) + TEXTS_AT + place, text.at, text.size);
    ledger->text_end = place + row->text_size;
    return row;
}

struct row *ledger_insert(struct engine *engine, enum verb verb)
{
    struct ledger *ledger = &engine->ledger;
    uint32_t number;
    struct row *row;

    must(ledger->tail - ledger->release < ROWS_MAX && ledger_open(engine));
    for (number = ledger->tail++; number != ledger->send; number--)
        *ledger_row(engine, number) = *ledger_row(engine, number - 1);
    row = ledger_row(engine, ledger->send);
    *row = (struct row){.verb = (uint8_t)verb, .ours = true, .alone = verb_facts(verb)->last};
    return row;
}

struct row *ledger_insert_text(struct engine *engine, enum verb verb, struct span text,
                               struct span more)
{
    struct row *row = ledger_insert(engine, verb);
    char *ours = block_of(engine) + OURS_AT;

    must(text.size + more.size <= OURS_BYTES_MAX);
    memcpy(ours, text.at, text.size);
    memcpy(ours + text.size, more.at, more.size);
    row->text_size = (uint32_t)(text.size + more.size);
    row->worded = row->alone = true;
    return row;
}

void ledger_insert_sender(struct engine *engine, struct span mailbox)
{
    struct row *row = ledger_insert_text(engine, VERB_MAIL, SPAN("MAIL FROM:<>"), mailbox);
    char *words = block_of(engine) + OURS_AT + SPAN("MAIL FROM:<").size;

    memmove(words, words + 1, mailbox.size);
    words[mailbox.size] = '>';
    must(row->text_size == SPAN("MAIL FROM:<>").size + mailbox.size);
}

void ledger_rename(struct engine *engine, struct row *row, enum verb verb)
{
    struct span word = verb_facts(verb)->word;

    must(!row->ours && row->text_size >= word.size);
    memcpy(block_of(engine) + TEXTS_AT + row->text_at, word.at, word.size);
}

void ledger_cut(struct engine *engine, struct row *row, size_t from, size_t size)
{
    char *text = block_of(engine) + TEXTS_AT + row->text_at;

    must(!row->ours && from + size <= row->text_size);
    memmove(text + from, text + from + size, row->text_size - from - size);
    row->text_size -= (uint32_t)size;
    memset(text + row->text_size, 0, size);
}

char *ledger_kept(struct engine *engine)
{
    return ledger_open(engine) ? block_of(engine) + KEPT_AT : NULL;
}

struct span ledger_text(const struct engine *engine, const struct row *row)
{
    if (row->worded)
        return span_of(block_of(engine) + OURS_AT, row->text_size);
    if (row->verb == VERB_END)
        return SPAN(".");
    if (row->verb == VERB_RESPONSE && row->ours)
        return SPAN("*"); /* RFC 4954 4: cancels the exchange */
    if (row->ours)
        return verb_facts((enum verb)row->verb)->word;
    return span_of(block_of(engine) + TEXTS_AT + row->text_at, row->text_size);
}

struct span ledger_argument(const struct engine *engine, const struct row *row)
{
    struct span rest = ledger_text(engine, row);
    struct span word;

    span_word(&rest, &word);
    return span_trim(rest);
}

void ledger_sent(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    struct row *row = ledger_row(engine, ledger->send++);

    row->state = ROW_SENT;
    if (ledger->in_flight++ == 0)
        engine->answer_since = engine->now;
    ledger->barrier = row->alone;
}

/* Rows that were moved leave their texts where they lie: the oldest of those that are left is where
 * the ring begins. */
static void find_oldest_text(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    uint32_t best =
        ledger->text_end < ledger->text_start ? ledger->text_end + BLOCK_SIZE : ledger->text_end;
    uint32_t number;

    for (number = ledger->release; number != ledger->tail; number++) {
        const struct row *row = ledger_row(engine, number);
        bool wrapped = row->text_at < ledger->text_start;
        uint32_t place = row->text_at + (wrapped ? BLOCK_SIZE : 0);

        if (row->text_size > 0 && !row->ours && !row->worded && place < best)
            best = place;
    }
    ledger->text_start = best % BLOCK_SIZE;
}

void ledger_retire(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    struct row *row = ledger_row(engine, ledger->answer);

    if (row->state == ROW_SENT && --ledger->in_flight == 0)
        ledger->barrier = false;
    if (row->text_size > 0) {
        if (verb_facts((enum verb)row->verb)->secret)
            secret_wipe((void *)(uintptr_t)ledger_text(engine, row).at, row->text_size);
        if (!row->ours && !row->worded && !ledger->moved)
            ledger->text_start = row->text_at + row->text_size;
    }
    if (ledger->send == ledger->answer)
        ledger->send++;
    ledger->release = ++ledger->answer;
    if (ledger->moved)
        find_oldest_text(engine);
    if (ledger_empty(engine)) {
        ledger->text_start = ledger->text_end = 0;
        ledger->moved = false;
    }
    must(ledger->release <= ledger->answer && ledger->answer <= ledger->send &&
         ledger->send <= ledger->tail);
}

void ledger_again(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;

    must(ledger->in_flight == 1);
    ledger->send =
        ledger->answer; /* rows behind it that were answered here are stepped over again */
    ledger_row(engine, ledger->send)->state = ROW_WAITING;
    ledger->in_flight = 0;
    ledger->barrier = false;
}

/* A row of ours is of no use any more: nobody hears it, and its words may make room. */
static void row_dismiss(struct engine *engine, struct row *row)
{
    if (row->worded && verb_facts((enum verb)row->verb)->secret)
        secret_wipe(block_of(engine) + OURS_AT, row->text_size);
    row->worded = false;
    row->text_size = 0;
    row->plan = (struct plan){.answer_here = true};
    row->state = ROW_HERE;
}

void ledger_rewind(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    uint32_t number;

    for (number = ledger->answer; number != ledger->tail; number++) {
        struct row *row = ledger_row(engine, number);

        if (row->ours && row->state != ROW_HERE)
            row_dismiss(engine, row);
        else if (row->state == ROW_SENT)
            row->state = ROW_WAITING;
    }
    ledger->send = ledger->answer;
    ledger->in_flight = 0;
    ledger->barrier = false;
}

void ledger_drop(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;

    ledger->release = ledger->answer = ledger->send = ledger->tail;
    ledger->in_flight = 0;
    ledger->barrier = false;
    ledger->text_start = ledger->text_end = 0;
}

void ledger_rest(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    bool needed =
        !ledger_empty(engine) || engine->envelope.reason_size > 0 || engine->kept.count > 0;

    if (ledger->block == 0 || (needed && engine->phase != PHASE_CLOSING))
        return;
    if (engine->auth_seen && engine->phase == PHASE_CLOSING)
        secret_wipe(block_of(engine), BLOCK_SIZE);
    pool_return(&engine->lender->pool, ledger->block);
    ledger_drop(engine);
    ledger->block = 0;
}

/* The lines of a reply as one, so that a refusal of many lines can be quoted in one. */
void ledger_keep_reason(struct engine *engine, const struct reply *reply)
{
    struct span rest = reply->all;
    struct span line;
    struct text reason;

    engine->envelope.code = reply->code;
    engine->envelope.reason_size = 0;
    engine->envelope.worded = false;
    if (!ledger_open(engine))
        return; /* the code alone must do */
    reason = text_over(block_of(engine) + REASON_AT, REASON_BYTES_MAX);
    while (reply_line(&rest, &line)) {
        struct span words = span_trim(line);
        struct span status = reply_enhanced(words);

        if (reason.size > 0) {
            text_add_byte(&reason, ' ');
            words = span_trim(span_tail(words, status.size));
        }
        text_add(&reason, words);
    }
    engine->envelope.reason_size = (uint16_t)reason.size;
}

void ledger_keep_words(struct engine *engine, struct span words)
{
    engine->envelope.code = 0;
    engine->envelope.reason_size = 0;
    engine->envelope.worded = true;
    if (!ledger_open(engine))
        return;
    words = span_head(span_trim(words), REASON_BYTES_MAX);
    memcpy(block_of(engine) + REASON_AT, words.at, words.size);
    engine->envelope.reason_size = (uint16_t)words.size;
}

struct span ledger_reason(const struct engine *engine)
{
    if (engine->envelope.reason_size == 0)
        return span_of("", 0);
    return span_of(block_of(engine) + REASON_AT, engine->envelope.reason_size);
}
