#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lockstep/policy/policy.h"

struct row {
    const char *path;
    const char *value;
    const char *error; /* NULL: the value is taken */
};

#define DURATION "write a duration such as 500ms, 30s, 5m or 1h, from 1ms to 24h"
#define SIZE "write a size such as 512, 64k or 16M, from 512 to 16k"

static const struct row rows[] = {
    {"mode", "observe", NULL},
    {"mode", "REPAIR", NULL},
    {"mode", "fault", NULL},
    {"mode", "", "`mode` is empty: write repair, observe or fault"},
    {"mode", "repair|observe", "`mode` is `repair|observe`: write repair, observe or fault"},
    {"pipelining", "never", NULL},
    {"pipelining", "always", "`pipelining` is `always`: write auto or never"},
    {"auth.clients", "check", NULL},
    {"auth.clients", "drop", "`auth.clients` is `drop`: write auto, pass, check, accept or hide"},
    {"hostname", "mx_1.example", NULL},
    {"hostname", "-mx.example",
     "`hostname` is `-mx.example`: write a host name such as mx.example"},
    {"hostname", "mx.\x01xample",
     "`hostname` is `mx.?xample`: write a host name such as mx.example"},
    {"limits.rows", "1", NULL},
    {"limits.rows", "128", NULL},
    {"limits.rows", "0", "`limits.rows` is `0`: write a number, from 1 to 128"},
    {"limits.rows", "129", "`limits.rows` is `129`: write a number, from 1 to 128"},
    {"limits.rows", "4k", "`limits.rows` is `4k`: write a number, from 1 to 128"},
    {"limits.rows", "four", "`limits.rows` is `four`: write a number, from 1 to 128"},
    {"limits.line", "512", NULL},
    {"limits.line", "16K", NULL},
    {"limits.line", "511", "`limits.line` is `511`: " SIZE},
    {"limits.line", "17k", "`limits.line` is `17k`: " SIZE},
    {"limits.line", "1 k", "`limits.line` is `1 k`: " SIZE},
    {"limits.line", "k", "`limits.line` is `k`: " SIZE},
    {"limits.line", "4294968320", "`limits.line` is `4294968320`: " SIZE},
    {"limits.line", "18014398509481985k", "`limits.line` is `18014398509481985k`: " SIZE},
    {"limits.message", "0", NULL},
    {"limits.message", "8G", NULL},
    {"timeouts.mail", "500ms", NULL},
    {"timeouts.mail", "24h", NULL},
    {"timeouts.mail", "5", "`timeouts.mail` is `5`: " DURATION},
    {"timeouts.mail", "0ms", "`timeouts.mail` is `0ms`: " DURATION},
    {"timeouts.mail", "1d", "`timeouts.mail` is `1d`: " DURATION},
    {"timeouts.mail", "86400001ms", "`timeouts.mail` is `86400001ms`: " DURATION},
    {"repairs.bdat-to-data", "no", NULL},
    {"repairs.bdat-to-data", "2", "`repairs.bdat-to-data` is `2`: write on or off"},
    {"transcripts.bodies", "whole", NULL},
    {"tls.offer", "both", NULL},
    {"tls.offer", "maybe",
     "`tls.offer` is `maybe`: write auto, none, starttls, implicit, both or pass"},
    {"tls.minimum", "TLSv1.0", "unknown word `tls.minimum`: it belongs in a listener"},
    {"auth.clients", "check", NULL},
    {"auth.required", "on", NULL},
    {"relay.security", "starttls", NULL},
    {"relay.security", "tls", "`security` is `tls`: write none, offered, starttls or implicit"},
    {"relay.auth", "PLAIN", NULL},
    {"relay.auth", "any", NULL},
    {"relay.auth-line", "63",
     "`auth-line` is `63`: write a size such as 512, 64k or 16M, from 64 to 16k"},
    {"relay.address", "smtp://a", "unknown word `address`: it belongs in a relay"},
    {"relays.mx.example.security", "implicit", NULL},
    {"relays.security", "implicit", "name the relay and its word: relays.NAME.WORD"},
    {"relays.backup.securty", "implicit", "unknown word `securty`: did you mean `security`?"},
    {"routes.1.sender", "*@x", NULL},
    {"routes.1.client", "10.0.0.0/8", NULL},
    {"routes.1.client", "10.0.0.1/8",
     "`client` is `10.0.0.1/8`: write 10.0.0.0/8, or a longer prefix"},
    {"routes.1.repairs.bdat-to-data", "off", NULL},
    {"routes.1.ask", "http://127.0.0.1/", NULL},
    {"routes.2.sender", "*@x", "routes are numbered from 1, without a gap, to 64"},
    {"routes.0.sender", "*@x", "number the route and name its word: routes.1.WORD"},
    {"routes.sender", "*@x", "number the route and name its word: routes.1.WORD"},
    {"routes.1.password", "x",
     "unknown word `password`: no secret stands in this file, write password_file, "
     "password_command, password_env, credential or store"},
    {"limit.rows", "4",
     "unknown word `limit.rows`: `lockstep check --words` lists what may stand there"},
    {"limits.raws", "4", "unknown word `limits.raws`: did you mean `rows`?"},
    {"limits", "4", "unknown word `limits`: name one of its words behind a dot"},
    {"pipelinig", "never", "unknown word `pipelinig`: did you mean `pipelining`?"},
    {"workers", "4", "unknown word `workers`: it belongs at the top of the file"},
    {"listen", "[::1]:25", "unknown word `listen`: it belongs in a listener"},
    {".mode", "repair", "unknown word `.mode`: did you mean `mode`?"},
    {"", "repair", "unknown word ``: `lockstep check --words` lists what may stand there"},
};

Test(policy, set_takes_or_explains)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[320];
        struct text error = text_over(memory, sizeof(memory));
        struct policy policy, before;
        bool taken;

        policy_default(&before);
        policy = before;
        taken = policy_set(&policy, span_of_string(rows[i].path), span_of_string(rows[i].value),
                           &error);
        cr_assert_eq(taken, !rows[i].error, "%s %s", rows[i].path, rows[i].value);
        cr_assert(span_equal(text_span(&error), span_of_string(rows[i].error)), "%s %s said '%.*s'",
                  rows[i].path, rows[i].value, (int)error.size, error.at);
        if (!taken)
            cr_assert_eq(memcmp(&policy, &before, sizeof(policy)), 0, "%s %s", rows[i].path,
                         rows[i].value);
    }
}

static struct policy policy_of(const char *path, const char *value)
{
    char memory[320];
    struct text error = text_over(memory, sizeof(memory));
    struct policy policy;

    policy_default(&policy);
    cr_assert(policy_set(&policy, span_of_string(path), span_of_string(value), &error));
    return policy;
}

Test(policy, set_reaches_the_field_it_names)
{
    cr_assert_eq(policy_of("mode", "observe").mode, MODE_OBSERVE);
    cr_assert_eq(policy_of("pipelining", "never").pipelining, PIPELINING_NEVER);
    cr_assert_eq(policy_of("limits.line", "1k").limits.line_bytes, 1024);
    cr_assert_eq(policy_of("limits.auth-line", "2k").limits.auth_line_bytes, 2048);
    cr_assert_eq(policy_of("limits.reply", "4k").limits.reply_bytes, 4096);
    cr_assert_eq(policy_of("limits.rows", "4").limits.rows, 4);
    cr_assert_eq(policy_of("limits.message", "8G").limits.message_bytes, 8ULL << 30);
    cr_assert_eq(policy_of("timeouts.connect", "2m").wait_ms[WAIT_CONNECT], 120000);
    cr_assert_eq(policy_of("timeouts.drain", "1h").wait_ms[WAIT_DRAIN], 3600000);
    cr_assert(policy_of("transcripts.bodies", "whole").record_bodies);
    cr_assert(span_equal(policy_of("hostname", "mx.example").hostname, SPAN("mx.example")));
}

Test(policy, set_switches_one_repair_and_no_other)
{
    unsigned i;

    for (i = 0; i < REPAIR_COUNT; i++) {
        struct span name = repair_row((enum repair_id)i)->name;
        char memory[64], sentence[240];
        struct text path = text_over(memory, sizeof(memory));
        struct text error = text_over(sentence, sizeof(sentence));
        struct policy policy;

        uint64_t others;

        policy_default(&policy);
        others = policy.repairs & ~REPAIR_BIT(i);
        text_add(&path, SPAN("repairs."));
        text_add(&path, name);
        cr_assert_eq((policy.repairs & REPAIR_BIT(i)) != 0,
                     repair_row((enum repair_id)i)->initially == INITIALLY_ON);
        cr_assert(policy_set(&policy, text_span(&path), SPAN("off"), &error));
        cr_assert_eq(policy.repairs, others);
        cr_assert(policy_set(&policy, text_span(&path), SPAN("TRUE"), &error));
        cr_assert_eq(policy.repairs, others | REPAIR_BIT(i));
    }
}

static void set(struct policy *policy, const char *path, const char *value)
{
    char memory[320];
    struct text error = text_over(memory, sizeof(memory));

    cr_assert(policy_set(policy, span_of_string(path), span_of_string(value), &error), "%.*s",
              (int)error.size, error.at);
}

Test(policy, set_makes_relays_and_credentials_when_they_are_named)
{
    struct policy policy;

    policy_default(&policy);
    cr_assert_eq(policy.relay_count, 1);
    set(&policy, "relay.security", "starttls");
    set(&policy, "relay.auth", "plain");
    set(&policy, "relay.auth", "XOAUTH2");
    set(&policy, "relays.mx.example.allow_clear", "on");
    set(&policy, "relays.mx.example.auth-refused", "close");
    set(&policy, "routes.1.sender", "*@a");
    set(&policy, "routes.1.relay", "backup");
    set(&policy, "routes.1.credential", "shop");
    set(&policy, "routes.2.relay", "mx.example");
    set(&policy, "routes.2.credential", "shop");
    set(&policy, "routes.2.credential", "other");
    cr_assert_eq(policy.relay_count, 3);
    cr_assert_eq(policy.relays[0].security, SECURITY_STARTTLS);
    cr_assert_eq(policy.relays[0].mechanisms,
                 MECHANISM_BIT(MECHANISM_PLAIN) | MECHANISM_BIT(MECHANISM_XOAUTH2));
    cr_assert(span_equal(policy.relays[1].name, SPAN("mx.example")));
    cr_assert(policy.relays[1].allow_clear);
    cr_assert_eq(policy.relays[1].refused, REFUSED_CLOSE);
    cr_assert_eq(policy.relays[1].mechanisms, MECHANISMS_ALL);
    cr_assert(span_equal(policy.relays[2].name, SPAN("backup")));
    cr_assert_eq(policy.relays[2].auth_line_bytes, 512);
    cr_assert_eq(policy.route_count, 2);
    cr_assert_eq(policy.routes[0].relay, 2);
    cr_assert_eq(policy.routes[0].credential, 0);
    cr_assert_eq(policy.routes[1].relay, 1);
    cr_assert_eq(policy.routes[1].credential, 1);
    cr_assert_eq(policy.credential_count, 2);
    cr_assert(span_equal(policy.credentials[1].name, SPAN("other")));
}

Test(policy, a_route_switches_only_the_repairs_it_names)
{
    const uint64_t bdat = REPAIR_BIT(REPAIR_BDAT_TO_DATA);
    const uint64_t sender = REPAIR_BIT(REPAIR_REFUSED_SENDER);
    struct policy policy;

    policy_default(&policy);
    set(&policy, "routes.1.helo", "x");
    cr_assert_eq(policy.routes[0].repairs_given, 0);
    set(&policy, "routes.1.repairs.bdat-to-data", "off");
    cr_assert_eq(policy.routes[0].repairs_given, bdat);
    cr_assert_eq(policy.routes[0].repairs, policy.repairs & ~bdat);
    set(&policy, "repairs.refused-sender", "off");
    cr_assert_eq(policy.routes[0].repairs, policy.repairs & ~bdat, "whatever is said first");
    cr_assert_eq(policy.routes[0].repairs & sender, 0);
    set(&policy, "routes.1.repairs.refused-sender", "on");
    cr_assert_eq(policy.routes[0].repairs & sender, sender);
}

Test(policy, credentials_have_one_word)
{
    char sentence[320];
    struct text error = text_over(sentence, sizeof(sentence));
    struct policy policy;

    policy_default(&policy);
    set(&policy, "credentials.my.shop.user", "a");
    set(&policy, "routes.1.credential", "my.shop");
    cr_assert_eq(policy.credential_count, 1);
    cr_assert(span_equal(policy.credentials[policy.routes[0].credential].user, SPAN("a")));
    cr_assert_not(policy_set(&policy, SPAN("credentials.shop.password"), SPAN("x"), &error));
    cr_assert_not(policy_set(&policy, SPAN("credentials.user"), SPAN("x"), &error));
    cr_assert_eq(policy.credential_count, 1, "nothing has changed");
}

Test(policy, there_is_room_for_so_many_names_and_routes)
{
    struct policy *policy = malloc(sizeof(*policy));
    static char memory[POLICY_CREDENTIALS_MAX + POLICY_RELAYS_MAX + ROUTES_MAX + 3][64];
    char sentence[320];
    struct text error = text_over(sentence, sizeof(sentence));
    size_t used = 0;
    unsigned i;

    policy_default(policy);
    for (i = 1; i < POLICY_RELAYS_MAX; i++) {
        snprintf(memory[used], sizeof(memory[used]), "relays.r%u.allow_clear", i);
        set(policy, memory[used++], "on");
    }
    cr_assert_not(policy_set(policy, SPAN("relays.more.allow_clear"), SPAN("on"), &error));
    cr_assert_not(policy_set(policy, SPAN("routes.1.relay"), SPAN("more"), &error));
    cr_assert_eq(policy->route_count, 0, "nothing has changed");
    for (i = 1; i <= ROUTES_MAX; i++) {
        snprintf(memory[used], sizeof(memory[used]), "routes.%u.helo", i);
        set(policy, memory[used++], "x");
    }
    cr_assert_not(policy_set(policy, SPAN("routes.65.helo"), SPAN("x"), &error));
    for (i = 0; i < POLICY_CREDENTIALS_MAX; i++) {
        snprintf(memory[used], sizeof(memory[used]), "c%u", i);
        set(policy, "routes.1.credential", memory[used++]);
    }
    cr_assert_not(policy_set(policy, SPAN("routes.1.credential"), SPAN("more"), &error));
    cr_assert_eq(policy->credential_count, POLICY_CREDENTIALS_MAX);
    free(policy);
}

/* The lines of a policy, and the policy that they make. */
static struct span replay(const struct policy *policy, char *memory, size_t room,
                          struct policy *again_r)
{
    struct text lines = text_over(memory, room);
    struct span rest;
    uint32_t part = 0;

    while (policy_show(policy, part++, &lines))
        cr_assert_leq(lines.size, part * POLICY_PART_MAX);
    cr_assert_not(lines.cut);
    policy_default(again_r);
    for (rest = text_span(&lines); rest.size > 0;) {
        struct span line = span_head(rest, span_find(rest, '\n'));
        char sentence[320];
        struct text error = text_over(sentence, sizeof(sentence));
        size_t blank;

        rest = span_tail(rest, line.size + 1);
        cr_assert(span_starts(line, SPAN("@ ")));
        line = span_tail(line, 2);
        blank = span_find(line, ' ');
        cr_assert(policy_set(again_r, span_head(line, blank), span_tail(line, blank + 1), &error),
                  "%.*s: %.*s", (int)line.size, line.at, (int)error.size, error.at);
    }
    return text_span(&lines);
}

Test(policy, show_makes_the_same_again)
{
    static const char *const words[][2] = {
        {"mode", "observe"},
        {"limits.rows", "7"},
        {"tls.offer", "both"},
        {"repairs.bdat-to-data", "off"},
        {"relay.name", "main"},
        {"relay.security", "offered"},
        {"relay.auth", "PLAIN"},
        {"relay.auth", "LOGIN"},
        {"relays.unused.security", "implicit"},
        {"relays.mx.example.allow_clear", "on"},
        {"routes.1.client", "192.168.0.0/16"},
        {"routes.1.client", "2001:db8::1"},
        {"routes.1.sender", "*@[192.0.2.1] \"odd\""},
        {"routes.1.credential", "shop"},
        {"credentials.shop.user", "scanner@shop.example"},
        {"credentials.unused.user", "nobody"},
        {"routes.2.relay", "mx.example"},
        {"routes.2.helo", "x"},
        {"routes.2.repairs.refused-sender", "off"},
        {"routes.3.relay", "main"},
    };
    static char first[65536], second[65536];
    static struct policy policy, again, third;
    struct span lines;
    size_t i;

    policy_default(&policy);
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        set(&policy, words[i][0], words[i][1]);
    lines = replay(&policy, first, sizeof(first), &again);
    cr_assert(span_equal(lines, replay(&again, second, sizeof(second), &third)));
    cr_assert_eq(span_find_span(lines, SPAN("unused")), lines.size, "no session gets there");
    cr_assert_eq(again.routes[0].client.count, 2);
    cr_assert_eq(again.routes[1].relay, 1);
    cr_assert(span_equal(again.credentials[0].user, SPAN("scanner@shop.example")));
    cr_assert(span_equal(again.relays[1].name, SPAN("mx.example")));
    cr_assert(again.relays[1].allow_clear);
    cr_assert_eq(again.routes[1].repairs, policy.routes[1].repairs);
    cr_assert_eq(again.routes[2].relay, 0);
    cr_assert_eq(again.relays[0].security, SECURITY_OFFERED);
    cr_assert_eq(again.relays[0].mechanisms, policy.relays[0].mechanisms);
    cr_assert_eq(again.tls_offer, TLS_OFFER_BOTH);
    cr_assert_eq(again.limits.rows, 7);
}

struct contradiction {
    const char *words[5][2];
    bool good;
};

static const struct contradiction contradictions[] = {
    {{{"mode", "observe"}, {"relay.security", "starttls"}}, false},
    {{{"mode", "observe"}, {"relay.security", "offered"}}, false},
    {{{"mode", "observe"}, {"relay.security", "implicit"}}, true},
    {{{"mode", "observe"}, {"relays.b.security", "starttls"}}, true},
    {{{"mode", "observe"}, {"relays.b.security", "starttls"}, {"routes.1.relay", "b"}}, false},
    {{{"mode", "observe"}, {"tls.offer", "starttls"}}, false},
    {{{"mode", "observe"}, {"tls.offer", "both"}}, false},
    {{{"mode", "observe"}, {"tls.offer", "implicit"}, {"tls.required", "on"}}, true},
    {{{"mode", "observe"}, {"routes.1.credential", "c"}}, false},
    {{{"mode", "observe"}, {"routes.1.ask", "http://a/"}}, false},
    {{{"mode", "observe"}, {"routes.1.sender", "*"}}, true},
    {{{"mode", "observe"}, {"auth.clients", "check"}}, false},
    {{{"mode", "observe"}, {"auth.clients", "accept"}}, false},
    {{{"mode", "observe"}, {"auth.clients", "hide"}}, false},
    {{{"mode", "observe"}, {"auth.clients", "pass"}}, true},
    {{{"mode", "observe"}, {"auth.clients", "pass"}, {"auth.required", "on"}}, false},
    {{{"tls.required", "on"}, {"tls.offer", "none"}}, true}, /* the listener knows who offers it */
    {{{"tls.required", "on"}, {"tls.offer", "starttls"}}, true},
    {{{"auth.required", "on"}}, false},
    {{{"auth.required", "on"}, {"auth.clients", "hide"}}, false},
    {{{"auth.required", "on"}, {"auth.clients", "check"}}, true},
    {{{"auth.clients", "pass"}, {"routes.1.credential", "c"}}, false},
    {{{"auth.clients", "pass"}, {"routes.1.relay", "b"}}, true},
    {{{"tls.offer", "pass"}, {"relay.xclient", "on"}}, false},
    {{{"tls.offer", "pass"}, {"relay.xforward", "on"}}, false},
    {{{"tls.offer", "pass"}, {"relay.xclient", "on"}, {"mode", "observe"}}, true},
    {{{"tls.offer", "pass"}, {"xclient-from", "::/0"}}, true},
    {{{"routes.1.credential", "c"}, {"routes.2.helo", "x"}}, false},
    {{{"routes.1.client", "::/0"}, {"routes.2.helo", "x"}, {"routes.3.relay", "b"}}, true},
};

Test(policy, check_refuses_words_that_contradict_each_other)
{
    size_t i, k;

    for (i = 0; i < sizeof(contradictions) / sizeof(contradictions[0]); i++) {
        char memory[320];
        struct text error = text_over(memory, sizeof(memory));
        struct policy policy;

        policy_default(&policy);
        for (k = 0; contradictions[i].words[k][0]; k++)
            set(&policy, contradictions[i].words[k][0], contradictions[i].words[k][1]);
        cr_assert_eq(policy_check(&policy, &error), contradictions[i].good, "row %zu: %.*s", i,
                     (int)error.size, error.at);
        cr_assert_eq(error.size == 0, contradictions[i].good, "row %zu", i);
    }
}

Test(policy, default_is_what_the_rfc_asks)
{
    static const uint32_t waits_s[WAIT_COUNT] = {
        /* RFC 5321 4.5.3.2 */
        [WAIT_CONNECT] = 30,    [WAIT_GREETING] = 300, [WAIT_COMMAND] = 300, [WAIT_SENDER] = 300,
        [WAIT_RECIPIENT] = 300, [WAIT_MESSAGE] = 120,  [WAIT_BLOCK] = 180,   [WAIT_END] = 600,
        [WAIT_CLIENT] = 300,    [WAIT_DRAIN] = 60,     [WAIT_SECURE] = 30,   [WAIT_ASK] = 60,
        [WAIT_GROUP] = 60,      [WAIT_LEARNT] = 3600,  [WAIT_PACE] = 270,    [WAIT_PROXY] = 30,
    };
    struct policy policy;
    size_t i;

    policy_default(&policy);
    for (i = 0; i < WAIT_COUNT; i++)
        cr_assert_eq(policy.wait_ms[i], 1000 * waits_s[i], "wait %zu", i);
    cr_assert_eq(policy.mode, MODE_REPAIR);
    cr_assert_eq(policy.pipelining, PIPELINING_AUTO);
    cr_assert_eq(policy.repairs & repairs_trusted(), 0);
    cr_assert_geq(policy.limits.line_bytes, 512);       /* RFC 5321 4.5.3.1.4 */
    cr_assert_eq(policy.limits.auth_line_bytes, 12288); /* RFC 4954 4 */
    cr_assert_eq(policy.limits.message_bytes, 0);
    cr_assert_not(policy.record);
    cr_assert_not(policy.record_bodies);
}

Test(policy, check_refuses_an_end_in_lf_where_lf_is_refused)
{
    char memory[320];
    struct text error = text_over(memory, sizeof(memory));
    struct policy policy = policy_of("repairs.lf-end-of-data", "on");

    cr_assert_not(policy_check(&policy, &error));
    cr_assert_gt(error.size, 0);
    cr_assert(policy_set(&policy, SPAN("repairs.bare-lf"), SPAN("on"), &error));
    cr_assert(policy_check(&policy, &error));
    cr_assert(policy_set(&policy, SPAN("routes.1.repairs.bare-lf"), SPAN("off"), &error));
    cr_assert_not(policy_check(&policy, &error));
    cr_assert(policy_set(&policy, SPAN("routes.1.repairs.lf-end-of-data"), SPAN("off"), &error));
    cr_assert(policy_check(&policy, &error));
}
