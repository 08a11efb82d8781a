/* Is it alive, is it ready, and what has it counted? */
#include "answer.h"

static void write_live(struct answering *answering)
{
    answer_json(answering,
                json_pack("{s:b,s:s}", "live", 1, "version", answering->snapshot->version));
}

static void add_why(json_t *why, const struct admin_credential *credential)
{
    static const char *const states[] = {
        [ADMIN_GOOD] = "is well",
        [ADMIN_FAILING] = "can not be used to log in",
        [ADMIN_RENEWING] = "has no token now, which is being fetched",
        [ADMIN_LOGIN] = "needs a person to log in again: lockstep oauth login"};

    json_array_append_new(why, json_pack("{s:o,s:s,s:o}", "credential",
                                         answer_words(span_of_string(credential->name)), "state",
                                         states[credential->health], "error",
                                         answer_words(span_of_string(credential->error))));
}

static void write_ready(struct answering *answering)
{
    const struct snapshot *snapshot = answering->snapshot;
    json_t *why = json_array();
    bool ready;
    size_t i;

    if (snapshot->ending)
        json_array_append_new(why, json_pack("{s:s}", "state", "ending: no new sessions"));
    for (i = 0; i < snapshot->credential_count; i++)
        if (snapshot->credentials[i].health != ADMIN_GOOD)
            add_why(why, &snapshot->credentials[i]);
    ready = json_array_size(why) == 0;
    answering->status = ready ? 200 : 503;
    answer_json(answering, json_pack("{s:b,s:o}", "ready", ready, "why", why));
}

static void write_metrics(struct answering *answering)
{
    answering->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(answering->snapshot, answering->body);
}

static const struct page pages[] = {
    {SPAN_INIT("GET"), SPAN_INIT("/livez"), true, write_live,
     "200 as long as somebody is there to answer; needs no token."},
    {SPAN_INIT("GET"), SPAN_INIT("/readyz"), false, write_ready,
     "200 when mail can pass, else 503, and why."},
    {SPAN_INIT("GET"), SPAN_INIT("/metrics"), false, write_metrics,
     "Counters and credentials, in Prometheus' text format."},
};

const struct page_family family_health = {pages, sizeof(pages) / sizeof(pages[0])};
