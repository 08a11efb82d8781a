/* Reply codes that stand for others. */
#include "lockstep/smtp/remap.h"

#define CODE_SIZE 3U

/* The next pair; false: the text has ended, or has no pair there, and then `*rest` is not empty. */
static bool next_pair(struct span *rest, uint64_t *from_r, uint64_t *to_r)
{
    struct span before = *rest;
    struct span word;

    if (!span_word(rest, &word))
        return false;
    if (word.size == 2 * CODE_SIZE + 1 && word.at[CODE_SIZE] == '=' &&
        span_number(span_head(word, CODE_SIZE), from_r) &&
        span_number(span_tail(word, CODE_SIZE + 1), to_r))
        return true;
    *rest = before;
    return false;
}

static bool may_change(uint64_t code)
{
    return (code >= 200 && code < 300 && code != 220 && code != 221 && code != 235) ||
           (code >= 400 && code < 600 && code != 421);
}

/* Is the code read by any pair? */
static bool is_read(struct span text, uint64_t code, uint32_t *times_r)
{
    uint64_t from, to;

    *times_r = 0;
    while (next_pair(&text, &from, &to))
        *times_r += from == code ? 1 : 0;
    return *times_r > 0;
}

bool remap_valid(struct span text)
{
    struct span rest = span_trim(text);
    bool any = rest.size > 0;
    uint64_t from, to;
    uint32_t times;

    while (next_pair(&rest, &from, &to)) {
        if (!may_change(from) || !may_change(to) || (from < 300) != (to < 300))
            return false;
        if (is_read(text, to, &times) || !is_read(text, from, &times) || times > 1)
            return false;
    }
    return any && rest.size == 0;
}

uint16_t remap_code(struct span text, uint16_t code)
{
    uint64_t from, to;

    while (next_pair(&text, &from, &to)) {
        if (from == code)
            return (uint16_t)to;
    }
    return code;
}
