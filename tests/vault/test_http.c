#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/http/client.h"
#include "scripted.h"

#define TEN "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"

/* What was told, copied. */
struct heard {
    uint32_t times;
    uint16_t status;
    size_t body_size;
    char error[HTTP_ERROR_MAX + 1];
    char header[100]; /* of X-Test */
    char body[HTTP_BODY_BYTES_MAX];
};

static void hear(void *data, const struct http_answer *answer)
{
    struct heard *heard = data;
    struct span header = http_header(answer, SPAN("x-TEST"));

    heard->times++;
    heard->status = answer->status;
    heard->body_size = answer->body.size;
    memcpy(heard->error, answer->error.at != NULL ? answer->error.at : "", answer->error.size);
    memcpy(heard->header, header.at != NULL ? header.at : "", header.size);
    memcpy(heard->body, answer->body.at != NULL ? answer->body.at : "", answer->body.size);
}

/* The loop of one test. */
struct place {
    uv_loop_t uv;
    struct link_loop links;
    struct http_client *client;
};

static struct place *place_open(const char *ca_file)
{
    struct place *place = calloc(1, sizeof(*place));

    cr_assert_not_null(place);
    uv_loop_init(&place->uv);
    link_loop_init(&place->links, &place->uv);
    place->client = http_client_open(&place->links, span_of_string(ca_file));
    return place;
}

static void place_close(struct place *place)
{
    if (place->client != NULL)
        http_client_close(&place->client);
    link_loop_close(&place->links);
    uv_run(&place->uv, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&place->uv), 0, "every handle is closed");
    free(place);
}

/* The client's turn of timers and links keeps the loop alive, so it runs until something is told.
 */
static void place_run(struct place *place, const struct heard *heard)
{
    while (heard->times == 0)
        uv_run(&place->uv, UV_RUN_ONCE);
}

static struct heard *heard_new(void)
{
    struct heard *heard = calloc(1, sizeof(*heard));

    cr_assert_not_null(heard);
    return heard;
}

/* Asks the script's server; into `said_r`, when not NULL, goes what it heard. */
static struct heard *ask(const struct scripted_script *script, struct http_request request,
                         const char *ca_file, char **said_r)
{
    struct heard *heard = heard_new();
    struct place *place = place_open(ca_file);
    struct scripted *server;
    char url[100];
    uint16_t port;

    server = scripted_start(script, &port);
    if (request.url.size == 0) {
        snprintf(url, sizeof(url), "%s://127.0.0.1:%u/token?x", ca_file != NULL ? "https" : "http",
                 port);
        request.url = span_of_string(url);
    }
    request.told = hear;
    request.data = heard;
    if (request.deadline_ms == 0)
        request.deadline_ms = 10000;
    http_ask(place->client, &request);
    cr_expect_eq(heard->times, 0, "nothing is told before asking has returned");
    place_run(place, heard);
    place_close(place);
    cr_expect_eq(heard->times, 1);
    scripted_stop(server);
    if (said_r != NULL)
        *said_r = strndup(scripted_heard(server).at, scripted_heard(server).size);
    scripted_free(&server);
    return heard;
}

static struct heard *ask_simply(struct span says, enum scripted_end end, size_t piece)
{
    struct scripted_step steps[] = {{"\r\n\r\n", says}, {0}};
    struct scripted_script script = {.steps = steps, .end = end, .piece = piece};

    return ask(&script, (struct http_request){0}, NULL, NULL);
}

Test(http, answers)
{
    static const struct {
        const char *what;
        struct span says;
        enum scripted_end end;
        uint16_t status;
        const char *body;
        const char *header;
    } rows[] = {
        {"length, and a server that stays", SPAN_INIT(TEN), SCRIPTED_SILENCE, 200, "0123456789",
         ""},
        {"more than the length", SPAN_INIT(TEN "HTTP/1.1 500 No\r\n\r\n"), SCRIPTED_SILENCE, 200,
         "0123456789", ""},
        {"no body", SPAN_INIT("HTTP/1.1 204 No\r\nX-Test: a \t\r\n\r\n"), SCRIPTED_SILENCE, 204, "",
         "a"},
        {"until the end", SPAN_INIT("HTTP/1.0 400 No\r\nx-test:\r\n\r\nall of\r\nit"),
         SCRIPTED_CLOSE, 400, "all of\r\nit", ""},
        {"chunks, and trailers that are no headers",
         SPAN_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
                   "A;x=y\r\n0123456789\r\n0\r\nX-Test: late\r\n\r\n"),
         SCRIPTED_SILENCE, 200, "abc0123456789", ""},
        {"interim answers",
         SPAN_INIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX-Test: early\r\n\r\n"
                   "HTTP/1.1 200 OK\r\nX-Test: final\r\nX-Test: second\r\n"
                   "Content-Length: 1\r\n\r\n-"),
         SCRIPTED_SILENCE, 200, "-", "final"},
        {"no server's fault of ours", SPAN_INIT("HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n"),
         SCRIPTED_SILENCE, 599, "", ""},
    };
    size_t i, piece;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (piece = 0; piece < 3; piece++) {
            struct heard *heard = ask_simply(rows[i].says, rows[i].end, piece);

            cr_expect_str_eq(heard->error, "", "%s", rows[i].what);
            cr_expect_eq(heard->status, rows[i].status, "%s", rows[i].what);
            cr_expect_str_eq(heard->body, rows[i].body, "%s", rows[i].what);
            cr_expect_str_eq(heard->header, rows[i].header, "%s", rows[i].what);
            free(heard);
        }
    }
}

Test(http, errors)
{
    static const struct {
        struct span says;
        enum scripted_end end;
        const char *error;
    } rows[] = {
        {SPAN_INIT(""), SCRIPTED_CLOSE, "the server ended without an answer"},
        {SPAN_INIT("HTTP/1.1 200"), SCRIPTED_CLOSE, "the server ended in the middle of its answer"},
        {SPAN_INIT("HTTP/1.1 100 Continue\r\n\r\n"), SCRIPTED_CLOSE,
         "the server ended in the middle of its answer"},
        {SPAN_INIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), SCRIPTED_CLOSE,
         "the server ended in the middle of its answer"},
        {SPAN_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"),
         SCRIPTED_CLOSE, "the server ended in the middle of its answer"},
        {SPAN_INIT("220 mx.example ESMTP\r\n"), SCRIPTED_SILENCE, "the answer is not HTTP"},
        {SPAN_INIT("\x15\x03\x01\0\x02\x02\x46"), SCRIPTED_SILENCE, "the answer is not HTTP"},
        {SPAN_INIT("HTTP/2.0 200 OK\r\n\r\n"), SCRIPTED_SILENCE, "the answer is not HTTP/1.1"},
        {SPAN_INIT("HTTP/1.1 099 OK\r\n\r\n"), SCRIPTED_SILENCE, "the answer is not HTTP/1.1"},
        {SPAN_INIT("HTTP/1.1 999 OK\r\n\r\n"), SCRIPTED_SILENCE, "the answer is not HTTP/1.1"},
        {SPAN_INIT("HTTP/1.1 101 Other\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
         SCRIPTED_SILENCE, "the server wants another protocol than HTTP"},
        {SPAN_INIT("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), SCRIPTED_SILENCE,
         "the answer is not HTTP"},
        {SPAN_INIT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
         SCRIPTED_SILENCE, "the answer is not HTTP"},
        {SPAN_INIT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
         SCRIPTED_SILENCE, "the answer is not HTTP"},
        {SPAN_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
         SCRIPTED_SILENCE, "the answer is not HTTP"},
        {SPAN_INIT("HTTP/1.1 200 OK\r: b\r\n\r\n"), SCRIPTED_SILENCE, "the answer is not HTTP"},
        {SPAN_INIT("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"), SCRIPTED_SILENCE,
         "the answer is not HTTP"},
        {SPAN_INIT("HTTP/1.1 302 Found\r\nLocation: http://other/?code=1\r\n\r\n"), SCRIPTED_CLOSE,
         "the server redirects, which is not followed, to http://other/"},
    };
    size_t i, piece;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (piece = 0; piece < 2; piece++) {
            struct heard *heard = ask_simply(rows[i].says, rows[i].end, piece);

            cr_expect_str_eq(heard->error, rows[i].error, "row %zu", i);
            cr_expect_eq(heard->status, 0, "row %zu", i);
            free(heard);
        }
    }
}

/* An answer cut at any byte is an error, never a shorter answer. */
Test(http, cut_at_every_byte)
{
    static const struct {
        struct span says;
    } rows[] = {{SPAN_INIT(TEN)},
                {SPAN_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "2\r\nab\r\n0\r\n\r\n")}};
    size_t i, size;

    for (i = 0; i < 2; i++) {
        for (size = 0; size < rows[i].says.size; size++) {
            struct heard *closed = ask_simply(span_head(rows[i].says, size), SCRIPTED_CLOSE, 0);
            struct heard *reset = ask_simply(span_head(rows[i].says, size), SCRIPTED_RESET, 0);

            cr_expect_eq(closed->status + reset->status, 0, "row %zu at %zu", i, size);
            cr_expect(strncmp(closed->error, "the server ended ", 17) == 0, "%s", closed->error);
            cr_expect_str_eq(reset->error, "connection lost: connection reset by peer");
            free(closed);
            free(reset);
        }
    }
}

/* `head`, as often as `byte`, `tail`; the borders of the limits. */
static struct heard *ask_long(const char *head, size_t count, char byte, const char *tail)
{
    size_t head_size = strlen(head);
    size_t size = head_size + count + strlen(tail);
    char *says = malloc(size + 1);
    struct heard *heard;

    cr_assert_not_null(says);
    memcpy(says, head, head_size);
    memset(says + head_size, byte, count);
    memcpy(says + head_size + count, tail, strlen(tail) + 1);
    heard = ask_simply(span_of(says, size), SCRIPTED_CLOSE, 0);
    free(says);
    return heard;
}

Test(http, limits)
{
    static const struct {
        const char *head;
        size_t count;
        const char *tail;
        const char *error;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", HTTP_BODY_BYTES_MAX, "", ""},
        {"HTTP/1.1 200 OK\r\n\r\n", HTTP_BODY_BYTES_MAX + 1, "",
         "the answer is longer than 64 KiB"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", HTTP_BODY_BYTES_MAX + 1, "",
         "the answer is longer than 64 KiB"},
        {"HTTP/1.1 200 OK\r\na:", HTTP_HEAD_BYTES_MAX - 1, "\r\n\r\n", ""},
        {"HTTP/1.1 200 OK\r\na:", HTTP_HEAD_BYTES_MAX, "\r\n\r\n",
         "the answer's head is longer than 16 KiB"},
        {"HTTP/1.1 200 OK\r\n", HTTP_HEAD_BYTES_MAX + 1, ": a\r\n\r\n",
         "the answer's head is longer than 16 KiB"},
        {"HTTP/1.1 100 Wait\r\na:", HTTP_HEAD_BYTES_MAX, "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
         "the answer's head is longer than 16 KiB"},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct heard *heard = ask_long(rows[i].head, rows[i].count, 'x', rows[i].tail);

        cr_expect_str_eq(heard->error, rows[i].error, "row %zu", i);
        free(heard);
    }
}

Test(http, as_many_headers_as_there_is_room_for)
{
    char says[2000];
    uint32_t count;

    for (count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
        struct text text = text_over(says, sizeof(says));
        struct heard *heard;
        uint32_t i;

        text_add(&text, SPAN("HTTP/1.1 200 OK\r\n"));
        for (i = 1; i < count; i++)
            text_add(&text, SPAN("a: b\r\n"));
        text_add(&text, SPAN("x-test: last\r\n\r\n"));
        heard = ask_simply(text_span(&text), SCRIPTED_CLOSE, 0);
        cr_expect_str_eq(heard->header, count == HTTP_HEADERS_MAX ? "last" : "");
        cr_expect_str_eq(heard->error, count == HTTP_HEADERS_MAX
                                           ? ""
                                           : "the answer's head is longer than 16 KiB");
        free(heard);
    }
}

Test(http, what_is_sent)
{
    static const struct http_header headers[] = {
        {SPAN_INIT("Authorization"), SPAN_INIT("Basic eDp5")},
        {SPAN_INIT("Content-Type"), SPAN_INIT("text/plain")},
    };
    static const struct scripted_step steps[] = {{"hello", SPAN_INIT(TEN)}, {0}};
    struct scripted_script script = {.steps = steps};
    struct http_request request = {
        .post = true, .header_count = 2, .headers = headers, .body = SPAN("hello")};
    struct heard *heard;
    char expected[300];
    char *said;
    unsigned port = 0;

    heard = ask(&script, request, NULL, &said);
    cr_expect_eq(heard->status, 200);
    cr_expect_eq(sscanf(said, "POST /token?x HTTP/1.1\r\nHost: 127.0.0.1:%u", &port), 1);
    snprintf(expected, sizeof(expected),
             "POST /token?x HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
             "Authorization: Basic eDp5\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
             "hello",
             port);
    cr_expect_str_eq(said, expected);
    free(said);
    free(heard);
}

Test(http, what_is_not_sent)
{
    static const struct {
        struct span url;
        struct http_header header;
        const char *error;
    } rows[] = {
        {SPAN_INIT("http://127.0.0.1/\r\nX: y"), {SPAN_INIT("a"), SPAN_INIT("b")}, "no blanks"},
        {SPAN_INIT("ftp://127.0.0.1/"), {SPAN_INIT("a"), SPAN_INIT("b")}, "only http:// and"},
        {SPAN_INIT("http://127.0.0.1:1/"), {SPAN_INIT("a"), SPAN_INIT("b\r\nc")}, "end of a line"},
        {SPAN_INIT("http://127.0.0.1:1/"), {SPAN_INIT("a"), SPAN_INIT("b\n")}, "end of a line"},
        {SPAN_INIT("http://127.0.0.1:1/"), {SPAN_INIT("a"), SPAN_INIT("\0b")}, "end of a line"},
        {SPAN_INIT("http://127.0.0.1:1/"), {SPAN_INIT("a b"), SPAN_INIT("c")}, "end of a line"},
        {SPAN_INIT("http://127.0.0.1:1/"), {SPAN_INIT(""), SPAN_INIT("c")}, "end of a line"},
        {SPAN_INIT("http://127.0.0.1:1/"),
         {SPAN_INIT("a"), SPAN_INIT("b")},
         "connection refused by 127.0.0.1:1"},
        {SPAN_INIT("http://no-such-host.invalid/"), {SPAN_INIT("a"), SPAN_INIT("b")}, "name not "},
    };
    static const struct scripted_step steps[] = {{0}};
    struct scripted_script script = {.steps = steps};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_request request = {
            .url = rows[i].url, .header_count = 1, .headers = &rows[i].header};
        struct heard *heard = ask(&script, request, NULL, NULL);

        cr_expect_not_null(strstr(heard->error, rows[i].error), "row %zu: %s", i, heard->error);
        free(heard);
    }
}

Test(http, a_head_that_is_too_long_is_not_sent)
{
    static const struct scripted_step steps[] = {{0}};
    struct scripted_script script = {.steps = steps};
    char *value = calloc(1, HTTP_ASKED_HEAD_MAX);
    struct http_header header = {SPAN("a"), span_of(value, HTTP_ASKED_HEAD_MAX)};
    struct heard *heard;

    memset(value, 'b', HTTP_ASKED_HEAD_MAX);
    heard = ask(&script, (struct http_request){.header_count = 1, .headers = &header}, NULL, NULL);
    cr_expect_str_eq(heard->error, "the head of the request is longer than 16 KiB");
    free(heard);
    free(value);
}

Test(http, the_deadline_is_for_everything)
{
    static const struct scripted_step silent[] = {{0}};
    static const struct scripted_step halfway[] = {
        {"\r\n\r\n", SPAN_INIT("HTTP/1.1 200 OK\r\n\r\nhalf")}, {0}};
    const struct scripted_step *rows[] = {silent, halfway};
    size_t i;

    for (i = 0; i < 2; i++) {
        struct scripted_script script = {.steps = rows[i], .end = SCRIPTED_SILENCE};
        struct heard *heard = ask(&script, (struct http_request){.deadline_ms = 100}, NULL, NULL);

        cr_expect_str_eq(heard->error, "no answer within 1 s");
        free(heard);
    }
}

Test(http, tls)
{
    static const struct scripted_step steps[] = {{"\r\n\r\n", SPAN_INIT(TEN)}, {0}};
    static const struct scripted_step endless[] = {
        {"\r\n\r\n", SPAN_INIT("HTTP/1.1 200 OK\r\n\r\nhalf")}, {0}};
    static const struct {
        const struct scripted_step *steps;
        enum scripted_end end;
        int days;
        bool trusted;
        const char *error;
    } rows[] = {
        {steps, SCRIPTED_SILENCE, 5, true, ""},
        {endless, SCRIPTED_CLOSE, 5, true, ""},
        {endless, SCRIPTED_TRUNCATE, 5, true, "the server ended in the middle of its answer"},
        {endless, SCRIPTED_RESET, 5, true, "connection lost: connection reset by peer"},
        {steps, SCRIPTED_CLOSE, 0, true, "certificate has expired"},
        {steps, SCRIPTED_CLOSE, 5, false, "self-signed certificate"},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *certificate = scripted_certificate(rows[i].days);
        char *other = scripted_certificate(5);
        struct scripted_script script = {
            .steps = rows[i].steps, .end = rows[i].end, .certificate = certificate};
        struct heard *heard =
            ask(&script, (struct http_request){0}, rows[i].trusted ? certificate : other, NULL);

        cr_expect_not_null(strstr(heard->error, rows[i].error), "row %zu: %s", i, heard->error);
        cr_expect_eq(heard->error[0] == 0, rows[i].error[0] == 0, "row %zu: %s", i, heard->error);
        cr_expect_eq(heard->status, rows[i].error[0] == 0 ? 200 : 0, "row %zu", i);
        unlink(certificate);
        unlink(other);
        free(certificate);
        free(other);
        free(heard);
    }
}

Test(http, a_ca_that_can_not_be_read_is_an_error)
{
    static const struct scripted_step steps[] = {{0}};
    struct scripted_script script = {.steps = steps};
    struct heard *heard = ask(&script, (struct http_request){0}, "/nonexistent/ca.pem", NULL);

    cr_expect_not_null(strstr(heard->error, "/nonexistent/ca.pem"), "%s", heard->error);
    free(heard);
}

static void turn(uv_timer_t *timer)
{
    (void)timer;
}

/* Cancelled before, while and after connecting, alone and with the client. */
Test(http, cancelled_nothing_is_told)
{
    static const struct scripted_step steps[] = {{"\r\n\r\n", SPAN_INIT("HTTP/1.1")}, {0}};
    struct scripted_script script = {.steps = steps, .end = SCRIPTED_SILENCE};
    uint16_t port;
    struct scripted *server = scripted_start(&script, &port);
    uint32_t turns;

    for (turns = 0; turns < 12; turns++) {
        struct place *place = place_open(NULL);
        struct heard *heard = heard_new();
        struct http_request request = {.told = hear, .data = heard, .deadline_ms = 5000};
        struct http_call *call;
        uv_timer_t timer;
        char url[100];
        uint32_t i;

        uv_timer_init(&place->uv, &timer);
        uv_timer_start(&timer, turn, 1, 1); /* a turn waits for nothing else */
        snprintf(url, sizeof(url), "http://%s:%u/", turns % 2 == 0 ? "127.0.0.1" : "localhost",
                 port);
        request.url = span_of_string(url);
        call = http_ask(place->client, &request);
        http_ask(place->client, &request);
        for (i = 0; i < turns / 2; i++)
            uv_run(&place->uv, UV_RUN_ONCE);
        http_cancel(&call);
        uv_close((uv_handle_t *)&timer, NULL);
        place_close(place);
        cr_expect_eq(heard->times, 0);
        free(heard);
    }
    scripted_free(&server);
}

static void hear_and_close(void *data, const struct http_answer *answer)
{
    struct place *place = data;

    cr_expect_eq(answer->status, 200);
    http_client_close(&place->client);
}

Test(http, the_client_may_be_closed_while_told)
{
    static const struct scripted_step steps[] = {{"\r\n\r\n", SPAN_INIT(TEN)}, {0}};
    struct scripted_script script = {.steps = steps, .end = SCRIPTED_SILENCE};
    uint16_t port;
    struct scripted *server = scripted_start(&script, &port);
    struct place *place = place_open(NULL);
    struct http_request request = {.told = hear_and_close, .data = place, .deadline_ms = 5000};
    char url[100];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    request.url = span_of_string(url);
    http_ask(place->client, &request);
    http_ask(place->client, &request);
    while (place->client != NULL)
        uv_run(&place->uv, UV_RUN_ONCE);
    place_close(place);
    scripted_free(&server);
}
