/* Lines. */
#include "lockstep/smtp/line.h"

static bool holds_eight_bit(struct span text)
{
    size_t i;
    char all = 0;

    for (i = 0; i < text.size; i++)
        all = (char)(all | text.at[i]);
    return ((unsigned char)all & 0x80U) != 0;
}

enum parsed line_next(struct span input, size_t limit, struct line *line_r)
{
    struct span seen = span_head(input, limit);
    size_t end = span_find(seen, '\n');
    struct span text;

    *line_r = (struct line){0};
    if (end == seen.size)
        return input.size >= limit ? PARSED_BAD : PARSED_MORE;
    text = span_head(seen, end);
    line_r->bare_lf = !span_ends(text, SPAN("\r"));
    if (!line_r->bare_lf)
        text.size--;
    line_r->text = text;
    line_r->taken = end + 1;
    line_r->bare_cr = span_find(text, '\r') < text.size;
    line_r->nul = span_find(text, '\0') < text.size;
    line_r->eight_bit = holds_eight_bit(text);
    return PARSED;
}

struct span line_without_end(struct span line)
{
    if (span_ends(line, SPAN("\n")))
        line.size--;
    if (span_ends(line, SPAN("\r")))
        line.size--;
    return line;
}
