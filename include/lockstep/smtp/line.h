/*
 * line: cuts a peer's bytes into lines. Only CRLF ends a line (RFC 5321 2.3.8); a bare LF or CR is
 * reported, never acted on here, so that one policy decides and not three parsers (F-53).
 */
#ifndef LOCKSTEP_SMTP_LINE_H
#define LOCKSTEP_SMTP_LINE_H

#include "lockstep/base/span.h"

/* What a parser says of its input. */
enum parsed {
    PARSED,      /* one whole thing; `taken` bytes of the input were it */
    PARSED_MORE, /* not enough bytes yet; nothing was taken */
    PARSED_BAD,  /* can never become right; what is wrong is in the result */
};

struct line {
    struct span text; /* without its line end */
    size_t taken;     /* bytes of the input including the line end */
    bool bare_lf;     /* a LF stands without CR before it: the line is cut there */
    bool bare_cr;     /* a CR stands inside `text` */
    bool nul;         /* a NUL stands inside `text` */
    bool eight_bit;   /* a byte above 0x7F stands inside `text` */
};

/*
 * The first line of `input`. A line ends at the first LF: with CR before it the line is whole, and
 * without it is whole with `bare_lf` set, for the caller to refuse or to repair.
 * PARSED_BAD: more than `limit` bytes (line end included) and no end in sight.
 */
enum parsed line_next(struct span input, size_t limit, struct line *line_r);

/* A whole line without its end, be that CRLF, a LF or a CR; without one, as it is. */
struct span line_without_end(struct span line);

#endif
