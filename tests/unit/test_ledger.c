#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"

/* Three of them fit, four do not. */
#define LINE (LIMIT_LINE_BYTES_MAX / 16 * 9)

static struct policy policy;
static struct lender lender;
static struct engine *engine;
static uint32_t watched; /* lies behind the ledger's block; nothing may be written to it */

static void set_up(void)
{
    policy_default(&policy);
    policy.limits.rows = ROWS_MAX;
    pool_init(&lender.pool, calloc(2, BLOCK_SIZE), 2);
    engine = engine_init(malloc(engine_size(&policy)), &policy, &lender, 1, 0);
    cr_assert(ledger_has_room(engine, 0));
    watched = pool_lend(&lender.pool);
}

static void tear_down(void)
{
    static const char zero[BLOCK_SIZE];

    cr_assert_eq(memcmp(pool_at(&lender.pool, watched), zero, BLOCK_SIZE), 0);
    free(engine);
    free(lender.pool.memory);
}

TestSuite(ledger, .init = set_up, .fini = tear_down);

/* A text that is recognised by its letter wherever it lies. */
static void append(char letter, size_t size)
{
    char bytes[LINE];

    memset(bytes, letter, size);
    cr_assert(ledger_has_room(engine, size));
    ledger_append(engine, VERB_UNKNOWN, span_of(bytes, size));
}

static void retire(char letter, size_t size)
{
    struct span text = ledger_text(engine, ledger_row(engine, engine->ledger.answer));
    size_t i;

    cr_assert_eq(text.size, size);
    for (i = 0; i < size; i++)
        cr_assert_eq(text.at[i], letter);
    ledger_retire(engine);
}

Test(ledger, begins_again_where_texts_retired)
{
    append('a', LINE);
    append('b', LINE);
    append('c', LINE);
    cr_assert_not(ledger_has_room(engine, LINE));
    retire('a', LINE);
    /* A ring filled to the last byte would look empty. */
    cr_assert_not(ledger_has_room(engine, LINE));
    append('d', LINE - 1);
    retire('b', LINE);
    cr_assert_not(ledger_has_room(engine, LINE + 1));
    append('e', LINE);
    cr_assert_not(ledger_has_room(engine, 1));
    retire('c', LINE);
    retire('d', LINE - 1);
    retire('e', LINE);
}

Test(ledger, has_all_its_room_again_when_empty)
{
    append('a', LINE);
    append('b', LINE);
    retire('a', LINE);
    retire('b', LINE);
    append('c', LINE);
    append('d', LINE);
    append('e', LINE);
}

Test(ledger, keeps_texts_apart_whatever_their_sizes)
{
    struct seed seed = {1};
    size_t sizes[26] = {0};
    uint32_t first = 0, next = 0;

    while (next < 20000) {
        size_t size = seed_below(&seed, LINE + 1);

        if (next - first < 26 && ledger_has_room(engine, size)) {
            append((char)('a' + next % 26), size);
            sizes[next++ % 26] = size;
        } else {
            retire((char)('a' + first % 26), sizes[first % 26]);
            first++;
        }
    }
}

Test(ledger, loses_no_room_to_rows_of_ours)
{
    append('a', LINE);
    append('b', LINE);
    retire('a', LINE);
    ledger_insert(engine, VERB_RSET);
    ledger_retire(engine);
    cr_assert_eq(engine->ledger.text_start, LINE);
    retire('b', LINE);
}

Test(ledger, keeps_rows_for_ours)
{
    uint32_t rows, ours;

    for (rows = 0; ledger_has_room(engine, 0); rows++)
        ledger_append(engine, VERB_NOOP, SPAN(""));
    cr_assert_eq(rows, ROWS_MAX - ROWS_OF_OURS_MAX);
    for (ours = 0; ours < ROWS_OF_OURS_MAX; ours++)
        ledger_insert(engine, VERB_RSET);
}

Test(ledger, says_when_it_waits_for_a_block)
{
    uint32_t block = engine->ledger.block;

    cr_assert_not(engine->starved);
    engine->ledger.block = 0;
    cr_assert_not(ledger_has_room(engine, 0));
    cr_assert(engine->starved);
    pool_return(&lender.pool, block);
    cr_assert(ledger_has_room(engine, 0));
    cr_assert_not(engine->starved);
}

Test(ledger, forgets_a_secret_with_its_row)
{
    struct span text;

    ledger_append(engine, VERB_RESPONSE, SPAN("c2VjcmV0"));
    text = ledger_text(engine, ledger_row(engine, engine->ledger.answer));
    cr_assert(span_equal(text, SPAN("c2VjcmV0")));
    ledger_retire(engine);
    cr_assert(span_equal(text, SPAN("\0\0\0\0\0\0\0\0")));
}

Test(ledger, forgets_what_never_retired_when_the_session_ends)
{
    struct span text;

    ledger_append(engine, VERB_RESPONSE, SPAN("c2VjcmV0"));
    text = ledger_text(engine, ledger_row(engine, engine->ledger.answer));
    engine->auth_seen = true;
    ledger_rest(engine);
    cr_assert(span_equal(text, SPAN("c2VjcmV0")));
    engine->phase = PHASE_CLOSING;
    ledger_rest(engine);
    cr_assert(span_equal(text, SPAN("\0\0\0\0\0\0\0\0")));
    cr_assert_eq(lender.pool.lent, 1U);
}
