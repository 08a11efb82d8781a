#include <criterion/criterion.h>
#include <stdlib.h>

#include "lockstep/policy/path_rules.h"

#define ARENA_BYTES 8192U
#define SCRIPT_BYTES 65536U

/* A word of the listener or, with "relay.", of the relay called original. "name" begins another
 * listener. */
struct said {
    const char *word;
    const char *value;
};

#define SAID_MAX 16U

struct written {
    struct config config;
    struct path_rules rules;
    struct text arena, script, error;
    char arena_memory[ARENA_BYTES], script_memory[SCRIPT_BYTES], error_memory[CONFIG_SENTENCE_MAX];
    bool good;
};

static void say(struct written *written, const struct said *said, struct span *listener)
{
    struct span word = span_of_string(said->word), value = span_of_string(said->value);
    bool relay = span_starts(word, SPAN("relay."));
    struct span name = relay ? SPAN("original") : *listener;
    enum config_part part = relay ? PART_RELAY : PART_LISTENER;
    bool good;

    if (span_equal(word, SPAN("name"))) {
        *listener = value;
        good = config_add_part(&written->config, PART_LISTENER, value, &written->arena,
                               &written->error) &&
               config_set_part(&written->config, PART_LISTENER, value, SPAN("relay"),
                               SPAN("original"), &written->arena, &written->error);
    } else {
        good = config_set_part(&written->config, part, name, relay ? span_tail(word, 6) : word,
                               value, &written->arena, &written->error);
    }
    cr_assert(good, "%s %s: %.*s", said->word, said->value, (int)written->error.size,
              written->error.at);
}

/* The rules for what is said, up to a row without a word. */
static struct written *write_for(const struct said said[SAID_MAX], const char *only)
{
    struct written *written = calloc(1, sizeof(*written));
    struct span listener = SPAN("");
    size_t i;

    written->arena = text_over(written->arena_memory, sizeof(written->arena_memory));
    written->script = text_over(written->script_memory, sizeof(written->script_memory));
    written->error = text_over(written->error_memory, sizeof(written->error_memory));
    config_default(&written->config);
    cr_assert(config_add_part(&written->config, PART_RELAY, SPAN("original"), &written->arena,
                              &written->error));
    cr_assert(config_add_part(&written->config, PART_RELAY, SPAN("sink"), &written->arena,
                              &written->error));
    cr_assert(config_set_part(&written->config, PART_RELAY, SPAN("sink"), SPAN("address"),
                              SPAN("smtp://192.0.2.1"), &written->arena, &written->error));
    for (i = 0; i < SAID_MAX && said[i].word != NULL; i++)
        say(written, &said[i], &listener);
    cr_assert(config_check(&written->config, &written->error), "%.*s", (int)written->error.size,
              written->error.at);
    written->good = path_rules_write(&written->config, span_of_string(only), &written->rules,
                                     &written->script, &written->error);
    return written;
}

static void expect_script(const struct said said[SAID_MAX], struct span script)
{
    struct written *written = write_for(said, NULL);

    cr_assert(written->good, "%.*s", (int)written->error.size, written->error.at);
    cr_assert(span_equal(text_span(&written->script), script), "%.*s", (int)written->script.size,
              written->script.at);
    free(written);
}

#define HEAD                       \
    "add table inet lockstep\n"    \
    "delete table inet lockstep\n" \
    "table inet lockstep {\n"      \
    "\tcomment \"lockstep: made by lockstep net apply\"\n"
#define HERE                                                            \
    "\n\tchain here {\n"                                                \
    "\t\ttype filter hook prerouting priority mangle; policy accept;\n" \
    "\t\tmeta l4proto != tcp return\n"                                  \
    "\t\tmeta mark 0x4C530001 return\n"
#define ANSWERS "\t\tsocket transparent 1 meta mark set 0x4C530002 accept\n\t}\n"
#define NEW "\t\ttcp flags & (fin | syn | rst | ack) == syn jump new\n"

static const struct said closed[SAID_MAX] = {
    {"name", "main"},         {"listen", "127.0.0.1:2525"},
    {"listen", "[::1]:2525"}, {"intercept", "tproxy"},
    {"ports", "25"},          {"ports", "587"},
};

Test(path_rules, tproxy_leads_to_each_family_and_refuses_when_nobody_is_there)
{
    expect_script(closed,
                  SPAN(HEAD
                       "\n\tchain take-1-ipv4 {\n"
                       "\t\tmeta l4proto tcp tproxy ip to 127.0.0.1:2525 meta mark set 0x4C530002 "
                       "counter accept\n"
                       "\t\tmeta l4proto tcp reject with tcp reset\n\t}\n"
                       "\n\tchain take-1-ipv6 {\n"
                       "\t\tmeta l4proto tcp tproxy ip6 to [::1]:2525 meta mark set 0x4C530002 "
                       "counter accept\n"
                       "\t\tmeta l4proto tcp reject with tcp reset\n\t}\n"
                       "\n\tchain new {\n"
                       "\t\tfib daddr type local return\n"
                       "\t\tmeta nfproto ipv4 tcp dport { 25, 587 } jump take-1-ipv4 comment "
                       "\"listener main\"\n"
                       "\t\tmeta nfproto ipv6 tcp dport { 25, 587 } jump take-1-ipv6 comment "
                       "\"listener main\"\n\t}\n" HERE NEW ANSWERS "}\n"));
}

static const struct said open_networks[SAID_MAX] = {
    {"name", "main"},
    {"listen", "10.0.0.1:26"},
    {"listen", "0.0.0.0:2525"},
    {"intercept", "tproxy"},
    {"ports", "25"},
    {"fail-open", "on"},
    {"destinations", "192.0.2.0/24"},
    {"destinations", "2001:db8::/32"},
    {"destinations", "0.0.0.0/0"},
};

Test(path_rules, fail_open_has_no_refusal_and_only_families_that_are_listened_on_are_caught)
{
    expect_script(open_networks,
                  SPAN(HEAD
                       "\n\tchain take-1-ipv4 {\n"
                       "\t\tmeta l4proto tcp tproxy ip to :2525 meta mark set 0x4C530002 counter "
                       "accept\n\t}\n"
                       "\n\tchain new {\n"
                       "\t\tfib daddr type local return\n"
                       "\t\tip daddr 192.0.2.0/24 tcp dport { 25 } jump take-1-ipv4 comment "
                       "\"listener main\"\n"
                       "\t\tmeta nfproto ipv4 tcp dport { 25 } jump take-1-ipv4 comment "
                       "\"listener main\"\n"
                       "\t\t# listener main has no address of IPv6: such connections pass by\n"
                       "\t}\n" HERE NEW ANSWERS "}\n"));
}

static const struct said redirected[SAID_MAX] = {
    {"name", "main"},
    {"listen", "*:2525"},
    {"intercept", "redirect"},
    {"ports", "25"},
    {"name", "six"},
    {"listen", "[2001:db8::1]:2526"},
    {"intercept", "redirect"},
    {"ports", "587"},
    {"destinations", "2001:db8:1::/48"},
    {"destinations", "192.0.2.1"},
};

#define REWRITE                                                      \
    "\n\tchain rewrite {\n"                                          \
    "\t\ttype nat hook prerouting priority dstnat; policy accept;\n" \
    "\t\ttcp flags & (fin | syn | rst | ack) != syn return\n"        \
    "\t\tmeta mark { 0x4C530001, 0x4C530002 } return\n"              \
    "\t\tfib daddr type local return\n"

Test(path_rules, redirect_rewrites_and_needs_no_routes)
{
    struct written *written = write_for(redirected, NULL);

    cr_assert_not(written->rules.delivers[PATH_IPV4] || written->rules.delivers[PATH_IPV6]);
    cr_assert_not(written->rules.passes[PATH_IPV4] || written->rules.passes[PATH_IPV6]);
    free(written);
    expect_script(
        redirected,
        SPAN(HEAD "\n\tchain take-1-ipv4 {\n\t\tmeta l4proto tcp counter redirect to :2525\n\t}\n"
                  "\n\tchain take-1-ipv6 {\n\t\tmeta l4proto tcp counter redirect to :2525\n\t}\n"
                  "\n\tchain take-2-ipv6 {\n"
                  "\t\tmeta l4proto tcp counter dnat ip6 to [2001:db8::1]:2526\n\t}\n" REWRITE
                  "\t\tmeta nfproto ipv4 tcp dport { 25 } jump take-1-ipv4 comment "
                  "\"listener main\"\n"
                  "\t\tmeta nfproto ipv6 tcp dport { 25 } jump take-1-ipv6 comment "
                  "\"listener main\"\n"
                  "\t\t# listener six has no address of IPv4: such connections pass by\n"
                  "\t\tip6 daddr 2001:db8:1::/48 tcp dport { 587 } jump take-2-ipv6 comment "
                  "\"listener six\"\n\t}\n}\n"));
}

static const struct said borrowed[SAID_MAX] = {
    {"name", "main"}, {"listen", "0.0.0.0:2525"}, {"intercept", "redirect"},
    {"ports", "25"},  {"relay.source", "client"},
};

Test(path_rules, answers_to_the_clients_address_are_delivered_here)
{
    struct written *written = write_for(borrowed, NULL);

    cr_assert(written->rules.delivers[PATH_IPV4]);
    cr_assert_not(written->rules.delivers[PATH_IPV6]);
    free(written);
    expect_script(
        borrowed,
        SPAN(
            HEAD
            "\n\tchain apart {\n"
            "\t\ttype filter hook output priority raw; policy accept;\n"
            "\t\tmeta mark 0x4C530001 fib saddr type != local ct original zone set 19539\n"
            "\t}\n" HERE ANSWERS
            "\n\tchain take-1-ipv4 {\n\t\tmeta l4proto tcp counter redirect to :2525\n\t}\n" REWRITE
            "\t\tmeta nfproto ipv4 tcp dport { 25 } jump take-1-ipv4 comment "
            "\"listener main\"\n"
            "\t\t# listener main has no address of IPv6: such connections pass by\n"
            "\t}\n}\n"));
}

Test(path_rules, steps_go_by_family)
{
    struct written *open = write_for(open_networks, "main");
    size_t i;

    cr_assert(open->good);
    cr_assert(open->rules.passes[PATH_IPV4] && !open->rules.passes[PATH_IPV6]);
    for (i = 0; i < PATH_STEPS; i++)
        cr_assert_eq(path_step_wanted(&open->rules, &path_steps[i]),
                     path_steps[i].family == PATH_IPV4, "step %zu", i);
    free(open);
}

Test(path_rules, one_listener_may_be_asked_for)
{
    struct written *six = write_for(redirected, "six");

    cr_assert(six->good);
    cr_assert_eq(span_find_span(text_span(&six->script), SPAN("listener main")), six->script.size);
    cr_assert_lt(span_find_span(text_span(&six->script), SPAN("listener six")), six->script.size);
    free(six);
}

Test(path_rules, a_script_that_does_not_fit_says_so)
{
    struct written *written = write_for(closed, NULL);
    char memory[100];
    struct text script = text_over(memory, sizeof(memory));

    cr_assert(
        path_rules_write(&written->config, SPAN(""), &written->rules, &script, &written->error));
    cr_assert(script.cut);
    free(written);
}

/* --- what can't be --- */

struct complaint {
    struct said said[SAID_MAX];
    const char *only;
    const char *says;
};

static const struct complaint complaints[] = {
    {{{"name", "main"}, {"listen", "*:25"}, {"relay", "sink"}},
     NULL,
     "no listener intercepts: write `intercept: tproxy` (or redirect) and `ports: [25]` in one"},
    {{{"name", "main"}, {"listen", "*:25"}, {"relay", "sink"}},
     "main",
     "listener `main` intercepts nothing: write `intercept: tproxy` (or redirect) and `ports: "
     "[25]` in it"},
    {{{"name", "main"}, {"listen", "*:25"}, {"intercept", "tproxy"}, {"ports", "25"}},
     "mian",
     "there is no listener `mian`"},
    {{{"name", "main"},
      {"listen", "*:25"},
      {"intercept", "tproxy"},
      {"ports", "25"},
      {"enabled", "off"}},
     NULL,
     "no listener intercepts: write `intercept: tproxy` (or redirect) and `ports: [25]` in one"},
    {{{"name", "main"}, {"listen", "127.0.0.1:2525"}, {"intercept", "redirect"}, {"ports", "25"}},
     NULL,
     "listener `main`, `listen: 127.0.0.1:2525`: the kernel drops what is redirected to loopback "
     "from outside: write `*` or an address of an interface, or `intercept: tproxy`, which may "
     "lead to loopback"},
    {{{"name", "main"}, {"listen", "gate.example:2525"}, {"intercept", "tproxy"}, {"ports", "25"}},
     NULL,
     "listener `main`, `listen: gate.example:2525`: rules lead to addresses, not to names: write "
     "an address, or * for all"},
    {{{"name", "one"},
      {"listen", "*:2525"},
      {"intercept", "redirect"},
      {"ports", "25"},
      {"ports", "587"},
      {"name", "two"},
      {"listen", "*:2526"},
      {"intercept", "tproxy"},
      {"ports", "465"},
      {"ports", "587"}},
     NULL,
     "listener `one` would get no connection to port 587: `two` takes them all; write "
     "`destinations` there, or leave the port out in one of them"},
};

Test(path_rules, what_cannot_be_is_said)
{
    size_t i;

    for (i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
        struct written *written = write_for(complaints[i].said, complaints[i].only);

        cr_assert_not(written->good, "row %zu", i);
        cr_assert(span_equal(text_span(&written->error), span_of_string(complaints[i].says)),
                  "row %zu says '%.*s'", i, (int)written->error.size, written->error.at);
        free(written);
    }
}
