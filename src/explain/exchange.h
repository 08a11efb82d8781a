/*
 * exchange: one leg of a transcript, and on it which reply answers which command: by counting, as
 * the peers do it.
 */
#ifndef LOCKSTEP_SRC_EXPLAIN_EXCHANGE_H
#define LOCKSTEP_SRC_EXPLAIN_EXCHANGE_H

#include "lockstep/explain/script.h"

/* Commands that wait for their replies; of more in flight the oldest are given up. */
#define EXCHANGE_WAITING_MAX 256U

struct exchange {
    enum side side;
    uint32_t first, next; /* numbers of commands: the oldest that waits, and the next one's */
    const struct script_line *waiting[EXCHANGE_WAITING_MAX]; /* a ring */
    uint32_t data_at;                                        /* the number of the last DATA */
    bool in_body;
    uint64_t chunk_left;
};

enum exchanged_kind {
    EXCHANGED_NOTHING, /* content, a part of a reply, or not of this leg */
    EXCHANGED_COMMAND, /* the end of a message is one too */
    EXCHANGED_REPLY,   /* the last line of one */
};

struct exchanged {
    enum exchanged_kind kind;
    uint32_t number;                   /* of the command, also of the one that is answered */
    const struct script_line *command; /* its line; REPLY: NULL, if it answers none: a greeting */
    bool dot;                          /* COMMAND: it ends a message */
    uint16_t code;                     /* REPLY */
};

struct exchange exchange_on(enum side side);
/* The lines in their order. */
struct exchanged exchange_read(struct exchange *exchange, const struct script_line *line);

/* What a command line says, without its end; of the end of a counted message ".". */
struct span exchange_words(const struct script_line *command);

#endif
