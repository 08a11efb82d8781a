/* The verbs, from their one list. */
#include "lockstep/smtp/verb.h"
#include "lockstep/base/must.h"

static const struct verb_facts facts[] = {
#define VERB_ROW(name, word, last, success, interim, wait, secret, does, relay) \
    {SPAN_INIT(word), SPAN_INIT(#name), last, success, interim, wait, secret, does, relay},
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

enum verb verb_find(struct span word)
{
    size_t i;

    for (i = 0; word.size > 0 && i < verb_count(); i++) {
        if (span_equal_fold(facts[i].word, word))
            return (enum verb)i;
    }
    return VERB_UNKNOWN;
}
