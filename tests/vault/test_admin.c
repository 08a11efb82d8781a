#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/answer.h"

static struct tally tally = TALLY_INIT;
static struct counts counts;

static const struct admin_credential good = {
    .name = "shop", .token = true, .came_ms = 1000000, .ends_ms = 4600000, .renewals = 7};
static const struct admin_credential lapsing = {
    .name = "last", .token = true, .barred = true, .ends_ms = 4600000, .error = "invalid_grant"};
static const struct admin_credential renewing = {.name = "scanner",
                                                 .health = ADMIN_RENEWING,
                                                 .token = true,
                                                 .failed_ms = 2000500,
                                                 .failures = 3,
                                                 .error = "no answer within 10 s \xff\n\"x\""};
static const struct admin_credential barred = {
    .name = "old", .health = ADMIN_LOGIN, .token = true, .came_ms = 1, .error = "invalid_grant"};

static const struct admin_credential failing = {
    .name = "bridge", .health = ADMIN_FAILING, .error = "relay office refused it"};

static char *answer(struct asked asked, struct snapshot snapshot)
{
    size_t size;
    char *text;

    if (asked.method.size == 0)
        asked.method = SPAN("GET");
    snapshot.version = "0.1";
    snapshot.counts = &counts;
    text = admin_answer(&asked, &snapshot, &size);
    cr_expect_eq(strlen(text), size);
    return text;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    struct asked asked;
    struct span token;
    const char *first;
    const char *holds;
} answers[] = {
    {{.path = SPAN_INIT("/livez")}, SPAN_INIT(""), "HTTP/1.1 200 OK\r\n", "\"live\":true"},
    {{.path = SPAN_INIT("/livez")}, SPAN_INIT("hush"), "HTTP/1.1 200 OK\r\n", "\"live\":true"},
    {{.path = SPAN_INIT("/readyz")}, SPAN_INIT(""), "HTTP/1.1 200 OK\r\n", "\"ready\":true"},
    {{.path = SPAN_INIT("/metrics")},
     SPAN_INIT(""),
     "HTTP/1.1 200 OK\r\n",
     "\r\n\r\n# HELP lockstep_build_info "},
    {{.path = SPAN_INIT("/")}, SPAN_INIT(""), "HTTP/1.1 404 ", "{\"error\":\"there are /livez"},
    {{.path = SPAN_INIT("/livez/")}, SPAN_INIT(""), "HTTP/1.1 404 ", "{\"error\""},
    {{.path = SPAN_INIT("/LIVEZ")}, SPAN_INIT(""), "HTTP/1.1 404 ", "{\"error\""},
    {{.path = SPAN_INIT("/metrics"), .method = SPAN_INIT("POST")},
     SPAN_INIT(""),
     "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n",
     "{\"error\""},
    {{.path = SPAN_INIT("/metrics")},
     SPAN_INIT("hush"),
     "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n",
     "{\"error\""},
    {{.path = SPAN_INIT("/nowhere")}, SPAN_INIT("hush"), "HTTP/1.1 401 ", "{\"error\""},
    {{.path = SPAN_INIT("/readyz"), .authorization = SPAN_INIT("Bearer hush")},
     SPAN_INIT("hush"),
     "HTTP/1.1 200 ",
     "\"ready\":true"},
    {{.path = SPAN_INIT("/readyz"), .authorization = SPAN_INIT("bearer  hush ")},
     SPAN_INIT("hush"),
     "HTTP/1.1 200 ",
     "\"ready\":true"},
    {{.path = SPAN_INIT("/readyz"), .authorization = SPAN_INIT("Bearer husH")},
     SPAN_INIT("hush"),
     "HTTP/1.1 401 ",
     "{\"error\""},
    {{.path = SPAN_INIT("/readyz"), .authorization = SPAN_INIT("Bearer hus")},
     SPAN_INIT("hush"),
     "HTTP/1.1 401 ",
     "{\"error\""},
    {{.path = SPAN_INIT("/readyz"), .authorization = SPAN_INIT("Bearer hushh")},
     SPAN_INIT("hush"),
     "HTTP/1.1 401 ",
     "{\"error\""},
    {{.path = SPAN_INIT("/readyz"), .authorization = SPAN_INIT("Bearer ")},
     SPAN_INIT("hush"),
     "HTTP/1.1 401 ",
     "{\"error\""},
    {{.path = SPAN_INIT("/readyz"), .authorization = SPAN_INIT("Basic hush")},
     SPAN_INIT("hush"),
     "HTTP/1.1 401 ",
     "{\"error\""},
    {{.path = SPAN_INIT("/readyz"), .authorization = SPAN_INIT("hush")},
     SPAN_INIT("hush"),
     "HTTP/1.1 401 ",
     "{\"error\""},
    /* browsers: whom they think they ask, and whose page made them */
    {{.path = SPAN_INIT("/readyz"), .host = SPAN_INIT("127.0.0.1:8474")},
     SPAN_INIT(""),
     OK,
     "y\":t"},
    {{.path = SPAN_INIT("/readyz"), .host = SPAN_INIT("[::1]:8474")}, SPAN_INIT(""), OK, "y\":t"},
    {{.path = SPAN_INIT("/readyz"), .host = SPAN_INIT("LocalHost")}, SPAN_INIT(""), OK, "y\":t"},
    {{.path = SPAN_INIT("/readyz"), .host = SPAN_INIT("evil.test:8474")},
     SPAN_INIT(""),
     "HTTP/1.1 403 Forbidden\r\n",
     "{\"error\":\"ask by an address"},
    {{.path = SPAN_INIT("/livez"), .host = SPAN_INIT("evil.test:8474")}, SPAN_INIT(""), OK, "live"},
    {{.path = SPAN_INIT("/readyz"),
      .host = SPAN_INIT("proxy.test:8474"),
      .authorization = SPAN_INIT("Bearer hush")},
     SPAN_INIT("hush"),
     OK,
     "y\":t"},
    {{.path = SPAN_INIT("/readyz"),
      .host = SPAN_INIT("localhost:8474"),
      .origin = SPAN_INIT("http://localhost:8474")},
     SPAN_INIT(""),
     OK,
     "y\":t"},
    {{.path = SPAN_INIT("/readyz"),
      .host = SPAN_INIT("localhost:8474"),
      .origin = SPAN_INIT("http://evil.test")},
     SPAN_INIT(""),
     "HTTP/1.1 403 ",
     "{\"error\":\"pages of other places"},
    {{.path = SPAN_INIT("/readyz"),
      .host = SPAN_INIT("localhost:8474"),
      .origin = SPAN_INIT("null")},
     SPAN_INIT(""),
     "HTTP/1.1 403 ",
     "{\"error\""},
};

Test(admin, answers)
{
    size_t i;

    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        char *text = answer(answers[i].asked, (struct snapshot){.token = answers[i].token});

        cr_expect(begins(text, answers[i].first), "row %zu: %s", i, text);
        cr_expect_not_null(strstr(text, answers[i].holds), "row %zu: %s", i, text);
        free(text);
    }
}

Test(admin, length_and_head)
{
    char *whole = answer((struct asked){.path = SPAN("/livez")}, (struct snapshot){0});
    char *head = answer((struct asked){.path = SPAN("/livez"), .method = SPAN("HEAD")},
                        (struct snapshot){0});
    char *body = strstr(whole, "\r\n\r\n") + 4;
    unsigned long length = 0;

    sscanf(strstr(whole, "Content-Length: "), "Content-Length: %lu", &length);
    cr_expect_eq(length, strlen(body));
    cr_expect_eq(strlen(head), strlen(whole) - strlen(body), "the same without its body");
    cr_expect(begins(whole, "HTTP/1.1 200") && strncmp(whole, head, strlen(head)) == 0);
    free(whole);
    free(head);
}

static json_t *ready(struct snapshot snapshot, const char *status)
{
    char *text = answer((struct asked){.path = SPAN("/readyz")}, snapshot);
    json_t *json = json_loads(strstr(text, "\r\n\r\n") + 4, 0, NULL);

    cr_expect(begins(text, status), "%s", text);
    cr_assert_not_null(json);
    free(text);
    return json;
}

static void expect_why(struct snapshot snapshot, const char *path, const char *state,
                       const char *error)
{
    json_t *json = ready(snapshot, "HTTP/1.1 503 Service Unavailable\r\n");
    json_t *why = json_array_get(json_object_get(json, "why"), 0);

    cr_expect(json_is_false(json_object_get(json, "ready")));
    cr_expect_eq(json_array_size(json_object_get(json, "why")), 1U);
    if (path != NULL)
        cr_expect_str_eq(json_string_value(json_object_get(why, "credential")), path);
    cr_expect_not_null(strstr(json_string_value(json_object_get(why, "state")), state));
    if (error != NULL)
        cr_expect_str_eq(json_string_value(json_object_get(why, "error")), error);
    json_decref(json);
}

Test(admin, not_ready_says_why)
{
    struct admin_credential pair[] = {good, renewing};

    json_decref(ready((struct snapshot){.credentials = &good, .credential_count = 1},
                      "HTTP/1.1 200 OK\r\n"));
    expect_why((struct snapshot){.ending = true}, NULL, "ending", NULL);
    expect_why((struct snapshot){.credentials = pair, .credential_count = 2}, "scanner",
               "has no token now", "no answer within 10 s ??\"x\"");
    expect_why((struct snapshot){.credentials = &failing, .credential_count = 1}, "bridge",
               "can not be used", "relay office refused it");
    expect_why((struct snapshot){.credentials = &barred, .credential_count = 1}, "old",
               "lockstep oauth login", "invalid_grant");
}

static struct report report_of(const char *listener, const char *relay, const char *ending)
{
    return (struct report){
        .listener = span_of_string(listener),
        .relay_name = span_of_string(relay),
        .summary = {.commands = 6,
                    .messages = 2,
                    .refused = 1,
                    .recipients = 3,
                    .repairs = 4,
                    .message_bytes = 5000000000,
                    .ending = ending},
    };
}

static void expect_line(const char *text, const char *line)
{
    char whole[300];

    snprintf(whole, sizeof(whole), "\n%s\n", line);
    cr_expect_not_null(strstr(text, whole), "%s in:\n%s", line, text);
}

Test(admin, metrics)
{
    struct report one = report_of("main", "office", "quit");
    struct report other = report_of("main", "", NULL);
    const struct repair_count repairs[REPAIR_COUNT] = {
        [REPAIR_REFUSED_SENDER] = {.done = 3, .noticed = 2}};
    struct refusal refusal = {.why = REFUSED_OUTSIDE, .listener = SPAN("a\"b\\\n")};
    struct admin_credential credentials[] = {good, renewing, barred, failing, lapsing};
    struct snapshot snapshot = {
        .now_ms = 2000000, .credentials = credentials, .credential_count = 5};
    char *text;

    one.repairs = repairs;
    tally_report(&tally, &one);
    tally_report(&tally, &one);
    tally_report(&tally, &other);
    tally_refusal(&tally, &refusal);
    tally_copy(&tally, &counts);
    text = answer((struct asked){.path = SPAN("/metrics")}, snapshot);
    expect_line(text, "lockstep_build_info{version=\"0.1\"} 1");
    expect_line(text, "# TYPE lockstep_sessions_total counter");
    expect_line(text,
                "lockstep_sessions_total{listener=\"main\",relay=\"office\",ending=\"quit\"} 2");
    expect_line(text, "lockstep_sessions_total{listener=\"main\",relay=\"\",ending=\"lost\"} 1");
    expect_line(text, "lockstep_commands_total{listener=\"main\",relay=\"office\"} 12");
    expect_line(text, "lockstep_messages_total{listener=\"main\",relay=\"office\"} 4");
    expect_line(text, "lockstep_messages_refused_total{listener=\"main\",relay=\"office\"} 2");
    expect_line(text, "lockstep_recipients_total{listener=\"main\",relay=\"office\"} 6");
    expect_line(text, "lockstep_repairs_total{listener=\"main\",relay=\"office\"} 8");
    expect_line(text,
                "lockstep_message_bytes_total{listener=\"main\",relay=\"office\"} 10000000000");
    expect_line(text, "lockstep_clients_refused_total{listener=\"a\\\"b\\\\\\n\","
                      "why=\"not-allowed\"} 1");
    expect_line(text, "lockstep_credential_usable{credential=\"shop\"} 1");
    expect_line(text, "lockstep_credential_usable{credential=\"scanner\"} 0");
    expect_line(text, "lockstep_credential_usable{credential=\"bridge\"} 0");
    cr_expect_null(strstr(text, "_seconds{credential=\"bridge\""), "it has no token");
    expect_line(text, "lockstep_credential_needs_login{credential=\"old\"} 1");
    expect_line(text, "lockstep_credential_needs_login{credential=\"last\"} 1");
    expect_line(text, "lockstep_credential_usable{credential=\"last\"} 1");
    expect_line(text, "lockstep_credential_needs_login{credential=\"scanner\"} 0");
    expect_line(text, "lockstep_credential_age_seconds{credential=\"shop\"} 1000");
    expect_line(text, "lockstep_credential_age_seconds{credential=\"scanner\"} -1");
    expect_line(text, "lockstep_credential_expiry_seconds{credential=\"shop\"} 2600");
    expect_line(text, "lockstep_credential_expiry_seconds{credential=\"scanner\"} 0");
    expect_line(text,
                "lockstep_credential_last_error_timestamp_seconds{credential=\"scanner\"} 2000.5");
    expect_line(text, "lockstep_credential_renewals_total{credential=\"shop\"} 7");
    expect_line(text, "lockstep_credential_failures_total{credential=\"scanner\"} 3");
    free(text);
}

Test(admin, metrics_of_limits)
{
    const struct limits_row limits[] = {
        {.name = "office", .held = 9, .late = 1, .waiting = 2, .sessions = 3, .failures = 4},
        {.name = "main", .listener = true, .held = 5}};
    struct snapshot snapshot = {.limits = limits, .limit_count = 2};
    char *text = answer((struct asked){.path = SPAN("/metrics")}, snapshot);

    expect_line(text, "lockstep_pace_held_total{relay=\"office\"} 9");
    expect_line(text, "lockstep_pace_held_total{listener=\"main\"} 5");
    expect_line(text, "lockstep_pace_late_total{relay=\"office\"} 1");
    expect_line(text, "lockstep_pace_waiting{relay=\"office\"} 2");
    expect_line(text, "lockstep_relay_sessions{relay=\"office\"} 3");
    expect_line(text, "lockstep_relay_address_failures_total{relay=\"office\"} 4");
    cr_expect_null(strstr(text, "lockstep_relay_sessions{listener"), "it is no relay");
    free(text);
}

/* Whatever names come, there are only so many series. */
Test(admin, labels_are_bounded)
{
    char listener[100], ending[100];
    uint64_t sessions = 0;
    uint32_t i, k;

    memset(listener, 'x', sizeof(listener) - 1);
    listener[sizeof(listener) - 1] = 0;
    for (i = 0; i < 200; i++) {
        struct report report = report_of(listener, "office", ending);

        snprintf(listener, sizeof(listener), "listener%u", i);
        snprintf(ending, sizeof(ending), "ending%u", i);
        report.listener = span_of_string(listener);
        tally_report(&tally, &report);
        report.listener = SPAN("one");
        tally_report(&tally, &report);
    }
    tally_copy(&tally, &counts);
    cr_expect_eq(counts.row_count, TALLY_ROWS_MAX);
    cr_expect_str_eq(counts.rows[TALLY_ROWS_MAX - 1].listener, "other");
    for (i = 0; i < counts.row_count; i++) {
        cr_expect_leq(counts.rows[i].ending_count, TALLY_ENDINGS_MAX);
        for (k = 0; k < counts.rows[i].ending_count; k++)
            sessions += counts.rows[i].endings[k].sessions;
    }
    cr_expect_eq(sessions, 400U, "none is lost");
}

/* --- its token --- */

static void expect_token(mode_t mode, const char *content, const char *says)
{
    char path[] = "/tmp/admin-token-XXXXXX";
    int fd = mkstemp(path);
    struct config_admin config = {.token_file = span_of_string(path)};
    struct admin_user user = {.tally = &tally, .version = "0.1"};
    char memory[300] = "";
    struct text why = text_over(memory, sizeof(memory) - 1);
    struct admin *admin;
    uv_loop_t uv;

    cr_assert(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    cr_assert(fchmod(fd, mode) == 0 && close(fd) == 0 && uv_loop_init(&uv) == 0);
    config.listen = (struct config_addresses){.count = 1, .rows = {{SPAN("127.0.0.1"), 0}}};
    admin = admin_open(&uv, &config, &user, &why);
    cr_expect_eq(admin == NULL, says != NULL, "%s", content);
    if (says != NULL)
        cr_expect_not_null(strstr(memory, says), "%s", memory);
    if (admin != NULL) {
        admin_stop(admin);
        uv_run(&uv, UV_RUN_DEFAULT);
        admin_free(&admin);
    }
    cr_expect_eq(uv_loop_close(&uv), 0);
    unlink(path);
}

Test(admin, a_token_is_secret_and_long)
{
    expect_token(0600, "0123456789abcdef", NULL);
    expect_token(0400, "0123456789abcdef\r\nmore\n", NULL);
    expect_token(0640, "0123456789abcdef\n", "others may read it");
    expect_token(0604, "0123456789abcdef\n", "others may read it");
    expect_token(0600, "0123456789abcde\n", "16 to 256 bytes");
    expect_token(0600, "\n0123456789abcdef", "16 to 256 bytes");
    expect_token(0600, "", "16 to 256 bytes");
}
