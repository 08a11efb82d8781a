/*
 * trailing-blank: blanks between a command and its line end (B-33). RFC 5321 4.1.1 asks servers to
 * bear them; some answer 501, some take them for a part of the argument.
 *
 * A response of AUTH is never touched, nor an initial one: what belongs to a credential is not ours
 * to say. A line of blanks alone stays what it is.
 */
#include "repairs.h"

static bool has_response(struct span line)
{
    struct span word;
    unsigned words = 0; /* the verb, the mechanism, ... */

    while (words < 3 && span_word(&line, &word))
        words++;
    return words == 3;
}

enum verdict trailing_blank(const struct situation *situation, struct mended *mended_r)
{
    struct span line = situation->seen;
    size_t size = line.size;

    while (size > 0 && (line.at[size - 1] == ' ' || line.at[size - 1] == '\t'))
        size--;
    if (size == line.size || size == 0)
        return UNTOUCHED;
    if (situation->verb->secret && has_response(line))
        return UNTOUCHED;
    text_add(&mended_r->text, span_head(line, size));
    return REPAIRED;
}
