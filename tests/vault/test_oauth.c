#include <string.h>

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "vault/base64.h"
#include "vault/oauth.h"
#include "vault/secret_json.h"

#define REFRESH_TOKEN "1//refresh+token/of=some.length"

static struct oauth_party made;

/* The party of a credential "scanner" at that provider. */
static const struct oauth_party *party_of(enum oauth_provider provider, enum oauth_grant grant)
{
    struct config_credential definition = {.name = SPAN("scanner")};
    char memory[200];
    struct text error = text_over(memory, sizeof(memory));

    definition.oauth = (struct config_oauth){.provider = provider,
                                             .grant = grant,
                                             .client_id = SPAN("id & more"),
                                             .tenant = SPAN("example.org")};
    if (provider == OAUTH_GENERIC)
        definition.oauth.token_endpoint = SPAN("https://idp.example/token");
    cr_assert(oauth_party(&definition, &made, &error), "%.*s", (int)error.size, error.at);
    return &made;
}

static void assert_text(struct span text, const char *expected)
{
    cr_assert(span_equal(text, span_of_string(expected)), "\"%.*s\" is not \"%s\"", (int)text.size,
              text.at, expected);
}

Test(base64, is_as_in_the_rfc)
{
    static const char *const rows[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+", "-__-"},
    };
    char memory[16];
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text text = text_over(memory, sizeof(memory));

        base64_add(span_of_string(rows[i][0]), &text);
        assert_text(text_span(&text), rows[i][1]);
        text_clear(&text);
        base64_add_url(span_of_string(rows[i][0]), &text);
        assert_text(text_span(&text), rows[i][2]);
    }
}

/* --- what is asked --- */

Test(oauth, endpoints_are_the_presets_with_the_tenant_or_those_configured)
{
    const struct oauth_party *party = party_of(OAUTH_MICROSOFT, GRANT_DEVICE);
    struct config_credential definition = {.name = SPAN("x"), .oauth.provider = OAUTH_GENERIC};
    char memory[200];
    struct text error = text_over(memory, sizeof(memory));

    assert_text(party->token, "https://login.microsoftonline.com/example.org/oauth2/v2.0/token");
    assert_text(party->device,
                "https://login.microsoftonline.com/example.org/oauth2/v2.0/devicecode");
    assert_text(party->scope, "https://outlook.office.com/SMTP.Send offline_access");
    party = party_of(OAUTH_MICROSOFT, GRANT_CLIENT_CREDENTIALS);
    assert_text(party->scope, "https://outlook.office365.com/.default");
    party = party_of(OAUTH_GENERIC, GRANT_REFRESH);
    assert_text(party->token, "https://idp.example/token");
    cr_assert_eq(party->device.size, 0);
    cr_assert_not(oauth_party(&definition, &made, &error));
    assert_text(text_span(&error), "credential x: token-endpoint is missing");
    definition.oauth.provider = OAUTH_MICROSOFT;
    definition.oauth.tenant = span_of(memory, 0);
    cr_assert(oauth_party(&definition, &made, &error));
    assert_text(made.token, "https://login.microsoftonline.com/common/oauth2/v2.0/token");
}

Test(oauth, another_user_client_or_endpoint_is_another_party)
{
    static const struct config_credential rows[] = {
        {.user = SPAN_INIT("u"), .oauth = {.client_id = SPAN_INIT("c")}},
        {.user = SPAN_INIT("uc"), .oauth = {.client_id = SPAN_INIT("")}},
        {.user = SPAN_INIT("v"), .oauth = {.client_id = SPAN_INIT("c")}},
        {.user = SPAN_INIT("u"), .oauth = {.client_id = SPAN_INIT("d")}},
        {.user = SPAN_INIT("u"), .oauth = {.client_id = SPAN_INIT("c"), .tenant = SPAN_INIT("t")}},
    };
    static struct oauth_party parties[5];
    char memory[200];
    struct text error = text_over(memory, sizeof(memory));
    size_t i, k;

    for (i = 0; i < 5; i++) {
        struct config_credential definition = rows[i];

        definition.oauth.provider = OAUTH_MICROSOFT;
        cr_assert(oauth_party(&definition, &parties[i], &error));
        for (k = 0; k < i; k++)
            cr_assert_str_neq(parties[i].mark, parties[k].mark, "rows %zu and %zu", i, k);
        definition.oauth.scope = SPAN("another scope");
        cr_assert(oauth_party(&definition, &made, &error));
        cr_assert_str_eq(parties[i].mark, made.mark);
    }
}

struct form_row {
    enum oauth_provider provider;
    enum oauth_step step;
    const char *secret;
    const char *given;
    const char *form;
    const char *header;
};

Test(oauth, every_step_asks_as_its_rfc_says)
{
    static const struct form_row rows[] = {
        {OAUTH_MICROSOFT, OAUTH_REFRESH, "", "a+b/c",
         "grant_type=refresh_token&refresh_token=a%2Bb%2Fc&client_id=id%20%26%20more", ""},
        {OAUTH_GOOGLE, OAUTH_REFRESH, "s&t", "r",
         "grant_type=refresh_token&refresh_token=r&client_id=id%20%26%20more&client_secret=s%26t",
         ""},
        /* "id%20%26%20more:s%26t" */
        {OAUTH_GENERIC, OAUTH_REFRESH, "s&t", "r", "grant_type=refresh_token&refresh_token=r",
         "Basic aWQlMjAlMjYlMjBtb3JlOnMlMjZ0"},
        {OAUTH_GENERIC, OAUTH_REFRESH, "", "r",
         "grant_type=refresh_token&refresh_token=r&client_id=id%20%26%20more", ""},
        {OAUTH_YAHOO, OAUTH_CLIENT, "", "",
         "grant_type=client_credentials&client_id=id%20%26%20more&scope=mail-w", ""},
        {OAUTH_GOOGLE, OAUTH_ASSERT, "never", "h.c.s",
         "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=h.c.s", ""},
        {OAUTH_MICROSOFT, OAUTH_CODE, "", "c",
         "grant_type=authorization_code&code=c&client_id=id%20%26%20more"
         "&redirect_uri=http%3A%2F%2Flocalhost%3A1%2F&code_verifier=v",
         ""},
        {OAUTH_MICROSOFT, OAUTH_DEVICE, "", "",
         "client_id=id%20%26%20more"
         "&scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send%20offline_access",
         ""},
        {OAUTH_MICROSOFT, OAUTH_DEVICE_POLL, "", "d",
         "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=d"
         "&client_id=id%20%26%20more",
         ""},
    };
    struct secret form, header;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct form_row *row = &rows[i];
        struct oauth_ask ask = {.step = row->step,
                                .party = party_of(row->provider, GRANT_REFRESH),
                                .secret = span_of_string(row->secret),
                                .given = span_of_string(row->given),
                                .verifier = SPAN("v"),
                                .redirect = SPAN("http://localhost:1/")};

        cr_assert(oauth_form(&ask, &form, &header), "row %zu", i);
        assert_text(secret_reveal(&form), row->form);
        assert_text(secret_reveal(&header), row->header);
    }
}

Test(oauth, what_is_too_long_is_not_asked)
{
    static char bytes[SECRET_BYTES_MAX];
    struct secret form, header;
    struct oauth_ask ask = {.party = party_of(OAUTH_GENERIC, GRANT_REFRESH)};

    memset(bytes, 'x', sizeof(bytes));
    ask.given = span_of(bytes, sizeof(bytes));
    cr_assert_not(oauth_form(&ask, &form, &header));
    cr_assert_eq(form.size, 0);
    ask.given = SPAN("r");
    ask.secret = span_of(bytes, sizeof(bytes));
    cr_assert_not(oauth_form(&ask, &form, &header));
    cr_assert_eq(header.size, 0);
}

/* --- what is answered --- */

static struct oauth_tokens tokens;
static struct oauth_verdict verdict;

static struct oauth_ask asked(enum oauth_step step)
{
    return (struct oauth_ask){.step = step,
                              .party = party_of(OAUTH_GENERIC, GRANT_REFRESH),
                              .secret = SPAN("client-secret"),
                              .given = SPAN(REFRESH_TOKEN)};
}

static void answer(enum oauth_step step, uint16_t status, const char *body)
{
    struct oauth_ask ask = asked(step);
    struct http_answer said = {.status = status, .body = span_of_string(body)};

    oauth_read_tokens(&ask, &said, &tokens, &verdict);
}

struct granted_row {
    const char *body;
    const char *access;
    const char *refresh;
    moment life_ms;
};

Test(oauth, tokens_are_read_with_or_without_their_life)
{
    static const struct granted_row rows[] = {
        {"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":10}", "a", "", 10000},
        {"{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":\"3599\","
         "\"refresh_token\":\"r\",\"more\":{\"x\":[1]}}",
         "a", "r", 3599000},
        {"{\"access_token\":\"a b~\"}", "a b~", "", OAUTH_LIFE_MS},
        {"{\"access_token\":\"a\",\"expires_in\":0}", "a", "", OAUTH_LIFE_MS},
        {"{\"access_token\":\"a\",\"expires_in\":-5}", "a", "", OAUTH_LIFE_MS},
        {"{\"access_token\":\"a\",\"expires_in\":null}", "a", "", OAUTH_LIFE_MS},
        {"{\"access_token\":\"a\",\"expires_in\":99999999999999}", "a", "", OAUTH_LIFE_MAX_MS},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        answer(OAUTH_REFRESH, 200, rows[i].body);
        cr_assert_eq(verdict.outcome, OAUTH_GRANTED, "row %zu: %.*s", i, (int)verdict.words.size,
                     verdict.words.at);
        assert_text(secret_reveal(&tokens.access), rows[i].access);
        assert_text(secret_reveal(&tokens.refresh), rows[i].refresh);
        cr_assert_eq(tokens.life_ms, rows[i].life_ms, "row %zu", i);
    }
}

struct refused_row {
    enum oauth_step step;
    uint16_t status;
    const char *body;
    enum oauth_outcome outcome;
    const char *words;
};

#define LOGIN "somebody must log in, with lockstep oauth login scanner: "

static const struct refused_row refused_rows[] = {
    {OAUTH_REFRESH, 400, "{\"error\":\"invalid_grant\"}", OAUTH_BARRED,
     LOGIN "the token endpoint says invalid_grant"},
    {OAUTH_REFRESH, 200, "{\"error\":\"invalid_grant\"}", OAUTH_BARRED,
     LOGIN "the token endpoint says invalid_grant"},
    {OAUTH_REFRESH, 400,
     "{\"error\":\"invalid_grant\",\"error_description\":\" AADSTS700082:\\r\\n it\\u00e9 is "
     "\\u0000old. \"}",
     OAUTH_BARRED, LOGIN "the token endpoint says invalid_grant (AADSTS700082: it is old.)"},
    {OAUTH_ASSERT, 400, "{\"error\":\"invalid_grant\"}", OAUTH_BARRED,
     "key, user or clock must be put right: the token endpoint says invalid_grant"},
    {OAUTH_REFRESH, 401, "{\"error\":\"invalid_client\"}", OAUTH_BARRED,
     "client-id or the client's secret must be put right: the token endpoint says "
     "invalid_client"},
    {OAUTH_REFRESH, 400, "{\"error\":\"invalid_scope\"}", OAUTH_BARRED,
     "scope, grant or endpoint must be put right: the token endpoint says invalid_scope"},
    {OAUTH_REFRESH, 400, "{\"error\":\"consent_required\"}", OAUTH_BARRED,
     LOGIN "the token endpoint says consent_required"},
    {OAUTH_REFRESH, 403, "{\"error\":\"org_internal\"}", OAUTH_BARRED,
     "an administrator must allow it at the provider: the token endpoint says org_internal"},
    {OAUTH_REFRESH, 400, "{\"error\":\"two words\"}", OAUTH_BARRED,
     "an administrator must allow it at the provider: the token endpoint says something "
     "unknown"},
    {OAUTH_REFRESH, 400, "{\"error\":\"temporarily_unavailable\"}", OAUTH_AWAY,
     "the token endpoint says temporarily_unavailable"},
    {OAUTH_REFRESH, 503, "{\"error\":\"invalid_grant\"}", OAUTH_AWAY,
     "the token endpoint has no time (HTTP 503)"},
    {OAUTH_REFRESH, 429, "", OAUTH_AWAY, "the token endpoint gives no token (HTTP 429)"},
    {OAUTH_REFRESH, 404, "<html>", OAUTH_AWAY, "the token endpoint gives no token (HTTP 404)"},
    {OAUTH_REFRESH, 200, "<html>", OAUTH_AWAY,
     "the token endpoint answers something that is no JSON object (HTTP 200)"},
    {OAUTH_REFRESH, 200, "[]", OAUTH_AWAY,
     "the token endpoint answers something that is no JSON object (HTTP 200)"},
    {OAUTH_REFRESH, 200, "{\"access_token\":\"a\"", OAUTH_AWAY,
     "the token endpoint answers something that is no JSON object (HTTP 200)"},
    {OAUTH_REFRESH, 200, "{}", OAUTH_AWAY,
     "the token endpoint gives no token that can be used (HTTP 200)"},
    {OAUTH_REFRESH, 200, "{\"access_token\":\"\"}", OAUTH_AWAY,
     "the token endpoint gives no token that can be used (HTTP 200)"},
    {OAUTH_REFRESH, 200, "{\"access_token\":\"a\\r\\nb\"}", OAUTH_AWAY,
     "the token endpoint gives no token that can be used (HTTP 200)"},
    {OAUTH_REFRESH, 200, "{\"access_token\":\"a\",\"refresh_token\":\"\\u0001\"}", OAUTH_AWAY,
     "the token endpoint gives no token that can be used (HTTP 200)"},
    {OAUTH_REFRESH, 200, "{\"access_token\":\"a\",\"token_type\":\"mac\"}", OAUTH_AWAY,
     "the token endpoint gives a token that is no bearer token (HTTP 200)"},
    {OAUTH_DEVICE_POLL, 400, "{\"error\":\"authorization_pending\"}", OAUTH_PENDING,
     "the token endpoint says authorization_pending"},
    {OAUTH_DEVICE_POLL, 429, "{\"error\":\"slow_down\"}", OAUTH_SLOWER,
     "the token endpoint says slow_down"},
    {OAUTH_DEVICE_POLL, 400, "{\"error\":\"expired_token\"}", OAUTH_BARRED,
     LOGIN "the token endpoint says expired_token"},
};

Test(oauth, every_other_answer_says_who_must_act_or_that_it_passes)
{
    size_t i;

    for (i = 0; i < sizeof(refused_rows) / sizeof(refused_rows[0]); i++) {
        answer(refused_rows[i].step, refused_rows[i].status, refused_rows[i].body);
        cr_assert_eq(verdict.outcome, refused_rows[i].outcome, "row %zu", i);
        assert_text(text_span(&verdict.words), refused_rows[i].words);
    }
}

Test(oauth, an_endpoint_that_repeats_a_secret_is_not_repeated)
{
    static const char *const bodies[] = {
        "{\"error\":\"invalid_grant\",\"error_description\":\"no such token: " REFRESH_TOKEN "\"}",
        "{\"error\":\"invalid_grant\",\"error_description\":\"it ends so: n/of=some.length\"}",
        "{\"error\":\"invalid_grant\",\"error_description\":\"client-secret is wrong\"}",
        "{\"error\":\"" REFRESH_TOKEN "\"}",
    };
    size_t i;

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct span words;

        answer(OAUTH_REFRESH, 400, bodies[i]);
        words = text_span(&verdict.words);
        cr_assert_eq(span_find_span(words, SPAN("some.length")), words.size, "row %zu", i);
        cr_assert_eq(span_find_span(words, SPAN("client-secret")), words.size, "row %zu", i);
        cr_assert_lt(span_find_span(words, SPAN("the token endpoint says")), words.size);
    }
}

Test(oauth, a_wish_to_be_left_alone_is_heard)
{
    static const struct {
        struct span wish;
        moment put_off;
    } rows[] = {
        {SPAN_INIT("120"), 120000},
        {SPAN_INIT("0"), 0},
        {SPAN_INIT("Wed, 21 Oct 2015 07:28:00 GMT"), 0},
        {SPAN_INIT("99999999999999999999"), 0},
    };
    struct oauth_ask ask = asked(OAUTH_REFRESH);
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_header header = {SPAN("retry-after"), rows[i].wish};
        struct http_answer said = {.status = 429, .headers = &header, .header_count = 1};

        oauth_read_tokens(&ask, &said, &tokens, &verdict);
        cr_assert_eq(verdict.outcome, OAUTH_AWAY);
        cr_assert_eq(verdict.put_off_ms, rows[i].put_off, "row %zu", i);
    }
    oauth_read_tokens(&ask, &(struct http_answer){.error = SPAN("connection refused")}, &tokens,
                      &verdict);
    cr_assert_eq(verdict.outcome, OAUTH_AWAY);
    assert_text(text_span(&verdict.words), "connection refused");
}

Test(oauth, a_device_is_told_what_to_show)
{
    static struct oauth_device device;
    struct oauth_ask ask = asked(OAUTH_DEVICE);
    struct http_answer said = {.status = 200};

    said.body = SPAN("{\"device_code\":\"d\",\"user_code\":\"ABCD-EFGH\",\"verification_uri\":"
                     "\"https://idp.example/device\",\"expires_in\":60,\"interval\":2}");
    oauth_read_device(&ask, &said, &device, &verdict);
    cr_assert_eq(verdict.outcome, OAUTH_GRANTED);
    assert_text(secret_reveal(&device.code), "d");
    cr_assert_str_eq(device.user_code, "ABCD-EFGH");
    cr_assert_str_eq(device.url, "https://idp.example/device");
    cr_assert_eq(device.life_ms, 60000);
    cr_assert_eq(device.interval_ms, 2000);
    said.body = SPAN("{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_url\":\"u\"}");
    oauth_read_device(&ask, &said, &device, &verdict);
    cr_assert_eq(verdict.outcome, OAUTH_GRANTED);
    cr_assert_eq(device.interval_ms, 5000);
    said.body = SPAN("{\"device_code\":\"d\",\"user_code\":\"\\u001b[2J\","
                     "\"verification_uri\":\"u\"}");
    oauth_read_device(&ask, &said, &device, &verdict);
    cr_assert_eq(verdict.outcome, OAUTH_AWAY, "a terminal is not written to by an endpoint");
}

/* --- browsers --- */

Test(oauth, a_browser_is_sent_with_a_proof)
{
    struct oauth_proof proof, other;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char memory[2048];
    char expected[64] = "code_challenge=";
    struct text url = text_over(memory, sizeof(memory));
    struct text challenge = text_over(expected, sizeof(expected));

    oauth_proof_make(&proof);
    oauth_proof_make(&other);
    cr_assert_eq(strlen(proof.verifier), 43, "RFC 7636 4.1");
    cr_assert_str_neq(proof.verifier, other.verifier);
    cr_assert_str_neq(proof.state, other.state);
    oauth_authorize_url(party_of(OAUTH_GOOGLE, GRANT_CODE), &proof, SPAN("me@example.org"),
                        SPAN("http://127.0.0.1:5/"), &url);
    cr_assert(span_starts(text_span(&url), SPAN("https://accounts.google.com/o/oauth2/v2/auth?"
                                                "client_id=id%20%26%20more&response_type=code&")));
    SHA256((const unsigned char *)proof.verifier, strlen(proof.verifier), hash);
    text_add(&challenge, SPAN("code_challenge="));
    base64_add_url(span_of((const char *)hash, sizeof(hash)), &challenge);
    cr_assert_lt(span_find_span(text_span(&url), text_span(&challenge)), url.size);
    cr_assert(span_ends(text_span(&url), SPAN("&access_type=offline&prompt=consent")));
    cr_assert_eq(span_find_span(text_span(&url), span_of_string(proof.verifier)), url.size);
}

struct redirect_row {
    const char *pasted;
    const char *code; /* NULL: it is refused */
    const char *error;
};

Test(oauth, only_the_answer_to_this_login_is_taken)
{
    static const struct redirect_row rows[] = {
        {"http://127.0.0.1:5/?code=a%2Fb&state=S", "a/b", ""},
        {"  http://localhost:5/?state=S&scope=x&code=4/0A-b#frag\r\n", "4/0A-b", ""},
        {"/?code=a+b&state=S", "a b", ""},
        {"code=a%&state=S", "a%", ""},
        {"4/0AbCd=", "4/0AbCd=", ""},
        {"http://127.0.0.1:5/?code=a&state=T", NULL,
         "that belongs to another login: its state is not the one of this"},
        {"http://127.0.0.1:5/?code=a", NULL,
         "that belongs to another login: its state is not the one of this"},
        {"/?4/0AbCd", NULL, "that belongs to another login: its state is not the one of this"},
        {"/?error=access_denied&state=S", NULL, "the provider says access_denied"},
        {"/?error=x%0Ay&error_description=no%1b+way&state=S", NULL,
         "the provider says x?y: no? way"},
        {"/?state=S", NULL, "there is no code in it"},
        {"", NULL, "that is neither a code nor the address the browser was sent to"},
    };
    static struct secret code;
    struct oauth_proof proof = {.state = "S"};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[200];
        struct text error = text_over(memory, sizeof(memory));

        cr_assert_eq(oauth_read_redirect(span_of_string(rows[i].pasted), &proof, &code, &error),
                     rows[i].code != NULL, "row %zu", i);
        assert_text(secret_reveal(&code), rows[i].code != NULL ? rows[i].code : "");
        assert_text(text_span(&error), rows[i].error);
    }
}

/* --- keys --- */

static void unbase64(struct span coded, unsigned char *bytes_r, size_t *size_r)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t held = 0;
    unsigned bits = 0;
    size_t i;

    *size_r = 0;
    for (i = 0; i < coded.size; i++) {
        const char *digit = strchr(digits, coded.at[i]);

        cr_assert_not_null(digit);
        held = held << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes_r[(*size_r)++] = (unsigned char)(held >> bits);
        }
    }
}

static struct span part(struct span *rest)
{
    struct span first = span_head(*rest, span_find(*rest, '.'));

    *rest = span_tail(*rest, first.size + 1);
    return first;
}

static void assert_member(const unsigned char *bytes, size_t size, const char *name,
                          const char *value)
{
    json_t *object = secret_json_read(span_of((const char *)bytes, size));

    cr_assert_not_null(object);
    assert_text(secret_json_text(object, name), value);
    json_decref(object);
}

/* A fresh key in PEM. */
static struct span make_key(EVP_PKEY **key_r, char *memory, size_t room)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int size;

    *key_r = EVP_RSA_gen(2048);
    cr_assert_eq(PEM_write_bio_PrivateKey(bio, *key_r, NULL, NULL, 0, NULL, NULL), 1);
    size = BIO_read(bio, memory, (int)room);
    BIO_free(bio);
    return span_of(memory, (size_t)size);
}

static void assert_signed(EVP_PKEY *key, struct span token)
{
    struct span rest = token;
    unsigned char bytes[1024];
    size_t size, signed_size;
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    (void)part(&rest);
    (void)part(&rest);
    signed_size = token.size - rest.size - 1;
    unbase64(rest, bytes, &size);
    cr_assert_eq(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    cr_assert_eq(
        EVP_DigestVerify(context, bytes, size, (const unsigned char *)token.at, signed_size), 1);
    EVP_MD_CTX_free(context);
}

Test(oauth, a_service_account_signs_for_the_mailbox)
{
    static struct secret assertion;
    char pem[4096];
    char memory[200];
    struct text error = text_over(memory, sizeof(memory));
    const struct oauth_party *party = party_of(OAUTH_GOOGLE, GRANT_JWT);
    json_t *account = secret_json_object();
    unsigned char bytes[1024];
    EVP_PKEY *key;
    struct span said = make_key(&key, pem, sizeof(pem));
    struct span rest;
    size_t size;
    char *json;

    secret_json_put(account, "private_key", said);
    secret_json_put(account, "private_key_id", SPAN("kid-1"));
    secret_json_put(account, "client_email", SPAN("robot@project.example"));
    json = json_dumps(account, 0);
    cr_assert(oauth_assertion(party, span_of_string(json), SPAN("scan@example.org"),
                              (moment)1750000000 * 1000, &assertion, &error));
    rest = secret_reveal(&assertion);
    unbase64(part(&rest), bytes, &size);
    assert_member(bytes, size, "alg", "RS256");
    assert_member(bytes, size, "kid", "kid-1");
    unbase64(part(&rest), bytes, &size);
    assert_member(bytes, size, "iss", "robot@project.example");
    assert_member(bytes, size, "sub", "scan@example.org");
    assert_member(bytes, size, "aud", "https://oauth2.googleapis.com/token");
    assert_member(bytes, size, "scope", "https://mail.google.com/");
    assert_signed(key, secret_reveal(&assertion));
    /* A key alone: the client signs. */
    cr_assert(oauth_assertion(party, said, SPAN("scan@example.org"), 0, &assertion, &error));
    rest = secret_reveal(&assertion);
    (void)part(&rest);
    unbase64(part(&rest), bytes, &size);
    assert_member(bytes, size, "iss", "id & more");
    free(json);
    json_decref(account);
    EVP_PKEY_free(key);
}

Test(oauth, what_is_no_key_signs_nothing)
{
    static const char *const rows[] = {"", "{}", "{\"private_key\":\"x\"}", "-----BEGIN",
                                       "{\"private_key\":5,\"client_email\":\"x\"}"};
    static struct secret assertion;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[200];
        struct text error = text_over(memory, sizeof(memory));

        cr_assert_not(oauth_assertion(party_of(OAUTH_GOOGLE, GRANT_JWT), span_of_string(rows[i]),
                                      SPAN("u"), 0, &assertion, &error));
        cr_assert(span_starts(text_span(&error), SPAN("key_file holds no RSA key")));
        cr_assert_eq(assertion.size, 0);
    }
}
