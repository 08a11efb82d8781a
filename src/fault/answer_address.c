/*
 * Magic addresses: a test that can't reach the path's rules says in an address what it wants to
 * hear. Only refusals can be had: a 2xx for what the relay never heard of would be a lie.
 */
#include "faults.h"

#define CODE_DIGITS 3U

static bool is_digit(char byte, char last)
{
    return byte >= '0' && byte <= last;
}

static bool is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || is_digit(byte, '9') ||
           byte == '.';
}

/* What stands between the bracket and the @; empty where there is neither. */
static struct span local_part(struct span line)
{
    struct span path = span_tail(line, span_find(line, '<') + 1);
    size_t end = span_find(path, '@');

    return end < path.size ? span_head(path, end) : SPAN("");
}

/* RFC 5321 4.2: the second digit is one of 0 to 5. */
static bool has_code(struct span local)
{
    return local.size >= CODE_DIGITS && local.size <= FAULT_ADDRESS_BYTES_MAX &&
           (local.at[0] == '4' || local.at[0] == '5') && is_digit(local.at[1], '5') &&
           is_digit(local.at[2], '9') && (local.size == CODE_DIGITS || local.at[3] == '-');
}

bool fault_address_words(struct span line, struct text *out)
{
    struct span local = local_part(line);
    struct span words = span_tail(local, CODE_DIGITS + 1);
    size_t i;

    if (!has_code(local))
        return false;
    text_add(out, span_head(local, CODE_DIGITS));
    text_add_byte(out, ' ');
    /* RFC 2034 4: the class is the code's. An address may have a status code of its own. */
    if (words.size < 2 || words.at[0] != local.at[0] || words.at[1] != '.') {
        text_add_byte(out, local.at[0]);
        text_add(out, SPAN(".0.0 "));
    }
    for (i = 0; i < words.size; i++)
        text_add_byte(out, words.at[i] == '-' ? ' ' : is_word(words.at[i]) ? words.at[i] : '?');
    if (words.size == 0)
        text_add(out, SPAN("The address asks for this"));
    return true;
}

void fault_answer_address(const struct fault_rule *rule, const struct fault_scene *scene,
                          struct fault_plan *plan)
{
    char bytes[FAULT_ADDRESS_WORDS_MAX];
    struct text words = text_over(bytes, sizeof(bytes));

    (void)rule;
    if (!fault_address_words(scene->said, &words)) {
        plan->same = true;
        return;
    }
    plan->fate = FAULT_HERE;
    plan->addressed = true;
    if (span_starts(text_span(&words), SPAN("421")))
        plan->end = FAULT_CLOSE; /* RFC 5321 3.8: the one who says it closes */
}
