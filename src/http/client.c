/* One call: a link that is dialled, a request that is sent, an answer that is read, a timer over
 * all of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/base/secret.h"
#include "lockstep/net/dial.h"
#include "reader.h"

/* Of the whole time each address gets one part, so that a dead one leaves time for the next. */
#define DIAL_PARTS 3U

struct http_client {
    struct link_loop *loop;
    struct http_call *first;
    struct tls_context *tls; /* NULL: none was needed yet */
    char *ca_file;
    size_t ca_file_size;
};

struct http_call {
    struct link link; /* first, so that a link is its call */
    uv_timer_t timer;
    struct http_client *client; /* NULL: over; what is left only closes */
    struct http_call *next;
    struct http_call *before;
    struct dial *dial;
    struct config_addresses addresses;
    moment deadline;
    uint32_t deadline_ms;
    bool secure; /* https */
    bool timer_gone;
    void (*told)(void *data, const struct http_answer *answer);
    void *data;
    struct text error; /* not empty: there will be no answer */
    char error_bytes[HTTP_ERROR_MAX];
    struct reader reader;
    char *asked; /* a copy of the URL, the head, the body */
    size_t asked_size;
    struct span head;
    struct span body;
};

static void call_arm(struct http_call *call);
static void call_lost(struct link *link, int error);

static moment call_now(const struct http_call *call)
{
    return (moment)uv_now(call->timer.loop);
}

/* --- the end --- */

static void call_free(struct http_call *call)
{
    if (!call->timer_gone || call->link.state != LINK_NONE)
        return;
    free(call);
}

static void call_timer_gone(uv_handle_t *timer)
{
    struct http_call *call = timer->data;

    call->timer_gone = true;
    call_free(call);
}

/* From now on nobody is told anything, and no secret is left. */
static void call_over(struct http_call *call)
{
    if (call->before != NULL)
        call->before->next = call->next;
    else
        call->client->first = call->next;
    if (call->next != NULL)
        call->next->before = call->before;
    call->client = NULL;
    if (call->dial != NULL)
        dial_close(&call->dial);
    reader_wipe(&call->reader);
    secret_wipe(call->asked, call->asked_size);
    free(call->asked);
    call->asked = NULL;
    link_shut(&call->link, SHUT_NOW);
    uv_close((uv_handle_t *)&call->timer, call_timer_gone);
}

/* The user may do with the client what he likes while he is told. */
static void call_tell(struct http_call *call, const struct http_answer *answer)
{
    void (*told)(void *data, const struct http_answer *answer) = call->told;

    call->told = NULL;
    told(call->data, answer);
    if (call->client != NULL)
        call_over(call);
}

static void call_fail(struct http_call *call, struct span words)
{
    struct http_answer answer = {.error = words};

    call_tell(call, &answer);
}

static void call_answer(struct http_call *call)
{
    struct http_answer answer;
    struct span place;

    reader_answer(&call->reader, &answer);
    if (answer.status < 300 || answer.status > 399) {
        call_tell(call, &answer);
        return;
    }
    text_add(&call->error, SPAN("the server redirects, which is not followed, to "));
    place = http_header(&answer, SPAN("Location"));
    text_add(&call->error, span_head(place, span_find(place, '?'))); /* behind it may be a secret */
    call_fail(call, text_span(&call->error));
}

static void call_read(struct http_call *call, enum reading reading)
{
    switch (reading) {
    case READING_MORE:
        break;
    case READING_DONE:
        call_answer(call);
        break;
    case READING_BAD:
        call_fail(call, reader_problem(&call->reader));
        break;
    }
}

/* --- the link --- */

static struct http_call *link_call(const struct link *link)
{
    return (struct http_call *)(uintptr_t)link;
}

static void call_send(struct http_call *call)
{
    struct span pieces[] = {call->head, call->body};

    link_send(&call->link, pieces, 2);
    if (call->link.error != 0)
        call_lost(&call->link, call->link.error);
}

static void call_opened(struct link *link)
{
    struct http_call *call = link_call(link);

    dial_close(&call->dial);
    call_arm(call);
    call_send(call);
}

static size_t call_room(const struct link *link)
{
    (void)link;
    return LINK_READ_BYTES;
}

static void call_said(struct link *link, struct span bytes)
{
    struct http_call *call = link_call(link);

    call_read(call, reader_take(&call->reader, bytes));
}

static void call_ended(struct link *link)
{
    struct http_call *call = link_call(link);

    call_read(call, reader_end(&call->reader, link->truncated));
}

static void call_lost(struct link *link, int error)
{
    struct http_call *call = link_call(link);

    if (call->dial != NULL) {
        dial_lost(call->dial, error);
        call_arm(call);
        return;
    }
    text_add(&call->error, SPAN("connection lost: "));
    text_add(&call->error, link_why(link, error));
    call_fail(call, text_span(&call->error));
}

static void call_sent(struct link *link, size_t count)
{
    (void)link;
    (void)count;
}

static void call_gone(struct link *link)
{
    struct http_call *call = link_call(link);

    if (call->client == NULL) {
        call_free(call);
    } else if (call->dial != NULL) {
        dial_gone(call->dial);
        if (call->client != NULL)
            call_arm(call);
    }
}

static const struct link_user call_user = {
    .opened = call_opened,
    .room = call_room,
    .said = call_said,
    .ended = call_ended,
    .lost = call_lost,
    .sent = call_sent,
    .gone = call_gone,
};

/* --- time --- */

static void call_undialled(void *data)
{
    struct http_call *call = data;

    text_add(&call->error, dial_words(call->dial));
    call_fail(call, text_span(&call->error));
}

static void call_due(uv_timer_t *timer)
{
    struct http_call *call = timer->data;

    if (call->error.size > 0) {
        call_fail(call, text_span(&call->error));
    } else if (call_now(call) >= call->deadline) {
        text_add(&call->error, SPAN("no answer within "));
        text_add_number(&call->error, (call->deadline_ms + 999) / 1000);
        text_add(&call->error, SPAN(" s"));
        call_fail(call, text_span(&call->error));
    } else {
        if (call->dial != NULL && dial_deadline(call->dial) <= call_now(call))
            dial_late(call->dial);
        if (call->client != NULL)
            call_arm(call);
    }
}

static void call_arm(struct http_call *call)
{
    moment until = call->error.size > 0 ? call_now(call) : call->deadline;

    if (call->dial != NULL && dial_deadline(call->dial) < until)
        until = dial_deadline(call->dial);
    until -= call_now(call);
    uv_timer_start(&call->timer, call_due, until > 0 ? (uint64_t)until : 0, 0);
}

/* --- the beginning --- */

static bool header_clean(const struct http_header *header)
{
    size_t i;

    for (i = 0; i < header->name.size; i++) {
        char byte = header->name.at[i];

        if (byte != '-' && (byte < '0' || byte > '9') &&
            ((byte | 0x20) < 'a' || (byte | 0x20) > 'z'))
            return false;
    }
    return header->name.size > 0 && span_find(header->value, '\r') == header->value.size &&
           span_find(header->value, '\n') == header->value.size &&
           span_find(header->value, '\0') == header->value.size;
}

static void head_add(struct text *head, struct span name, struct span value)
{
    text_add(head, name);
    text_add(head, SPAN(": "));
    text_add(head, value);
    text_add(head, SPAN("\r\n"));
}

static void head_write(struct text *head, const struct http_request *request, const struct url *url)
{
    uint32_t i;

    text_add(head, request->post ? SPAN("POST ") : SPAN("GET "));
    if (url->target.size == 0 || url->target.at[0] != '/')
        text_add_byte(head, '/');
    text_add(head, url->target);
    text_add(head, SPAN(" HTTP/1.1\r\n"));
    head_add(head, SPAN("Host"), url->authority);
    head_add(head, SPAN("Connection"), SPAN("close"));
    for (i = 0; i < request->header_count; i++)
        head_add(head, request->headers[i].name, request->headers[i].value);
    if (request->post) {
        text_add(head, SPAN("Content-Length: "));
        text_add_number(head, request->body.size);
        text_add(head, SPAN("\r\n"));
    }
    text_add(head, SPAN("\r\n"));
}

/* Files are read when they are needed first: most clients never are. */
static void client_secure(struct http_client *client, struct text *error)
{
    struct tls_client settings = {.ca = span_of(client->ca_file, client->ca_file_size)};

    if (client->tls == NULL)
        client->tls = tls_client_new(&settings, error);
}

/* Writes what is to be sent, and where. What is wrong with the request goes into `error`. */
static void call_write(struct http_call *call, const struct http_request *request)
{
    struct text asked = text_over(call->asked, request->url.size);
    struct text head = text_over(call->asked + request->url.size, HTTP_ASKED_HEAD_MAX);
    struct url url;
    uint32_t i;

    text_add(&asked, request->url);
    if (!url_parse(text_span(&asked), &url, &call->error))
        return;
    if (!span_equal_fold(url.scheme, SPAN("http")) && !span_equal_fold(url.scheme, SPAN("https"))) {
        text_add(&call->error, SPAN("only http:// and https:// can be asked"));
        return;
    }
    for (i = 0; i < request->header_count; i++)
        if (!header_clean(&request->headers[i]))
            text_add(&call->error, SPAN("a header of the request would hold the end of a line"));
    head_write(&head, request, &url);
    if (head.cut)
        text_add(&call->error, SPAN("the head of the request is longer than 16 KiB"));
    call->head = text_span(&head);
    asked = text_over(call->asked + request->url.size + HTTP_ASKED_HEAD_MAX, request->body.size);
    if (request->post)
        text_add(&asked, request->body);
    call->body = text_span(&asked);
    call->secure = span_equal_fold(url.scheme, SPAN("https"));
    if (call->secure && call->error.size == 0)
        client_secure(call->client, &call->error);
    call->addresses.count = 1;
    call->addresses.rows[0].host = url.host;
    call->addresses.rows[0].port = url.port != 0 ? url.port : call->secure ? 443 : 80;
}

static void call_dial(struct http_call *call)
{
    struct dial_plan plan = {
        .loop = call->client->loop,
        .link = &call->link,
        .user = &call_user,
        .addresses = &call->addresses,
        .wait_ms = call->deadline_ms / DIAL_PARTS,
        .tls = call->secure ? call->client->tls : NULL,
        .failed = call_undialled,
        .data = call,
    };

    call->dial = dial_open(&plan);
}

struct http_call *http_ask(struct http_client *client, const struct http_request *request)
{
    struct http_call *call = calloc(1, sizeof(*call));

    must(call != NULL);
    call->client = client;
    call->next = client->first;
    if (client->first != NULL)
        client->first->before = call;
    client->first = call;
    call->told = request->told;
    call->data = request->data;
    call->error = text_over(call->error_bytes, sizeof(call->error_bytes));
    reader_init(&call->reader);
    uv_timer_init(client->loop->uv, &call->timer);
    call->timer.data = call;
    call->deadline_ms = request->deadline_ms;
    call->deadline = call_now(call) + request->deadline_ms;
    call->asked_size = request->url.size + HTTP_ASKED_HEAD_MAX + request->body.size;
    call->asked = malloc(call->asked_size);
    must(call->asked != NULL);
    call_write(call, request);
    if (call->error.size == 0)
        call_dial(call);
    call_arm(call);
    return call;
}

void http_cancel(struct http_call **cancelled)
{
    struct http_call *call = *cancelled;

    *cancelled = NULL;
    call_over(call);
}

struct http_client *http_client_open(struct link_loop *loop, struct span ca_file)
{
    struct http_client *client = calloc(1, sizeof(*client));

    must(client != NULL);
    client->loop = loop;
    if (ca_file.size > 0) {
        client->ca_file = malloc(ca_file.size);
        must(client->ca_file != NULL);
        memcpy(client->ca_file, ca_file.at, ca_file.size);
        client->ca_file_size = ca_file.size;
    }
    return client;
}

void http_client_close(struct http_client **closing)
{
    struct http_client *client = *closing;

    *closing = NULL;
    while (client->first != NULL)
        call_over(client->first);
    if (client->tls != NULL)
        tls_context_drop(client->tls);
    free(client->ca_file);
    free(client);
}

struct span http_header(const struct http_answer *answer, struct span name)
{
    uint32_t i;

    for (i = 0; i < answer->header_count; i++)
        if (span_equal_fold(answer->headers[i].name, name))
            return answer->headers[i].value;
    return (struct span){0};
}
