/* The verbs, from their one list. */
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/smtp/verb.h"

static const struct verb_facts facts[] = {
#define VERB_ROW(name, word, last, success, interim, wait, secret, does, relay, clear) \
    {SPAN_INIT(word), SPAN_INIT(#name), last, success, interim, wait, secret, does, relay, clear},
    VERBS(VERB_ROW)
#undef VERB_ROW
};

const struct verb_facts *verb_facts(enum verb verb)
{
    must((size_t)verb < verb_count());
    return &facts[verb];
}

size_t verb_count(void)
{
    return sizeof(facts) / sizeof(facts[0]);
}

/* The first four bytes with letters in lower case; other bytes may become equal, none unequal. */
static uint32_t start_of(const char *word)
{
    uint32_t start;

    memcpy(&start, word, sizeof(start));
    return start | 0x20202020U;
}

enum verb verb_find(struct span word)
{
    uint32_t start;
    size_t i;

    if (word.size < sizeof(start)) /* RFC 5321 4.1.1: no verb is shorter */
        return VERB_UNKNOWN;
    start = start_of(word.at);
    for (i = 0; i < verb_count(); i++) {
        if (facts[i].word.size == word.size && start_of(facts[i].word.at) == start &&
            span_equal_fold(facts[i].word, word))
            return (enum verb)i;
    }
    return VERB_UNKNOWN;
}
