/* line_next: one byte of limit, then bytes to cut into lines. */
#include "lockstep/base/must.h"
#include "lockstep/smtp/line.h"

#include "fuzz.h"

static bool holds_above(struct span text, unsigned char most)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if ((unsigned char)text.at[i] > most)
            return true;
    }
    return false;
}

static void check_line(struct span input, size_t limit, const struct line *line)
{
    size_t end = line->bare_lf ? 1 : 2;
    struct line other;

    must(line->taken <= limit && line->taken <= input.size);
    must(line->text.size + end == line->taken && line->text.at == input.at);
    must(input.at[line->taken - 1] == '\n' && span_find(line->text, '\n') == line->text.size);
    must(!line->bare_lf || !span_ends(line->text, SPAN("\r")));
    must(line->bare_cr == (span_find(line->text, '\r') < line->text.size));
    must(line->nul == (span_find(line->text, '\0') < line->text.size));
    must(line->eight_bit == holds_above(line->text, 0x7f));
    must(line_next(span_head(input, line->taken - 1), limit, &other) == PARSED_MORE);
    must(line_next(span_head(input, line->taken), limit, &other) == PARSED);
    must(other.taken == line->taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t limit = size > 0 ? 1 + (size_t)data[0] : 1;
    struct span input = span_tail(span_of((const char *)data, size), 1);
    enum parsed state;
    struct line line;

    while ((state = line_next(input, limit, &line)) == PARSED) {
        check_line(input, limit, &line);
        input = span_tail(input, line.taken);
    }
    must(span_find(span_head(input, limit), '\n') >= limit || state == PARSED_MORE);
    must((state == PARSED_BAD) == (input.size >= limit));
    return 0;
}
