#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/explain/proposal.h"

static struct proposal proposal;

static void read_text(const char *text)
{
    struct span file = span_of_string(text);
    char bytes[400];
    struct text report = text_over(bytes, sizeof(bytes));
    void *memory = malloc(script_size(file));
    struct script script;

    cr_assert(script_read(&script, SPAN("t"), file, memory, &report), "%.*s", (int)report.size,
              report.at);
    proposal_read(&proposal, &script);
    free(memory);
}

static void expect_shown(const char *expected)
{
    static char bytes[PROPOSAL_BYTES_MAX];
    struct text out = text_over(bytes, sizeof(bytes));

    proposal_show(&proposal, &out);
    cr_assert_not(out.cut);
    cr_assert(span_equal(text_span(&out), span_of_string(expected)), "%.*s", (int)out.size, out.at);
}

static const char greeting_refused[] = "C open 192.0.2.7\n"
                                       "U< 220-two\n"
                                       "U< 220 lines\n"
                                       "C> MAIL FROM:<a@b>\n"
                                       "! would missing-greeting\n"
                                       "U> MAIL FROM:<a@b>\n"
                                       "U< 503 5.5.1 hello first\n"
                                       "C< 503 5.5.1 hello first\n";

Test(proposal, names_what_was_refused_and_by_whom)
{
    read_text(greeting_refused);
    read_text(greeting_refused);
    expect_shown("# 2 sessions, something refused in 2\n"
                 "mode: repair\n"
                 "# on by itself:\n"
                 "#   missing-greeting  # 2 sessions of 192.0.2.7\n");
}

Test(proposal, names_what_was_noticed_in_a_refused_message)
{
    read_text("C open 192.0.2.7\n"
              "U< 220 up\n"
              "U> DATA\n"
              "U< 354 go on\n"
              "C> ~ 30 bytes 4 lines\n"
              "U> ~ 30 bytes 4 lines\n"
              "! would bare-lf\n"
              "U< 550 5.5.2 bare <LF> received\n"
              "U> NOOP\n"
              "U< 250 2.0.0 ok\n");
    expect_shown("# 1 session, something refused in 1\n"
                 "mode: repair\n"
                 "repairs:\n"
                 "  bare-lf: on  # only for clients you trust; # 1 session of 192.0.2.7\n");
}

Test(proposal, needs_nothing_for_what_was_taken)
{
    read_text("C open 192.0.2.7\n"
              "U< 220 up\n"
              "! would missing-greeting\n"
              "U> MAIL FROM:<a@b>\n"
              "U< 250 2.1.0 ok\n"
              "U> RCPT TO:<x@b>\n"
              "U< 550 5.1.1 no\n");
    expect_shown("# 1 session, something refused in 1\n"
                 "mode: repair\n"
                 "# no repair would have changed what was refused\n");
}

Test(proposal, counts_replies)
{
    read_text("U< 220 up\n"
              "U> MAIL FROM:<a@b>\n"
              "! would missing-greeting\n"
              "U> RCPT TO:<x@b>\n"
              "U> DATA\n"
              "U< 550 5.7.1 the first\n"
              "U< 250 2.1.5 the second\n"
              "U< 354 the third\n"
              "U> MAIL FROM is content\n"
              "U> .\n"
              "U< 250 2.0.0 queued\n"
              "U> BDAT 12 LAST\n"
              "U> MAIL FROM:\n"
              "U< 250 2.0.0 queued\n"
              "U> NOOP\n"
              "U< 250 2.0.0 ok\n");
    cr_assert_eq(proposal.needs[REPAIR_MISSING_GREETING].sessions, 0);
    cr_assert_eq(proposal.refused, 1);
}

Test(proposal, takes_silence_for_a_refusal)
{
    read_text("U< 220 up\n"
              "! would missing-greeting\n"
              "U> MAIL FROM:<a@b>\n"
              "U end\n");
    cr_assert_eq(proposal.needs[REPAIR_MISSING_GREETING].sessions, 1);
}

Test(proposal, sees_what_looked_at_an_answer)
{
    read_text("U< 220 up\n"
              "U> RCPT TO:<x@b>\n"
              "U> DATA\n"
              "U< 550 5.1.1 no\n"
              "U< 503 5.5.1 no recipients\n"
              "! would refused-recipients\n"
              "C< 503 5.5.1 no recipients\n");
    cr_assert_eq(proposal.needs[REPAIR_REFUSED_RECIPIENTS].sessions, 1);
}

Test(proposal, counts_what_was_done)
{
    read_text("U< 220 up\n"
              "! repair missing-greeting\n"
              "U> EHLO us\n"
              "U< 250 up\n");
    cr_assert_eq(proposal.needs[REPAIR_MISSING_GREETING].sessions, 1);
}

Test(proposal, names_only_so_many_clients)
{
    char text[300];
    int i;

    for (i = 0; i < 9; i++) {
        snprintf(text, sizeof(text), "C open 192.0.2.%d\n%s", i,
                 strchr(greeting_refused, '\n') + 1);
        read_text(text);
    }
    expect_shown("# 9 sessions, something refused in 9\n"
                 "mode: repair\n"
                 "# on by itself:\n"
                 "#   missing-greeting  # 9 sessions of 192.0.2.0, 192.0.2.1, 192.0.2.2, "
                 "192.0.2.3 ...\n");
}

/* More in flight than are kept, and notes of repairs that nobody knows. */
Test(proposal, survives_anything)
{
    enum { LINES = 1000 };
    static const char line[] = "! would nothing known\nU> NOOP\n";
    char *text = malloc(LINES * sizeof(line));
    int i;

    for (i = 0; i < LINES; i++)
        memcpy(text + i * (int)(sizeof(line) - 1), line, sizeof(line));
    read_text(text);
    free(text);
    cr_assert_eq(proposal.refused, 1);
}
