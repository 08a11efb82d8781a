/* The repairs of a message's header: fields as they come, and what becomes of them. */
#include <criterion/criterion.h>
#include <string.h>

#include "header_check.h"
#include "lockstep/base/seed.h"
#include "mend_check.h"

#define SENDER "scanner@shop.example"
#define KEPT(value) "X-Original-From:" value "\r\n"

static struct situation header(void)
{
    return (struct situation){
        .verb = verb_facts(VERB_DATA), .account = SPAN(SENDER), .first = true};
}

Test(mend_header, the_address_in_from_becomes_the_accounts)
{
    static const struct mend_row rows[] = {
        {"From: a@b", KEPT(" a@b") "From: " SENDER, 0},
        {"from:a@b", KEPT("a@b") "from:" SENDER, 0},
        {"FROM : <a@b>", KEPT(" <a@b>") "FROM : <" SENDER ">", 0},
        {"From: Bob <a@b> ", KEPT(" Bob <a@b> ") "From: Bob <" SENDER "> ", 0},
        {"From: J. R. Bob <a@b>", KEPT(" J. R. Bob <a@b>") "From: J. R. Bob <" SENDER ">", 0},
        {"From: \"<x@y>, \\\"Bob\\\"\" <a@b>",
         KEPT(" \"<x@y>, \\\"Bob\\\"\" <a@b>") "From: \"<x@y>, \\\"Bob\\\"\" <" SENDER ">", 0},
        {"From: =?utf-8?Q?B=C3=B6b?= <a@b>",
         KEPT(" =?utf-8?Q?B=C3=B6b?= <a@b>") "From: =?utf-8?Q?B=C3=B6b?= <" SENDER ">", 0},
        {"From: B\303\266b <a@b>", KEPT(" B\303\266b <a@b>") "From: B\303\266b <" SENDER ">", 0},
        {"From: a@b (Bob (x@y) \\( the <one>)",
         KEPT(" a@b (Bob (x@y) \\( the <one>)") "From: " SENDER " (Bob (x@y) \\( the <one>)", 0},
        {"From: (x) Bob (y) <a@b> (z)",
         KEPT(" (x) Bob (y) <a@b> (z)") "From: (x) Bob (y) <" SENDER "> (z)", 0},
        {"From:\r\n Bob\r\n\t<a@b>", KEPT("\r\n Bob\r\n\t<a@b>") "From:\r\n Bob\r\n\t<" SENDER ">",
         0},
        {"From: \"Bob\r\n B\" <a@b>",
         KEPT(" \"Bob\r\n B\" <a@b>") "From: \"Bob\r\n B\" <" SENDER ">", 0},
        {"From: <a@[192.0.2.1]>", KEPT(" <a@[192.0.2.1]>") "From: <" SENDER ">", 0},
    };
    struct situation situation = header();

    MEND_CHECK(REPAIR_MATCH_HEADER_FROM, &situation, rows);
    situation.first = false;
    MEND_CHECK(REPAIR_MATCH_HEADER_FROM, &situation, rows);
}

Test(mend_header, from_is_left_alone_where_it_matches_or_is_not_sure)
{
    static const char *const left[] = {
        "From: scanner@shop.example", "From: Bob <scanner@shop.example>",
        "From: Scanner@Shop.example",
        /* other fields, and none */
        "From", "", ":", " From: a@b", "From a@b: x", "Sender: a@b", "X-From: a@b", "From\r\n: a@b",
        "Resent-From: a@b",
        /* nobody, or not written so that it is sure who */
        "From:", "From: ", "From: <>", "From: scanner", "From: <scanner>", "From: Bob", "From: @b",
        "From: Bob a@b", "From: a@b Bob", "From: a@b <c@d>", "From: <a@b> Bob", "From: <a@b> c@d",
        "From: <a@b", "From: a@b>", "From: <<a@b>>", "From: < a@b >", "From: <@x:a@b>",
        "From: a @ b", "From: a(x)@b", "From: a@b(x).c", "From: \"a b\"@c", "From: <\"a b\"@c>",
        "From: \"Bob\" a@b", "From: \"Bob <a@b>", "From: (Bob a@b", "From: a@b )", "From: a@b \\",
        "From: Bob, B. <a@b>", "From: Bob [B] <a@b>", "From: a@b.",
        /* several, and groups */
        "From: a@b, c@d", "From: <a@b>, <c@d>", "From: <a@b> <c@d>", "From: a@b c@d", "From: a@b,",
        "From: a@b;", "From: us: a@b, c@d;", "From: us:;", "From: us: a@b;",
        /* what no field may hold */
        "From: a@b\r", "From: a@b\n", "From: a@b\r\n", "From: a@b\r\nX: y", "From: a@b\r\n\r\n x",
        "From: a@b\n x", "From: a@b\r x", "From: Bob\x01 <a@b>", "From: Bob\x7f <a@b>"};
    struct situation situation = header();
    size_t i;

    for (i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        struct mend_row row = {left[i], NULL, 0};

        mend_check(REPAIR_MATCH_HEADER_FROM, &situation, &row, 1);
    }
}

Test(mend_header, from_is_left_alone_where_lockstep_stands_for_nobody)
{
    static const char *const nobody[] = {"", "shop", "a b@c", "a@", "@b", "a@b@c", "a@b>\r\nX: y"};
    static const struct mend_row rows[] = {{"From: x@y", NULL, 0}};
    static const struct mend_row configured[] = {{"From: x@y", KEPT(" x@y") "From: c@d", 0}};
    static const struct rewrite rewrite = {.sender = SPAN_INIT("c@d")};
    struct situation situation = header();
    size_t i;

    for (i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
        situation.account = span_of_string(nobody[i]);
        MEND_CHECK(REPAIR_MATCH_HEADER_FROM, &situation, rows);
    }
    situation.rewrite = &rewrite;
    MEND_CHECK(REPAIR_MATCH_HEADER_FROM, &situation, configured);
}

Test(mend_header, a_from_with_a_nul_is_left_alone)
{
    static const char field[] = "From: B\0b <a@b>";
    static const struct rewrite rewrite;
    char memory[1000];
    struct mended mended = {.text = text_over(memory, sizeof(memory))};
    struct situation situation = header();

    situation.seen = span_of(field, sizeof(field) - 1);
    situation.rewrite = &rewrite;
    cr_assert_eq(repair_row(REPAIR_MATCH_HEADER_FROM)->mend(&situation, &mended), UNTOUCHED);
}

Test(mend_header, a_line_out_of_a_mailbox_becomes_a_field)
{
    static const struct mend_row rows[] = {
        {"From a@b Mon Jan  1 00:00:00 2001", "X-Mailbox-Line: From a@b Mon Jan  1 00:00:00 2001",
         0},
        {"From ", "X-Mailbox-Line: From ", 0},
        {">From a@b", "X-Mailbox-Line: >From a@b", 0},
        {">>From a@b", "X-Mailbox-Line: >>From a@b", 0},
        {"From a@b\r\n more", "X-Mailbox-Line: From a@b\r\n more", 0},
        {"From: a@b", NULL, 0},
        {"From : a@b", NULL, 0},
        {"From", NULL, 0},
        {"from a@b", NULL, 0},
        {" From a@b", NULL, 0},
        {"", NULL, 0},
    };
    static const struct mend_row later[] = {{"From a@b", NULL, 0}};
    struct situation situation = header();

    MEND_CHECK(REPAIR_FROM_LINE, &situation, rows);
    situation.first = false;
    MEND_CHECK(REPAIR_FROM_LINE, &situation, later);
}

/* --- garbage --- */

#define ROUNDS 200000U

static struct span garbage(struct seed *seed, char *memory, size_t room)
{
    static const char *const parts[] = {"From",   ":",
                                        "From: ", " ",
                                        "\r\n ",  "\r\n",
                                        "\r",     "\n",
                                        "<",      ">",
                                        "a@b",    "@",
                                        "(",      ")",
                                        "\"",     "\\",
                                        ",",      ";",
                                        "Bob",    ".",
                                        "=?x?=",  "\xff",
                                        "[",      "\t",
                                        ">From ", "X-Original-From: "};
    struct text text = text_over(memory, room);
    uint32_t count = seed_below(seed, 12);

    while (count-- > 0)
        text_add(&text, span_of_string(parts[seed_below(seed, sizeof(parts) / sizeof(parts[0]))]));
    return text_span(&text);
}

/* Not one line end more than was there, but for the one behind the field that is added. */
static void check_lines(struct span mended, struct span seen)
{
    struct span ends = SPAN("\r\n");
    struct span kept = span_tail(mended, span_find_span(mended, ends) + ends.size);

    cr_assert(span_starts(mended, SPAN("X-Mailbox-Line: ")) || kept.size > 0);
    if (span_find(seen, '\n') == seen.size)
        cr_assert_eq(span_find(kept, '\n'), kept.size);
}

Test(mend_header, whatever_comes_is_mended_once, .timeout = 60)
{
    static const enum repair_id ids[] = {REPAIR_MATCH_HEADER_FROM, REPAIR_FROM_LINE};
    static const struct rewrite rewrite;
    struct situation situation = header();
    struct seed seed = {7};
    char memory[200], first[1000], second[1000];
    uint32_t round, mended = 0;

    situation.rewrite = &rewrite;
    for (round = 0; round < ROUNDS; round++) {
        struct span seen = garbage(&seed, memory, sizeof(memory));
        size_t i;

        for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
            struct mended once = {.text = text_over(first, sizeof(first))};
            struct mended twice = {.text = text_over(second, sizeof(second))};

            situation.seen = seen;
            if (repair_row(ids[i])->mend(&situation, &once) == UNTOUCHED)
                continue;
            mended++;
            cr_assert(!once.text.cut);
            check_lines(text_span(&once.text), seen);
            situation.seen = text_span(&once.text);
            cr_assert_eq(repair_row(ids[i])->mend(&situation, &twice), UNTOUCHED);
        }
    }
    cr_assert_gt(mended, 1000U);
}

/* --- whole messages --- */

Test(mend_header, a_message_says_what_it_said_but_for_what_is_told, .timeout = 120)
{
    struct seed seed = {11};
    char memory[400];
    uint32_t round, count = 0;

    for (round = 0; round < 20000; round++) {
        struct span message = garbage(&seed, memory, sizeof(memory));
        bool mended;
        const char *failure = header_check(message, seed_next(&seed), &mended);

        cr_assert_null(failure, "%s: %.*s", failure, (int)message.size, message.at);
        count += mended;
    }
    cr_assert_gt(count, 100U);
}

/* One byte makes a field too long, whatever it was read with. */
Test(mend_header, a_field_is_too_long_at_the_same_byte_in_every_cut, .timeout = 60)
{
    char memory[9000];
    size_t size;
    bool mended;

    for (size = 8160; size < 8200; size++) {
        struct text text = text_over(memory, sizeof(memory));
        const char *failure;

        text_add(&text, SPAN("From: a@b ("));
        while (text.size < size)
            text_add_byte(&text, 'x');
        text_add(&text, SPAN(")\r\nX: y\r\n\r\n.\r\n"));
        failure = header_check(text_span(&text), size, &mended);
        cr_assert_null(failure, "%zu: %s", size, failure);
        cr_assert_eq(mended, size + 3 <= 8192);
    }
}
