/*
 * Certificates made while clients wait for them, where lockstep stands in the place of servers
 * whose keys it can't have. All of them share one key, of the same kind as the authority's, so that
 * whoever is too old for one kind gets the other by getting another authority.
 */
#include <openssl/bn.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/net/address.h"
#include "tls_inside.h"

#define DAY_S (24 * 3600L)
#define LIFE_S (90 * DAY_S)
/* One that ends sooner is made anew. */
#define SPARE_S DAY_S
/* RFC 5280 4.1.2.2: at most 20 octets, and positive. */
#define SERIAL_BITS 127
/* RFC 5280 A.1, ub-common-name; a longer name stands among the alternatives only. */
#define COMMON_NAME_MAX 64U

struct minted {
    X509 *certificate;
    time_t until;
    char name[TLS_NAME_MAX];
};

struct tls_authority {
    X509 *certificate;
    EVP_PKEY *key;
    EVP_PKEY *leaf; /* of all that are made */
    uv_mutex_t lock;
    uint32_t next; /* to be overwritten */
    struct minted rows[TLS_MINTED_MAX];
};

/* --- one certificate --- */

static bool add_extension(X509 *certificate, X509 *issuer, int number, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool done;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, number, value);
    done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    bool done = number != NULL &&
                BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;

    BN_free(number);
    return done;
}

/* From yesterday on, for clocks that are slow, and never longer than the authority itself. */
static bool set_times(X509 *certificate, const X509 *issuer, time_t now)
{
    const ASN1_TIME *last = X509_get0_notAfter(issuer);
    time_t until = now + LIFE_S;

    if (X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) == NULL)
        return false;
    if (X509_cmp_time(last, &until) < 0)
        return X509_set1_notAfter(certificate, last) == 1;
    return X509_gmtime_adj(X509_getm_notAfter(certificate), LIFE_S) != NULL;
}

static bool set_name(X509 *certificate, X509 *issuer, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    struct address address;
    bool literal = address_literal(span_of_string(name), 0, &address);
    bool brief = strlen(name) <= COMMON_NAME_MAX;
    char alternative[TLS_NAME_MAX + 32];

    snprintf(alternative, sizeof(alternative), "%s%s:%s", brief ? "" : "critical,",
             literal ? "IP" : "DNS", name);
    return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
           (!brief || X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                 (const unsigned char *)name, -1, -1, 0) == 1) &&
           add_extension(certificate, issuer, NID_subject_alt_name, alternative);
}

/* Which of the authority's keys has signed: some have no number for it. */
static bool add_issuer_key(X509 *certificate, X509 *issuer)
{
    return X509_get0_subject_key_id(issuer) == NULL ||
           add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
}

static X509 *mint(const struct tls_authority *authority, const char *name, time_t now)
{
    X509 *certificate = X509_new();
    X509 *issuer = authority->certificate;
    bool done = certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
                set_serial(certificate) && set_times(certificate, issuer, now) &&
                X509_set_pubkey(certificate, authority->leaf) == 1 &&
                set_name(certificate, issuer, name) &&
                add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
                add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") &&
                add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
                add_issuer_key(certificate, issuer) &&
                X509_sign(certificate, authority->key, EVP_sha256()) > 0;

    if (done)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* --- those that were made --- */

/* The row of that name, or the one to be overwritten. */
static struct minted *find(struct tls_authority *authority, const char *name)
{
    uint32_t i;

    for (i = 0; i < TLS_MINTED_MAX; i++)
        if (strcmp(authority->rows[i].name, name) == 0)
            return &authority->rows[i];
    return &authority->rows[authority->next++ % TLS_MINTED_MAX];
}

/* A certificate that the caller frees; NULL: it can't be made. */
static X509 *certificate_for(struct tls_authority *authority, const char *name)
{
    time_t now = time(NULL);
    struct minted *row;
    X509 *certificate = NULL;

    uv_mutex_lock(&authority->lock);
    row = find(authority, name);
    if (row->certificate == NULL || row->until < now + SPARE_S || strcmp(row->name, name) != 0) {
        X509_free(row->certificate);
        *row = (struct minted){.certificate = mint(authority, name, now), .until = now + LIFE_S};
        snprintf(row->name, sizeof(row->name), "%s", name);
    }
    if (row->certificate != NULL && X509_up_ref(row->certificate) == 1)
        certificate = row->certificate;
    uv_mutex_unlock(&authority->lock);
    return certificate;
}

/* --- the handshake --- */

/* A client's word, which becomes part of a certificate. */
static bool may_be_host(struct span name)
{
    size_t i;

    for (i = 0; i < name.size; i++) {
        unsigned char byte = (unsigned char)name.at[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

        if (!letter && !(byte >= '0' && byte <= '9') && byte != '-' && byte != '_' && byte != '.')
            return false;
    }
    return name.size > 0 && name.size < TLS_NAME_MAX - 1 && name.at[0] != '.';
}

static int choose(SSL *ssl, void *data)
{
    struct tls_authority *authority = data;
    const struct tls *tls = SSL_get_app_data(ssl);
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const char *name = asked != NULL && may_be_host(span_of_string(asked)) ? asked : tls->name;
    X509 *certificate = name[0] != 0 ? certificate_for(authority, name) : NULL;
    int done = certificate != NULL && SSL_use_certificate(ssl, certificate) == 1 &&
               SSL_use_PrivateKey(ssl, authority->leaf) == 1 && SSL_clear_chain_certs(ssl) == 1 &&
               SSL_add1_chain_cert(ssl, authority->certificate) == 1;

    X509_free(certificate);
    return done;
}

/* --- life --- */

static bool may_sign(X509 *certificate, const char **why_r)
{
    time_t now = time(NULL);

    *why_r = "it is no certificate of an authority (CA:TRUE)";
    if (X509_check_ca(certificate) != 1)
        return false;
    *why_r = "it may not sign certificates (keyCertSign)";
    if ((X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0)
        return false;
    *why_r = "it has expired";
    return X509_cmp_time(X509_get0_notAfter(certificate), &now) > 0;
}

bool tls_authority_begin(struct tls_context *context, const char **why_r)
{
    struct tls_authority *authority = calloc(1, sizeof(*authority));
    X509 *certificate = SSL_CTX_get0_certificate(context->ssl);
    EVP_PKEY *key = SSL_CTX_get0_privatekey(context->ssl);

    must(authority != NULL && certificate != NULL && key != NULL);
    must(X509_up_ref(certificate) == 1 && EVP_PKEY_up_ref(key) == 1);
    must(uv_mutex_init(&authority->lock) == 0);
    authority->certificate = certificate;
    authority->key = key;
    context->authority = authority;
    if (!may_sign(certificate, why_r))
        return false;
    *why_r = "its key is neither RSA nor of an elliptic curve (EC)";
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        authority->leaf = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
        authority->leaf = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    if (authority->leaf == NULL)
        return false;
    SSL_CTX_set_cert_cb(context->ssl, choose, authority);
    return true;
}

void tls_authority_close(struct tls_authority **closing)
{
    struct tls_authority *authority = *closing;
    uint32_t i;

    *closing = NULL;
    if (authority == NULL)
        return;
    for (i = 0; i < TLS_MINTED_MAX; i++)
        X509_free(authority->rows[i].certificate);
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    EVP_PKEY_free(authority->leaf);
    uv_mutex_destroy(&authority->lock);
    free(authority);
}
