#include <criterion/criterion.h>

#include "lockstep/repair/repair.h"

static struct plan planned(enum repair_id id, enum verb verb, struct envelope envelope,
                           enum verdict verdict)
{
    struct view view = {.greeted = true};
    struct situation situation = {
        .verb = verb_facts(verb), .upstream = &view, .envelope = &envelope};
    struct mended mended = {0};
    const struct repair *repair = repair_row(id);
    enum verdict found = UNTOUCHED;

    if ((repair->does & DOES_BIT(situation.verb->does)) != 0)
        found = repair->mend(&situation, &mended);
    cr_assert_eq(found, verdict, "%.*s at %.*s", (int)repair->name.size, repair->name.at,
                 (int)situation.verb->name.size, situation.verb->name.at);
    cr_assert_eq(mended.plan.answer_here, verdict == REPAIRED);
    /* RFC 2034 4: the class of the enhanced code is the code's. */
    if (mended.plan.answer_here)
        cr_assert_eq(mended.plan.status.at[0] - '0', mended.plan.code / 100);
    return mended.plan;
}

Test(repair, every_row_is_complete)
{
    size_t i, k;

    for (i = 0; i < REPAIR_COUNT; i++) {
        const struct repair *row = repair_row((enum repair_id)i);

        cr_assert(row->name.size > 0 && row->says.size > 0 && row->mend != NULL && row->does != 0);
        for (k = 0; k < i; k++)
            cr_assert_not(span_equal(row->name, repair_row((enum repair_id)k)->name));
        cr_assert(repairs_at(row->stage, DOES_MESSAGE) & REPAIR_BIT(i) ||
                  (row->does & DOES_BIT(DOES_MESSAGE)) == 0);
    }
}

Test(repair, framing_repairs_plan_nothing)
{
    planned(REPAIR_BDAT_TO_DATA, VERB_BDAT, (struct envelope){.sender_refused = true}, UNTOUCHED);
}

Test(repair, refused_sender_answers_the_rest_in_the_same_class)
{
    struct envelope later = {.sender_refused = true, .code = 451};
    struct envelope never = {.sender_refused = true, .code = 550};
    enum repair_id id = REPAIR_REFUSED_SENDER;

    cr_assert_eq(planned(id, VERB_RCPT, later, REPAIRED).code, 451);
    cr_assert_eq(planned(id, VERB_DATA, later, REPAIRED).code, 451);
    cr_assert_eq(planned(id, VERB_BDAT, later, REPAIRED).code, 451);
    cr_assert_eq(planned(id, VERB_RCPT, never, REPAIRED).code, 503);
    cr_assert_eq(planned(id, VERB_DATA, never, REPAIRED).code, 554);
    cr_assert_eq(planned(id, VERB_BDAT, never, REPAIRED).code, 554);
    cr_assert(planned(id, VERB_DATA, never, REPAIRED).quote_reason);
    planned(id, VERB_RSET, never, UNTOUCHED);
    planned(id, VERB_MAIL, never, UNTOUCHED);
    planned(id, VERB_NOOP, never, UNTOUCHED);
    planned(id, VERB_RCPT, (struct envelope){0}, UNTOUCHED);
    planned(id, VERB_DATA, (struct envelope){.recipients = 1, .code = 550}, UNTOUCHED);
}

Test(repair, refused_recipients_answers_the_message_in_the_same_class)
{
    struct envelope later = {.recipients = 2, .code = 450};
    struct envelope never = {.recipients = 2, .code = 550};
    enum repair_id id = REPAIR_REFUSED_RECIPIENTS;

    cr_assert_eq(planned(id, VERB_DATA, later, REPAIRED).code, 451);
    cr_assert_eq(planned(id, VERB_DATA, never, REPAIRED).code, 554);
    cr_assert_eq(planned(id, VERB_BDAT, never, REPAIRED).code, 554);
    cr_assert(planned(id, VERB_DATA, never, REPAIRED).quote_reason);
    planned(id, VERB_RCPT, never, UNTOUCHED);
    planned(id, VERB_DATA, (struct envelope){.recipients = 2, .accepted = 1, .code = 550},
            UNTOUCHED);
    planned(id, VERB_DATA, (struct envelope){.code = 550}, UNTOUCHED);
    planned(id, VERB_DATA, (struct envelope){.sender_refused = true, .recipients = 1, .code = 550},
            UNTOUCHED);
}
