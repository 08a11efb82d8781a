/* Triggers: when a rule has to do with what happens. */
#include <criterion/criterion.h>
#include <string.h>

#include "fault/faults.h"

static struct fault_count counts[FAULT_RULES_MAX];
static struct fault_memory memory;
static struct seed seed = {1};

static struct fault_scene scene_of(const char *said)
{
    return (struct fault_scene){
        .event = FAULT_COMMAND,
        .verb = VERB_RCPT,
        .said = span_of_string(said),
        .code = 250,
        .client = SPAN("192.0.2.7"),
        .helo = SPAN("client.example"),
        .session = 4,
        .now = 1000,
        .seed = &seed,
        .memory = &memory,
        .counts = counts,
    };
}

static struct fault_rule rule_of(const char *line)
{
    char bytes[200];
    struct text error = text_over(bytes, sizeof(bytes));
    struct fault_rule rule;

    cr_assert(fault_rule_parse(span_of_string(line), &rule, &error), "%s: %.*s", line,
              (int)error.size, bytes);
    return rule;
}

static bool fits(const char *line, const struct fault_scene *scene)
{
    struct fault_rule rule = rule_of(line);

    memset(counts, 0, sizeof(counts));
    return fault_fits(&rule, scene, 0);
}

Test(match, patterns)
{
    static const struct {
        const char *pattern, *text;
        bool like;
    } rows[] = {
        {"", "", true},          {"", "a", false},
        {"*", "", true},         {"*", "anything", true},
        {"a", "A", true},        {"a*c", "abbbc", true},
        {"a*c", "abcb", false},  {"*@b.example>*", "RCPT TO:<x@B.EXAMPLE> NOTIFY=NEVER", true},
        {"**a**", "bab", true},  {"a*a", "a", false},
        {"*aab", "aaaab", true},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(fault_like(span_of_string(rows[i].pattern), span_of_string(rows[i].text)),
                     rows[i].like, "%s %s", rows[i].pattern, rows[i].text);
}

Test(match, events_and_verbs)
{
    struct fault_scene scene = scene_of("RCPT TO:<x@b.example>");

    cr_expect(fits("command do drop", &scene));
    cr_expect(fits("command RCPT do drop", &scene));
    cr_expect(fits("command MAIL,RCPT do drop", &scene));
    cr_expect_not(fits("command MAIL do drop", &scene));
    cr_expect(fits("command !MAIL do drop", &scene));
    cr_expect_not(fits("command !MAIL,RCPT do drop", &scene));
    cr_expect_not(fits("reply do drop", &scene));
    scene.verb = VERB_UNKNOWN;
    cr_expect(fits("command !MAIL,RCPT do drop", &scene));
    cr_expect(fits("command UNKNOWN do drop", &scene));
}

Test(match, what_is_looked_at)
{
    static const struct {
        const char *yes, *no;
    } rows[] = {
        {"command match=\"*x@b*\" do drop", "command match=\"*y@b*\" do drop"},
        {"command match=\"!*y@b*\" do drop", "command match=\"!*x@b*\" do drop"},
        {"command code=2 do drop", "command code=5 do drop"},
        {"command code=!5 do drop", "command code=!25 do drop"},
        {"command code=!4 code=!5 do drop", "command code=!4 code=!250 do drop"},
        {"command longer=20 do drop", "command longer=21 do drop"},
        {"command client=192.0.2.* do drop", "command client=192.0.3.* do drop"},
        {"command client=!10.* do drop", "command client=!192.0.2.* do drop"},
        {"command helo=*.EXAMPLE do drop", "command helo=*.test do drop"},
        {"command helo=!*.test do drop", "command helo=!client.example do drop"},
        {"command sessions=2 do drop", "command sessions=3 do drop"},
        {"command every=1 do drop", "command every=2 do drop"},
        {"command nth=1 do drop", "command nth=2 do drop"},
        {"command first=1 do drop", "command first=0 do drop"},
        {"command chance=100 do drop", "command chance=0 do drop"},
    };
    struct fault_scene scene = scene_of("RCPT TO:<x@b.example>");
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect(fits(rows[i].yes, &scene), "%s", rows[i].yes);
        cr_expect_not(fits(rows[i].no, &scene), "%s", rows[i].no);
    }
}

Test(match, flags)
{
    struct fault_scene none = scene_of("DATA"), all = none;
    static const char *const rules[] = {
        "command early do drop",         "command followed do drop",     "command split do drop",
        "command none-accepted do drop", "command last-refused do drop", "command header do drop",
    };
    size_t i;

    all.early = all.followed = all.split = all.none_accepted = all.last_refused = all.header = true;
    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        cr_expect(fits(rules[i], &all), "%s", rules[i]);
        cr_expect_not(fits(rules[i], &none), "%s", rules[i]);
    }
    cr_expect(fits("command body do drop", &none));
    cr_expect_not(fits("command body do drop", &all));
}

Test(match, content_is_searched_and_its_lines_are_measured)
{
    struct fault_scene scene = scene_of("one\r\nthree\r\nfo");

    scene.event = FAULT_CONTENT;
    cr_expect(fits("content match=\"e\" do end close", &scene));
    cr_expect_not(fits("content match=\"four\" do end close", &scene));
    cr_expect(fits("content match=\"!four\" do end close", &scene));
    cr_expect(fits("content longer=4 do end close", &scene));
    cr_expect_not(fits("content longer=5 do end close", &scene));
    scene.column = 3; /* of the line that goes on here */
    cr_expect(fits("content longer=5 do end close", &scene));
    cr_expect_not(fits("content longer=6 do end close", &scene));
    scene.before = 10;
    cr_expect(fits("content after=23 do end close", &scene));
    cr_expect_not(fits("content after=24 do end close", &scene));
}

Test(match, a_handshake_is_as_new_as_it_offers)
{
    static const struct {
        struct span bytes;
        bool newer;
    } rows[] = {
        {SPAN_INIT("\x16\x03\x01\x00\x7b\x01\x00\x00\x77\x03\x03"), true},
        {SPAN_INIT("\x16\x03\x01\x00\x7b\x01\x00\x00\x77\x03\x02"), true},
        {SPAN_INIT("\x16\x03\x01\x00\x7b\x01\x00\x00\x77\x03\x01"), false},
        {SPAN_INIT("\x16\x03\x00\x00\x7b\x01\x00\x00\x77\x03\x00"), false},
        {SPAN_INIT("\x16\x03\x01\x00\x7b\x02\x00\x00\x77\x03\x03"), false}, /* of a server */
        {SPAN_INIT("\x15\x03\x01\x00\x7b\x01\x00\x00\x77\x03\x03"), false}, /* an alert */
        {SPAN_INIT("\x16\x03\x01\x00\x7b\x01\x00\x00\x77\x03"), false},     /* cut off */
        {SPAN_INIT("\x80\x2e\x01\x03\x03\x01\x00\x00\x77\x03\x03"), false}, /* SSL 2 */
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fault_scene scene = scene_of("");

        scene.event = FAULT_HANDSHAKE;
        scene.said = rows[i].bytes;
        cr_expect_eq(fits("handshake newer-tls do end reset", &scene), rows[i].newer, "%zu", i);
    }
}

Test(match, counts_what_fits_in_all_else)
{
    struct fault_rule second = rule_of("command match=\"*x@*\" nth=2 do drop");
    struct fault_scene x = scene_of("RCPT TO:<x@b>"), y = scene_of("RCPT TO:<y@b>");

    cr_expect_not(fault_fits(&second, &x, 0));
    cr_expect_not(fault_fits(&second, &y, 0));
    cr_expect(fault_fits(&second, &x, 0));
    cr_expect_not(fault_fits(&second, &x, 0));
    cr_expect_eq(counts[0].fitted, 3);
    cr_expect_eq(counts[0].acted, 1);
}

Test(match, looks_at_the_rule_above)
{
    struct fault_rule rule = rule_of("command above=1 do drop");
    struct fault_scene scene = scene_of("NOOP");

    cr_expect_not(fault_fits(&rule, &scene, 0)); /* there is none */
    cr_expect_not(fault_fits(&rule, &scene, 1));
    counts[0].acted = 1;
    cr_expect(fault_fits(&rule, &scene, 1));
    counts[1].acted = 0;
    cr_expect_not(fault_fits(&rule, &scene, 2));
}

Test(match, a_bucket_leaks)
{
    struct fault_rule rule = rule_of("command over=2/10s do drop");
    struct fault_scene scene = scene_of("NOOP");

    cr_expect_not(fault_fits(&rule, &scene, 3));
    cr_expect_not(fault_fits(&rule, &scene, 3));
    cr_expect(fault_fits(&rule, &scene, 3));
    scene.now += 4999;
    cr_expect(fault_fits(&rule, &scene, 3));
    scene.now += 1;
    cr_expect_not(fault_fits(&rule, &scene, 3));
    cr_expect(fault_fits(&rule, &scene, 3));
    scene.memory = NULL;
    cr_expect_not(fault_fits(&rule, &scene, 3));
}

Test(match, what_is_new_grows_old)
{
    struct fault_rule rule = rule_of("command new=5s do drop");
    struct fault_scene scene = scene_of("RCPT TO:<x@b>"), other = scene_of("RCPT TO:<y@b>");

    cr_expect(fault_fits(&rule, &scene, 0));
    scene.now += 4999;
    cr_expect(fault_fits(&rule, &scene, 0));
    scene.now += 1;
    cr_expect_not(fault_fits(&rule, &scene, 0));
    cr_expect(fault_fits(&rule, &other, 0));
    other.client = SPAN("192.0.2.8");
    cr_expect(fault_fits(&rule, &other, 0));
    scene.memory = NULL;
    cr_expect_not(fault_fits(&rule, &scene, 0));
}
