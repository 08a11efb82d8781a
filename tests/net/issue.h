/* issue: certificates of a test's own, as files in its folder. Nothing is freed: the process of a
 * test is short. */
#ifndef LOCKSTEP_TESTS_NET_ISSUE_H
#define LOCKSTEP_TESTS_NET_ISSUE_H

#include <openssl/x509.h>

struct issued {
    X509 *certificate;
    EVP_PKEY *key;
    const char *file; /* the certificate */
    const char *key_file;
};

/*
 * `name` is the common name and that of the files; `alternatives` as OpenSSL writes them:
 * "DNS:mail.example,IP:127.0.0.1", or NULL. It is good from yesterday on for so many days, which
 * may be negative. Without an issuer it is an authority.
 */
struct issued issue_days(const struct issued *issuer, const char *name, const char *alternatives,
                         int days);
struct issued issue(const struct issued *issuer, const char *name, const char *alternatives);
/* The SHA-256 of the certificate, or of its public key, as 64 digits in memory of this function's
 * own, one each. */
const char *issued_pin(const struct issued *issued);
const char *issued_key_pin(const struct issued *issued);

#endif
