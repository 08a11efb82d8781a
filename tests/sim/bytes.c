/* Queues and dice. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"

#include "bytes.h"

void bytes_add(struct bytes *bytes, struct span more)
{
    size_t size = bytes->end - bytes->start;

    if (bytes->start > 0 && bytes->end + more.size > bytes->room) {
        memmove(bytes->at, bytes->at + bytes->start, size);
        bytes->start = 0;
        bytes->end = size;
    }
    if (bytes->end + more.size > bytes->room) {
        bytes->room = 2 * (bytes->end + more.size) + 256;
        bytes->at = realloc(bytes->at, bytes->room);
        must(bytes->at != NULL);
    }
    if (more.size > 0)
        memcpy(bytes->at + bytes->end, more.at, more.size);
    bytes->end += more.size;
}

void bytes_say(struct bytes *bytes, const char *format, ...)
{
    char text[1024];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    must(size >= 0 && (size_t)size < sizeof(text));
    bytes_add(bytes, span_of(text, (size_t)size));
}

struct span bytes_span(const struct bytes *bytes)
{
    return span_of(bytes->at ? bytes->at + bytes->start : "", bytes->end - bytes->start);
}

void bytes_take(struct bytes *bytes, size_t size)
{
    must(size <= bytes->end - bytes->start);
    bytes->start += size;
}

void bytes_clear(struct bytes *bytes)
{
    bytes->start = bytes->end = 0;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

uint32_t dice_below(struct dice *dice, uint32_t limit)
{
    uint32_t number = 0;
    uint32_t left;

    if (dice->choices.size == 0)
        return (uint32_t)seed_below(&dice->seed, limit);
    for (left = limit; left > 1 && dice->choices.size > 0; left >>= 8) {
        number = number << 8 | (unsigned char)dice->choices.at[0];
        dice->choices = span_tail(dice->choices, 1);
    }
    return limit > 0 ? number % limit : 0;
}

bool dice_chance(struct dice *dice, uint32_t percent)
{
    return percent > 0 && dice_below(dice, 100) < percent;
}
