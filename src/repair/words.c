/* Replies written anew, line by line. */
#include "words.h"

void words_line(struct text *text, uint16_t code, bool last, struct span words)
{
    size_t i;

    text_add_number(text, code);
    text_add_byte(text, last ? ' ' : '-');
    for (i = 0; i < words.size; i++) {
        char byte = words.at[i];

        text_add_byte(text, byte == '\r' || byte == '\n' || byte == '\0' ? ' ' : byte);
    }
    text_add(text, SPAN("\r\n"));
}

bool words_parse(struct span seen, struct reply *reply_r)
{
    return reply_parse(seen, seen.size, reply_r) == PARSED && reply_r->taken == seen.size;
}
