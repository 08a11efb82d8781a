/* Texts of rules and replies, and the lines and keywords in them. */
#include "faults.h"

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The escape behind a backslash; how many bytes of it were read. */
static size_t add_escaped(struct span rest, struct text *out)
{
    if (rest.size >= 3 && rest.at[0] == 'x' && hex_digit(rest.at[1]) >= 0 &&
        hex_digit(rest.at[2]) >= 0) {
        text_add_byte(out, (char)(hex_digit(rest.at[1]) * 16 + hex_digit(rest.at[2])));
        return 3;
    }
    if (rest.size > 0 && rest.at[0] == 'n')
        text_add(out, SPAN("\r\n"));
    else if (rest.size > 0 && rest.at[0] == 'r')
        text_add_byte(out, '\r');
    else if (rest.size > 0 && rest.at[0] == 't')
        text_add_byte(out, '\t');
    else if (rest.size > 0)
        text_add_byte(out, rest.at[0]);
    return 1;
}

void fault_words(struct span words, struct text *out)
{
    size_t i;

    for (i = 0; i < words.size; i++) {
        if (words.at[i] == '\\')
            i += add_escaped(span_tail(words, i + 1), out);
        else
            text_add_byte(out, words.at[i]);
    }
}

bool fault_line(struct span *rest, struct span *line_r)
{
    *line_r = span_head(*rest, span_find(*rest, '\n') + 1);
    *rest = span_tail(*rest, line_r->size);
    return line_r->size > 0;
}

struct span fault_keyword(struct span line)
{
    size_t size = 0;

    line = span_tail(line, 4);
    while (size < line.size && line.at[size] != ' ' && line.at[size] != '=' &&
           line.at[size] != '\r' && line.at[size] != '\n')
        size++;
    return span_head(line, size);
}

bool fault_listed(struct span list, struct span keyword)
{
    bool other = span_starts(list, SPAN("!"));

    list = span_tail(list, other ? 1 : 0);
    while (list.size > 0) {
        struct span name = span_head(list, span_find(list, ','));

        if (span_equal_fold(name, keyword))
            return !other;
        list = span_tail(list, name.size + 1);
    }
    return other;
}
