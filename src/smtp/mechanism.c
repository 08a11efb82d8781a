/* SASL mechanisms, from their one list. */
#include "lockstep/smtp/mechanism.h"
#include "lockstep/base/must.h"

static const struct mechanism_facts facts[] = {
#define MECHANISM_ROW(name, word, clear, bearer, bound) {SPAN_INIT(word), clear, bearer, bound},
    MECHANISMS(MECHANISM_ROW)
#undef MECHANISM_ROW
};

const struct mechanism_facts *mechanism_facts(enum mechanism mechanism)
{
    must(mechanism < MECHANISM_COUNT);
    return &facts[mechanism];
}

enum mechanism mechanism_find(struct span word)
{
    size_t i;

    for (i = 0; i < MECHANISM_COUNT; i++) {
        if (span_equal_fold(facts[i].word, word))
            return (enum mechanism)i;
    }
    return MECHANISM_COUNT;
}

uint32_t mechanisms_parse(struct span names)
{
    uint32_t set = 0;
    struct span word;

    while (span_word(&names, &word)) {
        while (word.size > 0) {
            size_t comma = span_find(word, ',');
            enum mechanism mechanism = mechanism_find(span_head(word, comma));

            if (mechanism != MECHANISM_COUNT)
                set |= MECHANISM_BIT(mechanism);
            word = span_tail(word, comma + 1);
        }
    }
    return set;
}

void mechanisms_show(uint32_t set, struct text *out)
{
    bool first = true;
    size_t i;

    for (i = 0; i < MECHANISM_COUNT; i++) {
        if ((set & MECHANISM_BIT(i)) == 0)
            continue;
        if (!first)
            text_add_byte(out, ' ');
        text_add(out, facts[i].word);
        first = false;
    }
}
