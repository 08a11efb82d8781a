#include "mend_check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 20000U

/* From memory of just that size, so that a sanitizer sees who reads beyond it. */
static enum verdict mend(enum repair_id id, struct situation situation, struct span line,
                         struct mended *mended)
{
    const struct repair *repair = repair_row(id);
    char *exact = malloc(line.size + 1);
    struct command command;
    enum verdict verdict = UNTOUCHED;

    cr_assert_not_null(exact);
    memcpy(exact, line.at, line.size);
    exact[line.size] = 'X';
    situation.seen = span_of(exact, line.size);
    if (situation.verb == NULL) {
        command_parse(situation.seen, &command);
        situation.verb = verb_facts(command.verb);
    }
    if ((repair->does & DOES_BIT(situation.verb->does)) != 0)
        verdict = repair->mend(&situation, mended);
    free(exact);
    return mended->text.cut ? UNTOUCHED : verdict;
}

static void check(enum repair_id id, const struct situation *situation, const struct mend_row *row)
{
    static const struct view no_view;
    static const struct envelope no_envelope;
    static const struct rewrite no_rewrite;
    char first[LINE_BYTES], second[LINE_BYTES];
    struct mended once = {.text = text_over(first, strlen(row->seen) + MENDED_GROWTH_MAX)};
    struct mended twice = {.text = text_over(second, sizeof(second))};
    struct situation whole = *situation;
    struct span seen = span_of_string(row->seen);
    enum verdict expected = row->mended ? REPAIRED : row->code ? BEYOND : UNTOUCHED;
    enum verdict verdict;

    whole.client = whole.client ? whole.client : &no_view;
    whole.upstream = whole.upstream ? whole.upstream : &no_view;
    whole.envelope = whole.envelope ? whole.envelope : &no_envelope;
    whole.rewrite = whole.rewrite ? whole.rewrite : &no_rewrite;
    verdict = mend(id, whole, seen, &once);
    cr_assert_eq(verdict, expected, "%s: verdict %d, not %d", row->seen, (int)verdict,
                 (int)expected);
    if (verdict == BEYOND)
        cr_assert_eq(once.plan.code, row->code, "%s: %u", row->seen, once.plan.code);
    if (verdict != REPAIRED)
        return;
    cr_assert(span_equal(text_span(&once.text), span_of_string(row->mended)),
              "%s became %.*s, not %s", row->seen, (int)once.text.size, once.text.at, row->mended);
    verdict = mend(id, whole, text_span(&once.text), &twice);
    cr_assert(verdict == UNTOUCHED || (verdict == REPAIRED &&
                                       span_equal(text_span(&twice.text), text_span(&once.text))),
              "%s is mended once more, to %.*s", row->mended, (int)twice.text.size, twice.text.at);
}

void mend_check(enum repair_id id, const struct situation *situation, const struct mend_row *rows,
                size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        check(id, situation, &rows[i]);
}
