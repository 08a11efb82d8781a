/*
 * command: one client line as a value. Parsing reads as little as it must: the verb, and for the
 * few verbs whose argument decides the framing or the envelope, that argument.
 */
#ifndef LOCKSTEP_SMTP_COMMAND_H
#define LOCKSTEP_SMTP_COMMAND_H

#include "lockstep/smtp/verb.h"

/* More than this in one chunk, and an upstream that counts in 32 bits would see another number. */
#define CHUNK_BYTES_MAX 0x7fffffffU

struct command {
    enum verb verb;
    struct span line;     /* the whole line as it came, without its end */
    struct span argument; /* after the verb and its blanks; trailing blanks cut */
    bool bad;             /* others may frame it otherwise: BDAT not as it should be, or a word
                           * nobody knows among control characters */
    bool last;            /* BDAT: this chunk is the last */
    uint64_t chunk_bytes; /* BDAT: how many bytes follow the line */
};

/* Never fails: a line nobody knows is VERB_UNKNOWN. All spans point into `line`. */
void command_parse(struct span line, struct command *command_r);

/* An envelope address with its parameters, as MAIL and RCPT carry it (RFC 5321 4.1.2). */
struct path {
    struct span mailbox;    /* between the brackets, without a source route; may be empty for <> */
    struct span parameters; /* what follows the bracket, trimmed */
};

/* Reads `FROM:<a@b> P=V` or `TO:<a@b>` strictly; `word` is "FROM:" or "TO:". False when it is not
 * exactly that (no blanks round the colon, brackets needed: RFC 5321 3.3). */
bool path_parse(struct span argument, struct span word, struct path *path_r);
/* The place of the bracket that closes `<...`, a quoted local part observed; the path's size where
 * there is none, or one of the bytes that may `never` stand before it unquoted does. */
size_t path_close(struct span path, struct span never);

/* The next `NAME[=VALUE]` of a path's parameters; false at their end. */
bool parameter_next(struct span *rest, struct span *name_r, struct span *value_r);

#endif
