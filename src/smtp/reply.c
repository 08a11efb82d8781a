/* Upstream replies as values. */
#include "lockstep/smtp/reply.h"

#define REPLY_CODE_SIZE 3U

static bool digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The code a line starts with, 0 when it has none. */
static uint16_t line_code(struct span text)
{
    if (text.size < REPLY_CODE_SIZE || text.at[0] < '2' || text.at[0] > '5' || !digit(text.at[1]) ||
        !digit(text.at[2]))
        return 0;
    if (text.size > REPLY_CODE_SIZE && text.at[3] != ' ' && text.at[3] != '-')
        return 0;
    return (uint16_t)((text.at[0] - '0') * 100 + (text.at[1] - '0') * 10 + (text.at[2] - '0'));
}

static struct span without_code(struct span text)
{
    return line_code(text) ? span_tail(text, REPLY_CODE_SIZE + 1) : text;
}

struct span reply_enhanced(struct span text)
{
    size_t i, dots = 0, digits = 0;

    for (i = 0; i < text.size && text.at[i] != ' '; i++) {
        if (digit(text.at[i]) && digits < REPLY_CODE_SIZE)
            digits++;
        else if (text.at[i] == '.' && digits > 0 && dots < 2)
            dots++, digits = 0;
        else
            return span_of("", 0);
    }
    if (dots != 2 || digits == 0 || text.at[1] != '.' ||
        (text.at[0] != '2' && text.at[0] != '4' && text.at[0] != '5')) /* RFC 3463 2 */
        return span_of("", 0);
    return span_head(text, i);
}

enum parsed reply_parse(struct span input, size_t limit, struct reply *reply_r)
{
    struct reply reply = {0};
    struct line line;
    enum parsed state;
    uint16_t code;

    for (;;) {
        state = line_next(span_tail(input, reply.taken), limit - reply.taken, &line);
        if (state != PARSED) {
            *reply_r = reply;
            return input.size >= limit ? PARSED_BAD : state;
        }
        code = line_code(line.text);
        if (code == 0 && reply.lines == 0) {
            *reply_r = reply;
            return PARSED_BAD;
        }
        reply.lines++;
        reply.taken += line.taken;
        reply.odd = reply.odd || code == 0 || (reply.code && code != reply.code) || line.bare_lf ||
                    line.bare_cr || line.nul;
        if (code == 0)
            continue;
        reply.code = code;
        if (line.text.size == REPLY_CODE_SIZE || line.text.at[REPLY_CODE_SIZE] == ' ')
            break;
    }
    reply.all = span_head(input, reply.taken);
    reply.text = without_code(line.text);
    reply.enhanced = reply_enhanced(reply.text);
    *reply_r = reply;
    return PARSED;
}

bool reply_line(struct span *rest, struct span *text_r)
{
    size_t end = span_find(*rest, '\n');
    struct span text = span_head(*rest, end);

    if (rest->size == 0)
        return false;
    *rest = span_tail(*rest, end + 1);
    if (span_ends(text, SPAN("\r")))
        text.size--;
    *text_r = without_code(text);
    return true;
}
