/*
 * body: a message on its way through, never held whole.
 *
 * `body_scan` reads what a client sends after 354. It finds the one true end, CRLF "." CRLF
 * (RFC 5321 4.1.1.4), and hands the bytes on as pieces: most of them borrowed from the input as
 * they are, a few of them made here. Held back is only what may yet turn out to be the end, so
 * that the terminator always leaves whole and in one write (F-03). Dots stay stuffed as they came.
 *
 * `body_stuff` is the other way about: raw content (BDAT, RFC 3030) becomes dot-stuffed lines.
 * `body_unstuff` takes the dots off again, for whoever stores the message.
 *
 * A CR or LF of its own is never passed on unless the policy says so: it is refused, or made a
 * CRLF, and in no case does it help to end the message (F-53, SMTP smuggling); but see `lf_end`.
 */
#ifndef LOCKSTEP_SMTP_BODY_H
#define LOCKSTEP_SMTP_BODY_H

#include "lockstep/base/span.h"

/* What to do with a CR or LF that stands alone. */
enum bare {
    BARE_REFUSE,    /* the message is refused */
    BARE_NORMALISE, /* LF becomes CRLF, CR a space; a lone dot line so made is stuffed */
    BARE_PASS,      /* as it came; only where the operator observes */
};

/* Where in a line end or a terminator the last byte stood. */
enum body_place {
    BODY_LINE_START, /* right behind a CRLF, or at the very start */
    BODY_TEXT,
    BODY_CR,        /* a CR, its LF not yet seen */
    BODY_CR_CR,     /* two of them, where the first may be dropped */
    BODY_DOT,       /* a dot at the start of a line */
    BODY_DOT_CR,    /* that dot and a CR */
    BODY_DOT_CR_CR, /* and another */
    BODY_LF,        /* BARE_PASS: right behind a LF of its own, where `lf_end` looks for more */
    BODY_LF_DOT,    /* and a dot */
};

/* A line end that was read and not yet handed on, because it may begin the terminator. */
enum body_held {
    HELD_NONE,
    HELD_CRLF,
    HELD_LF, /* bare: a dot behind it does not end the message */
    HELD_CR_CRLF,
};

/*
 * `drop_cr` and `lf_end` may be set behind body_start(), before the first byte is read.
 *
 * drop_cr: of CR CR LF the first CR is dropped (B-62). A lone dot so made is stuffed.
 * lf_end: LF "." LF ends the message, too, where LF is made CRLF (B-61); where bare line ends pass,
 * it is only noticed. Whoever sets it must not read on behind such an end before it is answered.
 */
struct body {
    enum bare bare;
    enum body_place place;
    enum body_held held;
    bool drop_cr, lf_end;
    bool bare_seen;   /* a lone CR or LF was met */
    bool cr_seen;     /* a CR before a CRLF was met, by `drop_cr` */
    bool lf_end_seen; /* and LF "." LF, by `lf_end`: with BODY_END, that was it */
    uint64_t bytes;   /* bytes read so far, the terminator included */
    uint64_t lines;   /* line ends read so far */
};

/* What one call found at the front of the input. */
enum body_found {
    BODY_MORE,  /* the input is used up */
    BODY_PIECE, /* some content; call again with the rest */
    BODY_END,   /* the terminator was read; the rest of the input is commands */
    BODY_BARE,  /* a lone CR or LF, and the policy refuses it */
};

struct body_piece {
    struct span before; /* said first: what was held back or is said instead; a constant */
    struct span bytes;  /* said then: borrowed from the input */
};

void body_start(struct body *body, enum bare bare);

/* Takes bytes off the front of `*input`, at least one with every piece; a piece itself may be
 * empty. After BODY_END and BODY_BARE the body is over; to read on after BODY_BARE, to find the end
 * of a refused message, set `bare` to BARE_PASS and call again. */
enum body_found body_scan(struct body *body, struct span *input, struct body_piece *piece_r);

/* The same for raw content of known length: dots at line starts are stuffed. Never BODY_END. */
enum body_found body_stuff(struct body *body, struct span *input, struct body_piece *piece_r);

/* What ends the message upstream, after all pieces: CRLF "." CRLF, without the first CRLF when
 * nothing was said yet, and behind what becomes of a CR that raw content ended in. Empty when the
 * policy refuses that lone CR: the message must not be ended, its upstream leg must. */
struct span body_terminator(const struct body *body);

/* Takes the next run of content without stuffing dots off the front of `*input`, which must be what
 * body_scan handed on, nothing passed bare; false at its end. `*line_start` is kept between calls
 * and begins true. */
bool body_unstuff(bool *line_start, struct span *input, struct span *bytes_r);

#endif
