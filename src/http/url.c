/* Reading and writing URLs (RFC 3986), as much of them as a client of ours needs. */
#include "lockstep/http/url.h"

static bool byte_alnum(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

static bool byte_in(char byte, struct span set)
{
    return span_find(set, byte) < set.size;
}

/* Only bytes that may stand on the first line of a request; so none that ends it. */
static bool url_clean(struct span whole)
{
    size_t i;

    for (i = 0; i < whole.size; i++)
        if ((unsigned char)whole.at[i] <= ' ' || (unsigned char)whole.at[i] >= 0x7f)
            return false;
    return true;
}

static bool url_says(struct text *advice, struct span words)
{
    text_add(advice, words);
    return false;
}

static bool url_scheme(struct span *rest, struct span *scheme_r)
{
    size_t end = span_find_span(*rest, SPAN("://"));
    size_t i;

    *scheme_r = span_head(*rest, end);
    if (end == 0 || end == rest->size)
        return false;
    for (i = 0; i < end; i++)
        if (!byte_alnum((unsigned char)rest->at[i]) && !byte_in(rest->at[i], SPAN("+-.")))
            return false;
    *rest = span_tail(*rest, end + 3);
    return true;
}

static bool url_port(struct span text, uint16_t *port_r)
{
    uint64_t number = 0;

    if (text.size == 0)
        return true;
    if (text.at[0] != ':' || !span_number(span_tail(text, 1), &number) || number == 0 ||
        number > UINT16_MAX)
        return false;
    *port_r = (uint16_t)number;
    return true;
}

bool url_host_valid(struct span host)
{
    size_t i;

    for (i = 0; i < host.size; i++)
        if (!byte_alnum((unsigned char)host.at[i]) && !byte_in(host.at[i], SPAN("-._:%")))
            return false;
    return host.size > 0;
}

static bool url_authority(struct span authority, struct url *url, struct text *advice)
{
    struct span rest;

    url->authority = authority;
    if (byte_in('@', authority))
        return url_says(advice, SPAN("a URL holds no user and no password"));
    if (authority.size > 0 && authority.at[0] == '[') {
        size_t end = span_find(authority, ']');

        url->host = span_tail(span_head(authority, end), 1);
        rest = span_tail(authority, end + 1);
        if (end == authority.size || !url_host_valid(url->host))
            return url_says(advice, SPAN("an IPv6 address stands in brackets: [::1]"));
    } else {
        url->host = span_head(authority, span_find(authority, ':'));
        rest = span_tail(authority, url->host.size);
        if (!url_host_valid(url->host))
            return url_says(advice, SPAN("a name or an address of a host is missing"));
    }
    return url_port(rest, &url->port) ||
           url_says(advice, SPAN("a port is a number from 1 to 65535"));
}

bool url_parse(struct span whole, struct url *url_r, struct text *advice)
{
    struct span rest = whole;
    size_t end = 0;

    *url_r = (struct url){0};
    if (!url_clean(whole))
        return url_says(advice, SPAN("a URL holds no blanks, control or other non-ASCII bytes"));
    if (!url_scheme(&rest, &url_r->scheme))
        return url_says(advice, SPAN("a URL begins with a scheme: https://"));
    while (end < rest.size && !byte_in(rest.at[end], SPAN("/?#")))
        end++;
    url_r->target = span_tail(rest, end);
    url_r->target = span_head(url_r->target, span_find(url_r->target, '#'));
    return url_authority(span_head(rest, end), url_r, advice);
}

void url_escape(struct span raw, struct text *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t i;

    for (i = 0; i < raw.size; i++) {
        unsigned char byte = (unsigned char)raw.at[i];

        if (byte_alnum(byte) || byte_in(raw.at[i], SPAN("-._~"))) {
            text_add_byte(out, raw.at[i]);
            continue;
        }
        text_add_byte(out, '%');
        text_add_byte(out, digits[byte >> 4]);
        text_add_byte(out, digits[byte & 15]);
    }
}

void url_add_field(struct span name, struct span value, struct text *out)
{
    if (out->size > 0)
        text_add_byte(out, '&');
    url_escape(name, out);
    text_add_byte(out, '=');
    url_escape(value, out);
}
