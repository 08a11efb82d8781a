/*
 * plan: what is to become of one command instead of simply being sent. Repairs fill it in now,
 * faults the same way; the ledger's cursors honour it and nothing else knows of either.
 */
#ifndef LOCKSTEP_SMTP_PLAN_H
#define LOCKSTEP_SMTP_PLAN_H

#include <stdint.h>

#include "lockstep/base/span.h"

/* What the upstream has to hear first, as a row of ours. */
enum plan_first {
    FIRST_NOTHING,
    FIRST_RESET,
    FIRST_GREETING, /* EHLO, and HELO where that is refused */
    FIRST_SENDER,   /* MAIL with the configured sender */
};

struct plan {
    enum plan_first first; /* then the command is looked at again */
    bool answer_here;      /* say `code` to the client and do not send the command */
    uint16_t code;         /* of the answer */
    struct span status;    /* its enhanced status code, "5.5.1" */
    struct span words;     /* its text, a constant */
    bool quote_reason;     /* add the envelope's first refusal, code and words, to the text */
    bool verbatim;         /* say the kept refusal itself, in its own words, instead of `words` */
    bool close;            /* then end the session */
    bool raw;              /* the words are all that is said, as a fault's rule has them, ... */
    bool addressed;        /* ... or as the command's address has them, ... */
    uint8_t end;           /* ... and enum fault_end: what follows that */
    bool keywords;         /* 250 and the keywords of EHLO, as the upstream told them before */
    bool extended;         /* HELO is said as EHLO, and the client hears the answer's first line */
    uint32_t held_back; /* so much at the command's end is said to its first interim answer, which
                         * the client does not hear */
};

#endif
