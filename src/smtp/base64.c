/* RFC 4648 4. */
#include "lockstep/smtp/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The letter's six bits; 64: it is none. */
static uint32_t value_of(char letter)
{
    return (uint32_t)span_find(span_of(letters, 64), letter);
}

/* Four letters, of which the last two may be padding when they end the text; false: they are not
 * such. */
static bool decode_group(const char *group, bool last, struct text *bytes)
{
    size_t pads = (last && group[3] == '=' ? 1U : 0U) + (last && group[2] == '=' ? 1U : 0U);
    uint32_t bits = 0;
    size_t i;

    if (group[2] == '=' && pads < 2)
        return false;
    for (i = 0; i < 4; i++) {
        uint32_t value = i < 4 - pads ? value_of(group[i]) : 0;

        if (value > 63)
            return false;
        bits = bits << 6 | value;
    }
    /* Bits that no byte takes must be zero, or two texts would mean the same. */
    if ((pads == 1 && (bits & 0xffU) != 0) || (pads == 2 && (bits & 0xffffU) != 0))
        return false;
    for (i = 0; i < 3 - pads; i++)
        text_add_byte(bytes, (char)(bits >> (16 - 8 * i) & 0xffU));
    return true;
}

bool base64_decode(struct span text, struct text *bytes)
{
    size_t at;

    if (text.size % 4 != 0)
        return false;
    for (at = 0; at < text.size; at += 4) {
        if (!decode_group(text.at + at, at + 4 == text.size, bytes))
            return false;
    }
    return !bytes->cut;
}

void base64_encode(struct span bytes, struct text *text)
{
    while (bytes.size > 0) {
        size_t size = bytes.size < 3 ? bytes.size : 3;
        uint32_t bits = 0;
        size_t i;

        for (i = 0; i < 3; i++)
            bits = bits << 8 | (i < size ? (unsigned char)bytes.at[i] : 0U);
        for (i = 0; i < 4; i++)
            text_add_byte(text, i <= size ? letters[bits >> (18 - 6 * i) & 63U] : '=');
        bytes = span_tail(bytes, size);
    }
}
