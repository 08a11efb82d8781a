/*
 * reader: what an HTTP server answers, read as it comes. It keeps the final answer's headers and
 * body; interim answers (RFC 9110 15.2) and trailers are dropped.
 */
#ifndef LOCKSTEP_SRC_HTTP_READER_H
#define LOCKSTEP_SRC_HTTP_READER_H

#include <llhttp.h>

#include "lockstep/http/client.h"

enum reading {
    READING_MORE,
    READING_DONE,
    READING_BAD, /* see reader_problem() */
};

struct reader {
    llhttp_t parser;
    struct span problem; /* what was wrong with it, when we noticed before the parser */
    bool begun;          /* a first line was read */
    bool done;
    bool trailing; /* behind the head: names and values are of trailers now */
    uint32_t header_count;
    size_t head_size;
    size_t body_size;
    struct http_header headers[HTTP_HEADERS_MAX + 1]; /* the last is only begun */
    char head[HTTP_HEAD_BYTES_MAX];
    char body[HTTP_BODY_BYTES_MAX];
};

/* Not to be moved afterwards. */
void reader_init(struct reader *reader);
enum reading reader_take(struct reader *reader, struct span bytes);
/* The server will say no more, or (`truncated`) somebody on the way may have made it so. Never
 * READING_MORE. */
enum reading reader_end(struct reader *reader, bool truncated);
/* After READING_BAD, in words. */
struct span reader_problem(const struct reader *reader);
/* After READING_DONE; borrowed from the reader. */
void reader_answer(const struct reader *reader, struct http_answer *answer_r);
void reader_wipe(struct reader *reader);

#endif
