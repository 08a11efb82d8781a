/*
 * middlebox: what stands on a path and changes what is said there, known by its marks. The engine
 * looks at greetings, keywords and refusals; diagnoses read the same table.
 */
#ifndef LOCKSTEP_SMTP_MIDDLEBOX_H
#define LOCKSTEP_SMTP_MIDDLEBOX_H

#include "lockstep/smtp/reply.h"

/* What is known of a relay's path, one bit each, and how sessions get along with it. */
/* clang-format off */
#define TRAITS(X)                                                                                  \
    /*  name       word            what follows */                                                 \
    X(SECURES,     "tls-before")   /* it took STARTTLS: its absence is a finding (F-31) */         \
    X(LOCKSTEP,    "lockstep")     /* one command at a time, one line a segment (F-04, F-41) */    \
    X(NO_EHLO,     "no-ehlo")      /* EHLO is lost, masked, or ends the connection (F-02, F-35) */

#define MIDDLEBOXES(X)                                                                             \
    /*  name       word            its traits                              which it is */          \
    X(PIX,         "cisco-pix",    TRAIT_BIT(LOCKSTEP) | TRAIT_BIT(NO_EHLO)) /* F-01: banner */    \
    X(ASA,         "cisco-asa",    TRAIT_BIT(LOCKSTEP))                      /* F-06: keywords */  \
    X(MASKED,      "masked-verb",  TRAIT_BIT(LOCKSTEP))                      /* F-02, F-05: XXXX */\
    X(REDIRECT,    "isp-redirect", 0)                                        /* F-30 */
/* clang-format on */

enum trait {
#define TRAIT_NAME(name, word) TRAIT_##name,
    TRAITS(TRAIT_NAME)
#undef TRAIT_NAME
        TRAIT_COUNT
};

#define TRAIT_BIT(name) (1U << TRAIT_##name)

enum middlebox {
#define MIDDLEBOX_NAME(name, ...) MIDDLEBOX_##name,
    MIDDLEBOXES(MIDDLEBOX_NAME)
#undef MIDDLEBOX_NAME
        MIDDLEBOX_COUNT /* also: none is to be seen */
};

struct middlebox_facts {
    struct span word; /* what findings call it */
    uint32_t traits;
};

struct span trait_word(enum trait trait);
const struct middlebox_facts *middlebox_facts(enum middlebox middlebox);

/* By a greeting, by the reply to EHLO, by a refusal of a known verb. */
enum middlebox middlebox_greeting(const struct reply *reply);
enum middlebox middlebox_keywords(const struct reply *reply);
enum middlebox middlebox_refusal(const struct reply *reply);

#endif
