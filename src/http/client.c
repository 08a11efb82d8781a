/* One call: a visit to a server, the request that is said there, and the answer that is read. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/base/secret.h"
#include "lockstep/http/visit.h"
#include "reader.h"

struct http_client {
    struct link_loop *loop;
    struct http_call *first;
    struct tls_context *tls; /* NULL: none was needed yet */
    char *ca_file;
    size_t ca_file_size;
};

struct http_call {
    struct http_client *client;
    struct http_call *next;
    struct http_call *before;
    struct visit *visit;
    void (*told)(void *data, const struct http_answer *answer);
    void *data;
    char *asked; /* a copy of the URL, the head, the body */
    size_t asked_size;
    struct span head;
    struct span body;
    struct reader reader;
};

/* --- the end --- */

/* From now on the client knows nothing of it. */
static void call_leave(struct http_call *call)
{
    if (call->before != NULL)
        call->before->next = call->next;
    else
        call->client->first = call->next;
    if (call->next != NULL)
        call->next->before = call->before;
    visit_end(&call->visit, SHUT_NOW);
}

static void call_free(struct http_call *call)
{
    reader_wipe(&call->reader);
    secret_wipe(call->asked, call->asked_size);
    free(call->asked);
    free(call);
}

/* The user may do with the client what he likes while he is told. */
static void call_tell(struct http_call *call, const struct http_answer *answer)
{
    call_leave(call);
    call->told(call->data, answer);
    call_free(call);
}

static void call_fail(struct http_call *call, struct span words)
{
    struct http_answer answer = {.error = words};

    call_tell(call, &answer);
}

static void call_answer(struct http_call *call)
{
    char memory[HTTP_ERROR_MAX];
    struct text words = text_over(memory, sizeof(memory));
    struct http_answer answer;
    struct span place;

    reader_answer(&call->reader, &answer);
    if (answer.status < 300 || answer.status > 399) {
        call_tell(call, &answer);
        return;
    }
    text_add(&words, SPAN("the server redirects, which is not followed, to "));
    place = http_header(&answer, SPAN("Location"));
    text_add(&words, span_head(place, span_find(place, '?'))); /* behind it may be a secret */
    call_fail(call, text_span(&words));
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

/* --- the visit --- */

static void call_ready(void *data)
{
    struct http_call *call = data;
    struct span pieces[] = {call->head, call->body};

    visit_say(call->visit, pieces, 2);
}

static void call_said(void *data, struct span bytes)
{
    struct http_call *call = data;

    call_read(call, reader_take(&call->reader, bytes));
}

static void call_ended(void *data, bool truncated)
{
    struct http_call *call = data;

    call_read(call, reader_end(&call->reader, truncated));
}

/* The words are the visit's, which ends. */
static void call_failed(void *data, struct span words)
{
    char memory[HTTP_ERROR_MAX];
    struct text copy = text_over(memory, sizeof(memory));

    text_add(&copy, words);
    call_fail(data, text_span(&copy));
}

static const struct visit_user call_user = {
    .ready = call_ready,
    .said = call_said,
    .ended = call_ended,
    .failed = call_failed,
};

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
    must(client->tls != NULL || error->size > 0); /* never in clear for want of a context */
}

/* Writes what is to be sent, and where to. What is wrong with the request goes into `trouble`. */
static void call_write(struct http_call *call, const struct http_request *request,
                       struct visit_plan *plan, struct text *trouble)
{
    struct text asked = text_over(call->asked, request->url.size);
    struct text head = text_over(call->asked + request->url.size, HTTP_ASKED_HEAD_MAX);
    struct url url;
    bool secure;
    uint32_t i;

    text_add(&asked, request->url);
    if (!url_parse(text_span(&asked), &url, trouble))
        return;
    secure = span_equal_fold(url.scheme, SPAN("https"));
    if (!secure && !span_equal_fold(url.scheme, SPAN("http"))) {
        text_add(trouble, SPAN("only http:// and https:// can be asked"));
        return;
    }
    for (i = 0; i < request->header_count && trouble->size == 0; i++)
        if (!header_clean(&request->headers[i]))
            text_add(trouble, SPAN("a header of the request would hold the end of a line"));
    head_write(&head, request, &url);
    if (head.cut)
        text_add(trouble, SPAN("the head of the request is longer than 16 KiB"));
    call->head = text_span(&head);
    asked = text_over(call->asked + request->url.size + HTTP_ASKED_HEAD_MAX, request->body.size);
    if (request->post)
        text_add(&asked, request->body);
    call->body = text_span(&asked);
    if (secure && trouble->size == 0)
        client_secure(call->client, trouble);
    plan->tls = secure ? call->client->tls : NULL;
    plan->host = url.host;
    plan->port = url.port != 0 ? url.port : secure ? 443 : 80;
}

struct http_call *http_ask(struct http_client *client, const struct http_request *request)
{
    struct http_call *call = calloc(1, sizeof(*call));
    char memory[HTTP_ERROR_MAX];
    struct text trouble = text_over(memory, sizeof(memory));
    struct visit_plan plan = {
        .loop = client->loop,
        .user = &call_user,
        .data = call,
        .deadline_ms = request->deadline_ms,
    };

    must(call != NULL);
    call->client = client;
    call->next = client->first;
    if (client->first != NULL)
        client->first->before = call;
    client->first = call;
    call->told = request->told;
    call->data = request->data;
    reader_init(&call->reader);
    call->asked_size = request->url.size + HTTP_ASKED_HEAD_MAX + request->body.size;
    call->asked = malloc(call->asked_size);
    must(call->asked != NULL);
    call_write(call, request, &plan, &trouble);
    plan.trouble = text_span(&trouble);
    call->visit = visit_begin(&plan);
    return call;
}

void http_cancel(struct http_call **cancelled)
{
    struct http_call *call = *cancelled;

    *cancelled = NULL;
    call_leave(call);
    call_free(call);
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
    struct http_call *call, *next;

    *closing = NULL;
    for (call = client->first; call != NULL; call = next) {
        next = call->next;
        http_cancel(&call);
    }
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
