/* Bounded text. */
#include <string.h>

#include "lockstep/base/text.h"

struct text text_over(char *at, size_t room)
{
    return (struct text){.at = at, .room = room};
}

void text_add(struct text *text, struct span more)
{
    size_t size = more.size <= text_left(text) ? more.size : text_left(text);

    if (size < more.size)
        text->cut = true;
    if (size > 0)
        memcpy(text->at + text->size, more.at, size);
    text->size += size;
}

void text_add_byte(struct text *text, char byte)
{
    text_add(text, span_of(&byte, 1));
}

void text_add_number(struct text *text, uint64_t number)
{
    char digits[20];
    size_t start = sizeof(digits);

    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_add(text, span_of(digits + start, sizeof(digits) - start));
}

void text_clear(struct text *text)
{
    text->size = 0;
    text->cut = false;
}

struct span text_span(const struct text *text)
{
    return span_of(text->at, text->size);
}

size_t text_left(const struct text *text)
{
    return text->room - text->size;
}
