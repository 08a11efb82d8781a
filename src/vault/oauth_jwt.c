/* Signed assertions: a key instead of a person (RFC 7523, RFC 7515). */
#include <openssl/err.h>
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
    ERR_clear_error(); /* or TLS on this thread would take it for its own */
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

/* Names the certificate in the file, if there is one, by its SHA-256 (RFC 7515 4.1.8). */
static void put_certificate(json_t *header, struct span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.size);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    char memory[64];
    struct text name = text_over(memory, sizeof(memory));

    BIO_free(bio);
    if (certificate != NULL && X509_digest(certificate, EVP_sha256(), hash, &size) == 1) {
        base64_add_url(span_of((const char *)hash, size), &name);
        secret_json_put(header, "x5t#S256", text_span(&name));
    }
    X509_free(certificate);
    ERR_clear_error();
}

static void put_times(json_t *claims, moment now)
{
    json_int_t from = (json_int_t)(now / 1000 - ASSERTION_SLACK_S);

    json_object_set_new(claims, "iat", json_integer(from));
    json_object_set_new(claims, "nbf", json_integer(from));
    json_object_set_new(claims, "exp", json_integer(from + ASSERTION_LIFE_S));
}

static bool add_signature(EVP_PKEY *key, struct text *token)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[SIGNATURE_BYTES_MAX];
    size_t size = sizeof(signature);
    bool done = context != NULL && !token->cut &&
                EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(context, signature, &size, (const unsigned char *)token->at,
                               token->size) == 1;

    EVP_MD_CTX_free(context);
    if (done) {
        text_add_byte(token, '.');
        base64_add_url(span_of((const char *)signature, size), token);
    }
    return done && !token->cut;
}

/* Takes both objects. */
static bool make_token(EVP_PKEY *key, json_t *header, json_t *claims, struct secret *token_r,
                       struct text *error)
{
    struct text token = text_over(token_r->bytes, sizeof(token_r->bytes));
    bool done;

    secret_json_put(header, "alg", SPAN("RS256"));
    secret_json_put(header, "typ", SPAN("JWT"));
    add_part(header, &token);
    text_add_byte(&token, '.');
    add_part(claims, &token);
    done = add_signature(key, &token);
    if (!done)
        text_add(error, SPAN("key_file: the key can't sign"));
    token_r->size = done ? token.size : 0;
    return done;
}

static bool no_key(struct text *error)
{
    text_add(error, SPAN("key_file holds no RSA key without a passphrase, neither as PEM nor as "
                         "the JSON of a service account"));
    return false;
}

bool oauth_assertion(const struct oauth_party *party, struct span key, struct span user, moment now,
                     struct secret *assertion_r, struct text *error)
{
    json_t *account = secret_json_read(key);
    struct span issuer =
        account != NULL ? secret_json_text(account, "client_email") : party->client_id;
    struct span id = secret_json_text(account, "private_key_id");
    EVP_PKEY *read = read_key(account != NULL ? secret_json_text(account, "private_key") : key);
    json_t *header, *claims;
    bool done;

    secret_clear(assertion_r);
    if (read == NULL) {
        json_decref(account);
        return no_key(error);
    }
    header = secret_json_object();
    claims = secret_json_object();
    if (id.size > 0)
        secret_json_put(header, "kid", id);
    secret_json_put(claims, "iss", issuer);
    secret_json_put(claims, "sub", user);
    secret_json_put(claims, "aud", party->token);
    secret_json_put(claims, "scope", party->scope);
    put_times(claims, now);
    done = make_token(read, header, claims, assertion_r, error);
    EVP_PKEY_free(read);
    json_decref(account);
    return done;
}

bool oauth_client_assertion(const struct oauth_party *party, struct span key, moment now,
                            struct secret *assertion_r, struct text *error)
{
    EVP_PKEY *read = read_key(key);
    json_t *header, *claims;
    struct oauth_proof once;
    bool done;

    secret_clear(assertion_r);
    if (read == NULL)
        return no_key(error);
    header = secret_json_object();
    claims = secret_json_object();
    oauth_proof_make(&once);
    put_certificate(header, key);
    secret_json_put(claims, "iss", party->client_id);
    secret_json_put(claims, "sub", party->client_id);
    secret_json_put(claims, "aud", party->token);
    secret_json_put(claims, "jti", span_of_string(once.state));
    put_times(claims, now);
    done = make_token(read, header, claims, assertion_r, error);
    secret_wipe(&once, sizeof(once));
    EVP_PKEY_free(read);
    return done;
}
