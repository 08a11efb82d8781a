#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "net/past.h"

static struct history *history;

#define SAID                                                                                   \
    "+0 C open 192.0.2.7\n+0 U connect\n+0 U open\n+0 U< 220 hi\n+0 C< 220 hi\n"               \
    "+1 C> EHLO test-1.example\n+1 U> EHLO test-1.example\n+1 U< 250 hi\n+1 C< 250 hi\n"       \
    "+2 C> MAIL FROM: <a@b>\n! would path-syntax\n+2 U> MAIL FROM: <a@b>\n+2 U< 501 no \xff\n" \
    "+2 C< 501 no \xff\n"

/* One that ended and one that is live, of two listeners and clients. */
static void begin(void)
{
    static const struct config_admin config = {
        .listen = {.count = 1}, .sessions = 10, .session_bytes = 65536, .memory_bytes = 1 << 20};
    static struct config_listener listener = {.name = SPAN_INIT("printers")};
    struct report one = {.id = 0xabc, .listener = SPAN("printers"), .relay_name = SPAN("office")};
    struct report other = {.id = 2, .listener = SPAN("shop")};
    struct history_part *part;
    struct heading *heading;
    struct past *past;

    policy_default(&listener.policy);
    heading = heading_new(&listener);
    history = history_new(&config);
    part = history_join(history);
    cr_assert(address_literal(SPAN("192.0.2.7"), 1000, &one.client));
    cr_assert(address_literal(SPAN("2001:db8::1"), 1001, &other.client));
    one.summary = (struct summary){.commands = 2, .ending = "quit"};
    past = past_open(part, heading, &one);
    past_add(past, span_of_string(SAID), &one, true);
    past_end(&past, &one);
    past = past_open(part, heading, &other); /* the process ends before it does */
    past_add(past, SPAN("+0 C open 2001:db8::1\n+1 C> EHLO other.example\n"), &other, false);
    heading_drop(&heading);
}

static char *answer(const char *method, const char *path, const char *query, const char *body)
{
    struct asked asked = {
        .method = span_of_string(method),
        .path = span_of_string(path),
        .query = span_of_string(query),
        .body = span_of_string(body),
    };
    struct snapshot snapshot = {.history = history, .version = "0.1"};
    size_t size;

    return admin_answer(&asked, &snapshot, &size);
}

static json_t *ask(const char *method, const char *path, const char *query, const char *body,
                   const char *status)
{
    char *text = answer(method, path, query, body);
    json_t *json = json_loads(strstr(text, "\r\n\r\n") + 4, 0, NULL);

    cr_expect(strncmp(text + 9, status, 3) == 0, "%s", text);
    cr_assert_not_null(json, "%s", text);
    free(text);
    return json;
}

static const char *string_at(json_t *json, const char *key)
{
    const char *string = json_string_value(json_object_get(json, key));

    return string != NULL ? string : "";
}

static const struct {
    const char *query;
    size_t sessions;
    const char *error; /* NULL: none */
} lists[] = {
    {"", 2, NULL},
    {"state=live", 1, NULL},
    {"state=ended", 1, NULL},
    {"listener=printers", 1, NULL},
    {"listener=printers&state=live", 0, NULL},
    {"tag=TEST-1.example", 1, NULL},
    {"tag=test%2D1%2eexample", 1, NULL},
    {"client=192.0.2.7", 1, NULL},
    {"client=2001:db8::1", 1, NULL},
    {"client=%5B2001:db8::1%5D:1001", 1, NULL},
    {"session=0000000000000abc", 1, NULL},
    {"session=0000000000000ABC", 1, NULL},
    {"since=1000.25", 2, NULL},
    {"since=99999999999", 0, NULL},
    {"limit=1", 1, NULL},
    {"&limit=1&", 1, NULL},
    {"state=dead", 0, "state is live or ended"},
    {"session=abc", 0, "session is an id, 16 hexadecimal digits"},
    {"session=000000000000000g", 0, "session is an id, 16 hexadecimal digits"},
    {"since=yesterday", 0, "since is seconds since 1970, such as 1796000000.5"},
    {"since=1.2.3", 0, "since is seconds since 1970, such as 1796000000.5"},
    {"limit=0", 0, "limit is a number from 1 on"},
    {"tag=", 0, "tag is the name that the client greeted with"},
    {"lister=x", 0,
     "lister is unknown; there are listener, tag, client, session, state, since, "
     "limit"},
};

Test(sessions, lists)
{
    size_t i;

    begin();
    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const char *error = lists[i].error;
        json_t *json =
            ask("GET", "/api/v1/sessions", lists[i].query, "", error != NULL ? "400" : "200");

        cr_expect_eq(json_array_size(json_object_get(json, "sessions")), lists[i].sessions,
                     "row %zu", i);
        cr_expect_str_eq(string_at(json, "error"), error != NULL ? error : "", "row %zu", i);
        json_decref(json);
    }
}

Test(sessions, says_what_is_known)
{
    json_t *json, *rows, *row;

    begin();
    json = ask("GET", "/api/v1/sessions", "", "", "200");
    rows = json_object_get(json, "sessions");
    row = json_array_get(rows, 1);
    cr_expect_str_eq(string_at(row, "id"), "0000000000000abc");
    cr_expect_str_eq(string_at(row, "listener"), "printers");
    cr_expect_str_eq(string_at(row, "client"), "192.0.2.7:1000");
    cr_expect_str_eq(string_at(row, "tag"), "test-1.example");
    cr_expect_str_eq(string_at(row, "relay"), "office");
    cr_expect_str_eq(string_at(row, "ending"), "quit");
    cr_expect_str_eq(string_at(row, "state"), "ended");
    cr_expect_eq(json_integer_value(json_object_get(row, "commands")), 2);
    cr_expect_gt(json_real_value(json_object_get(row, "started")), 1.7e9);
    row = json_array_get(rows, 0);
    cr_expect_str_eq(string_at(row, "state"), "live", "the newest comes first");
    cr_expect(json_is_null(json_object_get(row, "ended")));
    cr_expect(json_is_null(json_object_get(row, "relay")));
    json_decref(json);
    json = ask("GET", "/api/v1/sessions", "limit=1", "", "200");
    cr_expect_eq(json_integer_value(json_object_get(json, "more")), 1);
    json_decref(json);
}

Test(sessions, one_of_them)
{
    json_t *json, *note, *lines;
    char *text;

    begin();
    json = ask("GET", "/api/v1/sessions/0000000000000abc", "", "", "200");
    note = json_array_get(json_object_get(json, "notes"), 0);
    lines = json_object_get(json, "transcript");
    cr_expect_str_eq(string_at(note, "text"), "would path-syntax");
    cr_expect_str_eq(string_at(note, "says"), repair_row(REPAIR_PATH_SYNTAX)->says.at);
    cr_expect_str_eq(json_string_value(json_array_get(
                         lines, (size_t)json_integer_value(json_object_get(note, "line")) - 1)),
                     "! would path-syntax");
    cr_expect_str_eq(json_string_value(json_array_get(lines, json_array_size(lines) - 1)),
                     "+2 C< 501 no ?");
    json_decref(json);
    text = answer("GET", "/api/v1/sessions/0000000000000abc", "format=text", "");
    cr_expect_not_null(strstr(text, "Content-Type: text/plain"));
    cr_expect_not_null(strstr(text, "\r\n\r\n# client 192.0.2.7:1000\n# listener printers\n@ "));
    cr_expect_not_null(strstr(text, "\n@ seed 2748\n" SAID));
    free(text);
    json_decref(ask("GET", "/api/v1/sessions/0000000000000abd", "", "", "404"));
    json_decref(ask("GET", "/api/v1/sessions/abc", "", "", "404"));
    json_decref(ask("GET", "/api/v1/sessions/0000000000000abc", "format=xml", "", "400"));
    json_decref(ask("GET", "/api/v1/sessions/0000000000000abc/more", "", "", "404"));
}

Test(sessions, forgets_the_ended)
{
    json_t *json;

    begin();
    json = ask("DELETE", "/api/v1/sessions", "", "", "200");
    cr_expect_eq(json_integer_value(json_object_get(json, "forgotten")), 1);
    json_decref(json);
    json = ask("GET", "/api/v1/sessions", "", "", "200");
    cr_expect_eq(json_array_size(json_object_get(json, "sessions")), 1);
    json_decref(json);
}

Test(sessions, proposes_repairs)
{
    char *text;

    begin();
    text = answer("GET", "/api/v1/proposal", "listener=printers", "");
    cr_expect_not_null(strstr(text, "Content-Type: application/yaml"));
    cr_expect_not_null(strstr(text, "\r\n\r\n# 1 session, something refused in 1\nmode: repair\n"));
    cr_expect_not_null(strstr(text, "path-syntax  # 1 session of 192.0.2.7\n"), "%s", text);
    free(text);
    json_decref(ask("GET", "/api/v1/proposal", "listen=printers", "", "400"));
}

Test(sessions, are_none_when_none_are_remembered)
{
    json_decref(ask("GET", "/api/v1/sessions", "", "", "404"));
    json_decref(ask("POST", "/api/v1/verify", "", "{\"assert\":[{\"messages\":1}]}", "404"));
    json_decref(ask("GET", "/api/v1/proposal", "", "", "404"));
}

/* --- verify --- */

static const struct {
    const char *body;
    int passed; /* -1: an error */
    const char *error;
} requests[] = {
    {"{'assert':[{'seen':'C> MAIL'}]}", 1, NULL},
    {"{'where':{'tag':'other.example'},'assert':[{'seen':'C> MAIL'}]}", 0, NULL},
    {"{'where':{'tag':'nobody'},'assert':[{'unseen':'C> MAIL'}]}", 0, NULL},
    {"{'where':{'tag':'nobody'},'assert':[{'sessions':0}]}", 1, NULL},
    {"{'where':{'since':1000.5},'assert':[{'sessions':2}]}", 1, NULL},
    {"{'where':{'since':99999999999},'assert':[{'sessions':0}]}", 1, NULL},
    {"{'where':{'session':'0000000000000abc'},'assert':[{'sessions':1}]}", 1, NULL},
    {"{'assert':[{'seen':{'reply':'501','to':'MAIL'}}]}", 1, NULL},
    {"{'assert':[{'seen':{'reply':'501','to':'MAIL','side':'upstream'}}]}", 1, NULL},
    {"{'assert':[{'seen':{'reply':'501','to':'MAIL','side':'client'}}]}", 1, NULL},
    {"{'assert':[{'unseen':'C> MAIL'}]}", 0, NULL},
    {"{'assert':[{'count':'C> EHLO','is':2}]}", 1, NULL},
    {"{'assert':[{'count':'C> EHLO','is':{'at_least':1}}]}", 1, NULL},
    {"{'assert':[{'count':'C> EHLO','is':{'at_least':3}}]}", 0, NULL},
    {"{'assert':[{'count':'C> EHLO','is':{'at_most':1}}]}", 0, NULL},
    {"{'assert':[{'order':['C> EHLO','U> EHLO',{'reply':'250'}]}]}", 1, NULL},
    {"{'assert':[{'never':'U> MAIL','before':{'reply':'250','to':'EHLO','side':'upstream'}}]}", 1,
     NULL},
    {"{'assert':[{'never':'U> MAIL','after':'C> EHLO'}]}", 0, NULL},
    {"{'assert':[{'messages':0}]}", 1, NULL},
    {"{'assert':[{'messages':{'at_least':1,'at_most':2}}]}", 0, NULL},
    {"{'assert':[{'retried':{'after':'5'}}]}", 0, NULL},
    {"{'assert':[{'seen':'C> MAIL'},{'seen':'C> RCPT'}]}", 0, NULL},
    {"", -1, "line 1 of the body is no JSON"},
    {"{'assert':[{'seen':'C> MAIL'}]", -1, "is no JSON"},
    {"{'assert':[{'seen':'C> MAIL'}],'assert':[]}", -1, "is no JSON"},
    {"[]", -1, "assert is a list"},
    {"{'assert':[]}", -1, "assert is a list"},
    {"{'assert':{'seen':'C> MAIL'}}", -1, "assert is a list"},
    {"{'assert':[{'seen':'C> M'}],'were':{}}", -1, "there are two words"},
    {"{'assert':[{'seen':'C> M'}],'where':[]}", -1, "where is an object"},
    {"{'assert':[{'seen':'C> M'}],'where':{'tug':'x'}}", -1, "tug is unknown; there are listener"},
    {"{'assert':[{'seen':'C> M'}],'where':{'tag':null}}", -1, "tag is the name"},
    {"{'assert':[{'seen':'C> M'}],'where':{'limit':5}}", -1, "limit is"},
    {"{'assert':[{'seen':'C> M'},{'sene':'C> M'}]}", -1,
     "assert[1] has none of the words of an assertion: seen, unseen, count"},
    {"{'assert':['seen']}", -1, "assert[0] has none"},
    {"{'assert':[{'seen':'MAIL'}]}", -1, "a line begins with C>"},
    {"{'assert':[{'seen':''}]}", -1, "assert[0] is not of this form: {\"seen\": "},
    {"{'assert':[{'seen':'C> M','to':'x'}]}", -1, "assert[0] is not of this form"},
    {"{'assert':[{'seen':{'to':'MAIL'}}]}", -1, "assert[0] is not of this form"},
    {"{'assert':[{'seen':{'reply':'250','side':'relay'}}]}", -1, "assert[0] is not of this form"},
    {"{'assert':[{'seen':{'reply':'250','too':'MAIL'}}]}", -1, "assert[0] is not of this form"},
    {"{'assert':[{'count':'C> M'}]}", -1, "is not of this form: {\"count\""},
    {"{'assert':[{'count':'C> M','is':-1}]}", -1, "is not of this form: {\"count\""},
    {"{'assert':[{'count':'C> M','is':{'at_lest':1}}]}", -1, "is not of this form: {\"count\""},
    {"{'assert':[{'order':[]}]}", -1, "is not of this form: {\"order\""},
    {"{'assert':[{'order':['C> M',3]}]}", -1, "is not of this form: {\"order\""},
    {"{'assert':[{'never':'C> M'}]}", -1, "is not of this form: {\"never\""},
    {"{'assert':[{'never':'C> M','before':'C> N','after':'C> O'}]}", -1, "is not of this form"},
    {"{'assert':[{'messages':'1'}]}", -1, "is not of this form: {\"messages\""},
    {"{'assert':[{'retried':'4'}]}", -1, "is not of this form: {\"retried\""},
};

static json_t *verify(size_t row)
{
    char body[400];
    size_t i;

    for (i = 0; requests[row].body[i] != 0; i++)
        body[i] = requests[row].body[i] == '\'' ? '"' : requests[row].body[i];
    body[i] = 0;
    return ask("POST", "/api/v1/verify", "", body, requests[row].passed < 0 ? "400" : "200");
}

Test(sessions, are_verified)
{
    size_t i;

    begin();
    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        json_t *json = verify(i);

        if (requests[i].passed < 0)
            cr_expect_not_null(strstr(string_at(json, "error"), requests[i].error), "row %zu: %s",
                               i, string_at(json, "error"));
        else
            cr_expect_eq(json_is_true(json_object_get(json, "passed")), requests[i].passed,
                         "row %zu: %s", i, requests[i].body);
        json_decref(json);
    }
}

Test(sessions, prove_it)
{
    json_t *json, *result, *line;

    begin();
    json = verify(0);
    result = json_array_get(json_object_get(json, "results"), 0);
    line = json_array_get(json_object_get(result, "lines"), 0);
    cr_expect_eq(json_integer_value(json_object_get(json, "sessions")), 2);
    cr_expect_str_eq(string_at(json_object_get(result, "assert"), "seen"), "C> MAIL");
    cr_expect_str_eq(string_at(line, "session"), "0000000000000abc");
    cr_expect_str_eq(string_at(line, "text"), "C> MAIL FROM: <a@b>");
    cr_expect_gt(json_integer_value(json_object_get(line, "line")), 10);
    json_decref(json);
}
