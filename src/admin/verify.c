/* Assertions in JSON, and their verdicts. What they mean is verify.h's. */
#include "lockstep/explain/verify.h"

#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "remembered.h"

#define ASSERTIONS_MAX 32U
#define WHY_BYTES 400U

struct request {
    json_t *json;
    struct choice choice;
    size_t count;
    struct verify_assertion assertions[ASSERTIONS_MAX];
};

/* --- values --- */

static struct span string_span(const json_t *json)
{
    return json_is_string(json) ? span_of(json_string_value(json), json_string_length(json))
                                : (struct span){0};
}

static bool pattern_is_good(struct span pattern)
{
    return pattern.size > 0 && pattern.size <= VERIFY_PATTERN_MAX;
}

/* What no line begins with would pass for "unseen" without a word. */
static bool read_line(struct span pattern, struct verify_step *step_r)
{
    static const struct span begins[] = {
        SPAN_INIT("C> "), SPAN_INIT("C< "), SPAN_INIT("U> "), SPAN_INIT("U< "),
        SPAN_INIT("! "),  SPAN_INIT("C "),  SPAN_INIT("U "),  SPAN_INIT("@ "),
    };
    size_t i;

    step_r->line = pattern;
    for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
        if (span_starts_fold(pattern, begins[i]))
            return pattern_is_good(pattern);
    return pattern_is_good(pattern) && pattern.at[0] == '*';
}

static bool read_reply(json_t *json, struct verify_step *step_r)
{
    const char *key;
    json_t *value;

    json_object_foreach(json, key, value)
    {
        struct span pattern = string_span(value);

        if (!pattern_is_good(pattern))
            return false;
        if (strcmp(key, "reply") == 0)
            step_r->reply = pattern;
        else if (strcmp(key, "to") == 0)
            step_r->to = pattern;
        else if (strcmp(key, "side") == 0 && span_equal(pattern, SPAN("upstream")))
            step_r->side = SIDE_UPSTREAM;
        else if (strcmp(key, "side") != 0 || !span_equal(pattern, SPAN("client")))
            return false;
    }
    return step_r->reply.size > 0;
}

static bool read_step(json_t *json, struct verify_step *step_r)
{
    *step_r = (struct verify_step){0};
    return json_is_object(json) ? read_reply(json, step_r) : read_line(string_span(json), step_r);
}

static bool read_limit(json_t *json, uint64_t *limit)
{
    if (json == NULL)
        return true;
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return false;
    *limit = (uint64_t)json_integer_value(json);
    return true;
}

/* 2, or {"at_least": 1, "at_most": 3} */
static bool read_number(json_t *json, struct verify_assertion *assertion)
{
    json_t *at_least = json_object_get(json, "at_least");
    json_t *at_most = json_object_get(json, "at_most");
    size_t given = (at_least != NULL) + (at_most != NULL);

    assertion->at_most = UINT64_MAX;
    if (json_is_integer(json))
        return read_limit(json, &assertion->at_least) && read_limit(json, &assertion->at_most);
    return json_is_object(json) && given > 0 && json_object_size(json) == given &&
           read_limit(at_least, &assertion->at_least) && read_limit(at_most, &assertion->at_most);
}

/* --- kinds --- */

static bool read_simple(json_t *json, json_t *value, struct verify_assertion *assertion)
{
    return json_object_size(json) == 1 && read_step(value, &assertion->steps[0]);
}

static bool read_count(json_t *json, json_t *value, struct verify_assertion *assertion)
{
    return json_object_size(json) == 2 && read_step(value, &assertion->steps[0]) &&
           read_number(json_object_get(json, "is"), assertion);
}

static bool read_order(json_t *json, json_t *value, struct verify_assertion *assertion)
{
    size_t count = json_array_size(value);
    size_t i;

    if (json_object_size(json) != 1 || count == 0 || count > VERIFY_STEPS_MAX)
        return false;
    for (i = 0; i < count; i++)
        if (!read_step(json_array_get(value, i), &assertion->steps[i]))
            return false;
    assertion->step_count = (uint32_t)count;
    return true;
}

static bool read_never(json_t *json, json_t *value, struct verify_assertion *assertion)
{
    json_t *before = json_object_get(json, "before");
    json_t *after = json_object_get(json, "after");

    assertion->after = after != NULL;
    return json_object_size(json) == 2 && read_step(value, &assertion->steps[0]) &&
           (before != NULL || after != NULL) &&
           read_step(before != NULL ? before : after, &assertion->steps[1]);
}

static bool read_total(json_t *json, json_t *value, struct verify_assertion *assertion)
{
    return json_object_size(json) == 1 && read_number(value, assertion);
}

static bool read_retried(json_t *json, json_t *value, struct verify_assertion *assertion)
{
    assertion->steps[0].reply = string_span(json_object_get(value, "after"));
    return json_object_size(json) == 1 && json_object_size(value) == 1 &&
           pattern_is_good(assertion->steps[0].reply);
}

static const struct {
    const char *word;
    enum verify_kind kind;
    bool (*read)(json_t *json, json_t *value, struct verify_assertion *assertion);
    const char *example;
} kinds[] = {
    {"seen", VERIFY_SEEN, read_simple, "{\"seen\": \"U> RCPT TO:<a@\"}"},
    {"unseen", VERIFY_UNSEEN, read_simple, "{\"unseen\": {\"reply\": \"503\", \"to\": \"DATA\"}}"},
    {"count", VERIFY_COUNT, read_count, "{\"count\": \"C> RCPT\", \"is\": 2}"},
    {"order", VERIFY_ORDER, read_order, "{\"order\": [\"C> MAIL\", \"U< 250\"]}"},
    {"never", VERIFY_NEVER, read_never,
     "{\"never\": \"U> DATA\", \"before\": "
     "{\"reply\": \"250\", \"to\": \"RCPT\", \"side\": \"upstream\"}}"},
    {"messages", VERIFY_MESSAGES, read_total, "{\"messages\": 1}"},
    {"sessions", VERIFY_SESSIONS, read_total, "{\"sessions\": {\"at_least\": 1, \"at_most\": 2}}"},
    {"retried", VERIFY_RETRIED, read_retried, "{\"retried\": {\"after\": \"4\"}}"},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static bool says(struct text *why, const char *words)
{
    text_add(why, span_of_string(words));
    return false;
}

static void complain(struct text *why, size_t number, const char *words, const char *example)
{
    text_add(why, SPAN("assert["));
    text_add_number(why, number);
    text_add(why, SPAN("]"));
    text_add(why, span_of_string(words));
    text_add(why, span_of_string(example));
}

static bool read_assertion(struct request *request, size_t number, json_t *json, struct text *why)
{
    struct verify_assertion *assertion = &request->assertions[number];
    size_t i;

    for (i = 0; i < KIND_COUNT; i++) {
        json_t *value = json_object_get(json, kinds[i].word);

        if (value == NULL)
            continue;
        assertion->kind = kinds[i].kind;
        if (kinds[i].read(json, value, assertion))
            return true;
        complain(why, number, " is not of this form: ", kinds[i].example);
        return says(why, "; a line begins with C>, C<, U>, U<, !, C, U or @, and a pattern so or "
                         "with *");
    }
    complain(why, number, " has none of the words of an assertion: ", "");
    for (i = 0; i < KIND_COUNT; i++) {
        text_add(why, i > 0 ? SPAN(", ") : SPAN(""));
        text_add(why, span_of_string(kinds[i].word));
    }
    return false;
}

/* --- the request --- */

static bool read_where(struct request *request, json_t *where, struct text *why)
{
    const char *key;
    json_t *value;

    choice_begin(&request->choice);
    if (where != NULL && !json_is_object(where))
        return says(why, "where is an object, such as {\"tag\": \"test-17.example\"}");
    json_object_foreach(where, key, value)
    {
        char number[64] = "";
        struct span text = string_span(value);

        if (json_is_number(value)) {
            snprintf(number, sizeof(number), "%.3f", json_number_value(value));
            text = span_of_string(number);
        }
        if (!choice_set(&request->choice, span_of_string(key), text, why))
            return false;
    }
    if (request->choice.limit > 0)
        return says(why, "limit is for lists: what is verified is all that is chosen");
    return true;
}

static bool read_request(struct request *request, struct span body, struct text *why)
{
    json_error_t error;
    json_t *list;
    const char *key;
    json_t *value;

    request->json =
        json_loadb(body.at != NULL ? body.at : "", body.size, JSON_REJECT_DUPLICATES, &error);
    list = json_object_get(request->json, "assert");
    request->count = json_array_size(list);
    if (request->json == NULL) {
        text_add(why, SPAN("line "));
        text_add_number(why, error.line > 0 ? (uint64_t)error.line : 1);
        text_add(why, SPAN(" of the body is no JSON: "));
        return says(why, error.text);
    }
    if (request->count == 0 || request->count > ASSERTIONS_MAX)
        return says(why, "assert is a list of 1 to 32 assertions: "
                         "{\"where\": {\"tag\": \"x\"}, \"assert\": [{\"messages\": 1}]}");
    json_object_foreach(request->json, key,
                        value) if (strcmp(key, "assert") != 0 &&
                                   strcmp(key, "where") !=
                                       0) return says(why, "there are two words, where and assert");
    json_array_foreach(list, request->count, value) if (!read_assertion(request, request->count,
                                                                        value, why)) return false;
    return read_where(request, json_object_get(request->json, "where"), why);
}

/* --- the verdict --- */

static json_t *proof_json(const struct verify_proof *proof, const struct past_facts *rows,
                          size_t count)
{
    char id[SESSION_ID_MAX];

    must(proof->session < count);
    return json_pack("{s:s,s:I,s:o}", "session", session_id(rows[proof->session].id, id), "line",
                     (json_int_t)proof->line, "text",
                     answer_words(span_of(proof->text, proof->size)));
}

static json_t *verdict_json(json_t *assertion, const struct verified *verdict,
                            const struct past_facts *rows, size_t count)
{
    json_t *lines = json_array();
    uint32_t i;

    for (i = 0; i < verdict->proof_count; i++)
        json_array_append_new(lines, proof_json(&verdict->proofs[i], rows, count));
    return json_pack("{s:O,s:b,s:s,s:o,s:I}", "assert", assertion, "passed", verdict->passed, "why",
                     verdict->why, "lines", lines, "more", (json_int_t)verdict->more);
}

static void turn_over(struct past_facts *rows, size_t count)
{
    size_t i;

    for (i = 0; i < count / 2; i++) {
        struct past_facts row = rows[i];

        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = row;
    }
}

/* Each transcript is read once, for all assertions; the oldest first. Returns how many there were,
 * and moves what is known of them to the front of `rows`, in that order. */
static size_t read_sessions(const struct request *request, struct history *history,
                            struct past_facts *rows, size_t count, struct verified *verdicts)
{
    size_t read = 0;
    size_t i, k;

    turn_over(rows, count);
    for (i = 0; i < count; i++) {
        struct remembered remembered;
        char host[ADDRESS_TEXT_MAX];
        struct verify_session session = {.script = &remembered.script};

        if (!remembered_load(history, rows[i].id, &remembered))
            continue;
        rows[read++] = remembered.facts;
        session.client = span_of_string(address_host(&remembered.facts.client, host));
        session.cut = remembered.facts.lines_left_out > 0;
        for (k = 0; k < request->count; k++)
            verify_read(&request->assertions[k], &session, &verdicts[k]);
        remembered_drop(&remembered);
    }
    return read;
}

static void answer_verdicts(struct answering *answering, const struct request *request)
{
    struct history *history = answering->snapshot->history;
    struct verified *verdicts = calloc(request->count, sizeof(*verdicts));
    json_t *list = json_object_get(request->json, "assert");
    json_t *results = json_array();
    bool passed = true;
    struct past_facts *rows;
    size_t count, i;

    must(verdicts != NULL);
    rows = history_list(history, &request->choice.filter, &count);
    count = read_sessions(request, history, rows, count, verdicts);
    for (i = 0; i < request->count; i++) {
        verify_end(&request->assertions[i], &verdicts[i]);
        passed = passed && verdicts[i].passed;
        json_array_append_new(results,
                              verdict_json(json_array_get(list, i), &verdicts[i], rows, count));
    }
    answer_json(answering, json_pack("{s:b,s:I,s:o}", "passed", passed, "sessions",
                                     (json_int_t)count, "results", results));
    free(rows);
    free(verdicts);
}

static void write_verdict(struct answering *answering)
{
    struct request *request = calloc(1, sizeof(*request));
    char memory[WHY_BYTES] = "";
    struct text why = text_over(memory, sizeof(memory) - 1);

    must(request != NULL);
    if (answering->snapshot->history == NULL)
        answer_error(answering, 404, "no sessions are remembered here: admin.sessions is 0");
    else if (read_request(request, answering->asked->body, &why))
        answer_verdicts(answering, request);
    else
        answer_error(answering, 400, memory);
    json_decref(request->json);
    free(request);
}

static const struct page pages[] = {
    {SPAN_INIT("POST"), SPAN_INIT("/api/v1/verify"), false, write_verdict,
     "Whether assertions hold of what was seen, with the lines that prove it: `{\"where\": "
     "{\"tag\": \"test-17.example\"}, \"assert\": [{\"messages\": 1}]}`; see VERIFYING."},
};

const struct page_family family_verify = {pages, sizeof(pages) / sizeof(pages[0])};
