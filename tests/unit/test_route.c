#include <criterion/criterion.h>

#include "lockstep/policy/policy.h"

struct pattern_row {
    const char *pattern;
    const char *text;
    bool matches;
};

static const struct pattern_row patterns[] = {
    {"*@shop.example", "a@shop.example", true},
    {"*@shop.example", "@SHOP.Example", true},
    {"*@shop.example", "a@shop.example.org", false},
    {"*@shop.example", "a@b@shop.example", true},
    {"a@*", "a@", true},
    {"a@*", "b@", false},
    {"*", "", true},
    {"*", "anything", true},
    {"", "", true},
    {"", "a", false},
    {"a", "", false},
    {"a*b*c", "abc", true},
    {"a*b*c", "a-b-b-c", true},
    {"a*b*c", "a-b-c-", false},
    {"a**b", "ab", true},
    {"*aab", "aaab", true},
    {"*.example", "example", false},
    {"192.0.2.1:25", "192.0.2.1:25", true},
};

Test(route, pattern_has_stars_and_no_case)
{
    size_t i;

    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        cr_assert_eq(
            pattern_matches(span_of_string(patterns[i].pattern), span_of_string(patterns[i].text)),
            patterns[i].matches, "'%s' '%s'", patterns[i].pattern, patterns[i].text);
}

/* A policy with these words of routes, "1.sender" "*@a". */
static const struct policy *policy_of(const char *const words[][2], size_t count)
{
    static struct policy policy;
    char memory[320], path_memory[64];
    struct text error = text_over(memory, sizeof(memory));
    size_t i;

    policy_default(&policy);
    for (i = 0; i < count; i++) {
        struct text path = text_over(path_memory, sizeof(path_memory));

        text_add(&path, SPAN("routes."));
        text_add(&path, span_of_string(words[i][0]));
        cr_assert(policy_set(&policy, text_span(&path), span_of_string(words[i][1]), &error),
                  "%.*s", (int)error.size, error.at);
    }
    return &policy;
}

#define POLICY(words) policy_of(words, sizeof(words) / sizeof((words)[0]))

static const char *const map[][2] = {
    {"1.client", "192.168.10.7"}, {"1.credential", "scanner"}, {"2.sender", "*@shop.example"},
    {"2.helo", "app*"},           {"2.credential", "shop"},    {"3.recipient", "*@inside.example"},
    {"3.relay", "inside"},
};

static void expect(const struct policy *policy, const struct trail *trail, enum chosen chosen,
                   uint32_t route)
{
    uint32_t found = 99;

    cr_assert_eq(route_choose(policy, trail, &found), chosen);
    cr_assert_eq(found, route, "%u", found);
}

Test(route, nothing_known_decides_nothing)
{
    const struct policy *policy = POLICY(map);
    struct trail trail = {0};

    expect(policy, &trail, UNDECIDED, 0);
}

Test(route, first_match_wins_at_once)
{
    const struct policy *policy = POLICY(map);
    struct trail trail = {0};

    trail_learn(&trail, policy, FACT_CLIENT, SPAN("192.168.10.7"));
    expect(policy, &trail, CHOSEN, 0);
    trail_learn(&trail, policy, FACT_SENDER, SPAN("a@shop.example"));
    expect(policy, &trail, CHOSEN, 0);
}

Test(route, waits_for_every_fact_that_it_wants)
{
    const struct policy *policy = POLICY(map);
    struct trail trail = {0};

    trail_learn(&trail, policy, FACT_CLIENT, SPAN("192.168.10.8"));
    expect(policy, &trail, UNDECIDED, 1);
    trail_learn(&trail, policy, FACT_HELO, SPAN("APP1"));
    expect(policy, &trail, UNDECIDED, 1);
    trail_learn(&trail, policy, FACT_SENDER, SPAN("a@shop.example"));
    expect(policy, &trail, CHOSEN, 1);
}

Test(route, what_is_ruled_out_is_not_waited_for)
{
    const struct policy *policy = POLICY(map);
    struct trail trail = {0};

    trail_learn(&trail, policy, FACT_CLIENT, SPAN("192.168.10.8"));
    trail_learn(&trail, policy, FACT_HELO, SPAN("other"));
    expect(policy, &trail, UNDECIDED, 2);
    trail_learn(&trail, policy, FACT_RECIPIENT, SPAN("b@inside.example"));
    expect(policy, &trail, CHOSEN, 2);
    trail_learn(&trail, policy, FACT_RECIPIENT, SPAN("b@outside.example"));
    expect(policy, &trail, UNROUTED, NOTHING);
}

Test(route, what_is_forgotten_is_open_again)
{
    const struct policy *policy = POLICY(map);
    struct trail trail = {0};

    trail_learn(&trail, policy, FACT_CLIENT, SPAN("192.168.10.8"));
    trail_learn(&trail, policy, FACT_HELO, SPAN("app"));
    trail_learn(&trail, policy, FACT_SENDER, SPAN("a@shop.example"));
    expect(policy, &trail, CHOSEN, 1);
    trail_forget(&trail, FACT_SENDER);
    expect(policy, &trail, UNDECIDED, 1);
    trail_learn(&trail, policy, FACT_SENDER, SPAN(""));
    expect(policy, &trail, UNDECIDED, 2);
}

Test(route, an_address_that_is_none_is_in_no_network)
{
    const struct policy *policy = POLICY(map);
    struct trail trail = {0};

    trail_learn(&trail, policy, FACT_CLIENT, SPAN("/run/socket"));
    expect(policy, &trail, UNDECIDED, 1);
}

Test(route, all_of_the_most_routes_can_be_chosen)
{
    static struct policy policy;
    struct trail trail = {0};
    uint32_t i;

    policy_default(&policy);
    for (i = 0; i < ROUTES_MAX; i++)
        policy.routes[i].wants[FACT_HELO] = i + 1 < ROUTES_MAX ? SPAN("x") : SPAN("last");
    policy.route_count = ROUTES_MAX;
    trail_learn(&trail, &policy, FACT_HELO, SPAN("last"));
    expect(&policy, &trail, CHOSEN, ROUTES_MAX - 1);
}

Test(route, says_which_facts_are_wanted)
{
    const struct policy *policy = POLICY(map);
    static const enum fact wanted[] = {FACT_CLIENT, FACT_HELO, FACT_SENDER, FACT_RECIPIENT};
    static const enum fact others[] = {FACT_DESTINATION, FACT_CERTIFICATE, FACT_LOGIN};
    size_t i;

    for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        cr_assert(routes_want(policy, wanted[i]), "%u", wanted[i]);
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        cr_assert_not(routes_want(policy, others[i]), "%u", others[i]);
}

Test(route, without_routes_nothing_is_chosen)
{
    static struct policy policy;
    struct trail trail = {0};

    policy_default(&policy);
    expect(&policy, &trail, UNROUTED, NOTHING);
}
