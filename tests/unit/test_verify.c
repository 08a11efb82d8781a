#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/explain/verify.h"

static struct verified verdict;

static void read_text(const struct verify_assertion *assertion, const char *text,
                      const char *client, bool cut)
{
    struct span file = span_of_string(text);
    char bytes[400];
    struct text report = text_over(bytes, sizeof(bytes));
    void *memory = malloc(script_size(file) + 1);
    struct script script;
    struct verify_session session = {span_of_string(client), &script, cut};

    cr_assert(script_read(&script, SPAN("t"), file, memory, &report), "%.*s", (int)report.size,
              report.at);
    verify_read(assertion, &session, &verdict);
    free(memory);
}

#define LINE(pattern)              \
    {                              \
        .line = SPAN_INIT(pattern) \
    }
#define REPLY(code, command)                               \
    {                                                      \
        .reply = SPAN_INIT(code), .to = SPAN_INIT(command) \
    }
#define UPSTREAM(code, command)                                                   \
    {                                                                             \
        .reply = SPAN_INIT(code), .to = SPAN_INIT(command), .side = SIDE_UPSTREAM \
    }
#define EXACTLY(n) .at_least = (n), .at_most = (n)

/* Two recipients in a batch, of which the first is refused, and one message. */
static const char session[] = "# listener main\n"
                              "@ mode repair\n"
                              "+0 C open 192.0.2.7\n"
                              "+0 U connect\n"
                              "+1 U open\n"
                              "+1 U< 220-two\n"
                              "+1 U< 220 lines\n"
                              "+1 C< 220-two\n"
                              "+1 C< 220 lines\n"
                              "+2 C> EHLO me\n"
                              "+2 U> EHLO me\n"
                              "+2 U< 250-up\n"
                              "+2 U< 250 PIPELINING\n"
                              "+2 C< 250-up\n"
                              "+2 C< 250 PIPELINING\n"
                              "+3 C> MAIL FROM:<a@b>\n"
                              "+3 C> RCPT TO:<x@b>\n"
                              "+3 C> RCPT TO:<y@b>\n"
                              "+3 C> DATA\n"
                              "+3 U> MAIL FROM:<a@b>\n"
                              "+3 U> RCPT TO:<x@b>\n"
                              "+3 U> RCPT TO:<y@b>\n"
                              "+4 U< 250 2.1.0 sender\n"
                              "+4 C< 250 2.1.0 sender\n"
                              "+4 U< 450 4.2.1 busy\n"
                              "+4 C< 450 4.2.1 busy\n"
                              "+4 U< 250 2.1.5 y\n"
                              "+4 C< 250 2.1.5 y\n"
                              "+4 U> DATA\n"
                              "+5 U< 354 go on\n"
                              "+5 C< 354 go on\n"
                              "+6 C> ~ 40 bytes 3 lines\n"
                              "+6 U> ~ 40 bytes 3 lines\n"
                              "+7 U< 250 2.0.0 queued\n"
                              "+7 C< 250 2.0.0 queued\n"
                              "+8 C> QUIT\n"
                              "+8 U> QUIT\n"
                              "+8 U< 221 bye\n"
                              "+8 C< 221 bye\n";

static const struct {
    struct verify_assertion assertion;
    bool passes;
    const char *why;
    const char *first; /* proof; NULL: there is none */
    uint32_t proofs;
} rows[] = {
    {{VERIFY_SEEN, .steps = {LINE("U> RCPT")}}, true, "seen", "U> RCPT TO:<x@b>", 2},
    {{VERIFY_SEEN, .steps = {LINE("u> rcpt to:*Y@")}}, true, "seen", "U> RCPT TO:<y@b>", 1},
    {{VERIFY_SEEN, .steps = {LINE("U> VRFY")}}, false, "not seen", NULL, 0},
    {{VERIFY_SEEN, .steps = {LINE("@ mode")}}, false, "not seen", NULL, 0},
    {{VERIFY_SEEN, .steps = {REPLY("450", "RCPT")}}, true, "seen", "C< 450 4.2.1 busy", 1},
    {{VERIFY_SEEN, .steps = {REPLY("4", "")}}, true, "seen", "C< 450 4.2.1 busy", 1},
    {{VERIFY_SEEN, .steps = {REPLY("250", "MAIL")}}, true, "seen", "C< 250 2.1.0 sender", 1},
    {{VERIFY_SEEN, .steps = {REPLY("250", ".")}}, true, "seen", "C< 250 2.0.0 queued", 1},
    {{VERIFY_SEEN, .steps = {REPLY("250", "QUIT")}}, false, "not seen", NULL, 0},
    {{VERIFY_SEEN, .steps = {REPLY("220", "")}}, true, "seen", "C< 220 lines", 1},
    {{VERIFY_SEEN, .steps = {REPLY("220", "*")}}, false, "not seen", NULL, 0},
    {{VERIFY_SEEN, .steps = {UPSTREAM("354", "DATA")}}, true, "seen", "U< 354 go on", 1},
    {{VERIFY_UNSEEN, .steps = {LINE("U> VRFY")}}, true, "not seen", NULL, 0},
    {{VERIFY_UNSEEN, .steps = {LINE("U> DATA")}}, false, "seen", "U> DATA", 1},
    {{VERIFY_COUNT, .steps = {LINE("C> RCPT")}, EXACTLY(2)},
     true,
     "2 found",
     "C> RCPT TO:<x@b>",
     2},
    {{VERIFY_COUNT, .steps = {LINE("C> RCPT")}, EXACTLY(3)},
     false,
     "2 found, not 3",
     "C> RCPT TO:<x@b>",
     2},
    {{VERIFY_COUNT, .steps = {LINE("C> RCPT")}, .at_least = 3, .at_most = UINT64_MAX},
     false,
     "2 found, not at least 3",
     "C> RCPT TO:<x@b>",
     2},
    {{VERIFY_COUNT, .steps = {LINE("C> RCPT")}, .at_most = 1},
     false,
     "2 found, not at most 1",
     "C> RCPT TO:<x@b>",
     2},
    {{VERIFY_COUNT, .steps = {REPLY("250", "RCPT")}, EXACTLY(1)},
     true,
     "1 found",
     "C< 250 2.1.5 y",
     1},
    {{VERIFY_ORDER, .step_count = 3, .steps = {LINE("C> MAIL"), LINE("C< 250"), LINE("C> QUIT")}},
     true,
     "all seen, in this order",
     "C> MAIL FROM:<a@b>",
     3},
    {{VERIFY_ORDER, .step_count = 2, .steps = {LINE("U> DATA"), LINE("U> RCPT")}},
     false,
     "step 2 was not seen behind those before it",
     "U> DATA",
     1},
    {{VERIFY_ORDER, .step_count = 2, .steps = {LINE("U> QUIT"), LINE("U> QUIT")}},
     false,
     "step 2 was not seen behind those before it",
     "U> QUIT",
     1},
    {{VERIFY_ORDER, .step_count = 1, .steps = {LINE("U> HELP")}},
     false,
     "step 1 was not seen",
     NULL,
     0},
    {{VERIFY_NEVER, .steps = {LINE("U> DATA"), UPSTREAM("250", "RCPT")}},
     true,
     "never",
     "U< 250 2.1.5 y",
     2},
    {{VERIFY_NEVER, .steps = {LINE("C> DATA"), REPLY("250", "RCPT")}},
     false,
     "it came before",
     "C> DATA",
     1},
    {{VERIFY_NEVER, .steps = {LINE("C> DATA"), LINE("C< 555")}},
     false,
     "it came before",
     "C> DATA",
     1},
    {{VERIFY_NEVER, .after = true, .steps = {LINE("U> "), LINE("U< 221")}},
     true,
     "never",
     "U> EHLO me",
     2},
    {{VERIFY_NEVER, .after = true, .steps = {LINE("C> QUIT"), LINE("C> DATA")}},
     false,
     "it came after",
     "C> QUIT",
     1},
    {{VERIFY_NEVER, .after = true, .steps = {LINE("C> QUIT"), LINE("U> XYZ")}},
     true,
     "never",
     "C> QUIT",
     1},
    {{VERIFY_MESSAGES, EXACTLY(1)}, true, "1 found", "U< 250 2.0.0 queued", 1},
    {{VERIFY_MESSAGES, EXACTLY(0)}, false, "1 found, not 0", "U< 250 2.0.0 queued", 1},
    {{VERIFY_SESSIONS, EXACTLY(1)}, true, "1 found", "C open 192.0.2.7", 1},
    {{VERIFY_RETRIED, .steps = {{.reply = SPAN_INIT("4")}}},
     false,
     "not tried again",
     "C< 450 4.2.1 busy",
     1},
    {{VERIFY_RETRIED, .steps = {{.reply = SPAN_INIT("5")}}},
     false,
     "no such reply was heard",
     NULL,
     0},
};

static void expect_row(size_t i)
{
    const struct verify_proof *proof = &verdict.proofs[0];

    cr_expect_eq(verdict.passed, rows[i].passes, "row %zu: %s", i, verdict.why);
    cr_expect_str_eq(verdict.why, rows[i].why, "row %zu", i);
    cr_expect_eq(verdict.proof_count, rows[i].proofs, "row %zu: %u", i, verdict.proof_count);
    if (rows[i].first != NULL && verdict.proof_count > 0)
        cr_expect(span_equal(span_of(proof->text, proof->size), span_of_string(rows[i].first)),
                  "row %zu: %.*s", i, (int)proof->size, proof->text);
}

Test(verify, one_session)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(&verdict, 0, sizeof(verdict));
        read_text(&rows[i].assertion, session, "192.0.2.7", false);
        verify_end(&rows[i].assertion, &verdict);
        expect_row(i);
    }
}

Test(verify, what_nobody_did_proves_nothing)
{
    struct verify_assertion none = {.kind = VERIFY_SESSIONS, .at_most = 0};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(&verdict, 0, sizeof(verdict));
        verify_end(&rows[i].assertion, &verdict);
        cr_expect_not(verdict.passed, "row %zu", i);
    }
    memset(&verdict, 0, sizeof(verdict));
    verify_end(&none, &verdict);
    cr_expect(verdict.passed);
}

Test(verify, lines_left_out_prove_nothing)
{
    static const char *const seen[] = {"seen", "all seen, in this order", "1 found"};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum verify_kind kind = rows[i].assertion.kind;

        memset(&verdict, 0, sizeof(verdict));
        read_text(&rows[i].assertion, session, "192.0.2.7", true);
        verify_end(&rows[i].assertion, &verdict);
        if (verdict.passed)
            cr_expect(strcmp(verdict.why, seen[0]) == 0 || strcmp(verdict.why, seen[1]) == 0 ||
                          kind == VERIFY_SESSIONS,
                      "row %zu: %s", i, verdict.why);
    }
}

/* A message with every kind of line in it, and chunks. */
Test(verify, content_is_no_command)
{
    static const char text[] = "U open\nU< 220 hi\n"
                               "U> DATA\nU< 354 go\n"
                               "U> MAIL FROM:<in@body>\nU> ..\nU> .\n"
                               "U< 250 one\n"
                               "U> BDAT 8 LAST\nU> DATA..\n"
                               "U< 250 two\n"
                               "U> BDAT 8\nU> ~ 8 bytes 1 lines\nU< 250 a part\n"
                               "U> BDAT 0 LAST\nU< 550 no\n"
                               "U> RSET\nU< 250 three\n";
    struct verify_assertion messages = {.kind = VERIFY_MESSAGES, EXACTLY(2)};
    struct verify_assertion mails = {.kind = VERIFY_UNSEEN, .steps = {UPSTREAM("", "MAIL")}};
    struct verify_assertion reset = {.kind = VERIFY_SEEN, .steps = {UPSTREAM("250 three", "RSET")}};

    memset(&verdict, 0, sizeof(verdict));
    read_text(&messages, text, "", false);
    verify_end(&messages, &verdict);
    cr_expect(verdict.passed, "%s", verdict.why);
    memset(&verdict, 0, sizeof(verdict));
    read_text(&mails, text, "", false);
    verify_end(&mails, &verdict);
    cr_expect(verdict.passed, "%s", verdict.why);
    memset(&verdict, 0, sizeof(verdict));
    read_text(&reset, text, "", false);
    verify_end(&reset, &verdict);
    cr_expect(verdict.passed, "%s", verdict.why);
}

/* A second connection to the upstream owes nothing for the first. */
Test(verify, a_new_connection_begins_anew)
{
    struct verify_assertion one = {.kind = VERIFY_SEEN, .steps = {UPSTREAM("250", "EHLO")}};

    read_text(&one,
              "U open\nU< 220 hi\nU> MAIL FROM:<a@b>\nU> RCPT TO:<c@d>\nU end\n"
              "U open\nU< 220 hi\nU> EHLO me\nU< 250 hi\n",
              "", false);
    verify_end(&one, &verdict);
    cr_expect(verdict.passed);
}

/* --- several sessions --- */

#define REFUSED "C open\nC< 220 hi\nC> MAIL FROM:<a@b>\nC< 250 ok\nC> RCPT TO:<x@b>\nC< 451 later\n"
#define SAME "C open\nC< 220 hi\nC> mail from:<a@b>\n"
#define OTHER "C open\nC< 220 hi\nC> MAIL FROM:<other@b>\n"
#define DONE "C> DATA\nC< 354 go\nC> ~ 9 bytes 2 lines\nC< 250 ok\n"

static const struct {
    const char *texts[3];
    const char *clients[3];
    bool passes;
    uint32_t proofs;
} retries[] = {
    {{REFUSED, SAME}, {"1", "1"}, true, 2},
    {{REFUSED "C> RSET\nC< 250 ok\nC> MAIL FROM:<a@b>\n"}, {"1"}, true, 2},
    {{REFUSED, SAME}, {"1", "2"}, false, 1},
    {{REFUSED, OTHER}, {"1", "1"}, false, 1},
    {{SAME, REFUSED}, {"1", "1"}, false, 1},
    {{REFUSED, OTHER, SAME}, {"1", "1", "1"}, true, 2},
    {{REFUSED, REFUSED, SAME}, {"1", "2", "2"}, false, 1},
    {{REFUSED, REFUSED, SAME}, {"1", "1", "1"}, true, 4},
    {{"C open\nC< 421 full\n", OTHER}, {"1", "1"}, true, 2},
    {{"C open\nC< 421 full\n"}, {"1"}, false, 1},
    {{"C< 220 hi\nC> EHLO me\nC< 454 later\nC> EHLO me\nC< 250 ok\n"}, {"1"}, true, 2},
    {{"C< 220 hi\nC> EHLO me\nC< 454 later\nC> NOOP\n"}, {"1"}, false, 1},
    /* The refused AUTH is none of a transaction that is over. */
    {{"C< 220 hi\nC> MAIL FROM:<a@b>\nC< 250 ok\n" DONE "C> VRFY x\nC< 450 no\nC> VRFY x\n"},
     {"1"},
     true,
     2},
};

Test(verify, tried_again)
{
    struct verify_assertion assertion = {VERIFY_RETRIED, .steps = {{.reply = SPAN("4")}}};
    size_t i, k;

    for (i = 0; i < sizeof(retries) / sizeof(retries[0]); i++) {
        memset(&verdict, 0, sizeof(verdict));
        for (k = 0; k < 3 && retries[i].texts[k] != NULL; k++)
            read_text(&assertion, retries[i].texts[k], retries[i].clients[k], false);
        verify_end(&assertion, &verdict);
        cr_expect_eq(verdict.passed, retries[i].passes, "row %zu: %s", i, verdict.why);
        cr_expect_eq(verdict.proof_count, retries[i].proofs, "row %zu: %u", i, verdict.proof_count);
    }
}

Test(verify, proofs_name_their_session)
{
    struct verify_assertion assertion = {VERIFY_COUNT, .steps = {LINE("C open")}, .at_least = 1,
                                         .at_most = UINT64_MAX};
    uint32_t i;

    for (i = 0; i < 40; i++)
        read_text(&assertion, "# one\nC open\n", "", false);
    verify_end(&assertion, &verdict);
    cr_expect_eq(verdict.proof_count, VERIFY_PROOFS_MAX);
    cr_expect_eq(verdict.more, 40 - VERIFY_PROOFS_MAX);
    for (i = 0; i < verdict.proof_count; i++) {
        cr_expect_eq(verdict.proofs[i].session, i);
        cr_expect_eq(verdict.proofs[i].line, 2);
    }
    cr_expect_str_eq(verdict.why, "40 found");
}

/* Of order the longest attempt is shown. */
Test(verify, order_is_of_one_session)
{
    struct verify_assertion assertion = {VERIFY_ORDER, .step_count = 3,
                                         .steps = {LINE("C> A"), LINE("C> B"), LINE("C> C")}};

    read_text(&assertion, "C> A\nC> B\n", "", false);
    read_text(&assertion, "C> B\nC> C\n", "", false);
    read_text(&assertion, "C> A\n", "", false);
    verify_end(&assertion, &verdict);
    cr_expect_not(verdict.passed);
    cr_expect_eq(verdict.proof_count, 2);
    cr_expect_eq(verdict.proofs[1].session, 0);
    read_text(&assertion, "C> A\nC> B\nC> C\n", "", false);
    verify_end(&assertion, &verdict);
    cr_expect(verdict.passed);
    cr_expect_eq(verdict.proofs[0].session, 3);
}

/* More refusals than are kept are not forgotten. */
Test(verify, pending_refusals_are_bounded)
{
    struct verify_assertion assertion = {VERIFY_RETRIED, .steps = {{.reply = SPAN("4")}}};
    uint32_t i;

    for (i = 0; i < VERIFY_PENDING_MAX + 1; i++)
        read_text(&assertion, REFUSED, "other", false);
    cr_expect_eq(verdict.pending_count, 1, "each is the retry of the one before");
    memset(&verdict, 0, sizeof(verdict));
    for (i = 0; i < VERIFY_PENDING_MAX + 1; i++) {
        char client[8];

        snprintf(client, sizeof(client), "%u", i);
        read_text(&assertion, REFUSED, client, false);
    }
    for (i = 0; i < VERIFY_PENDING_MAX + 1; i++) {
        char client[8];

        snprintf(client, sizeof(client), "%u", i);
        read_text(&assertion, SAME, client, false);
    }
    verify_end(&assertion, &verdict);
    cr_expect_not(verdict.passed);
}
