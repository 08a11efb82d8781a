/* RFC 3461 4: xtext = *( xchar / hexchar ) */
#include "lockstep/smtp/xtext.h"

static bool is_xchar(char byte)
{
    return byte >= '!' && byte <= '~' && byte != '+' && byte != '=';
}

void xtext_encode(struct span bytes, struct text *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t i;

    for (i = 0; i < bytes.size; i++) {
        unsigned char byte = (unsigned char)bytes.at[i];

        if (is_xchar(bytes.at[i])) {
            text_add_byte(out, bytes.at[i]);
            continue;
        }
        text_add_byte(out, '+');
        text_add_byte(out, digits[byte >> 4]);
        text_add_byte(out, digits[byte & 15]);
    }
}

/* 16: it is no digit. */
static unsigned digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return (unsigned)(byte - '0');
    if (byte >= 'A' && byte <= 'F')
        return (unsigned)(byte - 'A' + 10);
    return byte >= 'a' && byte <= 'f' ? (unsigned)(byte - 'a' + 10) : 16;
}

bool xtext_decode(struct span text, struct text *out)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        unsigned high, low;

        if (is_xchar(text.at[i])) {
            text_add_byte(out, text.at[i]);
            continue;
        }
        if (text.at[i] != '+' || text.size - i < 3)
            return false;
        high = digit_of(text.at[i + 1]);
        low = digit_of(text.at[i + 2]);
        if (high > 15 || low > 15)
            return false;
        text_add_byte(out, (char)(high << 4 | low));
        i += 2;
    }
    return !out->cut;
}
