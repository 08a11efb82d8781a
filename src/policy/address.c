/* Addresses as they stand in the configuration. Whether a name can be resolved is the shell's
 * question; whether the text can be an address at all is answered here. */
#include "address.h"

#include "lockstep/base/ip.h"

#define NAME_BYTES_MAX 253U /* RFC 1035 2.3.4, without the last dot */

static bool is_word(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '_';
}

bool address_is_name(struct span text)
{
    char before = '.';
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (!is_word(text.at[i]) && (text.at[i] != '.' || before == '.'))
            return false;
        if (before == '.' && text.at[i] == '-')
            return false;
        before = text.at[i];
    }
    return text.size > 0 && text.size <= NAME_BYTES_MAX;
}

static bool is_ipv4(struct span text)
{
    uint8_t bytes[16];

    return span_find(text, ':') == text.size && ip_read(text, bytes);
}

/* With a zone behind "%" as RFC 4007 11 writes it. */
static bool is_ipv6(struct span text)
{
    size_t zone = span_find(text, '%');
    struct span address = span_head(text, zone);
    uint8_t bytes[16];

    if (zone < text.size && !address_is_name(span_tail(text, zone + 1)))
        return false;
    return span_find(address, ':') < address.size && ip_read(address, bytes);
}

/* A last label of digits only can't be a name of the DNS, so it is meant as an IPv4 address. */
static bool looks_numeric(struct span host)
{
    size_t size;

    if (span_ends(host, SPAN(".")))
        host.size--;
    size = host.size;
    while (size > 0 && host.at[size - 1] >= '0' && host.at[size - 1] <= '9')
        size--;
    return size < host.size && (size == 0 || host.at[size - 1] == '.');
}

static bool read_port(struct span text, uint16_t minimum, uint16_t *port_r, struct text *advice)
{
    uint64_t port;

    if (!span_number(text, &port) || port < minimum || port > UINT16_MAX) {
        text_add(advice, SPAN("a port from "));
        text_add_number(advice, minimum);
        text_add(advice, SPAN(" to 65535"));
        return false;
    }
    *port_r = (uint16_t)port;
    return true;
}

static bool refuse(struct text *advice, struct span sentence)
{
    text_add(advice, sentence);
    return false;
}

static bool read_bracketed(struct span text, struct span *host_r, struct span *rest_r,
                           struct text *advice)
{
    size_t end = span_find(text, ']');

    if (end == text.size)
        return refuse(advice, SPAN("a \"]\" after the IPv6 address, as in [::1]:25"));
    *host_r = span_tail(span_head(text, end), 1);
    *rest_r = span_tail(text, end + 1);
    if (!is_ipv6(*host_r))
        return refuse(advice, SPAN("an IPv6 address between the brackets, as in [::1]:25"));
    return true;
}

static bool read_plain(struct span text, struct span *host_r, struct span *rest_r,
                       struct text *advice)
{
    size_t end = span_find(text, ':');

    *host_r = span_head(text, end);
    *rest_r = span_tail(text, end);
    if (span_find(span_tail(text, end + 1), ':') < span_tail(text, end + 1).size)
        return refuse(advice, SPAN("an IPv6 address in brackets, as in [::1]:25"));
    if (span_equal(*host_r, SPAN("*")))
        return true;
    if (looks_numeric(*host_r) ? !is_ipv4(*host_r) : !address_is_name(*host_r))
        return refuse(advice, SPAN("a host name, an IPv4 address or an IPv6 address in brackets "
                                   "before the port"));
    return true;
}

/* Splits HOST or HOST:PORT; `rest_r` is empty or starts with the colon. */
static bool read_host(struct span text, struct span *host_r, struct span *rest_r,
                      struct text *advice)
{
    if (span_starts(text, SPAN("[")) ? !read_bracketed(text, host_r, rest_r, advice)
                                     : !read_plain(text, host_r, rest_r, advice))
        return false;
    if (rest_r->size > 0 && rest_r->at[0] != ':')
        return refuse(advice, SPAN("a \":\" and the port after the bracket, as in [::1]:25"));
    return true;
}

bool address_listen(struct span text, struct config_address *address_r, struct text *advice)
{
    struct config_address address = {.port = 0};
    struct span rest;
    uint64_t alone;

    if (span_number(text, &alone))
        return refuse(advice, SPAN("an address before the port, as in 127.0.0.1:25 or \"*:25\""));
    if (!read_host(text, &address.host, &rest, advice))
        return false;
    if (rest.size == 0)
        return refuse(advice, SPAN("a port after the address, as in 127.0.0.1:25"));
    if (!read_port(span_tail(rest, 1), 0, &address.port, advice))
        return false;
    *address_r = address;
    return true;
}

#define SCHEMES 3U

static const struct {
    struct span word;
    uint16_t port;
} schemes[] = {
    [SCHEME_SMTP] = {SPAN_INIT("smtp://"), 25},
    [SCHEME_STARTTLS] = {SPAN_INIT("starttls://"), 587},
    [SCHEME_SMTPS] = {SPAN_INIT("smtps://"), 465},
};

struct span address_scheme(enum config_scheme scheme)
{
    return schemes[scheme].word;
}

/* One host, and the port behind it if there is one; `*port_r` is the default before. */
static bool read_one(struct span text, struct span *host_r, uint16_t *port_r, struct text *advice)
{
    struct span rest;

    if (span_find(text, '@') < text.size)
        return refuse(advice, SPAN("it without a name and a password, no secret stands here"));
    if (!read_host(text, host_r, &rest, advice))
        return false;
    if (span_equal(*host_r, SPAN("*")))
        return refuse(advice, SPAN("the name or address of one host"));
    return rest.size == 0 || read_port(span_tail(rest, 1), 1, port_r, advice);
}

bool address_connect(struct span text, enum config_scheme *scheme_r,
                     struct config_address *address_r, struct text *advice)
{
    struct config_address address = {.port = 0};
    unsigned scheme = 0;

    while (scheme < SCHEMES && !span_starts_fold(text, schemes[scheme].word))
        scheme++;
    if (scheme == SCHEMES)
        return refuse(advice, SPAN("a URL, as in smtp://mx.example:25, starttls://mx.example:587 "
                                   "or smtps://mx.example:465"));
    text = span_tail(text, schemes[scheme].word.size);
    if (span_ends(text, SPAN("/")))
        text.size--;
    address.port = schemes[scheme].port;
    if (!read_one(text, &address.host, &address.port, advice))
        return false;
    *address_r = address;
    *scheme_r = (enum config_scheme)scheme;
    return true;
}

bool address_url(struct span text, struct text *advice)
{
    struct span host = span_head(text, span_find(text, '/')), name;
    uint16_t port;
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (text.at[i] <= ' ' || text.at[i] > '~')
            return refuse(advice, SPAN("it without blanks and with odd bytes as %XX"));
    }
    return read_one(host, &name, &port, advice);
}

void address_show(const struct config_address *address, struct text *out)
{
    bool brackets = span_find(address->host, ':') < address->host.size;

    if (brackets)
        text_add_byte(out, '[');
    text_add(out, address->host);
    text_add(out, brackets ? SPAN("]:") : SPAN(":"));
    text_add_number(out, address->port);
}
