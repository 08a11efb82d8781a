/*
 * mechanism: the SASL mechanisms lockstep knows, strongest first, one table. EHLO's AUTH line is
 * read into a set of them, one bit each.
 */
#ifndef LOCKSTEP_SMTP_MECHANISM_H
#define LOCKSTEP_SMTP_MECHANISM_H

#include "lockstep/base/text.h"

/*
 * clear: whoever reads the exchange has the secret.
 * bearer: speaks for a token, not for a password.
 * bound: needs channel binding, so only over TLS.
 */
/* clang-format off */
#define MECHANISMS(X)                                                   \
    /*  name                word                  clear  bearer bound defined in */ \
    X(SCRAM_SHA_256_PLUS,   "SCRAM-SHA-256-PLUS", false, false, true)   /* RFC 7677 */ \
    X(SCRAM_SHA_256,        "SCRAM-SHA-256",      false, false, false)  /* RFC 7677 */ \
    X(SCRAM_SHA_1_PLUS,     "SCRAM-SHA-1-PLUS",   false, false, true)   /* RFC 5802 */ \
    X(SCRAM_SHA_1,          "SCRAM-SHA-1",        false, false, false)  /* RFC 5802 */ \
    X(EXTERNAL,             "EXTERNAL",           false, false, false)  /* RFC 4422 */ \
    X(OAUTHBEARER,          "OAUTHBEARER",        true,  true,  false)  /* RFC 7628 */ \
    X(XOAUTH2,              "XOAUTH2",            true,  true,  false)  \
    X(DIGEST_MD5,           "DIGEST-MD5",         false, false, false)  /* RFC 2831 */ \
    X(CRAM_MD5,             "CRAM-MD5",           false, false, false)  /* RFC 2195 */ \
    X(NTLM,                 "NTLM",               false, false, false)  \
    X(PLAIN,                "PLAIN",              true,  false, false)  /* RFC 4616 */ \
    X(LOGIN,                "LOGIN",              true,  false, false)
/* clang-format on */

enum mechanism {
#define MECHANISM_NAME(name, ...) MECHANISM_##name,
    MECHANISMS(MECHANISM_NAME)
#undef MECHANISM_NAME
        MECHANISM_COUNT /* also: no such mechanism */
};

#define MECHANISM_BIT(mechanism) (1U << (mechanism))
#define MECHANISMS_ALL ((1U << MECHANISM_COUNT) - 1)

struct mechanism_facts {
    struct span word;
    bool clear;
    bool bearer;
    bool bound;
};

const struct mechanism_facts *mechanism_facts(enum mechanism mechanism);
/* The mechanism with this name, in any case; MECHANISM_COUNT: none. */
enum mechanism mechanism_find(struct span word);
/* The set of those that a line of names names, with blanks or commas between; others are ignored.
 */
uint32_t mechanisms_parse(struct span names);
/* Their names, strongest first, with blanks between. */
void mechanisms_show(uint32_t set, struct text *out);

#endif
