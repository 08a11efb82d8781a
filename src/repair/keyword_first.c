/*
 * keyword-first: an EHLO reply that begins with a keyword (F-32). A Cisco ESA puts `250-STARTTLS`
 * before the greeting line; clients take the first line for the greeting and miss the keyword. The
 * line with the host's name comes first again, and where there is none, lockstep's own name does.
 *
 * A host may be called "help" or "auth": only what stands there as the standards write keywords, in
 * capitals and with nothing like words behind it, is taken for one; a reply of one line is not.
 */
#include "lockstep/smtp/extension.h"

#include "repairs.h"
#include "words.h"

static bool is_keyword(struct span line)
{
    struct span rest = line;
    struct span word;
    size_t i;

    if (extension_find(line, NULL) == EXTENSION_NONE || !span_word(&rest, &word) ||
        word.at != line.at)
        return false;
    for (i = 0; i < line.size; i++) {
        char byte = line.at[i];

        if ((byte >= 'a' && byte <= 'z') || byte == '[')
            return false;
    }
    return true;
}

/* `mx.example at your service`: a name with a dot in it, or an address in brackets. */
static bool is_greeting(struct span line)
{
    struct span word;

    if (extension_find(line, NULL) != EXTENSION_NONE || !span_word(&line, &word))
        return false;
    return word.at[0] == '[' || span_find(word, '.') < word.size;
}

/* The first line behind the first that greets; empty: none does. */
static struct span greeting_of(struct span rest)
{
    struct span line;

    while (reply_line(&rest, &line)) {
        if (is_greeting(line))
            return line;
    }
    return span_of("", 0);
}

enum verdict keyword_first(const struct situation *situation, struct mended *mended_r)
{
    struct span rest = situation->seen;
    struct reply reply;
    struct span line, greeting;
    uint32_t left;

    if (!words_parse(situation->seen, &reply) || reply.code >= 300 || reply.lines < 2)
        return UNTOUCHED;
    reply_line(&rest, &line);
    if (!is_keyword(line))
        return UNTOUCHED;
    greeting = greeting_of(rest);
    rest = situation->seen;
    left = reply.lines - (greeting.size > 0 ? 1 : 0);
    words_line(&mended_r->text, reply.code, false,
               greeting.size > 0 ? greeting : situation->hostname);
    while (left > 0 && reply_line(&rest, &line)) {
        if (greeting.size == 0 || line.at != greeting.at)
            words_line(&mended_r->text, reply.code, --left == 0, line);
    }
    return REPAIRED;
}
