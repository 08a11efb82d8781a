/* Our side of SASL: the choice, what the RFCs print, tokens and nonsense. */
#include <criterion/criterion.h>
#include <gsasl.h>
#include <openssl/evp.h>
#include <string.h>

#include "lockstep/net/adviser.h"
#include "wish.h"

/* --- the choice --- */

Test(sasl, takes_the_strongest_that_can_be_used)
{
    static const struct {
        const char *offered;
        bool bearer, binding, certificate;
        const char *taken; /* empty: none */
    } rows[] = {
        {"PLAIN LOGIN", false, false, false, "PLAIN"},
        {"LOGIN", false, false, false, "LOGIN"},
        {"LOGIN CRAM-MD5 PLAIN", false, false, false, "CRAM-MD5"},
        {"PLAIN CRAM-MD5 DIGEST-MD5", false, false, false, "DIGEST-MD5"},
        {"PLAIN SCRAM-SHA-1 DIGEST-MD5", false, false, false, "SCRAM-SHA-1"},
        {"PLAIN SCRAM-SHA-1 SCRAM-SHA-256", false, false, false, "SCRAM-SHA-256"},
        {"SCRAM-SHA-256-PLUS SCRAM-SHA-1", false, false, false, "SCRAM-SHA-1"},
        {"SCRAM-SHA-256-PLUS SCRAM-SHA-1", false, true, false, "SCRAM-SHA-256-PLUS"},
        {"SCRAM-SHA-256-PLUS", false, false, false, ""},
        {"EXTERNAL PLAIN", false, false, false, "PLAIN"},
        {"EXTERNAL PLAIN", false, false, true, "EXTERNAL"},
        {"NTLM LOGIN", false, false, false, "NTLM"},
        {"XOAUTH2 PLAIN", false, false, false, "PLAIN"},
        {"XOAUTH2 PLAIN", true, false, false, "XOAUTH2"},
        {"XOAUTH2 OAUTHBEARER PLAIN", true, false, false, "OAUTHBEARER"},
        {"XOAUTH2", false, false, false, ""},
        {"PLAIN LOGIN SCRAM-SHA-256", true, true, false, ""},
        {"", false, false, false, ""},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sasl_wish wish = wish_for(mechanisms_parse(span_of_string(rows[i].offered)));
        struct text line;
        struct sasl *sasl;

        wish.bearer = rows[i].bearer;
        wish.exporter = rows[i].binding ? SPAN("bytes") : SPAN("");
        wish.certificate = rows[i].certificate;
        sasl = wish_begin(&wish, &line);
        cr_assert_eq(sasl == NULL, *rows[i].taken == '\0', "row %zu", i);
        cr_assert_eq(sasl == NULL, sasl_usable(&wish) == 0, "row %zu", i);
        if (sasl == NULL)
            continue;
        cr_assert(
            span_equal(mechanism_facts(sasl_mechanism(sasl))->word, span_of_string(rows[i].taken)),
            "row %zu", i);
        sasl_end(&sasl);
    }
}

Test(sasl, has_nothing_to_say_without_a_name_or_a_secret)
{
    struct sasl_wish wish = wish_for(MECHANISMS_ALL);
    struct text line;

    wish.identity = SPAN("");
    cr_assert_null(wish_begin(&wish, &line));
    wish = wish_for(MECHANISMS_ALL);
    wish.secret = SPAN("");
    cr_assert_null(wish_begin(&wish, &line));
    wish = wish_for(MECHANISMS_ALL);
    wish.secret = SPAN("with\0NUL");
    cr_assert_null(wish_begin(&wish, &line));
    wish.bearer = true;
    wish.secret = SPAN("with\001separator");
    cr_assert_null(wish_begin(&wish, &line));
    wish.secret = SPAN("token");
    wish.identity = SPAN("tim\001auth=Bearer other");
    cr_assert_null(wish_begin(&wish, &line));
}

/* SASLprep (RFC 4013) knows no such bytes; PLAIN's relay may take them as they are. */
Test(sasl, falls_back_when_a_name_can_not_be_prepared)
{
    struct sasl_wish wish = wish_for(mechanisms_parse(SPAN("SCRAM-SHA-1 LOGIN")));
    struct text line;
    struct sasl *sasl;

    wish.identity = SPAN("t\xFCr");
    sasl = wish_begin(&wish, &line);
    cr_assert_not_null(sasl);
    wish_said(&line, "LOGIN");
    sasl_end(&sasl);
}

/* --- what the RFCs print --- */

Test(sasl, says_what_the_standards_print)
{
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_PLAIN));
    struct text line;
    struct sasl *sasl = wish_begin(&wish, &line);

    wish_said(&line, "PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm"); /* RFC 4616 4 */
    sasl_end(&sasl);

    wish.mechanisms = MECHANISM_BIT(MECHANISM_CRAM_MD5); /* RFC 2195 2 */
    sasl = wish_begin(&wish, &line);
    wish_said(&line, "CRAM-MD5");
    text_clear(&line);
    cr_assert(
        sasl_step(sasl, SPAN("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"), &line));
    wish_said(&line, "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
    cr_assert(sasl_proven(sasl));
    sasl_end(&sasl);

    wish = (struct sasl_wish){
        /* RFC 7628 4.1 */
        .mechanisms = MECHANISM_BIT(MECHANISM_OAUTHBEARER),
        .identity = SPAN("user@example.com"),
        .secret = SPAN("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="),
        .bearer = true,
        .host = SPAN("server.example.com"),
        .port = 143,
        .room = ROOM,
    };
    sasl = wish_begin(&wish, &line);
    wish_said(&line,
              "OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9"
              "MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
    sasl_end(&sasl);

    wish.mechanisms = MECHANISM_BIT(MECHANISM_XOAUTH2);
    wish.identity = SPAN("someuser@example.com");
    wish.secret = SPAN("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
    sasl = wish_begin(&wish, &line);
    wish_said(&line, "XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRx"
                     "bVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==");
    sasl_end(&sasl);
}

Test(sasl, writes_a_name_of_commas_so_that_it_stays_one)
{
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_OAUTHBEARER));
    struct text line;
    struct sasl *sasl;
    char *message;
    size_t size;

    wish.bearer = true;
    wish.identity = SPAN("a=b,c");
    sasl = wish_begin(&wish, &line);
    cr_assert_eq(gsasl_base64_from(line.at + 12, line.size - 12, &message, &size), GSASL_OK);
    cr_assert(span_starts(span_of(message, size), SPAN("n,a=a=3Db=2Cc,\001host=")));
    gsasl_free(message);
    sasl_end(&sasl);
}

static void base64(const uint8_t *bytes, size_t size, char *coded)
{
    EVP_EncodeBlock((uint8_t *)coded, bytes, (int)size);
}

/* --- bearers --- */

Test(sasl, hears_why_a_token_is_refused)
{
    static const struct {
        const char *error;
        const char *words;
    } rows[] = {
        {"{\"status\":\"invalid_token\",\"scope\":\"mail\",\"other\":\"x\"}",
         "the relay refused the token: status invalid_token, scope mail"},
        {"{\"status\":401,\"schemes\":\"bearer\"}",
         "the relay refused the token: status 401, schemes bearer"},
        {"{\"status\":\"a\\r\\nb\\u00fc\"}", "the relay refused the token: status a??b??"},
        {"{\"status\":{}}", "the relay refused the token"},
        {"[]", "the relay refused the token"},
        {"no JSON", "the relay refused the token"},
        {"{\"status\":\"no " PASSWORD " here\"}",
         "the relay refused the token, in words that show it"},
    };
    static const enum mechanism bearers[] = {MECHANISM_XOAUTH2, MECHANISM_OAUTHBEARER};
    size_t i;

    for (i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        enum mechanism mechanism = bearers[i % 2];
        struct sasl_wish wish = wish_for(MECHANISM_BIT(mechanism));
        struct text line;
        struct sasl *sasl;
        char coded[256];
        struct span words;

        wish.bearer = true;
        sasl = wish_begin(&wish, &line);
        cr_assert(sasl_proven(sasl));
        base64((const uint8_t *)rows[i / 2].error, strlen(rows[i / 2].error), coded);
        text_clear(&line);
        cr_assert(sasl_step(sasl, span_of_string(coded), &line));
        wish_said(&line, mechanism == MECHANISM_OAUTHBEARER ? "AQ==" : "");
        words = sasl_words(sasl);
        cr_assert(span_equal(words, span_of_string(rows[i / 2].words)), "%.*s", (int)words.size,
                  words.at);
        cr_assert_not(sasl_proven(sasl));
        cr_assert_not(sasl_step(sasl, SPAN(""), &line));
        cr_assert(span_equal(sasl_words(sasl), span_of_string(rows[i / 2].words)));
        sasl_end(&sasl);
    }
}

Test(sasl, says_the_longest_token_as_the_answer_to_a_challenge)
{
    static char token[SECRET_BYTES_MAX];
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_XOAUTH2));
    struct text line;
    struct sasl *sasl;

    memset(token, 'x', sizeof(token));
    wish.bearer = true;
    wish.secret = span_of(token, sizeof(token));
    sasl = wish_begin(&wish, &line);
    wish_said(&line, "XOAUTH2");
    text_clear(&line);
    cr_assert(sasl_step(sasl, SPAN("Z28gYWhlYWQ="), &line));
    cr_assert(line.size > SECRET_BYTES_MAX * 4 / 3 && line.size % 4 == 0);
    sasl_end(&sasl);
}

Test(sasl, knows_its_secret_in_the_words_of_a_relay)
{
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_PLAIN));
    struct text line;
    struct sasl *sasl = wish_begin(&wish, &line);

    cr_assert(sasl_leaks(sasl, SPAN("535 " PASSWORD " is wrong")));
    cr_assert(sasl_leaks(sasl, SPAN("535 not dGFuc3RhYWZ0YW5zdGFhZg==")));
    cr_assert(sasl_leaks(sasl, SPAN("535 AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm?")));
    cr_assert_not(sasl_leaks(sasl, SPAN("535 tim, tanstaaf is wrong")));
    sasl_end(&sasl);
}

/* --- the line --- */

Test(sasl, puts_the_first_message_behind_auth_when_it_fits)
{
    static const char whole[] = "PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm";
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_PLAIN));
    struct text line;
    struct sasl *sasl;

    wish.room = sizeof(whole) - 1;
    sasl = wish_begin(&wish, &line);
    wish_said(&line, whole);
    cr_assert_not(sasl_step(sasl, SPAN(""), &line)); /* it was said */
    sasl_end(&sasl);
    wish.room--;
    sasl = wish_begin(&wish, &line);
    wish_said(&line, "PLAIN");
    text_clear(&line);
    cr_assert(sasl_step(sasl, SPAN("go ahead"), &line));
    wish_said(&line, whole + 6);
    text_clear(&line);
    cr_assert_not(sasl_step(sasl, SPAN(""), &line));
    wish_said(&line, "");
    cr_assert_not(sasl_proven(sasl));
    sasl_end(&sasl);
}

/* RFC 4954 4; B-47 is what goes wrong without the "=". */
Test(sasl, writes_an_empty_first_message_so_that_it_is_seen)
{
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_EXTERNAL));
    struct text line;
    struct sasl *sasl;

    wish.identity = SPAN("");
    wish.certificate = true;
    sasl = wish_begin(&wish, &line);
    wish_said(&line, "EXTERNAL =");
    sasl_end(&sasl);
    wish.room = 9;
    sasl = wish_begin(&wish, &line);
    wish_said(&line, "EXTERNAL");
    text_clear(&line);
    cr_assert(sasl_step(sasl, SPAN(""), &line));
    wish_said(&line, "");
    sasl_end(&sasl);
}

Test(sasl, answers_whatever_words_login_asks_in_twice_and_no_more)
{
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_LOGIN));
    struct text line;
    struct sasl *sasl = wish_begin(&wish, &line);

    wish_said(&line, "LOGIN");
    text_clear(&line);
    cr_assert(sasl_step(sasl, SPAN("Username:"), &line));
    wish_said(&line, "dGlt");
    text_clear(&line);
    cr_assert(sasl_step(sasl, SPAN("UGFzc3dvcmQ6"), &line));
    wish_said(&line, "dGFuc3RhYWZ0YW5zdGFhZg==");
    text_clear(&line);
    cr_assert_not(sasl_step(sasl, SPAN("UGFzc3dvcmQ6"), &line));
    wish_said(&line, "");
    sasl_end(&sasl);
}

Test(sasl, cancels_what_makes_no_sense)
{
    static const char *const names[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "NTLM"};
    static const char *const nonsense[] = {
        "not base64!", "AAAA AAAA", "AAAA\r\nAAAA",         "AAA",
        "====",        "AAAA",      "cj1hLHM9YixpPTQwOTY=", ""};
    size_t i, j;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (j = 0; j < sizeof(nonsense) / sizeof(nonsense[0]); j++) {
            struct sasl_wish wish = wish_for(mechanisms_parse(span_of_string(names[i])));
            struct text line;
            struct sasl *sasl = wish_begin(&wish, &line);

            text_clear(&line);
            cr_assert_not(sasl_step(sasl, span_of_string(nonsense[j]), &line), "%s %s", names[i],
                          nonsense[j]);
            cr_assert_eq(line.size, 0);
            cr_assert_not(sasl_proven(sasl));
            cr_assert(sasl_words(sasl).size > 0);
            sasl_end(&sasl);
        }
    }
}

/* The sample of a type 2 message in the description of NTLM that all implementers use. */
Test(sasl, answers_an_ntlm_challenge)
{
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_NTLM));
    struct text line;
    struct sasl *sasl = wish_begin(&wish, &line);

    cr_assert(span_starts(text_span(&line), SPAN("NTLM TlRMTVNTUAAB")));
    text_clear(&line);
    cr_assert(sasl_step(sasl,
                        SPAN("TlRMTVNTUAACAAAADAAMADAAAAABAoEAASNFZ4mrze8AAAAAAAAAAGIAYgA8AAAARABP"
                             "AE0AQQBJAE4AAgAMAEQATwBNAEEASQBOAAEADABTAEUAUgBWAEUAUgAEABQAZABvAG0A"
                             "YQBpAG4ALgBjAG8AbQADACIAcwBlAHIAdgBlAHIALgBkAG8AbQBhAGkAbgAuAGMAbwBt"
                             "AAAAAAA="),
                        &line));
    cr_assert(span_starts(text_span(&line), SPAN("TlRMTVNTUAAD")));
    cr_assert(sasl_proven(sasl));
    sasl_end(&sasl);
}
