/*
 * empty-initial-response: `AUTH EXTERNAL` with a blank and then nothing (B-47). An initial response
 * of no bytes is said "=" (RFC 4954 4); a server that sees nothing there asks with 334 and waits,
 * and so does the client. Without the blank the client has said no response, and waits for the 334.
 * A blank may also mean nothing at all, so this is for clients that are known to do it.
 */
#include "repairs.h"

enum verdict empty_initial_response(const struct situation *situation, struct mended *mended_r)
{
    struct span line = situation->seen;
    struct span rest = line;
    struct span verb, word;

    if (!span_word(&rest, &verb) || !span_word(&rest, &word) ||
        !span_equal_fold(word, SPAN("EXTERNAL")) || rest.size == 0 || span_trim(rest).size > 0)
        return UNTOUCHED;
    text_add(&mended_r->text, span_head(line, (size_t)(word.at + word.size - line.at)));
    text_add(&mended_r->text, SPAN(" ="));
    return REPAIRED;
}
