/* Certificates of a test's own. */
#include "issue.h"

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "folder.h"
#include "lockstep/base/must.h"

#define DAY_S 86400L
#define ISSUED_MAX 32

static struct issued all[ISSUED_MAX]; /* so that nobody takes them for lost */
static int count;

static void extend(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static const char *written(const char *name, const char *ending, BIO *bytes, mode_t mode)
{
    char file[64];
    char *at;
    long size = BIO_get_mem_data(bytes, &at);

    snprintf(file, sizeof(file), "%s.%s", name, ending);
    return strdup(folder_write(file, mode, at, (size_t)size));
}

struct issued issue_days(const struct issued *issuer, const char *name, const char *alternatives,
                         int days)
{
    struct issued new = {.certificate = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *subject = X509_get_subject_name(new.certificate);
    X509 *above = issuer != NULL ? issuer->certificate : new.certificate;
    BIO *bytes = BIO_new(BIO_s_mem());
    unsigned char serial[8];
    BIGNUM *number;

    must(count < ISSUED_MAX);
    must(RAND_bytes(serial, sizeof(serial)) == 1);
    serial[0] &= 0x7f;
    X509_set_version(new.certificate, 2);
    number = BN_bin2bn(serial, sizeof(serial), NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(new.certificate));
    BN_free(number);
    X509_gmtime_adj(X509_getm_notBefore(new.certificate), -DAY_S * (days < 0 ? 99 : 1));
    X509_gmtime_adj(X509_getm_notAfter(new.certificate), DAY_S * days);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
    X509_set_issuer_name(new.certificate, X509_get_subject_name(above));
    X509_set_pubkey(new.certificate, new.key);
    extend(new.certificate, above, NID_basic_constraints,
           issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (alternatives != NULL)
        extend(new.certificate, above, NID_subject_alt_name, alternatives);
    must(X509_sign(new.certificate, issuer != NULL ? issuer->key : new.key, EVP_sha256()) > 0);
    must(PEM_write_bio_X509(bytes, new.certificate) == 1);
    new.file = written(name, "pem", bytes, 0644);
    BIO_free(bytes);
    bytes = BIO_new(BIO_s_mem());
    must(PEM_write_bio_PrivateKey(bytes, new.key, NULL, NULL, 0, NULL, NULL) == 1);
    new.key_file = written(name, "key", bytes, 0600);
    BIO_free(bytes);
    all[count++] = new;
    return new;
}

struct issued issue(const struct issued *issuer, const char *name, const char *alternatives)
{
    return issue_days(issuer, name, alternatives, 90);
}

static const char *digits(const unsigned char *digest, char *into)
{
    size_t i;

    for (i = 0; i < 32; i++)
        snprintf(into + 2 * i, 3, "%02X", digest[i]);
    return into;
}

const char *issued_pin(const struct issued *issued)
{
    static char text[65];
    unsigned char digest[32];

    must(X509_digest(issued->certificate, EVP_sha256(), digest, NULL) == 1);
    return digits(digest, text);
}

const char *issued_key_pin(const struct issued *issued)
{
    static char text[65];
    unsigned char digest[32];
    unsigned char *bytes = NULL;
    int size = i2d_PUBKEY(issued->key, &bytes);

    must(size > 0 && EVP_Digest(bytes, (size_t)size, digest, NULL, EVP_sha256(), NULL) == 1);
    OPENSSL_free(bytes);
    return digits(digest, text);
}
