/*
 * verb: the one table of everything a client can say. The serialiser, the timeouts, the redaction
 * and the wording of diagnoses all read it; a new verb is a new row and nothing else.
 */
#ifndef LOCKSTEP_SMTP_VERB_H
#define LOCKSTEP_SMTP_VERB_H

#include "lockstep/base/span.h"
#include "lockstep/smtp/wait.h"

/* What a command does to the conversation; each effect is named once and acted on by name. */
enum verb_does {
    DOES_NONE,
    DOES_GREET,     /* EHLO: capabilities follow, the transaction ends (RFC 5321 4.1.4) */
    DOES_GREET_OLD, /* HELO: no capabilities, the transaction ends */
    DOES_SENDER,    /* MAIL opens a transaction */
    DOES_RECIPIENT, /* RCPT adds to it */
    DOES_MESSAGE,   /* DATA: after 354 the next bytes are a message */
    DOES_CHUNK,     /* BDAT: the next n bytes are message (RFC 3030) */
    DOES_END,       /* the final dot: a row of its own, no word of its own */
    DOES_RESET,     /* RSET ends the transaction */
    DOES_AUTH,      /* AUTH: after 334 the next line is a response (RFC 4954) */
    DOES_RESPONSE,  /* that line: a row of its own, no word of its own */
    DOES_SECURE,    /* STARTTLS */
    DOES_IDENTIFY, /* XCLIENT: from now on the client is who it says, and the session begins anew */
    DOES_QUIT,
    DOES_COUNT
};

/* May the command go to the upstream at all? */
enum verb_relay {
    RELAY_PASS,   /* as it came */
    RELAY_REFUSE, /* 502 from us: it would give away our standing with the upstream */
    RELAY_OURS,   /* answered here: it is between the client and us; passes in `observe` */
};

/*
 * word: what the client says; "" for rows that have no word.
 * last: may only stand last in a group (RFC 2920 3.1; R-02): nothing follows before its answer.
 * success: the one code that means success, 0 for any 2xx (invariant 15).
 * interim: the code that means "go on", 0 for none.
 * wait: which patience the upstream's answer gets (smtp/wait.h; RFC 5321 4.5.3.2).
 * secret: its argument may hold a credential.
 * clear: may be said where TLS is required and has not begun (RFC 3207 4; R-32); RSET too, which
 * tells nothing.
 */
/* clang-format off */
#define VERBS(X)  \
    /*  name      word        last   success interim wait            secret does            relay         clear */  \
    X(UNKNOWN,    "",         true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_PASS,   false)  \
    X(HELO,       "HELO",     true,  0,      0,      WAIT_COMMAND,   false, DOES_GREET_OLD, RELAY_PASS,   true)  \
    X(EHLO,       "EHLO",     true,  0,      0,      WAIT_COMMAND,   false, DOES_GREET,     RELAY_PASS,   true)  \
    X(MAIL,       "MAIL",     false, 0,      0,      WAIT_SENDER,    false, DOES_SENDER,    RELAY_PASS,   false)  \
    X(SEND,       "SEND",     false, 0,      0,      WAIT_SENDER,    false, DOES_SENDER,    RELAY_PASS,   false)  \
    X(SOML,       "SOML",     false, 0,      0,      WAIT_SENDER,    false, DOES_SENDER,    RELAY_PASS,   false)  \
    X(SAML,       "SAML",     false, 0,      0,      WAIT_SENDER,    false, DOES_SENDER,    RELAY_PASS,   false)  \
    X(RCPT,       "RCPT",     false, 0,      0,      WAIT_RECIPIENT, false, DOES_RECIPIENT, RELAY_PASS,   false)  \
    X(DATA,       "DATA",     true,  354,    0,      WAIT_MESSAGE,   false, DOES_MESSAGE,   RELAY_PASS,   false)  \
    X(END,        "",         true,  0,      0,      WAIT_END,       false, DOES_END,       RELAY_PASS,   false)  \
    X(BDAT,       "BDAT",     true,  0,      0,      WAIT_END,       false, DOES_CHUNK,     RELAY_PASS,   false)  \
    X(RSET,       "RSET",     false, 0,      0,      WAIT_COMMAND,   false, DOES_RESET,     RELAY_PASS,   true)  \
    X(VRFY,       "VRFY",     true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_PASS,   false)  \
    X(EXPN,       "EXPN",     true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_PASS,   false)  \
    X(HELP,       "HELP",     true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_PASS,   false)  \
    X(NOOP,       "NOOP",     true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_PASS,   true)  \
    X(QUIT,       "QUIT",     true,  0,      0,      WAIT_COMMAND,   false, DOES_QUIT,      RELAY_PASS,   true)  \
    X(AUTH,       "AUTH",     true,  235,    334,    WAIT_COMMAND,   true,  DOES_AUTH,      RELAY_PASS,   false)  \
    X(RESPONSE,   "",         true,  235,    334,    WAIT_COMMAND,   true,  DOES_RESPONSE,  RELAY_PASS,   false)  \
    X(STARTTLS,   "STARTTLS", true,  220,    0,      WAIT_COMMAND,   false, DOES_SECURE,    RELAY_OURS,   true)  \
    X(ETRN,       "ETRN",     true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_REFUSE, false)  \
    X(TURN,       "TURN",     true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_REFUSE, false)  \
    X(ATRN,       "ATRN",     true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_REFUSE, false)  \
    X(BURL,       "BURL",     true,  0,      0,      WAIT_END,       false, DOES_NONE,      RELAY_REFUSE, false)  \
    X(XCLIENT,    "XCLIENT",  true,  220,    0,      WAIT_COMMAND,   false, DOES_IDENTIFY,  RELAY_OURS,   false)  \
    X(XFORWARD,   "XFORWARD", true,  0,      0,      WAIT_COMMAND,   false, DOES_NONE,      RELAY_REFUSE, false)
/* clang-format on */

enum verb {
#define VERB_NAME(name, ...) VERB_##name,
    VERBS(VERB_NAME)
#undef VERB_NAME
};

struct verb_facts {
    struct span word;
    struct span name; /* for records and diagnoses; never empty */
    bool last;
    uint16_t success;
    uint16_t interim;
    enum wait wait;
    bool secret;
    enum verb_does does;
    enum verb_relay relay;
    bool clear;
};

const struct verb_facts *verb_facts(enum verb verb);
/* How many verbs there are; they are numbered from 0. */
size_t verb_count(void);
/* The verb with this word, in any case; VERB_UNKNOWN when none has it. */
enum verb verb_find(struct span word);

#endif
