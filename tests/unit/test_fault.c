/* What the kinds make of what is said, and how rules add up. */
#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/fault/fault.h"

static char rooms[2][FAULT_TEXT_BYTES_MAX];
static struct fault_count counts[FAULT_RULES_MAX];
static struct seed seed = {1};

static struct fault_scene scene_of(enum fault_event event, const char *said)
{
    return (struct fault_scene){
        .event = event,
        .verb = VERB_EHLO,
        .said = span_of_string(said),
        .code = 250,
        .session = 1,
        .seed = &seed,
        .counts = counts,
        .rooms = {rooms[0], rooms[1]},
    };
}

/* Up to three rules over what is said. */
static struct fault_plan planned(const char *const rules[3], const struct fault_scene *scene)
{
    static struct faults faults;
    char bytes[200];
    struct text error = text_over(bytes, sizeof(bytes));
    struct fault_plan plan;
    size_t i;

    faults = (struct faults){0};
    memset(counts, 0, sizeof(counts));
    for (i = 0; i < 3 && rules[i] != NULL; i++)
        cr_assert(fault_add(&faults, span_of_string(rules[i]), &error), "%s: %.*s", rules[i],
                  (int)error.size, bytes);
    fault_choose(&faults, scene, &plan);
    return plan;
}

struct text_row {
    const char *rule, *said, *becomes; /* NULL: it does not act */
};

static void check(enum fault_event event, const struct text_row *rows, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        struct fault_scene scene = scene_of(event, rows[i].said);
        struct fault_plan plan = planned((const char *[3]){rows[i].rule, NULL, NULL}, &scene);

        cr_expect_eq(plan.changed, rows[i].becomes != NULL, "%s", rows[i].rule);
        cr_expect_eq(plan.acted != 0, rows[i].becomes != NULL, "%s", rows[i].rule);
        if (rows[i].becomes != NULL)
            cr_expect(span_equal(plan.said, span_of_string(rows[i].becomes)), "%s: %.*s",
                      rows[i].rule, (int)plan.said.size, plan.said.at);
    }
}

Test(fault, changes_commands)
{
    static const struct text_row rows[] = {
        {"command do replace \"NOOP\"", "EHLO x", "NOOP"},
        {"command do replace \"a\" with=\"bb\"", "MAIL FROM:<a@a>", "MAIL FROM:<bb@bb>"},
        {"command do replace \"z\" with=\"bb\"", "MAIL FROM:<a@a>", NULL},
        {"command do replace \"\\x3c\" with=\"[\"", "MAIL FROM:<a@a>", "MAIL FROM:[a@a>"},
        {"command do mask X", "EHLO a.b", "XXXXXXXX"},
        {"command do mask X keep=\" \"", "BDAT 5 LAST", "XXXX X XXXX"},
        {"command do mask X word", "EHLO a.b", "XXXX a.b"},
        {"command do overwrite NOOP", "EHLO a.b", "NOOP a.b"},
        {"command do overwrite NOOPNOOP", "EHLO", "NOOP"},
        {"command do overwrite EHLO", "EHLO a.b", NULL},
        {"command do truncate 6", "EHLO a.b", "EHLO a"},
        {"command do truncate 6 rest", "EHLO a.b", "EHLO a\r\n.b"},
        {"command do truncate 8", "EHLO a.b", NULL},
        {"command do strip-parameters SIZE,BODY", "MAIL FROM:<a b@c> SIZE=1 AUTH=<> body=8BITMIME",
         "MAIL FROM:<a b@c> AUTH=<>"},
        {"command do strip-parameters !SIZE", "MAIL FROM:<a@c> SIZE=1 AUTH=<> SMTPUTF8",
         "MAIL FROM:<a@c> SIZE=1"},
        {"command do strip-parameters SIZE", "MAIL FROM:<a@c>", NULL},
        {"command do strip-parameters SIZE", "MAIL FROM:a SIZE=1", NULL},
    };

    check(FAULT_COMMAND, rows, sizeof(rows) / sizeof(rows[0]));
}

#define EHLO_REPLY "250-up\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 AUTH=LOGIN\r\n"

Test(fault, changes_replies)
{
    static const struct text_row rows[] = {
        {"reply do replace \"451 no\"", "250 ok\r\n", "451 no\r\n"},
        {"reply do replace \"451-a\\n451 b\"", "250 ok\r\n", "451-a\r\n451 b\r\n"},
        {"reply do truncate 3", "250 ok\r\n", "250\r\n"},
        {"reply do truncate 6", "250 ok\r\n", NULL},
        {"reply do mask *", "250-a\r\n250 b\r\n", "*****\r\n*****\r\n"},
        {"reply do delete-keyword SIZE", EHLO_REPLY,
         "250-up\r\n250-PIPELINING\r\n250 AUTH=LOGIN\r\n"},
        {"reply do delete-keyword auth,SIZE", EHLO_REPLY, "250-up\r\n250 PIPELINING\r\n"},
        {"reply do delete-keyword !SIZE", EHLO_REPLY, "250-up\r\n250 SIZE 1000\r\n"},
        {"reply do delete-keyword up", EHLO_REPLY, NULL}, /* the greeting is no keyword */
        {"reply do delete-keyword SIZE", "250 up\r\n", NULL},
        {"reply do mask-keyword PIPELINING", EHLO_REPLY,
         "250-up\r\n250-XXXXXXXXXA\r\n250-SIZE 1000\r\n250 AUTH=LOGIN\r\n"},
        {"reply do mask-keyword !PIPELINING,AUTH", EHLO_REPLY,
         "250-up\r\n250-PIPELINING\r\n250-XXXA 1000\r\n250 AUTH=LOGIN\r\n"},
        {"reply do add-keyword \"DSN\"", "250-up\r\n250 SIZE\r\n",
         "250-up\r\n250-SIZE\r\n250 DSN\r\n"},
        {"reply do keyword-first STARTTLS", "250-up\r\n250 SIZE\r\n",
         "250-STARTTLS\r\n250-up\r\n250 SIZE\r\n"},
        {"reply do lower-size 500", EHLO_REPLY,
         "250-up\r\n250-PIPELINING\r\n250-SIZE 500\r\n250 AUTH=LOGIN\r\n"},
        {"reply do lower-size 1000", EHLO_REPLY, NULL},
        {"reply do lower-size 5", "250-up\r\n250-SIZE\r\n250 SIZE 0\r\n",
         "250-up\r\n250-SIZE 5\r\n250 SIZE 5\r\n"},
    };

    check(FAULT_REPLY, rows, sizeof(rows) / sizeof(rows[0]));
}

Test(fault, masks_banners)
{
    static const struct text_row rows[] = {
        {"greeting do mask-banner", "220 mx.example 10 2003\r\n", "220 ************0 200*\r\n"},
        {"greeting do mask-banner", "220-a b\r\n220 20\r\n", "220****\r\n220 20\r\n"},
    };

    check(FAULT_GREETING, rows, sizeof(rows) / sizeof(rows[0]));
}

Test(fault, changes_content)
{
    static const struct text_row rows[] = {
        {"content do strip-eighth-bit", "a\xc3\xbc\x8d\x8a", "aC<\r\n"},
        {"content do strip-eighth-bit", "plain", NULL},
        {"content do normalise-line-ends", "a\rb\nc\r\nd", "a\r\nb\r\nc\r\nd"},
        {"content do normalise-line-ends", "a\r\n", NULL},
        {"content do unstuff-dots", "..a\r\n..\r\n.b\r\na..\r\n", ".a\r\n.\r\n.b\r\na..\r\n"},
        {"content do fold-lines 4", "abcdefghi\r\nabcd\r\n", "abcd\r\n efgh\r\n i\r\nabcd\r\n"},
        {"content do cut-content 3", "abcdef", "abc"},
        {"content do cut-content 6", "abcdef", NULL},
        {"content do replace \"abc\" with=\"x\"", "abcabcd", "xxd"},
        {"content do replace \"gone\"", "abcabcd", "gone\r\n"},
    };
    struct fault_scene scene = scene_of(FAULT_CONTENT, ".b");
    struct fault_plan plan;

    check(FAULT_CONTENT, rows, sizeof(rows) / sizeof(rows[0]));
    /* What went before decides. */
    scene.column = 1;
    scene.previous = '.';
    plan = planned((const char *[3]){"content do unstuff-dots", NULL, NULL}, &scene);
    cr_expect(span_equal(plan.said, SPAN("b")));
    scene = scene_of(FAULT_CONTENT, "\n");
    scene.previous = '\r';
    plan = planned((const char *[3]){"content do normalise-line-ends", NULL, NULL}, &scene);
    cr_expect_not(plan.changed);
    scene = scene_of(FAULT_CONTENT, "abc");
    scene.column = 3;
    plan = planned((const char *[3]){"content do fold-lines 4", NULL, NULL}, &scene);
    cr_expect(span_equal(plan.said, SPAN("a\r\n bc")));
    scene.before = 2;
    plan = planned((const char *[3]){"content do cut-content 3", NULL, NULL}, &scene);
    cr_expect(span_equal(plan.said, SPAN("a")));
}

Test(fault, shuffles_keywords_and_none_is_lost)
{
    struct fault_scene scene =
        scene_of(FAULT_REPLY, "250-up\r\n250-A\r\n250-B\r\n250-C\r\n250 D\r\n");
    struct fault_plan plan =
        planned((const char *[3]){"reply do shuffle-keywords", NULL, NULL}, &scene);
    static const char *const keywords[] = {"A\r\n", "B\r\n", "C\r\n", "D\r\n"};
    size_t i;

    cr_assert(plan.changed && plan.said.size == scene.said.size);
    cr_expect(span_starts(plan.said, SPAN("250-up\r\n")));
    for (i = 0; i < 4; i++)
        cr_expect(span_find_span(plan.said, span_of_string(keywords[i])) < plan.said.size);
    cr_expect_eq(plan.said.at[plan.said.size - 4], ' ');
}

/* One rule over a command. */
static struct fault_plan plan_of(const char *rule)
{
    struct fault_scene scene = scene_of(FAULT_COMMAND, "EHLO a");

    return planned((const char *[3]){rule, NULL, NULL}, &scene);
}

Test(fault, plans_what_becomes_of_a_command)
{
    struct fault_plan plan = plan_of("command do drop");

    cr_expect_eq(plan.fate, FAULT_DROPS);
    plan = plan_of("command do answer \"421 no\" ask then=half");
    cr_expect(plan.fate == FAULT_HERE && plan.ask && plan.end == FAULT_HALF);
    cr_expect(span_equal(plan.answer, SPAN("421 no")));
    plan = plan_of("command do hold");
    cr_expect(plan.fate == FAULT_WAITS && plan.past == 1 && plan.hold_ms == 200);
    plan = plan_of("command do hold 3 for=1s past=DATA");
    cr_expect(plan.past == 3 && plan.hold_ms == 1000 && plan.past_verb == VERB_DATA);
    plan = plan_of("command do repeat absorb");
    cr_expect(plan.fate == FAULT_GOES && plan.twice && plan.absorb);
}

struct address_row {
    const char *line, *answer; /* NULL: none */
};

Test(fault, addresses_ask_for_answers)
{
    static const struct address_row rows[] = {
        {"RCPT TO:<451-greylisted@fault.test>", "451 4.0.0 greylisted"},
        {"RCPT TO:<550-no-such-user@a> NOTIFY=NEVER", "550 5.0.0 no such user"},
        {"RCPT TO:<554@a>", "554 5.0.0 The address asks for this"},
        {"RCPT TO:<554-@a>", "554 5.0.0 The address asks for this"},
        {"RCPT TO:<450-4.2.1-busy@a>", "450 4.2.1 busy"},
        {"RCPT TO:<450-5.2.1-busy@a>", "450 4.0.0 5.2.1 busy"},
        {"RCPT TO:<450-4@a>", "450 4.0.0 4"},
        {"RCPT TO:<450-a\\n\r\xff=b@a>", "450 4.0.0 a?n???b"},
        {"MAIL FROM:<559-x@a@b>", "559 5.0.0 x"},
        {"RCPT TO:<551-567890123456789012345678901234567890123456789012345678901234@a>",
         "551 5.0.0 567890123456789012345678901234567890123456789012345678901234"},
        {"RCPT TO:<551-5678901234567890123456789012345678901234567890123456789012345@a>", NULL},
        {"RCPT TO:<250-ok@a>", NULL},
        {"RCPT TO:<354-go@a>", NULL},
        {"RCPT TO:<651-x@a>", NULL},
        {"RCPT TO:<461-x@a>", NULL},
        {"RCPT TO:<45x-x@a>", NULL},
        {"RCPT TO:<4511-x@a>", NULL},
        {"RCPT TO:<45@a>", NULL},
        {"RCPT TO:<@a,@b:451-x@c>", NULL},
        {"RCPT TO:<451-x>", NULL},
        {"RCPT TO:451-x@a", NULL},
        {"RCPT", NULL},
        {"", NULL},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fault_scene scene = scene_of(FAULT_COMMAND, rows[i].line);
        struct fault_plan plan =
            planned((const char *[3]){"command do answer-address", "command do alone"}, &scene);
        char bytes[FAULT_ADDRESS_WORDS_MAX];
        struct text words = text_over(bytes, sizeof(bytes));
        bool magic = rows[i].answer != NULL;

        cr_expect_eq(fault_address_words(scene.said, &words), magic, "%s", rows[i].line);
        cr_expect(span_equal(text_span(&words), span_of_string(rows[i].answer)), "%s: %.*s",
                  rows[i].line, (int)words.size, bytes);
        cr_expect(plan.addressed == magic && (plan.fate == FAULT_HERE) == magic);
        cr_expect_eq(plan.alone, !magic, "what passes is looked at by the next rule");
        cr_expect(!words.cut && plan.end == FAULT_NO_END);
    }
}

Test(fault, who_is_answered_421_is_left)
{
    struct fault_scene scene = scene_of(FAULT_COMMAND, "RCPT TO:<421-bye@a>");

    cr_expect_eq(planned((const char *[3]){"command do answer-address"}, &scene).end, FAULT_CLOSE);
}

Test(fault, plans_what_goes_before_and_behind)
{
    struct fault_plan plan = plan_of("command do insert NOOP");

    cr_expect(span_equal(plan.before, SPAN("NOOP")) && plan.behind.size == 0 && !plan.absorb);
    plan = plan_of("command do insert NOOP behind");
    cr_expect(plan.before.size == 0 && span_equal(plan.behind, SPAN("NOOP")));
    cr_expect(plan_of("command do alone").alone);
    cr_expect(plan_of("command do forget").forget);
}

Test(fault, plans_when_and_how_it_ends)
{
    struct fault_plan plan = plan_of("command do delay 300ms jitter=10ms");

    cr_expect(plan.hold_ms >= 300 && plan.hold_ms <= 310);
    plan = plan_of("command do end reset bytes=3");
    cr_expect(plan.end == FAULT_RESET && plan.end_within && plan.end_after == 3);
    plan = plan_of("command do end stall behind");
    cr_expect(plan.end == FAULT_STALL && plan.end_after == UINT32_MAX);
    plan = plan_of("command do split 2");
    cr_expect(plan.slice == 2 && plan.gap_ms == 1);
    plan = plan_of("command do patience 5s then=reset");
    cr_expect(plan.patience_ms == 5000 && plan.patience_end == FAULT_RESET);
    plan = plan_of("command do patience 5s");
    cr_expect(plan.patience_end == FAULT_CLOSE && plan.end == FAULT_NO_END);
}

Test(fault, rules_add_up_until_one_decides)
{
    struct fault_scene scene = scene_of(FAULT_COMMAND, "EHLO a");
    struct fault_plan plan =
        planned((const char *[3]){"command do replace \"a\" with=\"b\"",
                                  "command do replace \"b\" with=\"cd\"", "command do mask X word"},
                &scene);

    cr_expect(span_equal(plan.said, SPAN("XXXX cd")));
    cr_expect_eq(plan.acted, 7);
    plan = planned((const char *[3]){"command do delay 1s", "command do drop", "command do repeat"},
                   &scene);
    cr_expect(plan.fate == FAULT_DROPS && plan.hold_ms == 1000 && !plan.twice);
    cr_expect_eq(plan.acted, 3);
    plan = planned(
        (const char *[3]){"command do replace \"z\" with=\"b\"", "command above=1 do drop", NULL},
        &scene);
    cr_expect_eq(plan.acted, 0); /* what changes nothing has not acted */
    cr_expect_eq(counts[0].acted, 0);
}

Test(fault, what_does_not_fit_stays_as_it_was)
{
    static char line[FAULT_TEXT_BYTES_MAX + 1];
    struct fault_scene scene;
    struct fault_plan plan;

    memset(line, 'a', sizeof(line) - 1);
    scene = scene_of(FAULT_COMMAND, line);
    plan = planned((const char *[3]){"command do replace \"a\" with=\"bb\"", NULL, NULL}, &scene);
    cr_expect_not(plan.changed);
    cr_expect_eq(plan.acted, 0);
}

Test(fault, shapes_bytes)
{
    static struct faults faults;
    char bytes[200];
    struct text error = text_over(bytes, sizeof(bytes));
    struct fault_scene scene = scene_of(FAULT_TO_CLIENT, "");
    struct fault_shape shape;
    static const char *const rules[] = {
        "to-client do latency 10ms jitter=2ms", "to-client do latency 5ms",
        "to-client do bandwidth 100",           "to-client do bandwidth 50",
        "to-client do slice 7 spread=2",        "to-client do gather 3ms",
        "to-client do limit 99 then=reset",     "to-client do largest 1400",
        "to-client do slow-close 4ms",          "to-client do idle 6ms",
        "to-upstream do timeout 8ms",
    };
    size_t i;

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        cr_assert(fault_add(&faults, span_of_string(rules[i]), &error));
    fault_shape(&faults, &scene, &shape);
    cr_expect(shape.latency_ms == 15 && shape.jitter_ms == 2 && shape.rate == 50);
    cr_expect(shape.slice == 7 && shape.slice_spread == 2 && shape.gap_ms == 1);
    cr_expect(shape.gather_ms == 3 && shape.limited && shape.limit == 99);
    cr_expect(shape.largest == 1400 && shape.linger_ms == 4 && shape.idle_ms == 6);
    cr_expect_not(shape.silent);
    scene.event = FAULT_TO_UPSTREAM;
    fault_shape(&faults, &scene, &shape);
    cr_expect(shape.silent && shape.end_ms == 8 && shape.end == FAULT_CLOSE);
    cr_expect_eq(shape.latency_ms, 0);
}

Test(fault, every_kind_is_complete)
{
    size_t i, k;

    for (i = 0; i < FAULT_KIND_COUNT; i++) {
        const struct fault_kind_row *row = fault_kind_row((enum fault_kind)i);
        size_t says = strlen(row->says);

        cr_expect(row->name.size > 0 && row->events != 0 && says > 0 && row->says[says - 1] == '.');
        cr_expect((row->act == NULL) != (row->form == NULL));
        cr_expect_eq(row->needs & ~row->arguments, 0);
        for (k = 0; k < i; k++)
            cr_expect_not(span_equal(row->name, fault_kind_row((enum fault_kind)k)->name));
    }
}

Test(fault, has_bounds)
{
    static struct faults faults;
    char bytes[200];
    struct text error = text_over(bytes, sizeof(bytes));
    size_t i;

    for (i = 0; i < FAULT_ENTRIES_MAX; i++)
        cr_assert(fault_add(&faults, SPAN("command do drop"), &error));
    cr_assert_not(fault_add(&faults, SPAN("command do drop"), &error));
    cr_assert(span_equal(text_span(&error), SPAN("at most 32 faults")));
    /* A profile is added whole, or not at all. */
    faults.count = 0;
    faults.rule_count = FAULT_RULES_MAX - 1;
    error.size = 0;
    cr_assert_not(fault_add(&faults, SPAN("cisco-pix"), &error));
    cr_assert(span_equal(text_span(&error), SPAN("at most 48 rules in all")));
    cr_assert_eq(faults.rule_count, FAULT_RULES_MAX - 1);
    cr_assert_eq(faults.count, 0);
    error.size = 0;
    cr_assert_not(fault_add(&faults, SPAN("no-such-profile"), &error));
    cr_assert(error.size > 0);
}

Test(fault, every_profile_can_be_added)
{
    static struct faults faults;
    char bytes[200];
    struct text error = text_over(bytes, sizeof(bytes));
    const struct fault_profile *profile;
    size_t i;

    for (i = 0; (profile = fault_profile(i)) != NULL; i++) {
        struct span name = span_of_string(profile->name);

        faults = (struct faults){0};
        cr_expect(fault_add(&faults, name, &error), "%s: %.*s", profile->name, (int)error.size,
                  bytes);
        cr_expect(faults.rule_count > 0 && faults.count == 1);
        cr_expect_eq(fault_profile_find(name), profile, "%s", profile->name);
    }
    cr_assert_gt(i, 60);
    cr_assert_eq(fault_profile_find(SPAN("no-such-profile")), NULL);
}
