/* What is not SMTP, by its first bytes. */
#include "lockstep/smtp/foreign.h"

#define TLS_HANDSHAKE 0x16
#define SSL_MAJOR 3
#define SSL2_HEADER_SIZE 5U
#define SSL2_CLIENT_HELLO 1

static bool is_tls(struct span input)
{
    return input.size >= 2 && input.at[0] == TLS_HANDSHAKE && input.at[1] == SSL_MAJOR;
}

/* Two bytes of length with the high bit set, the type, and the version: 2, or 3 and what it asks
 * for. No hello is as short as a line feed in its length would say. */
static bool is_old_ssl(struct span input)
{
    const unsigned char *at = (const unsigned char *)input.at;

    return input.size >= SSL2_HEADER_SIZE && (at[0] & 0x80U) != 0 && at[1] != '\n' &&
           at[2] == SSL2_CLIENT_HELLO &&
           ((at[3] == 0 && at[4] == 2) || (at[3] == SSL_MAJOR && at[4] <= 4));
}

/* Methods are written in capitals, the names of headers in any case (RFC 9112 3.1, 5). */
static size_t http_size(struct span input)
{
    static const struct span methods[] = {
        SPAN_INIT("GET "),    SPAN_INIT("HEAD "),    SPAN_INIT("POST "),    SPAN_INIT("PUT "),
        SPAN_INIT("DELETE "), SPAN_INIT("CONNECT "), SPAN_INIT("OPTIONS "), SPAN_INIT("TRACE "),
        SPAN_INIT("PATCH "),  SPAN_INIT("PRI * "),
    };
    static const struct span headers[] = {SPAN_INIT("Host:"), SPAN_INIT("User-Agent:"),
                                          SPAN_INIT("Content-Length:")};
    size_t i;

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (span_starts(input, methods[i]))
            return methods[i].size;
    }
    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (span_starts_fold(input, headers[i]))
            return headers[i].size;
    }
    return 0;
}

static size_t proxy_size(struct span input, uint32_t blank_lines)
{
    if (blank_lines >= FOREIGN_BLANK_LINES && input.size > 0 && input.at[0] == '\0')
        return 1; /* the signature goes on with NUL */
    return span_starts(input, SPAN("PROXY ")) ? SPAN("PROXY ").size : 0;
}

enum foreign foreign_look(struct span input, uint32_t blank_lines, size_t *size_r)
{
    *size_r = 2;
    if (is_tls(input))
        return FOREIGN_TLS;
    *size_r = SSL2_HEADER_SIZE;
    if (is_old_ssl(input))
        return FOREIGN_OLD_SSL;
    *size_r = http_size(input);
    if (*size_r > 0)
        return FOREIGN_HTTP;
    *size_r = proxy_size(input, blank_lines);
    return *size_r > 0 ? FOREIGN_PROXY : FOREIGN_NONE;
}
