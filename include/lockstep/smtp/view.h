/*
 * view: what is settled between lockstep and one peer, by the replies that were said.
 * envelope: what became of the open transaction. Read by repairs, written by the engine.
 */
#ifndef LOCKSTEP_SMTP_VIEW_H
#define LOCKSTEP_SMTP_VIEW_H

#include "lockstep/smtp/extension.h"

struct view {
    struct capabilities capabilities; /* of the current EHLO; none after HELO */
    bool greeted;                     /* HELO or EHLO was accepted */
    bool extended;                    /* and it was EHLO */
    bool ungreetable;                 /* it refuses the session, or EHLO and HELO: it is greeted no
                                       * more */
    bool secured;                     /* by TLS; everything above was learnt behind it */
    bool authenticated;
    bool mail_open; /* a MAIL was accepted and the transaction has not ended */
};

/* How far the open transaction has come, counted from the upstream's own replies. */
struct envelope {
    bool sender_refused;  /* its MAIL was refused: nothing may be added to it (table 4.3) */
    uint16_t code;        /* the first refusal's code; a 5xx to RCPT takes the place of a 4xx */
    uint16_t reason_size; /* and its words, kept beside the ledger */
    bool worded;          /* which say all: the code before them is only ours */
    uint32_t recipients;  /* RCPTs answered */
    uint32_t accepted;    /* of which 2xx */
};

#endif
