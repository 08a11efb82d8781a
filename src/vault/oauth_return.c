/* Where a browser returns to. */
#include "oauth_return.h"

#include <stdio.h>

/* --- saying --- */

static void return_met(uv_stream_t *server, int error);

static void visitor_gone(uv_handle_t *handle)
{
    struct oauth_visitor *visitor = handle->data;
    struct oauth_return *place = visitor->place;

    visitor->open = false;
    if (place->waiting && !uv_is_closing((uv_handle_t *)&place->tcp))
        return_met((uv_stream_t *)&place->tcp, 0);
}

static void visitor_close(struct oauth_visitor *visitor)
{
    if (visitor->open && !uv_is_closing((uv_handle_t *)&visitor->tcp))
        uv_close((uv_handle_t *)&visitor->tcp, visitor_gone);
}

static void visitor_said(uv_write_t *write, int error)
{
    (void)error;
    visitor_close(write->data);
}

/* The sentence is ours and has nothing in it that HTML would mind. */
static void visitor_say(struct oauth_visitor *visitor, bool right, struct span sentence)
{
    int size = snprintf(visitor->said, sizeof(visitor->said),
                        "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=us-ascii\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n%.*s\n",
                        right ? "200 OK" : "400 Bad Request", sentence.size + 1, (int)sentence.size,
                        sentence.at);
    uv_buf_t buffer = uv_buf_init(visitor->said, size > 0 ? (unsigned)size : 0);

    if (size >= (int)sizeof(visitor->said))
        buffer.len = sizeof(visitor->said) - 1;
    visitor->answered = true;
    visitor->write.data = visitor;
    if (uv_write(&visitor->write, (uv_stream_t *)&visitor->tcp, &buffer, 1, visitor_said) != 0)
        visitor_close(visitor);
}

/* --- hearing --- */

/* "GET /?code=... HTTP/1.1" is the whole of what matters. */
static void visitor_judge(struct oauth_visitor *visitor)
{
    struct span heard = span_of(visitor->heard, visitor->size);
    struct span line = span_head(heard, span_find(heard, '\n'));
    struct oauth_return *place = visitor->place;
    char memory[200];
    struct text says = text_over(memory, sizeof(memory));
    struct span method, target;
    bool right = false;

    /* All of it is read first: closing on bytes that nobody read takes the answer away as well. */
    if (span_find_span(heard, SPAN("\r\n\r\n")) == heard.size &&
        heard.size < sizeof(visitor->heard))
        return;
    if (span_word(&line, &method) && span_equal(method, SPAN("GET")) && span_word(&line, &target) &&
        span_find(target, '?') < target.size)
        right = place->visited(place->data, target, &says);
    else
        text_add(&says, SPAN("Nothing is here but the end of a login."));
    visitor_say(visitor, right, text_span(&says));
}

static void visitor_lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer_r)
{
    struct oauth_visitor *visitor = handle->data;

    (void)suggested;
    *buffer_r = uv_buf_init(visitor->heard + visitor->size,
                            (unsigned)(sizeof(visitor->heard) - visitor->size));
}

static void visitor_heard(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct oauth_visitor *visitor = stream->data;

    (void)buffer;
    if (count < 0 && !visitor->answered)
        visitor_close(visitor);
    if (count <= 0 || visitor->answered)
        return;
    visitor->size += (size_t)count;
    visitor_judge(visitor);
    if (visitor->answered)
        uv_read_stop(stream);
}

static void return_met(uv_stream_t *server, int error)
{
    struct oauth_return *place = server->data;
    struct oauth_visitor *visitor = place->visitors;

    while (visitor < place->visitors + OAUTH_VISITORS_MAX && visitor->open)
        visitor++;
    place->waiting = error == 0 && visitor == place->visitors + OAUTH_VISITORS_MAX;
    if (error != 0 || place->waiting)
        return;
    *visitor = (struct oauth_visitor){.place = place, .open = true};
    uv_tcp_init(server->loop, &visitor->tcp);
    visitor->tcp.data = visitor;
    if (uv_accept(server, (uv_stream_t *)&visitor->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&visitor->tcp, visitor_lend, visitor_heard) != 0)
        visitor_close(visitor);
}

/* --- the place --- */

int oauth_return_open(struct oauth_return *place, uv_loop_t *uv)
{
    struct sockaddr_in address;
    int size = sizeof(address);
    int error = uv_tcp_init(uv, &place->tcp);

    if (error != 0)
        return error;
    place->tcp.data = place;
    uv_ip4_addr("127.0.0.1", 0, &address);
    error = uv_tcp_bind(&place->tcp, (const struct sockaddr *)&address, 0);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&place->tcp, OAUTH_VISITORS_MAX, return_met);
    if (error == 0)
        error = uv_tcp_getsockname(&place->tcp, (struct sockaddr *)&address, &size);
    if (error != 0)
        uv_close((uv_handle_t *)&place->tcp, NULL);
    else
        place->port = ntohs(address.sin_port);
    return error;
}

void oauth_return_close(struct oauth_return *place)
{
    size_t i;

    uv_close((uv_handle_t *)&place->tcp, NULL);
    for (i = 0; i < OAUTH_VISITORS_MAX; i++) {
        if (!place->visitors[i].answered)
            visitor_close(&place->visitors[i]);
    }
}
