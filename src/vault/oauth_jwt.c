/* Signed assertions: a key instead of a person (RFC 7523, RFC 7515). */
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base64.h"
#include "oauth.h"
#include "secret_json.h"

/* How long an assertion holds, and how far the clocks may be apart. */
#define ASSERTION_LIFE_S 600
#define ASSERTION_SLACK_S 30
/* RSA with 8192 bits. */
#define SIGNATURE_BYTES_MAX 1024U

/* Nobody is there to be asked for a passphrase. */
static int no_passphrase(char *buffer, int size, int writes, void *data)
{
    (void)buffer;
    (void)size;
    (void)writes;
    (void)data;
    return -1;
}

static EVP_PKEY *read_key(struct span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.size);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

/* Adds the object as one part of the token. */
static void add_part(json_t *object, struct text *token)
{
    char *said = json_dumps(object, JSON_COMPACT);

    base64_add_url(span_of_string(said), token);
    token->cut |= said == NULL;
    free(said);
    json_decref(object);
}

static void add_header(struct span id, struct text *token)
{
    json_t *header = secret_json_object();

    secret_json_put(header, "alg", SPAN("RS256"));
    secret_json_put(header, "typ", SPAN("JWT"));
    if (id.size > 0)
        secret_json_put(header, "kid", id);
    add_part(header, token);
}

static void add_claims(const struct oauth_party *party, struct span issuer, struct span user,
                       moment now, struct text *token)
{
    json_t *claims = secret_json_object();
    json_int_t from = (json_int_t)(now / 1000 - ASSERTION_SLACK_S);

    secret_json_put(claims, "iss", issuer);
    secret_json_put(claims, "sub", user);
    secret_json_put(claims, "aud", party->token);
    secret_json_put(claims, "scope", party->scope);
    json_object_set_new(claims, "iat", json_integer(from));
    json_object_set_new(claims, "exp", json_integer(from + ASSERTION_LIFE_S));
    add_part(claims, token);
}

static bool add_signature(EVP_PKEY *key, struct text *token)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[SIGNATURE_BYTES_MAX];
    size_t size = sizeof(signature);
    bool done =
        context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(context, signature, &size, (const unsigned char *)token->at, token->size) ==
            1;

    EVP_MD_CTX_free(context);
    if (done) {
        text_add_byte(token, '.');
        base64_add_url(span_of((const char *)signature, size), token);
    }
    secret_wipe(signature, sizeof(signature));
    return done && !token->cut;
}

bool oauth_assertion(const struct oauth_party *party, struct span key, struct span user, moment now,
                     struct secret *assertion_r, struct text *error)
{
    json_t *account = secret_json_read(key);
    struct span issuer =
        account != NULL ? secret_json_text(account, "client_email") : party->client_id;
    EVP_PKEY *read = read_key(account != NULL ? secret_json_text(account, "private_key") : key);
    struct text token;
    bool done = false;

    secret_clear(assertion_r);
    token = text_over(assertion_r->bytes, sizeof(assertion_r->bytes));
    if (read == NULL) {
        text_add(error, SPAN("key_file holds no RSA key without a passphrase, neither as PEM nor "
                             "as the JSON of a service account"));
    } else if (issuer.size == 0) {
        text_add(error, SPAN("nobody to sign as: client_email is missing in key_file, or "
                             "client-id beside a PEM key"));
    } else {
        add_header(secret_json_text(account, "private_key_id"), &token);
        text_add_byte(&token, '.');
        add_claims(party, issuer, user, now, &token);
        done = add_signature(read, &token);
        if (!done)
            text_add(error, SPAN("key_file: the key can't sign"));
    }
    assertion_r->size = done ? token.size : 0;
    EVP_PKEY_free(read);
    json_decref(account);
    return done;
}
