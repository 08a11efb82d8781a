/*
 * foreign: peers that speak something else on an SMTP port, told by the first bytes of what would
 * be a command. SMTP has no command that begins like any of these, so nothing of theirs is ever
 * read as one: a browser that is made to post mail would have it sent (B-11).
 */
#ifndef LOCKSTEP_SMTP_FOREIGN_H
#define LOCKSTEP_SMTP_FOREIGN_H

#include "lockstep/base/span.h"

enum foreign {
    FOREIGN_NONE,
    FOREIGN_TLS,     /* a TLS or SSL 3 handshake (B-12, F-63) */
    FOREIGN_OLD_SSL, /* an SSL 2 ClientHello, of whatever version it asks for */
    FOREIGN_HTTP,    /* a request, or a header line of one */
    FOREIGN_PROXY,   /* a PROXY header, of version 1 or 2 (B-14, F-71) */
};

/* Two empty lines stand before the rest of a PROXY header of version 2. */
#define FOREIGN_BLANK_LINES 2U

/* What the bytes at the place of a command are, behind so many empty lines; `*size_r`: how many of
 * them tell, which are the same however they are cut. FOREIGN_NONE: SMTP, or not enough yet. */
enum foreign foreign_look(struct span input, uint32_t blank_lines, size_t *size_r);

#endif
