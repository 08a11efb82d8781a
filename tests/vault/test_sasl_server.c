/* Our side of SASL against GNU SASL's server side, and against SCRAM as it is written here. */
#include <criterion/criterion.h>
#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "lockstep/net/adviser.h"
#include "wish.h"

/* --- against the library's server --- */

struct server {
    const char *password;
    const char *unique;   /* in base64 */
    const char *exporter; /* the same */
};

static int server_tells(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    const struct server *server = gsasl_callback_hook_get(gsasl);
    const char *value = NULL;

    if (property == GSASL_PASSWORD)
        value = server->password;
    else if (property == GSASL_CB_TLS_UNIQUE)
        value = server->unique;
    else if (property == GSASL_CB_TLS_EXPORTER)
        value = server->exporter;
    else if (property == GSASL_REALM || property == GSASL_HOSTNAME)
        value = "mail.example";
    else if (property == GSASL_SERVICE)
        value = "smtp";
    else if (property == GSASL_SCRAM_ITER)
        value = "4096";
    else if (property == GSASL_QOPS)
        value = "qop-auth";
    else if (property == GSASL_VALIDATE_EXTERNAL)
        return strcmp(gsasl_property_get(session, GSASL_AUTHZID), USER) == 0
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    if (value == NULL)
        return GSASL_NO_CALLBACK;
    gsasl_property_set(session, property, value);
    return GSASL_OK;
}

/* What a relay would do with the exchange: true for 235. `*line` begins as what stood behind
 * "AUTH " and `*agreed_r` says whether we took part until the end. */
static bool converse(Gsasl_session *session, struct sasl *sasl, struct text *line, bool *agreed_r)
{
    char coded[ANSWER_BYTES_MAX];
    struct span rest = text_span(line);
    struct span word, initial;
    bool silent;
    int result;

    *agreed_r = true;
    span_word(&rest, &word);
    silent = !span_word(&rest, &initial);
    if (!silent && span_equal(initial, SPAN("=")))
        initial = SPAN("");
    snprintf(coded, sizeof(coded), "%.*s", silent ? 0 : (int)initial.size, initial.at);
    if (silent && strstr("CRAM-MD5 DIGEST-MD5 LOGIN",
                         mechanism_facts(sasl_mechanism(sasl))->word.at) == NULL) {
        text_clear(line);
        cr_assert(sasl_step(sasl, SPAN(""), line));
        snprintf(coded, sizeof(coded), "%.*s", (int)line->size, line->at);
    }
    for (;;) {
        char *output = NULL;

        result = gsasl_step64(session, coded, &output);
        if (result != GSASL_OK && result != GSASL_NEEDS_MORE)
            return false;
        /* RFC 4954 4: what a mechanism says with its success is one more challenge in SMTP. */
        if (result == GSASL_OK && (output == NULL || *output == '\0')) {
            gsasl_free(output);
            return true;
        }
        text_clear(line);
        *agreed_r = sasl_step(sasl, span_of_string(output), line);
        gsasl_free(output);
        if (!*agreed_r || result == GSASL_OK)
            return *agreed_r;
        snprintf(coded, sizeof(coded), "%.*s", (int)line->size, line->at);
    }
}

/* Both must agree on whether it passed. */
static bool passes(const struct server *server, const struct sasl_wish *wish, enum mechanism wanted)
{
    Gsasl *gsasl;
    Gsasl_session *session;
    struct text line;
    struct sasl *sasl = wish_begin(wish, &line);
    bool passed, agreed, proven;

    cr_assert_not_null(sasl);
    cr_assert_eq(sasl_mechanism(sasl), wanted);
    cr_assert_eq(gsasl_init(&gsasl), GSASL_OK);
    gsasl_callback_set(gsasl, server_tells);
    gsasl_callback_hook_set(gsasl, (void *)server);
    cr_assert_eq(gsasl_server_start(gsasl, mechanism_facts(wanted)->word.at, &session), GSASL_OK);
    passed = converse(session, sasl, &line, &agreed);
    proven = sasl_proven(sasl);
    sasl_end(&sasl);
    cr_assert_null(sasl);
    gsasl_finish(session);
    gsasl_done(gsasl);
    return passed && agreed && proven;
}

static const enum mechanism unbound[] = {
    MECHANISM_SCRAM_SHA_256, MECHANISM_SCRAM_SHA_1, MECHANISM_DIGEST_MD5,
    MECHANISM_CRAM_MD5,      MECHANISM_PLAIN,       MECHANISM_LOGIN,
};

Test(sasl, logs_in_by_every_mechanism_with_and_without_initial_response)
{
    const struct server right = {.password = PASSWORD};
    const struct server wrong = {.password = "another"};
    size_t i;

    for (i = 0; i < sizeof(unbound) / sizeof(unbound[0]); i++) {
        struct sasl_wish wish = wish_for(MECHANISM_BIT(unbound[i]));

        cr_assert(passes(&right, &wish, unbound[i]), "mechanism %zu", i);
        cr_assert_not(passes(&wrong, &wish, unbound[i]), "mechanism %zu", i);
        wish.room = 0;
        cr_assert(passes(&right, &wish, unbound[i]), "mechanism %zu", i);
    }
}

Test(sasl, binds_to_the_channel_of_either_kind)
{
    static const enum mechanism bound[] = {MECHANISM_SCRAM_SHA_256_PLUS,
                                           MECHANISM_SCRAM_SHA_1_PLUS};
    /* "0123456789ab" and "0123456789ac" */
    const struct server unique = {.password = PASSWORD, .unique = "MDEyMzQ1Njc4OWFi"};
    const struct server exporter = {.password = PASSWORD, .exporter = "MDEyMzQ1Njc4OWFi"};
    const struct server between = {.password = PASSWORD, .exporter = "MDEyMzQ1Njc4OWFj"};
    size_t i;

    for (i = 0; i < 2; i++) {
        struct sasl_wish wish = wish_for(MECHANISM_BIT(bound[i]));

        wish.exporter = SPAN("0123456789ab");
        cr_assert(passes(&exporter, &wish, bound[i]));
        cr_assert_not(passes(&between, &wish, bound[i]));
        cr_assert_not(passes(&unique, &wish, bound[i]));
        wish.exporter = SPAN("not this one, below TLS 1.3");
        wish.unique = SPAN("0123456789ab");
        cr_assert(passes(&unique, &wish, bound[i]));
        cr_assert_not(passes(&exporter, &wish, bound[i]));
    }
}

Test(sasl, shows_a_certificate_for_one_identity_only)
{
    const struct server server = {.password = PASSWORD};
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_EXTERNAL));

    cr_assert_eq(sasl_usable(&wish), 0);
    wish.certificate = true;
    wish.secret = SPAN("");
    cr_assert(passes(&server, &wish, MECHANISM_EXTERNAL));
    wish.identity = SPAN("tom");
    cr_assert_not(passes(&server, &wish, MECHANISM_EXTERNAL));
}

/* --- SCRAM by hand, so that not one library agrees with itself --- */

static void hmac(const EVP_MD *md, const void *key, size_t key_size, struct span text, uint8_t *out)
{
    cr_assert_not_null(
        HMAC(md, key, (int)key_size, (const uint8_t *)text.at, text.size, out, NULL));
}

/* RFC 5802 3: the client's proof and the server's signature. */
static void scram(const EVP_MD *md, struct span password, struct span salt, int rounds,
                  struct span messages, uint8_t *proof_r, uint8_t *signature_r)
{
    size_t size = (size_t)EVP_MD_get_size(md);
    uint8_t salted[64], client[64], server[64], stored[64];
    size_t i;

    PKCS5_PBKDF2_HMAC(password.at, (int)password.size, (const uint8_t *)salt.at, (int)salt.size,
                      rounds, md, (int)size, salted);
    hmac(md, salted, size, SPAN("Client Key"), client);
    hmac(md, salted, size, SPAN("Server Key"), server);
    EVP_Digest(client, size, stored, NULL, md, NULL);
    hmac(md, stored, size, messages, proof_r);
    for (i = 0; i < size; i++)
        proof_r[i] ^= client[i];
    hmac(md, server, size, messages, signature_r);
}

static void base64(const uint8_t *bytes, size_t size, char *coded)
{
    EVP_EncodeBlock((uint8_t *)coded, bytes, (int)size);
}

static const char salt_256[] = "W22ZaJ0SNY7soEsUEjb6gQ==";

static void check_by_hand(const EVP_MD *md, struct span password, const char *salt, int rounds,
                          const char *messages, const char *proof, const char *signature)
{
    uint8_t salt_bytes[32], proof_bytes[64], signature_bytes[64];
    char coded[128];

    EVP_DecodeBlock(salt_bytes, (const uint8_t *)salt, (int)strlen(salt));
    scram(md, password,
          span_of((const char *)salt_bytes, strlen(salt) == 24 && salt[22] == '=' ? 16 : 12),
          rounds, span_of_string(messages), proof_bytes, signature_bytes);
    base64(proof_bytes, (size_t)EVP_MD_get_size(md), coded);
    cr_assert_str_eq(coded, proof);
    base64(signature_bytes, (size_t)EVP_MD_get_size(md), coded);
    cr_assert_str_eq(coded, signature);
}

Test(sasl, counts_scram_by_hand_as_the_standards_print_it)
{
    check_by_hand(EVP_sha1(), SPAN("pencil"), "QSXCR+Q6sek8bf92", 4096, /* RFC 5802 5 */
                  "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
                  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
                  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
                  "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=");
    check_by_hand(EVP_sha256(), SPAN("pencil"), salt_256, 4096, /* RFC 7677 3 */
                  "n=user,r=rOprNGfwEbeRWgbNEkqO,"
                  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,"
                  "i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                  "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                  "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

/* A SCRAM-SHA-256 server written here, that may misbehave. */
struct scram_talk {
    struct sasl *sasl;
    struct text line;
    char bare[256];   /* the client's first message without its header */
    char server[512]; /* the server's first */
    char final[512];  /* the client's last, without proof */
    char proof[128];
    char right_proof[128];
    char verifier[128];
};

static size_t unbase64(struct span coded, char *out, size_t room)
{
    char *bytes;
    size_t size;

    cr_assert_eq(gsasl_base64_from(coded.at, coded.size, &bytes, &size), GSASL_OK);
    cr_assert(size < room);
    memcpy(out, bytes, size);
    out[size] = '\0';
    gsasl_free(bytes);
    return size;
}

static bool say(struct scram_talk *talk, const char *message)
{
    char coded[1024];

    base64((const uint8_t *)message, strlen(message), coded);
    text_clear(&talk->line);
    return sasl_step(talk->sasl, span_of_string(coded), &talk->line);
}

/* As far as the server's first message, with that many rounds as text. */
static bool talk_begin(struct scram_talk *talk, const char *rounds)
{
    struct sasl_wish wish = wish_for(MECHANISM_BIT(MECHANISM_SCRAM_SHA_256));
    char first[256];

    memset(talk, 0, sizeof(*talk));
    wish.identity = SPAN("user");
    wish.secret = SPAN("pencil");
    talk->sasl = wish_begin(&wish, &talk->line);
    cr_assert_not_null(talk->sasl);
    unbase64(span_tail(text_span(&talk->line), strlen("SCRAM-SHA-256 ")), first, sizeof(first));
    cr_assert(span_starts(span_of_string(first), SPAN("n,,n=user,r=")));
    snprintf(talk->bare, sizeof(talk->bare), "%s", first + 3);
    snprintf(talk->server, sizeof(talk->server), "r=%s%s,s=%s,i=%s", talk->bare + 9,
             "3rfcNHYJY1ZVvWVs7j", salt_256, rounds);
    return say(talk, talk->server);
}

static void talk_check(struct scram_talk *talk, int rounds)
{
    char final[512], messages[2048];
    uint8_t salt[18], proof[32], signature[32];
    char *mark;

    unbase64(text_span(&talk->line), final, sizeof(final));
    mark = strstr(final, ",p=");
    cr_assert_not_null(mark);
    *mark = '\0';
    snprintf(messages, sizeof(messages), "%s,%s,%s", talk->bare, talk->server, final);
    EVP_DecodeBlock(salt, (const uint8_t *)salt_256, 24);
    scram(EVP_sha256(), SPAN("pencil"), span_of((const char *)salt, 16), rounds,
          span_of_string(messages), proof, signature);
    base64(proof, 32, talk->right_proof);
    cr_assert_str_eq(mark + 3, talk->right_proof);
    snprintf(talk->verifier, sizeof(talk->verifier), "v=");
    base64(signature, 32, talk->verifier + 2);
}

Test(sasl, believes_a_scram_server_only_when_it_has_proven_itself)
{
    struct scram_talk talk;

    cr_assert(talk_begin(&talk, "4096"));
    cr_assert_not(sasl_proven(talk.sasl)); /* a 235 now would be a lie */
    talk_check(&talk, 4096);
    cr_assert(say(&talk, talk.verifier));
    wish_said(&talk.line, "");
    cr_assert(sasl_proven(talk.sasl));
    cr_assert_not(say(&talk, talk.verifier)); /* there is nothing more to say */
    cr_assert_not(sasl_proven(talk.sasl));
    sasl_end(&talk.sasl);

    cr_assert(talk_begin(&talk, "4096"));
    talk_check(&talk, 4096);
    talk.verifier[7] ^= 1;
    cr_assert_not(say(&talk, talk.verifier));
    cr_assert_not(sasl_proven(talk.sasl));
    cr_assert(sasl_words(talk.sasl).size > 0);
    sasl_end(&talk.sasl);
}

Test(sasl, hashes_as_often_as_it_can_bear_and_no_more)
{
    static const char *const refused[] = {"100001",     "4294967296", "18446744073709551617",
                                          " 999999999", "+999999999", "0x7fffffff",
                                          "",           "-1"};
    struct scram_talk talk;
    size_t i;

    cr_assert(talk_begin(&talk, "100000"));
    talk_check(&talk, 100000);
    sasl_end(&talk.sasl);
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        cr_assert_not(talk_begin(&talk, refused[i]), "%s", refused[i]);
        cr_assert_not(sasl_proven(talk.sasl));
        sasl_end(&talk.sasl);
    }
}
