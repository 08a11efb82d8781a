/*
 * record: one thing that happened in a session, as one line of the transcript language
 * (house section 7). The language is log, test, replay and the input of `explain`, so there is one
 * writer and one reader, both here.
 *
 *   C> text      the client said            U> text   we said to the upstream
 *   C< text      we said to the client      U< text   the upstream said
 *   C> "bytes"   exactly these bytes: no CRLF is added; \r \n \t \0 \\ \" and \xHH are escapes
 *   C> ~ 1843 bytes 40 lines                  a message, only counted
 *   C> ~ 900 bytes 20 lines open              a part of one: its end is not among it
 *   C> [secret 24]                            text that may hold a credential, only counted
 *   C> "AUTH "[secret 24]"\n"                 the same, when its line end is no CRLF
 *   ! word key=value ...                      what we decided
 *   C open ...   U open   C end   U fail why  the life of a connection
 *   @ path value                              set-up of a scenario: policy, seed, clock
 *   # text                                    a comment; an empty line is one too
 *   +1234 ...                                 in front of any of them: milliseconds since the start
 *
 * A secret at the end of a line stands as `AUTH PLAIN [secret 24]`. What is a secret is decided by
 * whoever parsed the command, never by how a line looks. The same escapes hold in notes, in the
 * life of a connection and in settings, but there they are only written for bytes that can't be
 * printed. Plain text that would read as something else (a secret, a count, a quoted line) is
 * quoted, so that what was written reads back as the very same bytes, whatever they were.
 */
#ifndef LOCKSTEP_RECORD_RECORD_H
#define LOCKSTEP_RECORD_RECORD_H

#include "lockstep/base/moment.h"
#include "lockstep/base/side.h"
#include "lockstep/base/text.h"

enum record_kind {
    RECORD_COMMENT,
    RECORD_SAID,    /* bytes on the wire, line end included */
    RECORD_BODY,    /* a message, counted */
    RECORD_NOTE,    /* a decision */
    RECORD_LIFE,    /* a connection */
    RECORD_SETTING, /* a line of set-up */
};

struct record {
    enum record_kind kind;
    bool timed;          /* `at` was given */
    moment at;           /* milliseconds since the session's start */
    enum side side;      /* SAID, BODY, LIFE */
    bool to_upstream;    /* SAID, BODY: the arrow, '>' or '<' */
    struct span bytes;   /* SAID: the very bytes. NOTE, LIFE, SETTING, COMMENT: the text */
    uint64_t secret;     /* SAID: not 0: so many bytes of a secret follow `bytes`, ... */
    struct span tail;    /* ... and these follow the secret */
    uint64_t body_bytes; /* BODY */
    uint64_t body_lines; /* BODY */
    bool body_open;      /* BODY: more would follow */
};

/* --- writing: each appends whole lines to `text`; a cut text is the caller's to notice --- */

/* What was said, one record line per wire line; the last one quoted when it has no CRLF. */
void record_said(struct text *text, moment at, enum side side, bool to_upstream, struct span bytes);
/* One line, of which the last `secret` bytes are a secret, and behind them its end, if it has one.
 */
void record_said_secret(struct text *text, moment at, enum side side, bool to_upstream,
                        struct span line, size_t secret, struct span end);
void record_body(struct text *text, moment at, enum side side, bool to_upstream, uint64_t bytes,
                 uint64_t lines, bool open);
/* "! word" and then `rest`, already of the form key=value. */
void record_note(struct text *text, moment at, struct span word, struct span rest);
/* "C open", "U fail connection refused" ... */
void record_life(struct text *text, moment at, enum side side, struct span what);
/* "@ stop": a word of the player that tells of something that happened. */
void record_event(struct text *text, moment at, struct span word);
/* The same of one whose last words are a secret of so many bytes. */
void record_event_secret(struct text *text, moment at, struct span word, size_t secret);
/* "@ path value", without a moment: the header of a transcript. */
void record_setting(struct text *text, struct span path, struct span value);

/* --- reading --- */

/*
 * One line without its line end. Escapes are undone into `scratch`, which must hold as many bytes
 * as the line has plus two, and `record_r->bytes` points there or into the line. Returns NULL, or
 * what is wrong with the line in words for its author.
 */
const char *record_read(struct span line, char *scratch, struct record *record_r);

#endif
