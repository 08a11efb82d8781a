/*
 * reply: one complete upstream reply as a value (RFC 5321 4.2). A reply of many lines is one reply;
 * replies are matched to commands by counting, never by what they say.
 */
#ifndef LOCKSTEP_SMTP_REPLY_H
#define LOCKSTEP_SMTP_REPLY_H

#include "lockstep/smtp/line.h"

struct reply {
    uint16_t code;        /* 200 to 599 */
    struct span all;      /* every line with its line end, as it came */
    struct span text;     /* the last line after the code and its separator */
    struct span enhanced; /* the last line's x.y.z (RFC 2034); empty when it has none */
    uint32_t lines;
    size_t taken; /* all.size */
    bool odd;     /* kept, but not as the RFC wants: codes that differ, garbage inside, bare LF */
};

/*
 * The first reply of `input`. The first line must start with a code of 2 to 5 and two digits, then
 * a blank, '-' or the end of the line; later lines that do not are kept and make the reply `odd`
 * (F-42). The last line's code counts. PARSED_MORE: not all there yet, nothing taken.
 * PARSED_BAD: the first line has no code, or the reply is longer than `limit` bytes.
 */
enum parsed reply_parse(struct span input, size_t limit, struct reply *reply_r);

/* The next line of a reply without code, separator and line end; false at its end. `*rest` starts
 * as `reply->all`. */
bool reply_line(struct span *rest, struct span *text_r);

/* The enhanced status code that `text` starts with ("5.7.1"), or an empty span. */
struct span reply_enhanced(struct span text);

#endif
