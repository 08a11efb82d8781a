#include <criterion/criterion.h>

#include "lockstep/repair/repair.h"
#include "mend_check.h"

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

/* What a repair of order makes of that; a verdict in the row says whether it acts at all. */
struct order_row {
    enum verb verb;
    struct situation situation;
    struct view upstream;
    enum verdict verdict;
    enum plan_first first;
    uint16_t code;
};

static const struct view none;

static void order_check(enum repair_id id, const struct order_row *rows, size_t count)
{
    struct envelope envelope = {0};
    struct rewrite rewrite = {.default_sender = SPAN("scanner@b")};
    size_t i;

    for (i = 0; i < count; i++) {
        struct situation situation = rows[i].situation;
        struct mended mended = {0};

        cr_assert(repair_row(id)->does & DOES_BIT(verb_facts(rows[i].verb)->does));
        situation.verb = verb_facts(rows[i].verb);
        situation.upstream = &rows[i].upstream;
        situation.client = situation.client != NULL ? situation.client : &none;
        situation.envelope = &envelope;
        situation.rewrite = &rewrite;
        cr_assert_eq(repair_row(id)->mend(&situation, &mended), rows[i].verdict, "row %zu", i);
        cr_assert_eq(mended.plan.first, rows[i].first, "row %zu", i);
        cr_assert_eq(mended.plan.code, rows[i].code, "row %zu", i);
        /* After the answer nothing can come first any more. */
        situation.reply_code = 503;
        cr_assert_eq(repair_row(id)->mend(&situation, &mended), UNTOUCHED, "row %zu", i);
    }
}

#define ORDER_CHECK(id, ...)                                     \
    do {                                                         \
        const struct order_row rows[] = {__VA_ARGS__};           \
        order_check((id), rows, sizeof(rows) / sizeof(rows[0])); \
    } while (0)

Test(repair, a_second_greeting_means_reset)
{
    const struct view old = {.greeted = true}, extended = {.greeted = true, .extended = true};

    ORDER_CHECK(REPAIR_SECOND_GREETING, {VERB_EHLO, {0}, none, UNTOUCHED, FIRST_NOTHING, 0},
                {VERB_EHLO, {0}, old, UNTOUCHED, FIRST_NOTHING, 0},
                {VERB_HELO, {0}, old, REPAIRED, FIRST_NOTHING, 250},
                {VERB_EHLO, {0}, extended, REPAIRED, FIRST_NOTHING, 250},
                {VERB_EHLO, {.mail_pending = true}, extended, REPAIRED, FIRST_RESET, 0},
                {VERB_HELO, {.mail_pending = true}, extended, REPAIRED, FIRST_RESET, 0});
}

Test(repair, mail_is_not_nested)
{
    const struct view open = {.greeted = true, .mail_open = true};

    ORDER_CHECK(
        REPAIR_NESTED_MAIL, {VERB_MAIL, {0}, none, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_MAIL, {.mail_pending = true}, open, REPAIRED, FIRST_RESET, 0},
        {VERB_MAIL, {.mail_pending = true, .reset_owed = true}, open, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_MAIL, {.mail_pending = true, .reset_sent = true}, open, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_MAIL,
         {.mail_pending = true, .message_begun = true},
         open,
         UNTOUCHED,
         FIRST_NOTHING,
         0});
}

Test(repair, reset_and_noop_are_answered_where_they_do_nothing)
{
    const struct view greeted = {.greeted = true}, refusing = {.ungreetable = true},
                      open = {.greeted = true, .mail_open = true};

    ORDER_CHECK(
        REPAIR_EARLY_RESET, {VERB_RSET, {0}, none, REPAIRED, FIRST_NOTHING, 250},
        {VERB_RSET, {0}, greeted, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_RSET, {.client = &greeted}, none, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_RSET, {0}, refusing, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_RSET, {.mail_pending = true}, {.mail_open = true}, UNTOUCHED, FIRST_NOTHING, 0});
    ORDER_CHECK(
        REPAIR_LOCAL_NOOP, {VERB_NOOP, {0}, greeted, REPAIRED, FIRST_NOTHING, 250},
        {VERB_NOOP, {.mail_pending = true}, open, REPAIRED, FIRST_NOTHING, 250},
        {VERB_NOOP, {.idle_ms = 119999}, greeted, REPAIRED, FIRST_NOTHING, 250},
        {VERB_NOOP, {.idle_ms = 120000}, greeted, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_NOOP, {0}, refusing, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_HELP, {0}, greeted, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_UNKNOWN, {0}, greeted, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_RSET, {0}, greeted, REPAIRED, FIRST_NOTHING, 250},
        {VERB_RSET, {.idle_ms = 120000}, greeted, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_RSET, {.mail_pending = true}, open, UNTOUCHED, FIRST_NOTHING, 0},
        {VERB_RSET, {.mail_pending = true, .reset_sent = true}, open, REPAIRED, FIRST_NOTHING, 250},
        {VERB_RSET, {.mail_pending = true}, greeted, REPAIRED, FIRST_NOTHING, 250});
}

Test(repair, a_missing_sender_comes_first)
{
    const struct view greeted = {.greeted = true}, open = {.greeted = true, .mail_open = true};

    ORDER_CHECK(REPAIR_MISSING_SENDER, {VERB_RCPT, {0}, greeted, REPAIRED, FIRST_SENDER, 0},
                {VERB_RCPT, {.reset_owed = true}, greeted, REPAIRED, FIRST_RESET, 0},
                {VERB_RCPT, {.mail_pending = true}, open, UNTOUCHED, FIRST_NOTHING, 0},
                {VERB_RCPT, {.mail_pending = true}, greeted, UNTOUCHED, FIRST_NOTHING, 0});
}

Test(repair, auth_is_said_once_and_where_it_may)
{
    const struct view old = {.greeted = true},
                      known = {.greeted = true, .extended = true, .authenticated = true},
                      extended = {.greeted = true, .extended = true},
                      open = {.greeted = true, .mail_open = true};

    ORDER_CHECK(REPAIR_REPEATED_AUTH, {VERB_AUTH, {0}, extended, UNTOUCHED, FIRST_NOTHING, 0},
                {VERB_AUTH, {0}, known, REPAIRED, FIRST_NOTHING, 503},
                {VERB_AUTH,
                 {.mail_pending = true, .reset_owed = true, .abandoned = true},
                 open,
                 REPAIRED,
                 FIRST_RESET,
                 0},
                {VERB_AUTH, {.mail_pending = true}, extended, REPAIRED, FIRST_NOTHING, 503});
    ORDER_CHECK(REPAIR_UNADVERTISED_AUTH, {VERB_AUTH, {0}, none, UNTOUCHED, FIRST_NOTHING, 0},
                {VERB_AUTH, {0}, extended, UNTOUCHED, FIRST_NOTHING, 0},
                {VERB_AUTH, {0}, old, REPAIRED, FIRST_GREETING, 0},
                {VERB_AUTH, {.extended_refused = true}, old, UNTOUCHED, FIRST_NOTHING, 0},
                {VERB_AUTH, {.mail_pending = true}, open, UNTOUCHED, FIRST_NOTHING, 0});
}

Test(repair, helo_is_upgraded_where_that_is_needed)
{
    const struct situation needed = {.needs_extended = true, .seen = SPAN("hElO scanner")};

    ORDER_CHECK(REPAIR_UPGRADE_HELO, {VERB_HELO, needed, none, REPAIRED, FIRST_NOTHING, 0},
                {VERB_HELO, {.seen = SPAN("HELO x")}, none, UNTOUCHED, FIRST_NOTHING, 0});
}

Test(repair, the_name_of_login_is_held_back)
{
    static const struct {
        const char *line;
        uint32_t held_back;
    } rows[] = {
        {"AUTH LOGIN am9l", 4},
        {"auth login\tam9l", 4},
        {"AUTH LOGIN  am9l ", 5},
        {"AUTH LOGIN", 0},
        {"AUTH LOGIN ", 0},
        {"AUTH LOGIN =", 0},
        {"AUTH LOGIN am 9l", 0},
        {"AUTH PLAIN am9l", 0},
        {"AUTH", 0},
        {"AUTH LOGINS am9l", 0},
        {"", 0},
        {"AUTH LOGIN ==", 2},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct situation situation = {.seen = span_of_string(rows[i].line)};
        struct mended mended = {0};
        enum verdict verdict = repair_row(REPAIR_LOGIN_INITIAL_RESPONSE)->mend(&situation, &mended);

        cr_assert_eq(verdict == REPAIRED, rows[i].held_back > 0, "%s", rows[i].line);
        cr_assert_eq(mended.plan.held_back, rows[i].held_back, "%s", rows[i].line);
    }
}

Test(repair, an_empty_initial_response_is_said)
{
    static const struct mend_row rows[] = {
        {"AUTH EXTERNAL ", "AUTH EXTERNAL =", 0},
        {"auth external\t ", "auth external =", 0},
        {"AUTH EXTERNAL", NULL, 0},
        {"AUTH EXTERNAL =", NULL, 0},
        {"AUTH EXTERNAL am9l ", NULL, 0},
        {"AUTH PLAIN ", NULL, 0},
        {"AUTH ", NULL, 0},
    };
    struct situation situation = {0};

    MEND_CHECK(REPAIR_EMPTY_INITIAL_RESPONSE, &situation, rows);
}
