#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "vault/rest.h"

static struct rests rests;
static char said[REST_WORDS_MAX];

static const unsigned char *key_of(const char *relay, const char *user, const char *secret)
{
    static unsigned char key[REST_KEY_BYTES];

    rest_key(&rests, span_of_string(relay), span_of_string(user), span_of_string(secret), key);
    return key;
}

static bool over(const char *secret, moment now)
{
    struct text words = text_over(said, sizeof(said) - 1);
    bool is = rest_over(&rests, key_of("office", "tim", secret), now, &words);

    said[words.size] = 0;
    return is;
}

static moment refused(const char *secret, moment now, const char *words)
{
    return rest_refused(&rests, key_of("office", "tim", secret), now, span_of_string(words));
}

Test(rest, tells_logins_apart_by_all_that_is_said)
{
    rests_open(&rests);
    cr_assert(over("wrong", 0), "nobody refused it");
    refused("wrong", 0, "535 no");
    cr_expect_not(over("wrong", 0));
    cr_expect_str_eq(said, "535 no");
    cr_expect(over("right", 0), "it changed");
    cr_expect(rest_over(&rests, key_of("shop", "tim", "wrong"), 0, &(struct text){0}));
    cr_expect(rest_over(&rests, key_of("office", "ti", "mwrong"), 0, &(struct text){0}));
    rests_close(&rests);
}

Test(rest, lasts_twice_as_long_each_time)
{
    static const moment pauses[] = {1000,  2000,   4000,   8000,   16000,  32000,
                                    64000, 128000, 256000, 512000, 900000, 900000};
    moment now = 5;
    size_t i;

    rests_open(&rests);
    for (i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        cr_assert(over("wrong", now), "pause %zu", i);
        cr_assert_eq(refused("wrong", now, "535 no"), pauses[i], "pause %zu", i);
        cr_assert_not(over("wrong", now + pauses[i] - 1), "pause %zu", i);
        now += pauses[i];
    }
    cr_expect(over("wrong", now + REST_FORGET_MS));
    cr_expect_eq(refused("wrong", now + REST_FORGET_MS, ""), REST_FIRST_MS, "it is long ago");
    rests_close(&rests);
}

Test(rest, lets_one_try_when_it_is_over)
{
    rests_open(&rests);
    refused("wrong", 0, "535 no");
    cr_expect_eq(refused("wrong", 10, "535 nor you"), 1000, "both began before either ended");
    cr_expect(over("wrong", 1010));
    cr_expect_not(over("wrong", 1010), "the others wait for what comes of it");
    cr_expect_str_eq(said, "535 nor you");
    cr_expect(over("wrong", 2010), "nothing came of it");
    rest_accepted(&rests, key_of("office", "tim", "wrong"));
    cr_expect(over("wrong", 2010), "the relay has changed its mind");
    cr_expect(over("wrong", 2010), "and nothing of it is left");
    cr_expect_eq(refused("wrong", 2011, "535 no"), REST_FIRST_MS);
    rests_clear(&rests);
    cr_expect(over("wrong", 2012));
    rests_close(&rests);
}

Test(rest, has_room_for_so_many)
{
    char secret[16];
    uint32_t i;

    rests_open(&rests);
    for (i = 0; i <= REST_LOGINS_MAX; i++) {
        snprintf(secret, sizeof(secret), "%u", i);
        refused(secret, i, "535 no");
    }
    cr_expect_eq(rests.count, REST_LOGINS_MAX);
    cr_expect(over("0", 500), "it is tried next anyway");
    cr_expect_not(over("1", 500));
    cr_expect_not(over(secret, 500));
    rests_close(&rests);
}

Test(rest, keeps_the_beginning_of_long_words)
{
    char words[2 * REST_WORDS_MAX];

    memset(words, 'w', sizeof(words));
    words[sizeof(words) - 1] = 0;
    rests_open(&rests);
    refused("wrong", 0, words);
    cr_expect_not(over("wrong", 0));
    cr_expect_eq(strlen(said), REST_WORDS_MAX - 1);
    rests_close(&rests);
}
