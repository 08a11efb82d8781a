/*
 * padded-keywords: keywords of EHLO in lower case, or with blanks around them, `250- SIZE` (F-32,
 * F-42). RFC 5321 2.4 takes them in any case, but clients compare them letter by letter, and miss
 * AUTH. Only the words in the table of extensions change their case; parameters never do.
 */
#include "lockstep/smtp/extension.h"

#include "repairs.h"
#include "words.h"

/* The line without its padding, written as the standards write it; `memory` holds what changed. */
static struct span keyword_line(struct span line, struct text *memory)
{
    struct span rest = span_trim(line);
    struct span word;
    size_t i;

    text_clear(memory);
    if (extension_find(rest, NULL) == EXTENSION_NONE)
        return rest;
    span_word(&rest, &word);
    for (i = 0; i < word.size; i++) {
        char byte = word.at[i];

        text_add_byte(memory, byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte);
    }
    text_add(memory, rest);
    return memory->cut ? line : text_span(memory);
}

enum verdict padded_keywords(const struct situation *situation, struct mended *mended_r)
{
    struct span rest = situation->seen;
    char bytes[512];
    struct text memory = text_over(bytes, sizeof(bytes));
    struct reply reply;
    struct span line;
    uint32_t left;
    bool changed = false;

    if (!words_parse(situation->seen, &reply) || reply.code >= 300 || reply.lines < 2)
        return UNTOUCHED;
    reply_line(&rest, &line); /* the greeting */
    words_line(&mended_r->text, reply.code, false, line);
    for (left = reply.lines - 1; left > 0 && reply_line(&rest, &line); left--) {
        struct span better = keyword_line(line, &memory);

        changed = changed || !span_equal(line, better);
        words_line(&mended_r->text, reply.code, left == 1, better);
    }
    return changed ? REPAIRED : UNTOUCHED;
}
