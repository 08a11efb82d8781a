/* Text of a configuration, for its file and for sentences about it. */
#include "quote.h"

#include "address.h"

/* Bytes of a value that a sentence quotes. */
#define QUOTED_BYTES_MAX 60U

bool quote_is_control(char byte)
{
    return (byte >= 0 && byte < ' ') || byte == 0x7F;
}

static bool is_plain(struct span value)
{
    size_t i;

    for (i = 0; i < value.size; i++) {
        bool inside = value.at[i] == '/' || (i > 0 && (value.at[i] == '.' || value.at[i] == '-'));

        if (!inside && !address_is_name(span_of(value.at + i, 1)))
            return false;
    }
    return value.size > 0;
}

void quote_yaml(struct span value, struct text *out)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t i;

    if (is_plain(value)) {
        text_add(out, value);
        return;
    }
    text_add_byte(out, '"');
    for (i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.at[i];

        if (quote_is_control(value.at[i])) {
            text_add(out, SPAN("\\x"));
            text_add_byte(out, hex[byte >> 4]);
            text_add_byte(out, hex[byte & 15]);
            continue;
        }
        if (byte == '"' || byte == '\\')
            text_add_byte(out, '\\');
        text_add_byte(out, value.at[i]);
    }
    text_add_byte(out, '"');
}

/* Where a URL's host begins when a user and a password stand before it. */
static size_t secret_end(struct span url)
{
    size_t end = url.size;

    if (span_find_span(url, SPAN("://")) == url.size)
        return 0;
    while (end > 0 && url.at[end - 1] != '@')
        end--;
    return end;
}

void quote_value(struct span text, struct text *out)
{
    size_t secret = secret_end(text);
    size_t i;

    if (text.size == 0) {
        text_add(out, SPAN("empty"));
        return;
    }
    text_add_byte(out, '`');
    /* smtp://user:password@host: people try it, and a password is never repeated. */
    if (secret > 0)
        text_add(out, SPAN("[secret]@"));
    text = span_tail(text, secret);
    for (i = 0; i < text.size && i < QUOTED_BYTES_MAX; i++)
        text_add_byte(out, quote_is_control(text.at[i]) ? '?' : text.at[i]);
    text_add(out, text.size > QUOTED_BYTES_MAX ? SPAN("...`") : SPAN("`"));
}
