/* Borrowed runs of bytes. */
#include <string.h>

#include "lockstep/base/span.h"

static char fold(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static bool blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct span span_of(const char *at, size_t size)
{
    return (struct span){at, size};
}

struct span span_of_string(const char *string)
{
    return (struct span){string ? string : "", string ? strlen(string) : 0};
}

bool span_equal(struct span one, struct span other)
{
    return one.size == other.size && (one.size == 0 || memcmp(one.at, other.at, one.size) == 0);
}

bool span_equal_fold(struct span one, struct span other)
{
    size_t i;

    if (one.size != other.size)
        return false;
    for (i = 0; i < one.size; i++) {
        if (fold(one.at[i]) != fold(other.at[i]))
            return false;
    }
    return true;
}

bool span_starts(struct span whole, struct span start)
{
    return whole.size >= start.size && span_equal(span_head(whole, start.size), start);
}

bool span_starts_fold(struct span whole, struct span start)
{
    return whole.size >= start.size && span_equal_fold(span_head(whole, start.size), start);
}

bool span_ends(struct span whole, struct span end)
{
    return whole.size >= end.size && span_equal(span_tail(whole, whole.size - end.size), end);
}

size_t span_find(struct span whole, char byte)
{
    const char *found;

    if (whole.size == 0)
        return 0;
    found = memchr(whole.at, byte, whole.size);
    return found ? (size_t)(found - whole.at) : whole.size;
}

size_t span_find_span(struct span whole, struct span part)
{
    size_t i;

    if (part.size == 0)
        return 0;
    for (i = 0; i + part.size <= whole.size; i++) {
        i += span_find(span_tail(whole, i), part.at[0]);
        if (span_starts(span_tail(whole, i), part))
            return i;
    }
    return whole.size;
}

struct span span_head(struct span whole, size_t size)
{
    return (struct span){whole.at, size < whole.size ? size : whole.size};
}

struct span span_tail(struct span whole, size_t size)
{
    size_t skip = size < whole.size ? size : whole.size;

    return (struct span){skip ? whole.at + skip : whole.at, whole.size - skip};
}

struct span span_trim(struct span whole)
{
    while (whole.size > 0 && blank(whole.at[0]))
        whole = span_tail(whole, 1);
    while (whole.size > 0 && blank(whole.at[whole.size - 1]))
        whole.size--;
    return whole;
}

bool span_word(struct span *rest, struct span *word_r)
{
    size_t size = 0;

    while (rest->size > 0 && blank(rest->at[0]))
        *rest = span_tail(*rest, 1);
    while (size < rest->size && !blank(rest->at[size]))
        size++;
    *word_r = span_head(*rest, size);
    *rest = span_tail(*rest, size);
    return size > 0;
}

bool span_number(struct span digits, uint64_t *number_r)
{
    uint64_t number = 0;
    size_t i;

    if (digits.size == 0)
        return false;
    for (i = 0; i < digits.size; i++) {
        unsigned digit = (unsigned)(digits.at[i] - '0');

        if (digits.at[i] < '0' || digit > 9)
            return false;
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *number_r = number;
    return true;
}

static size_t smaller(size_t one, size_t other)
{
    return one < other ? one : other;
}

size_t span_distance(struct span one, struct span other)
{
    size_t row[SPAN_WORD_MAX + 1]; /* from what was read of `one` to each head of `other` */
    size_t i, k;

    if (one.size > SPAN_WORD_MAX || other.size > SPAN_WORD_MAX)
        return SIZE_MAX;
    for (k = 0; k <= other.size; k++)
        row[k] = k;
    for (i = 1; i <= one.size; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (k = 1; k <= other.size; k++) {
            size_t exchanged = diagonal + (one.at[i - 1] == other.at[k - 1] ? 0 : 1);

            diagonal = row[k];
            row[k] = smaller(smaller(row[k - 1], row[k]) + 1, exchanged);
        }
    }
    return row[other.size];
}
