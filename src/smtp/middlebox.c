/* Middleboxes by their marks. */
#include "lockstep/smtp/middlebox.h"

#include "lockstep/base/must.h"

static const struct middlebox_facts rows[] = {
#define MIDDLEBOX_ROW(name, word, traits) {SPAN_INIT(word), traits},
    MIDDLEBOXES(MIDDLEBOX_ROW)
#undef MIDDLEBOX_ROW
};

static const struct span words[] = {
#define TRAIT_ROW(name, word) SPAN_INIT(word),
    TRAITS(TRAIT_ROW)
#undef TRAIT_ROW
};

struct span trait_word(enum trait trait)
{
    must(trait < TRAIT_COUNT);
    return words[trait];
}

const struct middlebox_facts *middlebox_facts(enum middlebox middlebox)
{
    must(middlebox < MIDDLEBOX_COUNT);
    return &rows[middlebox];
}

/* Nothing but what PIX leaves of a banner, and most of it is stars. */
static bool is_starred(struct span text)
{
    size_t stars = 0;
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (span_find(SPAN("20 *\t\r\n"), text.at[i]) == SPAN("20 *\t\r\n").size)
            return false;
        stars += text.at[i] == '*' ? 1 : 0;
    }
    return stars >= 3;
}

enum middlebox middlebox_greeting(const struct reply *reply)
{
    struct span rest = reply->all;
    struct span line;

    while (reply_line(&rest, &line)) {
        if (is_starred(line))
            return MIDDLEBOX_PIX;
    }
    return MIDDLEBOX_COUNT;
}

/* A keyword overwritten in place: XXXXXXXA, or all of it. */
static bool is_masked(struct span word)
{
    size_t size = 0;

    while (size < word.size && word.at[size] == 'X')
        size++;
    return size >= 3 && (size == word.size || (size + 1 == word.size && word.at[size] == 'A'));
}

enum middlebox middlebox_keywords(const struct reply *reply)
{
    struct span rest = reply->all;
    struct span line, word;

    if (!reply_line(&rest, &line))
        return MIDDLEBOX_COUNT;
    if (span_starts_fold(line, SPAN("Requested mail action okay")))
        return MIDDLEBOX_REDIRECT; /* what no server greets with */
    while (reply_line(&rest, &line)) {
        if (span_word(&line, &word) && is_masked(word))
            return MIDDLEBOX_ASA;
    }
    return MIDDLEBOX_COUNT;
}

/* Servers quote the command that they do not know: "XXXX ...". */
enum middlebox middlebox_refusal(const struct reply *reply)
{
    size_t at = span_find_span(reply->text, SPAN("XXXX"));
    bool quoted = at > 0 && at < reply->text.size &&
                  span_find(SPAN("\"'<: "), reply->text.at[at - 1]) < SPAN("\"'<: ").size;

    return reply->code / 100 == 5 && quoted ? MIDDLEBOX_MASKED : MIDDLEBOX_COUNT;
}
