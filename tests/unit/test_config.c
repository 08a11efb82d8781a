#include <criterion/criterion.h>
#include <stdlib.h>

#include "lockstep/policy/config.h"

#define NODES_MAX 80
#define ARENA_BYTES 4096

/* A tree written as one row per node: how deep it stands, its key, and its text if it is a scalar.
 * Lines count from 1 at the root, keys stand in column 10 * depth and values one further. */
struct sketch {
    unsigned depth;
    enum config_kind kind;
    const char *key;
    const char *text;
};

struct drawn {
    struct config_node nodes[NODES_MAX];
    struct config_tree tree;
};

#define MAP(depth, key)                \
    {                                  \
        depth, CONFIG_MAPPING, key, "" \
    }
#define SEQ(depth, key)                 \
    {                                   \
        depth, CONFIG_SEQUENCE, key, "" \
    }
#define SAY(depth, key, text)           \
    {                                   \
        depth, CONFIG_SCALAR, key, text \
    }

static void draw(struct drawn *drawn_r, const struct sketch *sketch, size_t count)
{
    uint32_t parents[CONFIG_DEPTH_MAX] = {0}, last[CONFIG_DEPTH_MAX] = {0};
    uint32_t i;

    cr_assert_leq(count, NODES_MAX);
    *drawn_r = (struct drawn){.tree = {drawn_r->nodes, count}};
    for (i = 0; i < count; i++) {
        unsigned depth = sketch[i].depth;
        struct config_node *node = &drawn_r->nodes[i];

        *node = (struct config_node){.kind = sketch[i].kind,
                                     .line = i + 1,
                                     .column = 10 * depth + 1,
                                     .key_line = i + 1,
                                     .key_column = 10 * depth,
                                     .key = span_of_string(sketch[i].key),
                                     .text = span_of_string(sketch[i].text)};
        parents[depth] = i;
        last[depth + 1] = 0;
        if (i == 0)
            continue;
        if (last[depth])
            drawn_r->nodes[last[depth]].next = i;
        else
            drawn_r->nodes[parents[depth - 1]].child = i;
        last[depth] = i;
    }
}

struct reading {
    struct config config;
    struct config_problems problems;
    char memory[ARENA_BYTES];
    bool good;
};

static struct reading *read_sketch(const struct sketch *sketch, size_t count)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    struct text arena = text_over(reading->memory, sizeof(reading->memory));
    struct drawn drawn;

    draw(&drawn, sketch, count);
    config_default(&reading->config);
    reading->good = config_read(&reading->config, &drawn.tree, &arena, &reading->problems);
    cr_assert_eq(reading->good, reading->problems.count == 0);
    return reading;
}

#define READ(sketch) read_sketch(sketch, sizeof(sketch) / sizeof((sketch)[0]))

static void expect_problem(const struct reading *reading, uint32_t number, uint32_t line,
                           uint32_t column, struct span says)
{
    const struct config_problem *problem = &reading->problems.rows[number];

    cr_assert_lt(number, reading->problems.count);
    cr_assert(problem->line == line && problem->column == column, "problem %u is at %u:%u", number,
              problem->line, problem->column);
    cr_assert(span_equal(text_span(&problem->says), says), "problem %u says '%.*s'", number,
              (int)problem->says.size, problem->says.at);
}

/* clang-format off */
static const struct sketch whole[] = {
    MAP(0, ""),
    SAY(1, "config_version", "1"),
    SAY(1, "workers", "3"),
    MAP(1, "timeouts"),
        SAY(2, "mail", "7s"),
    SEQ(1, "listeners"),
        MAP(2, ""),
            SAY(3, "name", "one"),
            SEQ(3, "listen"),
                SAY(4, "", "[::1]:25"),
                SAY(4, "", "*:0"),
            SAY(3, "relay", "b"),
            SAY(3, "mode", "observe"),
        MAP(2, ""),
            SAY(3, "relay", "a"),
            SAY(3, "listen", "mx.example:2525"),
            SAY(3, "name", "two"),
            MAP(3, "timeouts"),
                SAY(4, "mail", "8s"),
    MAP(1, "relays"),
        MAP(2, "a"),
            SAY(3, "address", "smtp://192.0.2.1"),
        MAP(2, "b"),
            SEQ(3, "address"),
                SAY(4, "", "SMTP://[2001:db8::1]:2500/"),
                SAY(4, "", "smtp://mx.example"),
            SAY(3, "pipelining", "never"),
    SAY(1, "mode", "repair"),
    MAP(1, "transcripts"),
        SAY(2, "directory", "/tmp/t"),
};
/* clang-format on */

Test(config, read_fills_every_part)
{
    struct reading *reading = READ(whole);
    const struct config *config = &reading->config;
    const struct config_listener *one = &config->listeners[0], *two = &config->listeners[1];

    cr_assert(reading->good);
    cr_assert_eq(config->workers, 3);
    cr_assert_eq(config->listener_count, 2);
    cr_assert_eq(config->relay_count, 2);
    cr_assert(span_equal(one->name, SPAN("one")));
    cr_assert_eq(one->listen.count, 2);
    cr_assert(span_equal(one->listen.rows[0].host, SPAN("::1")));
    cr_assert_eq(one->listen.rows[0].port, 25);
    cr_assert(span_equal(one->listen.rows[1].host, SPAN("*")));
    cr_assert_eq(one->listen.rows[1].port, 0);
    cr_assert_eq(one->relay, 1);
    cr_assert_eq(one->policy.mode, MODE_OBSERVE);
    cr_assert_eq(one->policy.pipelining, PIPELINING_NEVER, "its relay says never");
    cr_assert_eq(one->policy.wait_ms[WAIT_SENDER], 7000, "from the top of the file");
    cr_assert(one->policy.record, "a directory for transcripts is given");
    cr_assert_eq(two->relay, 0);
    cr_assert_eq(two->policy.mode, MODE_REPAIR, "from the top of the file, though it stands last");
    cr_assert_eq(two->policy.pipelining, PIPELINING_AUTO);
    cr_assert_eq(two->policy.wait_ms[WAIT_SENDER], 8000, "its own");
    cr_assert(span_equal(config->relays[1].address.rows[0].host, SPAN("2001:db8::1")));
    cr_assert_eq(config->relays[1].address.rows[0].port, 2500);
    cr_assert_eq(config->relays[0].address.rows[0].port, 25);
    free(reading);
}

/* clang-format off */
static const struct sketch routed[] = {
    MAP(0, ""),
    SAY(1, "config_version", "1"),
    SAY(1, "mode", "repair"),
    SEQ(1, "listeners"),
        MAP(2, ""),
            SAY(3, "name", "one"),
            SAY(3, "listen", "127.0.0.1:25"),
            SAY(3, "relay", "b"),
            MAP(3, "tls"),
                SAY(4, "certificate", "c.pem"),
                SAY(4, "key", "k.pem"),
            SEQ(3, "routes"),
                MAP(4, ""),
                    SAY(5, "sender", "*@x"),
                    SAY(5, "credential", "q"),
                    SAY(5, "relay", "a"),
                MAP(4, ""),
                    MAP(5, "repairs"),
                        SAY(6, "bdat-to-data", "off"),
        MAP(2, ""),
            SAY(3, "name", "two"),
            SAY(3, "listen", "127.0.0.1:26"),
            SAY(3, "relay", "a"),
    MAP(1, "credentials"),
        MAP(2, "p"),
            SAY(3, "user", "u"),
            SAY(3, "password_file", "/p"),
        MAP(2, "q"),
            SAY(3, "user", "u"),
            SAY(3, "store", "q"),
    MAP(1, "store"),
        SAY(2, "directory", "/s"),
        SAY(2, "key_file", "/k"),
    MAP(1, "relays"),
        MAP(2, "a"),
            SAY(3, "address", "smtps://192.0.2.1"),
            SAY(3, "auth-refused", "reject"),
        MAP(2, "b"),
            SAY(3, "address", "starttls://mx.example"),
            SAY(3, "tls", "offered"),
        MAP(2, "c"),
            SAY(3, "address", "starttls://mx.example"),
        MAP(2, "d"),
            SAY(3, "address", "smtp://mx.example"),
};
/* clang-format on */

Test(config, read_tells_every_policy_all_relays_and_credentials)
{
    static const enum security securities[] = {SECURITY_IMPLICIT, SECURITY_OFFERED,
                                               SECURITY_STARTTLS, SECURITY_NONE};
    struct reading *reading = READ(routed);
    uint32_t i, k;

    cr_assert(reading->good);
    for (i = 0; i < 2; i++) {
        const struct policy *policy = &reading->config.listeners[i].policy;

        cr_assert_eq(policy->relay, i == 0 ? 1 : 0);
        cr_assert_eq(policy->relay_count, 4);
        for (k = 0; k < 4; k++) {
            cr_assert_eq(policy->relays[k].security, securities[k]);
            cr_assert(span_equal(policy->relays[k].name, reading->config.relays[k].name));
        }
        cr_assert_eq(policy->relays[0].refused, REFUSED_REJECT);
        cr_assert_eq(policy->credential_count, 2);
        cr_assert(span_equal(policy->credentials[1].name, SPAN("q")));
    }
    free(reading);
}

Test(config, read_resolves_routes_and_what_follows_from_a_certificate)
{
    struct reading *reading = READ(routed);
    const struct policy *one = &reading->config.listeners[0].policy;
    const struct policy *two = &reading->config.listeners[1].policy;

    cr_assert_eq(one->route_count, 2);
    cr_assert_eq(one->routes[0].relay, 0);
    cr_assert_eq(one->routes[0].credential, 1);
    cr_assert_eq(one->routes[1].relay, NOTHING);
    cr_assert_eq(one->routes[1].credential, NOTHING);
    cr_assert_eq(one->routes[1].repairs, one->repairs & ~REPAIR_BIT(REPAIR_BDAT_TO_DATA));
    cr_assert_eq(one->routes[0].repairs, one->repairs);
    cr_assert_eq(one->tls_offer, TLS_OFFER_STARTTLS);
    cr_assert_eq(two->tls_offer, TLS_OFFER_AUTO, "which is none");
    cr_assert_eq(two->route_count, 0);
    free(reading);
}

Test(config, set_over_a_file_settles_again)
{
    struct reading *reading = READ(routed);
    char memory[ARENA_BYTES], sentence[CONFIG_SENTENCE_MAX];
    struct text arena = text_over(memory, sizeof(memory));
    struct text error = text_over(sentence, sizeof(sentence));
    const struct policy *one = &reading->config.listeners[0].policy;

    cr_assert(
        config_set(&reading->config, SPAN("repairs.refused-sender"), SPAN("off"), &arena, &error));
    cr_assert(config_check(&reading->config, &error), "%.*s", (int)error.size, error.at);
    cr_assert_eq(one->routes[0].repairs, one->repairs);
    cr_assert_eq(one->routes[1].repairs, one->repairs & ~REPAIR_BIT(REPAIR_BDAT_TO_DATA));
    cr_assert(config_set(&reading->config, SPAN("mode"), SPAN("observe"), &arena, &error));
    cr_assert_not(config_check(&reading->config, &error));
    free(reading);
}

Test(config, set_takes_tls_of_a_single_listener_and_relay)
{
    static const char *const settings[][2] = {
        {"listen", "0.0.0.0:25"},  {"address", "starttls://mx.example"},
        {"verify", "ca"},          {"auth", "PLAIN"},
        {"tls.certificate", "c"},  {"tls.key", "k"},
        {"tls.offer", "both"},     {"allow", "10.0.0.0/8"},
        {"allow", "192.0.2.0/24"}, {"allow_clear", "on"},
    };
    struct config *config = calloc(1, sizeof(*config));
    char memory[ARENA_BYTES], sentence[CONFIG_SENTENCE_MAX];
    struct text arena = text_over(memory, sizeof(memory));
    struct text error = text_over(sentence, sizeof(sentence));
    size_t i;

    config_default(config);
    config_single(config, true);
    for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        cr_assert(config_set(config, span_of_string(settings[i][0]), span_of_string(settings[i][1]),
                             &arena, &error),
                  "%s: %.*s", settings[i][0], (int)error.size, error.at);
    cr_assert(config_check(config, &error));
    cr_assert_eq(config->listeners[0].allow.count, 2);
    cr_assert_eq(config->listeners[0].policy.tls_offer, TLS_OFFER_BOTH);
    cr_assert_eq(config->listeners[0].policy.relays[0].security, SECURITY_STARTTLS);
    cr_assert(config->listeners[0].policy.relays[0].allow_clear);
    cr_assert_eq(config->relays[0].verify, VERIFY_CA);
    cr_assert_not(config_set(config, SPAN("sender"), SPAN("x"), &arena, &error));
    cr_assert(span_equal(text_span(&error),
                         SPAN("unknown word `sender`: it belongs in a route of a listener")));
    free(config);
}

Test(config, read_copies_all_text_into_the_arena)
{
    struct reading *reading = READ(whole);
    const struct config *config = &reading->config;
    const struct span kept[] = {config->listeners[0].name,
                                config->listeners[0].relay_name,
                                config->listeners[0].listen.rows[0].host,
                                config->relays[0].name,
                                config->relays[1].address.rows[1].host,
                                config->transcripts.directory};
    size_t i;

    for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        cr_assert(kept[i].at >= reading->memory && kept[i].at < reading->memory + ARENA_BYTES);
    free(reading);
}

Test(config, read_reports_all_problems_where_they_are)
{
    /* clang-format off */
    static const struct sketch sketch[] = {
        MAP(0, ""),
        SAY(1, "config_version", "1"),
        SAY(1, "wrokers", "3"),
        SAY(1, "memory", "much"),
        SEQ(1, "listeners"),
            MAP(2, ""),
                SAY(3, "name", "one"),
                SAY(3, "listen", "*:25"),
                SAY(3, "relay", "c"),
                SAY(3, "mode", "observe"),
        MAP(1, "relays"),
            MAP(2, "a"),
                SAY(3, "address", "smtp://192.0.2.1"),
                SAY(3, "address", "smtp://192.0.2.1"),
    };
    /* clang-format on */
    struct reading *reading = READ(sketch);

    cr_assert_eq(reading->problems.count, 4);
    expect_problem(reading, 0, 3, 10, SPAN("unknown key `wrokers`: did you mean `workers`?"));
    expect_problem(
        reading, 1, 4, 11,
        SPAN("`memory` is `much`: write a size such as 512, 64k or 16M, from 1M to 64G"));
    expect_problem(reading, 2, 14, 30,
                   SPAN("`address` stands here twice, first in line 13: keep one of them"));
    expect_problem(reading, 3, 9, 31,
                   SPAN("there is no relay `c`: name one of those under `relays`"));
    free(reading);
}

Test(config, read_stops_behind_the_last_problem_it_can_keep)
{
    struct sketch sketch[NODES_MAX] = {MAP(0, "")};
    struct reading *reading;
    size_t i;

    for (i = 1; i < NODES_MAX; i++)
        sketch[i] = (struct sketch)SAY(1, "unknown", "");
    reading = READ(sketch);
    cr_assert_eq(reading->problems.count, CONFIG_PROBLEMS_MAX);
    cr_assert_eq(reading->problems.more, 1);
    free(reading);
}

Test(config, read_says_when_the_arena_is_too_small)
{
    struct config_problems *problems = calloc(1, sizeof(*problems));
    struct config *config = calloc(1, sizeof(*config));
    char memory[8];
    struct text arena = text_over(memory, sizeof(memory));
    struct drawn drawn;

    draw(&drawn, whole, sizeof(whole) / sizeof(whole[0]));
    config_default(config);
    cr_assert_not(config_read(config, &drawn.tree, &arena, problems));
    cr_assert_gt(problems->count, 0);
    free(config);
    free(problems);
}

struct setting {
    const char *path;
    const char *value;
    const char *error; /* NULL: it is taken */
};

Test(config, set_fills_a_single_listener)
{
    static const struct setting settings[] = {
        {"listen", "127.0.0.1:25", NULL},
        {"listen", "[::1]:25", NULL},
        {"listen", "nowhere",
         "`listen` is `nowhere`: write a port after the address, as in "
         "127.0.0.1:25"},
        {"address", "smtp://mx.example", NULL},
        {"mode", "observe", NULL},
        {"limits.rows", "4", NULL},
        {"pipelining", "never", NULL},
        {"workers", "2", NULL},
        {"worker", "2", "unknown word `worker`: did you mean `workers`?"},
        {"sessions", "5", NULL},
        {"sessions-per-client", "5", NULL},
        {"listeners", "x", "`listeners` is more than one value: write it in a file"},
        {"transcripts.directory", "/tmp", NULL},
        {"log.format", "json", NULL},
    };
    struct config *config = calloc(1, sizeof(*config));
    char memory[ARENA_BYTES], sentence[CONFIG_SENTENCE_MAX];
    struct text arena = text_over(memory, sizeof(memory));
    struct text error = text_over(sentence, sizeof(sentence));
    size_t i;

    config_default(config);
    config_single(config, true);
    for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const struct setting *setting = &settings[i];

        text_clear(&error);
        cr_assert_eq(config_set(config, span_of_string(setting->path),
                                span_of_string(setting->value), &arena, &error),
                     !setting->error, "%s", setting->path);
        cr_assert(span_equal(text_span(&error), span_of_string(setting->error)), "%.*s",
                  (int)error.size, error.at);
    }
    cr_assert(config_check(config, &error));
    cr_assert_eq(config->listeners[0].listen.count, 2);
    cr_assert_eq(config->listeners[0].relay, 0);
    cr_assert_eq(config->listeners[0].sessions, 5);
    cr_assert_eq(config->listeners[0].policy.mode, MODE_OBSERVE);
    cr_assert_eq(config->listeners[0].policy.limits.rows, 4);
    cr_assert_eq(config->listeners[0].policy.pipelining, PIPELINING_NEVER);
    cr_assert(config->listeners[0].policy.record);
    cr_assert(span_equal(config->relays[0].address.rows[0].host, SPAN("mx.example")));
    cr_assert_eq(config->log_format, LOG_JSON);
    cr_assert_eq(config->workers, 2);
    free(config);
}

Test(config, set_without_a_relay_leaves_none)
{
    struct config *config = calloc(1, sizeof(*config));
    char memory[ARENA_BYTES], sentence[CONFIG_SENTENCE_MAX];
    struct text arena = text_over(memory, sizeof(memory));
    struct text error = text_over(sentence, sizeof(sentence));

    config_default(config);
    config_single(config, false);
    cr_assert(config_check(config, &error));
    cr_assert_eq(config->listeners[0].relay, CONFIG_RELAY_NONE);
    cr_assert_not(config_set(config, SPAN("address"), SPAN("smtp://mx"), &arena, &error));
    cr_assert(
        span_equal(text_span(&error),
                   SPAN("`address` needs exactly one relay, there are 0: write it in the file")));
    free(config);
}

Test(config, set_over_a_file_reaches_all_listeners_and_picks_none)
{
    struct reading *reading = READ(whole);
    char memory[ARENA_BYTES], sentence[CONFIG_SENTENCE_MAX];
    struct text arena = text_over(memory, sizeof(memory));
    struct text error = text_over(sentence, sizeof(sentence));

    cr_assert(config_set(&reading->config, SPAN("mode"), SPAN("observe"), &arena, &error));
    cr_assert_eq(reading->config.listeners[1].policy.mode, MODE_OBSERVE);
    cr_assert_not(config_set(&reading->config, SPAN("sessions"), SPAN("5"), &arena, &error));
    cr_assert(span_equal(
        text_span(&error),
        SPAN("`sessions` needs exactly one listener, there are 2: write it in the file")));
    free(reading);
}

Test(config, manual_says_something_of_every_word)
{
    struct config_word word;
    char memory[CONFIG_SENTENCE_MAX];
    struct text expected = text_over(memory, sizeof(memory));
    size_t i, says;

    for (i = 0; config_manual(i, &word, &expected); i++) {
        says = strlen(word.says);
        cr_assert(says > 10 && word.says[says - 1] == '.', "%s.%s", word.section, word.word);
        cr_assert_gt(expected.size, 0, "%s.%s", word.section, word.word);
        text_clear(&expected);
    }
    cr_assert_gt(i, 30);
}

struct address_row {
    const char *text;
    const char *host; /* NULL: no address */
    uint16_t port;
};

/* One address through the words of the configuration. */
static void expect_address(const char *path, const struct address_row *row)
{
    struct config *config = calloc(1, sizeof(*config));
    char memory[ARENA_BYTES], sentence[CONFIG_SENTENCE_MAX];
    struct text arena = text_over(memory, sizeof(memory));
    struct text error = text_over(sentence, sizeof(sentence));
    const struct config_address *address;

    config_default(config);
    config_single(config, true);
    address = *path == 'l' ? config->listeners[0].listen.rows : config->relays[0].address.rows;
    cr_assert_eq(
        config_set(config, span_of_string(path), span_of_string(row->text), &arena, &error),
        row->host != NULL, "%s", row->text);
    if (row->host) {
        cr_assert(span_equal(address->host, span_of_string(row->host)), "%s", row->text);
        cr_assert_eq(address->port, row->port, "%s", row->text);
    }
    free(config);
}

Test(config, listen_addresses)
{
    static const struct address_row rows[] = {
        {"127.0.0.1:0", "127.0.0.1", 0},
        {"localhost:65535", "localhost", 65535},
        {"*:25", "*", 25},
        {"[::]:25", "::", 25},
        {"[1:2:3:4:5:6:7:8]:1", "1:2:3:4:5:6:7:8", 1},
        {"[1:2:3:4:5:6:7::]:1", "1:2:3:4:5:6:7::", 1},
        {"[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1", 1},
        {"[fe80::1%eth0]:1", "fe80::1%eth0", 1},
        {"[1:2:3:4:5:6:7:8:9]:1", NULL, 0},
        {"[1:2:3:4:5:6:7]:1", NULL, 0},
        {"[1:2:3:4:5:6:7:8::]:1", NULL, 0},
        {"[1:::2]:1", NULL, 0},
        {"[1:]:1", NULL, 0},
        {"[:1]:1", NULL, 0},
        {"[]:1", NULL, 0},
        {"[12345::]:1", NULL, 0},
        {"[::ffff:192.0.2]:1", NULL, 0},
        {"[::192.0.2.1:1]:1", NULL, 0},
        {"[g::]:1", NULL, 0},
        {"[::1%]:1", NULL, 0},
        {"[::1]", NULL, 0},
        {"1.2.3:25", NULL, 0},
        {"1.2.3.4.5:25", NULL, 0},
        {"1.2.3.:25", NULL, 0},
        {"01.2.3.4444:25", NULL, 0},
        {":25", NULL, 0},
        {"a:", NULL, 0},
        {"a:65536", NULL, 0},
        {"a b:25", NULL, 0},
        {"smtp://a:25", NULL, 0},
        {"", NULL, 0},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_address("listen", &rows[i]);
}

Test(config, relay_addresses)
{
    static const struct address_row rows[] = {
        {"smtp://mx.example", "mx.example", 25},
        {"smtp://mx.example:587/", "mx.example", 587},
        {"smtp://[::1]", "::1", 25},
        {"smtp://[::1]:26", "::1", 26},
        {"smtp://192.0.2.1:26", "192.0.2.1", 26},
        {"smtp://mx.example:0", NULL, 0},
        {"smtp://", NULL, 0},
        {"smtp:///", NULL, 0},
        {"smtp://mx.example/path", NULL, 0},
        {"smtp://*:25", NULL, 0},
        {"smtp://user@mx.example", NULL, 0},
        {"smtps://mx.example", "mx.example", 465},
        {"STARTTLS://mx.example/", "mx.example", 587},
        {"starttls://[::1]:25", "::1", 25},
        {"smtps:mx.example", NULL, 0},
        {"lmtp://mx.example", NULL, 0},
        {"mx.example", NULL, 0},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_address("address", &rows[i]);
}
