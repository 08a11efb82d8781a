/* Rules: what is read, and what is said of a line that is none. */
#include <criterion/criterion.h>

#include "lockstep/fault/fault.h"

Test(rule, reads_what_the_grammar_has)
{
    static const struct {
        const char *line;
        enum fault_event event;
        enum fault_kind kind;
        uint32_t verbs;
        bool other;
        uint32_t when, with;
    } rows[] = {
        {"command do drop", FAULT_COMMAND, FAULT_KIND_DROP, 0, false, 0, 0},
        {"command RCPT nth=2 do drop", FAULT_COMMAND, FAULT_KIND_DROP, 1U << VERB_RCPT, false, 1,
         0},
        {"  command\tmail,rcpt   early do drop ", FAULT_COMMAND, FAULT_KIND_DROP,
         1U << VERB_MAIL | 1U << VERB_RCPT, false, 1, 0},
        {"command !QUIT,END,RESPONSE,UNKNOWN do drop", FAULT_COMMAND, FAULT_KIND_DROP,
         1U << VERB_QUIT | 1U << VERB_END | 1U << VERB_RESPONSE | 1U << VERB_UNKNOWN, true, 0, 0},
        {"reply EHLO code=!2 do end reset bytes=6", FAULT_REPLY, FAULT_KIND_CLOSE, 1U << VERB_EHLO,
         false, 1, 2},
        {"command DATA do answer \"554 go away\" ask then=close", FAULT_COMMAND, FAULT_KIND_ANSWER,
         1U << VERB_DATA, false, 0, 3},
        {"greeting do mask * keep=\"20 \"", FAULT_GREETING, FAULT_KIND_MASK, 0, false, 0, 2},
        {"content header longer=998 match=\"a b\" do fold-lines 80", FAULT_CONTENT, FAULT_KIND_FOLD,
         0, false, 3, 1},
        {"to-client do latency 200ms jitter=5s", FAULT_TO_CLIENT, FAULT_KIND_LATENCY, 0, false, 0,
         2},
        {"to-upstream over=100/1m do bandwidth 1", FAULT_TO_UPSTREAM, FAULT_KIND_BANDWIDTH, 0,
         false, 1, 1},
        {"open sessions=2 do end stall", FAULT_OPEN, FAULT_KIND_CLOSE, 0, false, 1, 1},
        {"command RCPT do hold 2 past=DATA for=1m", FAULT_COMMAND, FAULT_KIND_HOLD, 1U << VERB_RCPT,
         false, 0, 3},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fault_rule rule;
        char bytes[200];
        struct text error = text_over(bytes, sizeof(bytes));

        cr_assert(fault_rule_parse(span_of_string(rows[i].line), &rule, &error), "%s: %.*s",
                  rows[i].line, (int)error.size, bytes);
        cr_assert_eq(error.size, 0);
        cr_assert_eq(rule.event, rows[i].event, "%s", rows[i].line);
        cr_assert_eq(rule.kind, rows[i].kind, "%s", rows[i].line);
        cr_assert_eq(rule.verbs, rows[i].verbs, "%s", rows[i].line);
        cr_assert_eq(rule.other_verbs, rows[i].other, "%s", rows[i].line);
        cr_assert_eq(rule.when_count, rows[i].when, "%s", rows[i].line);
        cr_assert_eq(rule.with_count, rows[i].with, "%s", rows[i].line);
    }
}

Test(rule, says_what_to_write_instead)
{
    static const struct {
        const char *line;
        const char *error;
    } rows[] = {
        {"", "EVENT ... do KIND instead of ``"},
        {"now do drop", "open, early, greeting, command, reply, content, handshake, to-client or "
                        "to-upstream instead of `now`"},
        {"command", "`do` and a kind of fault at the end instead of `command`"},
        {"command do", "`do` and a kind of fault at the end instead of `command do`"},
        {"command do explode", "a kind of fault that `lockstep fault --words` lists instead of "
                               "`explode`"},
        {"command WHAT do drop", "a verb, or a trigger that `lockstep fault --words` lists, "
                                 "instead of `WHAT`"},
        {"command MAIL RCPT do drop", "a trigger that `lockstep fault --words` lists, or do, "
                                      "instead of `RCPT`"},
        {"command often=2 do drop", "a trigger that `lockstep fault --words` lists, or do, instead "
                                    "of `often=2`"},
        {"command nth=two do drop", "a number instead of `nth=two`"},
        {"command nth=4294967296 do drop", "a number instead of `nth=4294967296`"},
        {"command over=5 do drop", "how many in which time, as in 100/1m, instead of `over=5`"},
        {"command over=0/1m do drop", "how many in which time, as in 100/1m, instead of "
                                      "`over=0/1m`"},
        {"command new=soon do drop", "a duration such as 500ms, 5s or 2m instead of `new=soon`"},
        {"command new=25h do drop", "a duration such as 500ms, 5s or 2m instead of `new=25h`"},
        {"reply code=6 do drop", "a reply code or how it begins, 250, 5 or !2, instead of "
                                 "`code=6`"},
        {"reply code=2500 do drop", "a reply code or how it begins, 250, 5 or !2, instead of "
                                    "`code=2500`"},
        {"command match= do drop", "some text instead of `match=`"},
        {"command do answer \"421\" then=soon", "close, reset, half or stall instead of "
                                                "`then=soon`"},
        {"command do answer", "what is needed behind it instead of `answer`"},
        {"command do answer two words", "quotes round text with blanks, and nothing more, instead "
                                        "of `words`"},
        {"command do drop it", "quotes round text with blanks, and nothing more, instead of `it`"},
        {"command do drop then=close", "an argument that this kind of fault takes instead of "
                                       "`then=close`"},
        {"command do hold past=LUNCH", "a verb such as MAIL, RCPT or DATA instead of "
                                       "`past=LUNCH`"},
        {"command do answer \"421", "quotes that end instead of `\"421`"},
        {"command nth=1 nth=1 nth=1 nth=1 nth=1 nth=1 nth=1 do drop",
         "no more than 6 triggers instead of `nth=1`"},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fault_rule rule;
        char bytes[200];
        struct text error = text_over(bytes, sizeof(bytes));

        cr_assert_not(fault_rule_parse(span_of_string(rows[i].line), &rule, &error), "%s",
                      rows[i].line);
        cr_expect(span_equal(text_span(&error), span_of_string(rows[i].error)), "%s: %.*s",
                  rows[i].line, (int)error.size, bytes);
    }
}

Test(rule, has_bounds)
{
    char line[FAULT_RULE_BYTES_MAX + 2];
    char bytes[200];
    struct text error = text_over(bytes, sizeof(bytes));
    struct text text = text_over(line, sizeof(line));
    struct fault_rule rule;

    text_add(&text, SPAN("command do answer "));
    while (text.size < FAULT_RULE_BYTES_MAX)
        text_add_byte(&text, 'x');
    cr_assert(fault_rule_parse(text_span(&text), &rule, &error));
    text_add_byte(&text, 'x');
    cr_assert_not(fault_rule_parse(text_span(&text), &rule, &error));
}

Test(rule, reads_values)
{
    char bytes[200];
    struct text error = text_over(bytes, sizeof(bytes));
    struct fault_rule rule;

    cr_assert(fault_rule_parse(SPAN("command over=100/2m new=24h nth=7 do hold 3 for=90s"), &rule,
                               &error));
    cr_assert_eq(rule.when[0].number, 100);
    cr_assert_eq(rule.when[0].per_ms, 120000);
    cr_assert_eq(rule.when[1].number, 24 * 3600000);
    cr_assert_eq(rule.when[2].number, 7);
    cr_assert_eq(rule.with[0].number, 3);
    cr_assert_eq(rule.with[1].number, 90000);
    cr_assert(fault_rule_parse(SPAN("command do answer \"250 \\\"ok\\\"\""), &rule, &error));
    cr_assert(span_equal(rule.with[0].text, SPAN("250 \\\"ok\\\"")));
}

Test(rule, says_where_a_kind_stands)
{
    static const struct {
        const char *line;
        const char *stands;
    } rows[] = {
        {"open do drop", "drop`, which stands on greeting, command or reply"},
        {"to-client do drop", "drop`, which stands on greeting, command or reply"},
        {"reply do hold", "hold`, which stands on command"},
        {"open do latency 1s", "latency`, which stands on to-client or to-upstream"},
    };
    char memory[400];
    struct fault_rule rule;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text error = text_over(memory, sizeof(memory));

        cr_expect_not(fault_rule_parse(span_of_string(rows[i].line), &rule, &error));
        cr_expect(span_starts(text_span(&error),
                              SPAN("a kind of fault that can happen there instead of `")));
        cr_expect(span_ends(text_span(&error), span_of_string(rows[i].stands)), "%s", rows[i].line);
    }
}
