/*
 * flat-replies: for clients that read one line and take the second for the answer to their next
 * command (B-09): devices, PHP scripts, FirstClass. A reply of several lines becomes one, with the
 * words of all; only the answer to EHLO can't be one line. What is longer than a line may be
 * (RFC 5321 4.5.3.1.5) is cut. Off, because clients that read replies as they should show lines.
 */
#include "repairs.h"
#include "words.h"

/* RFC 5321 4.5.3.1.5, with the line's end. */
#define FLAT_BYTES_MAX 512U

/* The line's words; the status that stands in the first line too is said once. */
static struct span words_of(struct span line, struct span status)
{
    struct span own = reply_enhanced(line);

    if (own.size > 0 && span_equal(own, status))
        line = span_tail(line, own.size);
    return span_trim(line);
}

/* At most so many bytes, and no half of a character at their end (RFC 3629 3). */
static struct span cut(struct span words, size_t size)
{
    if (words.size <= size)
        return words;
    while (size > 0 && ((unsigned char)words.at[size] & 0xc0U) == 0x80)
        size--;
    return span_trim(span_head(words, size));
}

enum verdict flat_replies(const struct situation *situation, struct mended *mended_r)
{
    struct span rest = situation->seen;
    struct text *text = &mended_r->text;
    struct span status = span_of("", 0);
    struct reply reply;
    struct span line, words;
    size_t start;

    if (!words_parse(situation->seen, &reply) || reply.lines < 2 ||
        (situation->verb->does == DOES_GREET && reply.code < 300) || reply.code == 334)
        return UNTOUCHED;
    text_add_number(text, reply.code);
    start = text->size;
    while (reply_line(&rest, &line)) {
        words = start == text->size ? span_trim(line) : words_of(line, status);
        if (start == text->size)
            status = reply_enhanced(words);
        if (words.size == 0)
            continue;
        text_add_byte(text, ' ');
        text_add(text, words);
    }
    text->size = cut(text_span(text), FLAT_BYTES_MAX - SPAN("\r\n").size).size;
    text_add(text, SPAN("\r\n"));
    return REPAIRED;
}
