#include <criterion/criterion.h>

#include "lockstep/smtp/verb.h"

Test(verb, every_word_is_found_in_any_case)
{
    char folded[16];
    size_t verb, i;

    for (verb = 0; verb < verb_count(); verb++) {
        struct span word = verb_facts((enum verb)verb)->word;

        cr_assert_gt(verb_facts((enum verb)verb)->name.size, 0U);
        if (word.size == 0)
            continue;
        cr_assert_eq(verb_find(word), (enum verb)verb);
        for (i = 0; i < word.size; i++)
            folded[i] = (char)(word.at[i] | (i % 2 ? 0x20 : 0));
        cr_assert_eq(verb_find(span_of(folded, word.size)), (enum verb)verb);
        cr_assert_eq(verb_find(span_head(word, word.size - 1)), VERB_UNKNOWN);
    }
}

Test(verb, nothing_else_is_a_verb)
{
    static const struct span words[] = {
        SPAN_INIT(""),
        SPAN_INIT("M"),
        SPAN_INIT("MAI"),
        SPAN_INIT("MAILS"),
        SPAN_INIT("MAIM"),
        SPAN_INIT("XXXX"),
        SPAN_INIT("STARTTL"),
        SPAN_INIT("STARTTLT"),
        SPAN_INIT("\x0d"
                  "AIL"),
        SPAN_INIT("NOO\0"),
        SPAN_INIT("UNKNOWN"),
        SPAN_INIT("END"),
    };
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        cr_assert_eq(verb_find(words[i]), VERB_UNKNOWN, "row %zu", i);
}

/* RFC 2920 3.1: only these may stand anywhere in a group. */
Test(verb, only_the_few_may_be_followed_before_their_answer)
{
    size_t verb;

    for (verb = 0; verb < verb_count(); verb++) {
        bool anywhere = verb == VERB_RSET || verb == VERB_MAIL || verb == VERB_SEND ||
                        verb == VERB_SOML || verb == VERB_SAML || verb == VERB_RCPT;

        cr_assert_eq(verb_facts((enum verb)verb)->last, !anywhere, "verb %zu", verb);
    }
}

Test(verb, success_is_exact_where_more_than_the_first_digit_counts)
{
    cr_assert_eq(verb_facts(VERB_DATA)->success, 354);
    cr_assert_eq(verb_facts(VERB_AUTH)->success, 235);
    cr_assert_eq(verb_facts(VERB_AUTH)->interim, 334);
    cr_assert_eq(verb_facts(VERB_RESPONSE)->success, 235);
    cr_assert_eq(verb_facts(VERB_STARTTLS)->success, 220);
    cr_assert_eq(verb_facts(VERB_END)->success, 0);
    cr_assert(verb_facts(VERB_AUTH)->secret);
    cr_assert(verb_facts(VERB_RESPONSE)->secret);
}
