/*
 * extension: the one table of EHLO keywords, and what a peer offers as a value.
 *
 * The EHLO reply that a client gets is built from these rows, never copied (section 4.5 of the wire
 * catalogue): downstream = what the upstream offers and we can carry, plus what we bridge.
 */
#ifndef LOCKSTEP_SMTP_EXTENSION_H
#define LOCKSTEP_SMTP_EXTENSION_H

#include "lockstep/smtp/identity.h"
#include "lockstep/smtp/mechanism.h"
#include "lockstep/smtp/reply.h"

enum extension_relay {
    OFFER_PASSED,  /* when the upstream offers it, with the upstream's own parameters */
    OFFER_ALWAYS,  /* by us, whatever the upstream says */
    OFFER_BRIDGED, /* passed, and offered by us when the upstream lacks it */
    OFFER_LIMITED, /* passed, its number lowered to our own limit */
    OFFER_HIDDEN,  /* never: it would promise what we do not do */
};

/* clang-format off */
#define EXTENSIONS(X)                                                                              \
    /*  name                 keyword                relay           defined in */                  \
    X(PIPELINING,            "PIPELINING",          OFFER_ALWAYS)   /* RFC 2920 */                 \
    X(SIZE,                  "SIZE",                OFFER_LIMITED)  /* RFC 1870 */                 \
    X(EIGHTBITMIME,          "8BITMIME",            OFFER_PASSED)   /* RFC 6152 */                 \
    X(SMTPUTF8,              "SMTPUTF8",            OFFER_PASSED)   /* RFC 6531 */                 \
    X(DSN,                   "DSN",                 OFFER_PASSED)   /* RFC 3461 */                 \
    X(ENHANCEDSTATUSCODES,   "ENHANCEDSTATUSCODES", OFFER_PASSED)   /* RFC 2034 */                 \
    X(CHUNKING,              "CHUNKING",            OFFER_BRIDGED)  /* RFC 3030 */                 \
    X(BINARYMIME,            "BINARYMIME",          OFFER_PASSED)   /* RFC 3030 */                 \
    X(DELIVERBY,             "DELIVERBY",           OFFER_PASSED)   /* RFC 2852 */                 \
    X(MT_PRIORITY,           "MT-PRIORITY",         OFFER_PASSED)   /* RFC 6710 */                 \
    X(FUTURERELEASE,         "FUTURERELEASE",       OFFER_PASSED)   /* RFC 4865 */                 \
    X(LIMITS,                "LIMITS",              OFFER_PASSED)   /* RFC 9422 */                 \
    X(HELP,                  "HELP",                OFFER_PASSED)   /* RFC 5321 */                 \
    X(VRFY,                  "VRFY",                OFFER_PASSED)   /* RFC 5321 */                 \
    X(EXPN,                  "EXPN",                OFFER_PASSED)   /* RFC 5321 */                 \
    X(AUTH,                  "AUTH",                OFFER_PASSED)   /* RFC 4954 */                 \
    X(STARTTLS,              "STARTTLS",            OFFER_HIDDEN)   /* RFC 3207 */                 \
    X(REQUIRETLS,            "REQUIRETLS",          OFFER_HIDDEN)   /* RFC 8689 */                 \
    X(ETRN,                  "ETRN",                OFFER_HIDDEN)   /* RFC 1985 */                 \
    X(ATRN,                  "ATRN",                OFFER_HIDDEN)   /* RFC 2645 */                 \
    X(BURL,                  "BURL",                OFFER_HIDDEN)   /* RFC 4468 */                 \
    X(XCLIENT,               "XCLIENT",             OFFER_HIDDEN)                                  \
    X(XFORWARD,              "XFORWARD",            OFFER_HIDDEN)
/* clang-format on */

enum extension {
#define EXTENSION_NAME(name, ...) EXTENSION_##name,
    EXTENSIONS(EXTENSION_NAME)
#undef EXTENSION_NAME
        EXTENSION_NONE, /* no such keyword in the table; also how many there are */
};

struct extension_facts {
    struct span keyword;
    enum extension_relay relay;
};

/* What one peer offers; all zero is "nothing". */
struct capabilities {
    uint32_t offered;    /* one bit per extension */
    uint32_t plain;      /* those of them that came without parameters */
    uint32_t mechanisms; /* of AUTH, all its lines together (B-40) */
    uint16_t xclient;    /* attributes that can be said there */
    uint16_t xforward;
    uint64_t size_bytes; /* SIZE's number; 0: none given (RFC 1870: no fixed limit) */
};

const struct extension_facts *extension_facts(enum extension extension);
/* The extension that an EHLO line (without its code) names, in any case; EXTENSION_NONE: unknown.
 * `AUTH=LOGIN` (B-40) is AUTH. `parameters_r` gets the rest of the line, trimmed; may be NULL. */
enum extension extension_find(struct span line, struct span *parameters_r);

bool capabilities_offer(const struct capabilities *capabilities, enum extension extension);
/* Is everything known of it that its keywords, those that are passed, said to a client? Parameters
 * are not kept, but for SIZE and AUTH. */
bool capabilities_whole(const struct capabilities *capabilities);
void capabilities_add(struct capabilities *capabilities, enum extension extension);
/* From an EHLO reply: its first line is the greeting, every other one keyword. */
void capabilities_parse(const struct reply *reply, struct capabilities *capabilities_r);

#endif
