/*
 * identity: who a client is, in the words of XCLIENT and XFORWARD (Postfix's XCLIENT_README and
 * XFORWARD_README): attributes NAME=value, each value in xtext. `[UNAVAILABLE]` and `[TEMPUNAVAIL]`
 * say that nobody knows.
 */
#ifndef LOCKSTEP_SMTP_IDENTITY_H
#define LOCKSTEP_SMTP_IDENTITY_H

#include "lockstep/base/text.h"

/* Which of the two commands has it, and what a value must be; the same in both. */
/* clang-format off */
#define ATTRIBUTES(X)                                                                              \
    /*  name      word        XCLIENT XFORWARD right is */                                         \
    X(NAME,     "NAME",     true,   true,  "NAME must be a host name, [UNAVAILABLE] or [TEMPUNAVAIL]")  \
    X(ADDR,     "ADDR",     true,   true,  "ADDR must be 192.0.2.1, IPV6:2001:db8::1 or [UNAVAILABLE]") \
    X(PORT,     "PORT",     true,   true,  "PORT must be a number from 0 to 65535 or [UNAVAILABLE]")    \
    X(PROTO,    "PROTO",    true,   true,  "PROTO must be SMTP or ESMTP")                          \
    X(HELO,     "HELO",     true,   true,  "HELO must be a name without blanks, in xtext, or [UNAVAILABLE]") \
    X(LOGIN,    "LOGIN",    true,   false, "LOGIN must be a name of printable characters, in xtext, or [UNAVAILABLE]") \
    X(DESTADDR, "DESTADDR", true,   false, "DESTADDR must be 192.0.2.1, IPV6:2001:db8::1 or [UNAVAILABLE]")  \
    X(DESTPORT, "DESTPORT", true,   false, "DESTPORT must be a number from 0 to 65535 or [UNAVAILABLE]")     \
    X(IDENT,    "IDENT",    false,  true,  "IDENT must be a name without blanks, in xtext, or [UNAVAILABLE]") \
    X(SOURCE,   "SOURCE",   false,  true,  "SOURCE must be LOCAL, REMOTE or [UNAVAILABLE]")
/* clang-format on */

enum attribute {
#define ATTRIBUTE_NAMED(name, ...) ATTRIBUTE_##name,
    ATTRIBUTES(ATTRIBUTE_NAMED)
#undef ATTRIBUTE_NAMED
        ATTRIBUTE_COUNT
};

#define ATTRIBUTE_BIT(attribute) ((uint16_t)(1U << (attribute)))
/* Bytes of one value, before it is xtext. */
#define ATTRIBUTE_BYTES_MAX 255U
/* Bytes of all the values of one command. */
#define IDENTITY_BYTES_MAX (ATTRIBUTE_COUNT * ATTRIBUTE_BYTES_MAX)

/* What one command said. */
struct identity {
    uint16_t given;                      /* set of attributes */
    struct span values[ATTRIBUTE_COUNT]; /* of those; an address without its prefix; empty: nobody
                                          * knows */
};

struct span attribute_word(enum attribute attribute);
/* The sets that the two commands can have at all. */
uint16_t xclient_attributes(void);
uint16_t xforward_attributes(void);
/* The set that stands behind a keyword of EHLO; words that nobody knows are passed over. */
uint16_t attributes_parse(struct span words);
/* " NAME ADDR", of each attribute of the set. */
void attributes_show(uint16_t set, struct text *out);

/* Adds " ADDR=IPV6:2001:db8::1" to a command; an empty value is [UNAVAILABLE]. */
void attribute_say(enum attribute attribute, struct span value, struct text *out);
/*
 * What stands behind the command's word, of which only attributes of `known` are taken, each at
 * most once. The values are kept in `memory`, IDENTITY_BYTES_MAX of it. Returns nothing when all is
 * right, else the sentence that says which attribute is not, and what would be.
 */
struct span identity_parse(struct span words, uint16_t known, struct text *memory,
                           struct identity *identity_r);

#endif
