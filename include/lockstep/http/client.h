/*
 * client: asks an HTTP/1.1 server one thing, over a connection of its own, on a libuv loop.
 *
 * - http:// and https://; a certificate's chain and name are always verified.
 * - Redirects are not followed: whoever is asked here knows secrets and stands where the
 *   configuration says. The answer is an error that says so.
 * - What goes into a header never holds a CR, LF or NUL: such a request is refused with an error.
 * - All that is bounded has its limit below; a server that says more is cut off.
 * - The client copies the request, and wipes its copy and the answer's when they are done.
 *
 *     client = http_client_open(&loop, SPAN(""));
 *     call = http_ask(client, &(struct http_request){.url = ..., .told = heard, .data = me});
 *
 * All of it belongs to the loop's thread.
 */
#ifndef LOCKSTEP_HTTP_CLIENT_H
#define LOCKSTEP_HTTP_CLIENT_H

#include "lockstep/http/url.h"
#include "lockstep/net/link.h"

/* Of a request: its head in all. */
#define HTTP_ASKED_HEAD_MAX 16384U
/* Of an answer: names and values of its headers, how many, and its body. */
#define HTTP_HEAD_BYTES_MAX 16384U
#define HTTP_HEADERS_MAX 64U
#define HTTP_BODY_BYTES_MAX 65536U
#define HTTP_ERROR_MAX 240U

struct http_client;
struct http_call; /* one request under way */

struct http_header {
    struct span name;
    struct span value;
};

/* What came of a request; borrowed while it is told. */
struct http_answer {
    struct span
        error;       /* in words: "connection refused by 127.0.0.1:80"; empty: there is a status */
    uint16_t status; /* 200 to 599, but no redirect */
    uint32_t header_count;
    const struct http_header *headers;
    struct span body;
};

struct http_request {
    bool post;       /* POST; else GET, without a body */
    struct span url; /* whole */
    uint32_t header_count;
    const struct http_header *headers; /* beside Host, Connection and Content-Length */
    struct span body;
    uint32_t deadline_ms; /* for everything, from now */
    /* Called once, never before http_ask() has returned. The call is over with it. */
    void (*told)(void *data, const struct http_answer *answer);
    void *data;
};

/* `ca_file` holds the certificates that are trusted, in PEM; empty: those the system trusts. */
struct http_client *http_client_open(struct link_loop *loop, struct span ca_file);
/* Its calls are cancelled; their connections close with the next turns of the loop. */
void http_client_close(struct http_client **client);

/* Everything of `request` is copied. */
struct http_call *http_ask(struct http_client *client, const struct http_request *request);
/* Nothing will be told. */
void http_cancel(struct http_call **call);

/* The value of the first header of that name, in any case; empty when there is none. */
struct span http_header(const struct http_answer *answer, struct span name);

#endif
