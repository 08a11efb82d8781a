/* Whether the peer is who it should be, and what its certificate calls it. */
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/net/address.h"
#include "tls_inside.h"

void tls_note(struct tls *tls, const char *format, ...)
{
    va_list list;

    if (tls->why != NULL)
        return;
    tls->why = malloc(TLS_WHY_MAX);
    must(tls->why != NULL);
    va_start(list, format);
    vsnprintf(tls->why, TLS_WHY_MAX, format, list);
    va_end(list);
}

/* --- names --- */

/* Behind what `names` has; bytes that have no place in a log line become question marks. */
static void names_add(struct text *names, const char *at, size_t size)
{
    size_t i;

    if (names->size > 0)
        text_add(names, SPAN(", "));
    for (i = 0; i < size; i++)
        text_add_byte(names, at[i] >= ' ' && at[i] <= '~' ? at[i] : '?');
}

static void names_add_address(struct text *names, const ASN1_OCTET_STRING *bytes)
{
    struct address address = {.any.sa_family = AF_INET};
    char memory[ADDRESS_TEXT_MAX];
    const unsigned char *at = ASN1_STRING_get0_data(bytes);

    if (ASN1_STRING_length(bytes) == sizeof(address.four.sin_addr)) {
        memcpy(&address.four.sin_addr, at, sizeof(address.four.sin_addr));
        uv_ip4_name(&address.four, memory, sizeof(memory));
    } else if (ASN1_STRING_length(bytes) == sizeof(address.six.sin6_addr)) {
        address.any.sa_family = AF_INET6;
        memcpy(&address.six.sin6_addr, at, sizeof(address.six.sin6_addr));
        uv_ip6_name(&address.six, memory, sizeof(memory));
    } else {
        return;
    }
    names_add(names, memory, strlen(memory));
}

/* The subject's common name; empty when it has none. OPENSSL_free() what `bytes_r` gets. */
static struct span common_name(const X509 *certificate, unsigned char **bytes_r)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    int size = -1;

    *bytes_r = NULL;
    if (at >= 0)
        size = ASN1_STRING_to_UTF8(bytes_r,
                                   X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    return span_of((const char *)*bytes_r, size > 0 ? (size_t)size : 0);
}

/* All names that a certificate is for, as far as they fit. */
static struct span certificate_names(const X509 *certificate, char *memory, size_t room)
{
    struct text names = text_over(memory, room);
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    unsigned char *common = NULL;
    struct span name;
    int i;

    for (i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);

        if (one->type == GEN_DNS || one->type == GEN_EMAIL)
            names_add(&names, (const char *)ASN1_STRING_get0_data(one->d.ia5),
                      (size_t)ASN1_STRING_length(one->d.ia5));
        else if (one->type == GEN_IPADD)
            names_add_address(&names, one->d.iPAddress);
    }
    GENERAL_NAMES_free(all);
    name = common_name(certificate, &common);
    if (names.size == 0 && name.size > 0)
        names_add(&names, name.at, name.size);
    if (names.size == 0)
        text_add(&names, SPAN("no name at all"));
    OPENSSL_free(common);
    return text_span(&names);
}

/* Whole and clean, or empty: somebody may be let in by it. */
static struct span name_copy(struct span name, char *memory)
{
    size_t i;

    if (name.size >= TLS_NAME_MAX)
        return (struct span){0};
    for (i = 0; i < name.size; i++)
        if ((unsigned char)name.at[i] < ' ' || name.at[i] == 0x7f)
            return (struct span){0};
    memcpy(memory, name.at, name.size);
    return span_of(memory, name.size);
}

static bool vouched(const struct tls *tls)
{
    return SSL_get0_peer_certificate(tls->ssl) != NULL &&
           SSL_get_verify_result(tls->ssl) == X509_V_OK;
}

struct span tls_peer_name(const struct tls *tls, char *memory)
{
    const X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    GENERAL_NAMES *all;
    unsigned char *common = NULL;
    struct span name = {0};
    int i;

    if (!vouched(tls))
        return name;
    all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (i = 0; i < sk_GENERAL_NAME_num(all) && name.size == 0; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);

        if (one->type == GEN_DNS || one->type == GEN_EMAIL)
            name = span_of((const char *)ASN1_STRING_get0_data(one->d.ia5),
                           (size_t)ASN1_STRING_length(one->d.ia5));
    }
    if (name.size == 0)
        name = common_name(certificate, &common);
    name = name_copy(name, memory);
    OPENSSL_free(common);
    GENERAL_NAMES_free(all);
    return name;
}

/* --- pins --- */

static int digit_of(char byte)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = byte != 0 ? strchr(digits, byte) : NULL;

    return at != NULL ? (int)((at - digits) % 16) : -1;
}

bool tls_pin(struct span text, unsigned char pin[TLS_PIN_BYTES])
{
    size_t digits = 0;
    size_t i;

    memset(pin, 0, TLS_PIN_BYTES);
    for (i = 0; i < text.size; i++) {
        int digit = digit_of(text.at[i]);

        if (text.at[i] == ':')
            continue;
        if (digit < 0 || digits == 2 * TLS_PIN_BYTES)
            return false;
        pin[digits / 2] = (unsigned char)(pin[digits / 2] << 4 | digit);
        digits++;
    }
    return digits == 2 * TLS_PIN_BYTES;
}

static bool pinned(const struct tls_context *context, const unsigned char *digest)
{
    uint32_t i;

    for (i = 0; i < context->pin_count; i++)
        if (memcmp(context->pins[i], digest, TLS_PIN_BYTES) == 0)
            return true;
    return false;
}

static bool judge_pin(struct tls *tls, const X509 *certificate)
{
    unsigned char whole[TLS_PIN_BYTES];
    unsigned char key[TLS_PIN_BYTES];
    char text[2 * TLS_PIN_BYTES + 1];
    unsigned char *bytes = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
    bool known = size > 0 && X509_digest(certificate, EVP_sha256(), whole, NULL) == 1 &&
                 EVP_Digest(bytes, (size_t)size, key, NULL, EVP_sha256(), NULL) == 1;
    size_t i;

    OPENSSL_free(bytes);
    if (!known) {
        tls_note(tls, "TLS: the certificate can't be read");
        return false;
    }
    if (pinned(tls->context, whole) || pinned(tls->context, key))
        return true;
    for (i = 0; i < TLS_PIN_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", whole[i]);
    tls_note(tls, "TLS: the certificate is none of those pinned: its SHA-256 is %s", text);
    return false;
}

/* --- judging --- */

static void note_chain(struct tls *tls, X509_STORE_CTX *chain)
{
    const X509 *certificate = X509_STORE_CTX_get_current_cert(chain);
    int error = X509_STORE_CTX_get_error(chain);
    char memory[TLS_WHY_MAX / 2];
    struct span names = {0};

    if (certificate == NULL)
        certificate = X509_STORE_CTX_get0_cert(chain);
    if (certificate != NULL)
        names = certificate_names(certificate, memory, sizeof(memory));
    if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH)
        tls_note(tls, "TLS: name does not match: the certificate is for %.*s", (int)names.size,
                 names.at);
    else
        tls_note(tls, "TLS: %s (%.*s, depth %d)", X509_verify_cert_error_string(error),
                 (int)names.size, names.at, X509_STORE_CTX_get_error_depth(chain));
}

/* Instead of OpenSSL's own judgement: 1 goes on. What stays in the chain's error is remembered
 * with the session, so that resuming one makes nobody more trusted than he was. */
static int tls_judge(X509_STORE_CTX *chain, void *data)
{
    struct tls_context *context = data;
    struct tls *tls =
        SSL_get_app_data(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    bool good = false;

    switch (context->verify) {
    case TLS_VERIFY_FULL:
    case TLS_VERIFY_CA:
        good = X509_verify_cert(chain) == 1;
        if (!good && context->ask != TLS_ASK_OPTIONAL)
            note_chain(tls, chain);
        if (good && context->server)
            tls_sessions_limit(tls->ssl, X509_STORE_CTX_get0_cert(chain));
        break;
    case TLS_VERIFY_PIN:
        good = judge_pin(tls, X509_STORE_CTX_get0_cert(chain));
        X509_STORE_CTX_set_error(chain, good ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
        break;
    case TLS_VERIFY_NONE:
        X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
        break;
    }
    return good || context->verify == TLS_VERIFY_NONE || context->ask == TLS_ASK_OPTIONAL;
}

void tls_trust(struct tls_context *context)
{
    int mode = SSL_VERIFY_PEER;

    if (context->server && context->ask == TLS_ASK_NONE)
        mode = SSL_VERIFY_NONE;
    else if (context->ask == TLS_ASK_REQUIRED)
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context->ssl, mode, NULL);
    SSL_CTX_set_cert_verify_callback(context->ssl, tls_judge, context);
}

bool tls_expect(struct tls *tls, struct span name)
{
    X509_VERIFY_PARAM *rules = SSL_get0_param(tls->ssl);
    struct address address;
    bool literal = address_literal(name, 0, &address);
    char memory[TLS_NAME_MAX];
    struct text clean = text_over(memory, sizeof(memory));
    int done = 1;

    if (name.size > 0 && !literal)
        done = (int)SSL_set_tlsext_host_name(tls->ssl, tls->name);
    if (done == 1 && tls->context->verify == TLS_VERIFY_FULL) {
        X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (literal)
            done = X509_VERIFY_PARAM_set1_ip_asc(rules, tls->name);
        else
            done = name.size > 0 && X509_VERIFY_PARAM_set1_host(rules, name.at, name.size) == 1;
    }
    if (done == 1)
        return true;
    names_add(&clean, name.at, name.size);
    tls_note(tls, "TLS: no server can have the name \"%.*s\"", (int)clean.size, clean.at);
    return false;
}
