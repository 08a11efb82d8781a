/* llhttp finds the parts of an answer; here they are kept, within their limits. */
#include <string.h>

#include "lockstep/base/secret.h"
#include "reader.h"

/* What a callback of llhttp says to stop it. */
#define STOP (-1)

static int reader_stop(struct reader *reader, struct span problem)
{
    reader->problem = problem;
    return STOP;
}

/* Adds a piece of a name or a value, which lies behind what the head has already. */
static int reader_keep(struct reader *reader, struct span *part, const char *at, size_t size)
{
    if (reader->trailing)
        return 0;
    if (reader->header_count == HTTP_HEADERS_MAX || size > sizeof(reader->head) - reader->head_size)
        return reader_stop(reader, SPAN("the answer's head is longer than 16 KiB"));
    if (part->size == 0)
        part->at = reader->head + reader->head_size;
    memcpy(reader->head + reader->head_size, at, size);
    reader->head_size += size;
    part->size += size;
    return 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t size)
{
    struct reader *reader = parser->data;

    return reader_keep(reader, &reader->headers[reader->header_count].name, at, size);
}

static int on_value(llhttp_t *parser, const char *at, size_t size)
{
    struct reader *reader = parser->data;

    return reader_keep(reader, &reader->headers[reader->header_count].value, at, size);
}

static int on_value_complete(llhttp_t *parser)
{
    struct reader *reader = parser->data;
    struct http_header *header = &reader->headers[reader->header_count];

    if (reader->trailing)
        return 0;
    if (header->name.size == 0) /* llhttp takes "200 OK\r: value" for a header */
        return STOP;
    header->value = span_trim(header->value);
    reader->header_count++;
    return 0;
}

static int on_head(llhttp_t *parser)
{
    struct reader *reader = parser->data;

    reader->trailing = true;
    if (parser->http_major != 1 || parser->status_code < 100 || parser->status_code > 599)
        return reader_stop(reader, SPAN("the answer is not HTTP/1.1"));
    if (parser->status_code == HTTP_STATUS_SWITCHING_PROTOCOLS)
        return reader_stop(reader, SPAN("the server wants another protocol than HTTP"));
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    struct reader *reader = parser->data;

    if (size > sizeof(reader->body) - reader->body_size)
        return reader_stop(reader, SPAN("the answer is longer than 64 KiB"));
    memcpy(reader->body + reader->body_size, at, size);
    reader->body_size += size;
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct reader *reader = parser->data;

    if (parser->status_code >= 200) {
        reader->done = true;
        return HPE_PAUSED;
    }
    /* Its bytes stay counted, so that interim answers are bounded too. */
    memset(reader->headers, 0, sizeof(reader->headers));
    reader->header_count = 0;
    reader->trailing = false;
    return 0;
}

static const llhttp_settings_t reader_settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void reader_init(struct reader *reader)
{
    memset(reader, 0, sizeof(*reader));
    llhttp_init(&reader->parser, HTTP_RESPONSE, &reader_settings);
    reader->parser.data = reader;
}

static enum reading reader_state(const struct reader *reader, llhttp_errno_t error)
{
    if (reader->done)
        return READING_DONE;
    return error == HPE_OK ? READING_MORE : READING_BAD;
}

enum reading reader_take(struct reader *reader, struct span bytes)
{
    if (reader->done)
        return READING_DONE;
    reader->begun = reader->begun || bytes.size > 0;
    return reader_state(reader, llhttp_execute(&reader->parser, bytes.at, bytes.size));
}

enum reading reader_end(struct reader *reader, bool truncated)
{
    if (!truncated)
        llhttp_finish(&reader->parser);
    if (reader->done)
        return READING_DONE;
    if (reader->problem.size == 0)
        reader->problem = reader->begun ? SPAN("the server ended in the middle of its answer")
                                        : SPAN("the server ended without an answer");
    return READING_BAD;
}

struct span reader_problem(const struct reader *reader)
{
    return reader->problem.size > 0 ? reader->problem : SPAN("the answer is not HTTP");
}

void reader_answer(const struct reader *reader, struct http_answer *answer_r)
{
    *answer_r = (struct http_answer){
        .status = reader->parser.status_code,
        .header_count = reader->header_count,
        .headers = reader->headers,
        .body = span_of(reader->body, reader->body_size),
    };
}

void reader_wipe(struct reader *reader)
{
    secret_wipe(reader->head, reader->head_size);
    secret_wipe(reader->body, reader->body_size);
}
