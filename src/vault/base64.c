/* Bytes as text. */
#include "base64.h"

static void add(struct span bytes, const char *digits, bool pads, struct text *out)
{
    size_t at, i;

    for (at = 0; at < bytes.size; at += 3) {
        size_t left = bytes.size - at < 3 ? bytes.size - at : 3;
        uint32_t three = 0;

        for (i = 0; i < 3; i++)
            three = three << 8 | (i < left ? (unsigned char)bytes.at[at + i] : 0);
        for (i = 0; i <= left; i++)
            text_add_byte(out, digits[three >> (18 - 6 * i) & 63]);
        for (; pads && i < 4; i++)
            text_add_byte(out, '=');
    }
}

void base64_add(struct span bytes, struct text *out)
{
    add(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true, out);
}

void base64_add_url(struct span bytes, struct text *out)
{
    add(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false, out);
}
