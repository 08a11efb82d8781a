/* Counting sessions. */
#include <string.h>

#include "lockstep/admin/tally.h"

static void name_keep(char *name, struct span span)
{
    struct text text = text_over(name, TALLY_NAME_MAX - 1);

    text_add(&text, span);
    name[text.size] = 0;
}

static bool name_is(const char *name, struct span span)
{
    return span_equal(span_of_string(name), span_head(span, TALLY_NAME_MAX - 1));
}

static struct tally_row *tally_row(struct counts *counts, struct span listener, struct span relay)
{
    struct tally_row *row;
    uint32_t i;

    for (i = 0; i < counts->row_count; i++)
        if (name_is(counts->rows[i].listener, listener) && name_is(counts->rows[i].relay, relay))
            return &counts->rows[i];
    if (counts->row_count == TALLY_ROWS_MAX)
        return &counts->rows[TALLY_ROWS_MAX - 1];
    row = &counts->rows[counts->row_count++];
    if (counts->row_count == TALLY_ROWS_MAX)
        listener = relay = SPAN("other");
    name_keep(row->listener, listener);
    name_keep(row->relay, relay);
    return row;
}

static struct tally_ending *tally_ending(struct tally_row *row, struct span word)
{
    struct tally_ending *ending;
    uint32_t i;

    for (i = 0; i < row->ending_count; i++)
        if (name_is(row->endings[i].word, word))
            return &row->endings[i];
    if (row->ending_count == TALLY_ENDINGS_MAX)
        return &row->endings[TALLY_ENDINGS_MAX - 1];
    ending = &row->endings[row->ending_count++];
    name_keep(ending->word, row->ending_count == TALLY_ENDINGS_MAX ? SPAN("other") : word);
    return ending;
}

void tally_report(struct tally *tally, const struct report *report)
{
    const struct summary *summary = &report->summary;
    struct tally_row *row;
    struct span ending;
    size_t i;

    pthread_mutex_lock(&tally->lock);
    row = tally_row(&tally->counts, report->listener, report->relay_name);
    row->commands += summary->commands;
    row->messages += summary->messages;
    row->refused += summary->refused;
    row->recipients += summary->recipients;
    row->message_bytes += summary->message_bytes;
    row->repairs += summary->repairs;
    ending = span_of_string(summary->ending != NULL ? summary->ending : "lost");
    tally_ending(row, ending)->sessions++;
    for (i = 0; report->repairs != NULL && i < REPAIR_COUNT; i++) {
        tally->counts.repairs[i].done += report->repairs[i].done;
        tally->counts.repairs[i].noticed += report->repairs[i].noticed;
    }
    pthread_mutex_unlock(&tally->lock);
}

void tally_refusal(struct tally *tally, const struct refusal *refusal)
{
    struct tally_row *row;

    pthread_mutex_lock(&tally->lock);
    row = tally_row(&tally->counts, refusal->listener, SPAN(""));
    if (refusal->passed)
        row->passes[refusal->why]++;
    else
        row->refusals[refusal->why]++;
    pthread_mutex_unlock(&tally->lock);
}

void tally_copy(struct tally *tally, struct counts *counts_r)
{
    pthread_mutex_lock(&tally->lock);
    memcpy(counts_r, &tally->counts, sizeof(*counts_r));
    pthread_mutex_unlock(&tally->lock);
}
