/* Toxics as rules, and rules as toxics. */
#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/admin/toxic.h"
#include "lockstep/base/must.h"

static char rules_memory[TOXIC_BYTES_MAX], why_memory[400];

/* The rules of what was sent, or what is wrong with it. */
static struct span rules_of(const char *sent)
{
    struct text rules = text_over(rules_memory, sizeof(rules_memory));
    struct text why = text_over(why_memory, sizeof(why_memory));
    json_t *json = json_loads(sent, 0, NULL);
    enum toxic_fault fault;
    json_t *toxic;
    bool good;

    cr_assert_not_null(json, "%s", sent);
    toxic = toxic_read(json, &fault, &why);
    json_decref(json);
    if (toxic == NULL)
        return fault == TOXIC_WRONG        ? text_span(&why)
               : fault == TOXIC_WRONG_TYPE ? SPAN("wrong type")
                                           : SPAN("wrong stream");
    good = toxic_rules(toxic, &rules, &why);
    json_decref(toxic);
    return good ? text_span(&rules) : text_span(&why);
}

static const struct {
    const char *sent;
    const char *rules; /* or how the complaint begins */
} cases[] = {
    {"{\"type\":\"latency\",\"attributes\":{\"latency\":100,\"jitter\":5}}",
     "to-client do latency \"100ms\" jitter=\"5ms\"\n"},
    {"{\"type\":\"latency\",\"stream\":\"upstream\"}",
     "to-upstream do latency \"0ms\" jitter=\"0ms\"\n"},
    {"{\"type\":\"bandwidth\",\"attributes\":{\"rate\":32}}", "to-client do bandwidth \"32000\"\n"},
    {"{\"type\":\"bandwidth\",\"attributes\":{\"rate\":5000000}}",
     "to-client do bandwidth \"4294967295\"\n"},
    {"{\"type\":\"bandwidth\"}", "to-client do timeout 0ms\n"},
    {"{\"type\":\"slow_close\",\"attributes\":{\"delay\":7}}", "to-client do slow-close \"7ms\"\n"},
    {"{\"type\":\"timeout\",\"attributes\":{\"timeout\":7}}", "to-client do timeout \"7ms\"\n"},
    {"{\"type\":\"reset_peer\"}", "to-client do reset \"0ms\"\n"},
    {"{\"type\":\"slicer\",\"attributes\":"
     "{\"average_size\":9,\"size_variation\":2,\"delay\":1001}}",
     "to-client do slice \"9\" spread=\"2\" gap=\"2ms\"\n"},
    {"{\"type\":\"limit_data\",\"attributes\":{\"bytes\":9}}", "to-client do limit \"9\"\n"},
    {"{\"type\":\"latency\",\"attributes\":{\"latency\":1,\"client\":\"10.*\"}}",
     "to-client client=\"10.*\" do latency \"1ms\" jitter=\"0ms\"\n"},
    {"{\"type\":\"latency\",\"tag\":\"a.test\",\"toxicity\":0.25}",
     "to-client share=25 helo=\"a.test\" do latency \"0ms\" jitter=\"0ms\"\n"},
    {"{\"type\":\"reset_peer\",\"toxicity\":0}", "to-client share=0 do reset \"0ms\"\n"},
    {"{\"type\":\"reset_peer\",\"toxicity\":0.001}", "to-client share=1 do reset \"0ms\"\n"},
    {"{\"type\":\"reset_peer\",\"toxicity\":0.999}", "to-client share=99 do reset \"0ms\"\n"},
    {"{\"type\":\"drop\",\"attributes\":{\"on\":\"command\",\"verb\":\"RCPT\",\"nth\":2}}",
     "command RCPT nth=\"2\" do drop\n"},
    {"{\"type\":\"drop\"}", "reply do drop\n"},
    {"{\"type\":\"drop\",\"stream\":\"upstream\"}", "command do drop\n"},
    {"{\"type\":\"hold\",\"attributes\":{\"verb\":\"MAIL,RCPT\",\"count\":2,\"for\":50}}",
     "command MAIL,RCPT do hold \"2\" for=\"50ms\"\n"},
    {"{\"type\":\"end\",\"attributes\":{\"on\":\"open\",\"end\":\"reset\"}}",
     "open do end \"reset\"\n"},
    {"{\"type\":\"answer\",\"attributes\":{\"on\":\"command\",\"verb\":\"DATA\",\"early\":true,"
     "\"text\":\"554 \\\"so\\\" \\\\ it\\r\\n\",\"then\":\"close\",\"ask\":false}}",
     "command DATA early do answer \"554 \\\"so\\\" \\\\ it\\n\" then=\"close\"\n"},
    {"{\"type\":\"insert\",\"attributes\":{\"on\":\"command\",\"text\":\"A\\nB\\u0001\"}}",
     "command do insert \"A\\x0aB\\x01\"\n"},
    {"{\"type\":\"fold-lines\",\"attributes\":{\"count\":80}}", "content do fold-lines \"80\"\n"},
    {"{\"type\":\"rule\",\"attributes\":{\"rule\":\" command RCPT do drop\"}}",
     "command RCPT do drop\n"},
    {"{\"type\":\"rule\",\"tag\":\"a\",\"attributes\":{\"rule\":\"command RCPT do drop\"}}",
     "command helo=\"a\" RCPT do drop\n"},
    {"{\"type\":\"reorder\"}", "reorder\n"},

    {"{\"type\":\"latency\",\"stream\":\"up\"}", "wrong stream"},
    {"{\"type\":\"\"}", "wrong type"},
    {"{\"type\":\"Latency\"}", "wrong type"},
    {"{\"type\":5}", "type: "},
    {"{\"type\":\"latency\",\"toxicity\":2}", "toxicity: "},
    {"{\"type\":\"latency\",\"attributes\":[]}", "attributes: "},
    {"{\"type\":\"latency\",\"attributes\":{\"latency\":-1}}", "latency: write a number"},
    {"{\"type\":\"latency\",\"attributes\":{\"latency\":1.5}}", "latency: write a number"},
    {"{\"type\":\"latency\",\"attributes\":{\"latency\":\"1\"}}", "latency: write a number"},
    {"{\"type\":\"latency\",\"attributes\":{\"latency\":90000000}}", "write a duration"},
    {"{\"type\":\"latency\",\"attributes\":{\"delay\":1}}", "delay: no such attribute"},
    {"{\"type\":\"bandwidth\",\"attributes\":{\"rate\":\"0\"}}", "rate: write a number"},
    {"{\"type\":\"slicer\"}", "average_size: "},
    {"{\"type\":\"drop\",\"attributes\":{\"on\":\"to-client\"}}", "on: say where"},
    {"{\"type\":\"drop\",\"attributes\":{\"verb\":\"A B\"}}", "verb: write"},
    {"{\"type\":\"drop\",\"attributes\":{\"verb\":\"RSVP\"}}", "write a verb"},
    {"{\"type\":\"drop\",\"attributes\":{\"early\":1}}", "early: write true"},
    {"{\"type\":\"drop\",\"attributes\":{\"match\":\"a\\\"b\"}}", "match: no quotes"},
    {"{\"type\":\"drop\",\"attributes\":{\"text\":\"a\"}}", "write quotes round"},
    {"{\"type\":\"answer\"}", "write what is needed"},
    {"{\"type\":\"rule\"}", "rule: write"},
    {"{\"type\":\"rule\",\"attributes\":{\"rule\":\"a\\nb\"}}", "rule: it is one line"},
    {"{\"type\":\"reorder\",\"attributes\":{\"count\":1}}", "reorder: a profile has no"},
};

Test(toxic, means_rules)
{
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span rules = rules_of(cases[i].sent);
        struct span wanted = span_of_string(cases[i].rules);

        cr_expect(strchr(cases[i].rules, '\n') != NULL ? span_equal(rules, wanted)
                                                       : span_starts(rules, wanted),
                  "%s is %.*s", cases[i].sent, (int)rules.size, rules.at);
    }
}

/* Every rule of it, as it would be without a tag, behind its event. */
Test(toxic, scopes_a_profile)
{
    struct span scoped = rules_of("{\"type\":\"reorder\",\"tag\":\"a.test\"}");

    cr_expect(span_find_span(scoped, SPAN(" helo=\"a.test\" ")) < scoped.size, "%.*s",
              (int)scoped.size, scoped.at);
    cr_expect(span_ends(scoped, SPAN("\n")));
}

Test(toxic, has_all_that_it_has_by_default)
{
    struct text why = text_over(why_memory, sizeof(why_memory));
    json_t *sent = json_pack("{s:s}", "type", "latency");
    enum toxic_fault fault;
    json_t *toxic = toxic_read(sent, &fault, &why);
    json_t *wanted =
        json_pack("{s:s,s:s,s:s,s:i,s:{s:i,s:i}}", "name", "latency_downstream", "type", "latency",
                  "stream", "downstream", "toxicity", 1, "attributes", "latency", 0, "jitter", 0);

    cr_expect(json_equal(toxic, wanted));
    json_decref(sent);
    json_decref(toxic);
    json_decref(wanted);
}

static void comes_back(struct span entry)
{
    struct text rules = text_over(rules_memory, sizeof(rules_memory));
    struct text why = text_over(why_memory, sizeof(why_memory));
    json_t *toxic = toxic_of_entry(entry, 1);

    cr_expect(toxic_rules(toxic, &rules, &why));
    cr_expect(span_equal(span_head(text_span(&rules), rules.size - 1), entry));
    json_decref(toxic);
}

Test(toxic, comes_back_from_an_entry)
{
    comes_back(SPAN("reorder"));
    comes_back(SPAN("to-client helo=\"a b\" do latency 5ms"));
}
