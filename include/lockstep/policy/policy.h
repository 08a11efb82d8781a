/*
 * policy: what one listener's sessions are to do, immutable once made. Engines hold a pointer and
 * never change it; all spans in it live as long as the policy does.
 */
#ifndef LOCKSTEP_POLICY_POLICY_H
#define LOCKSTEP_POLICY_POLICY_H

#include "lockstep/base/text.h"
#include "lockstep/repair/repair.h"
#include "lockstep/smtp/body.h"
#include "lockstep/smtp/wait.h"

enum mode {
    MODE_REPAIR,  /* put right what is wrong */
    MODE_OBSERVE, /* change no byte, say what would have been put right */
};

enum pipelining {
    PIPELINING_AUTO,  /* when the upstream's current EHLO reply offers it */
    PIPELINING_NEVER, /* one command at a time, whatever it offers (F-41) */
};

struct limits {
    uint32_t line_bytes;      /* a command line with its CRLF (RFC 5321 4.5.3.1.4 and extensions) */
    uint32_t auth_line_bytes; /* AUTH and its responses (RFC 4954 4: 12288) */
    uint32_t reply_bytes;     /* one whole upstream reply; at most LIMIT_REPLY_BYTES_MAX */
    uint32_t rows;            /* commands in the ledger; at most LIMIT_ROWS_MAX */
    uint64_t message_bytes;   /* a message; 0: as many as the upstream takes */
};

/* What a loop's blocks and the ledger's block can hold at most. */
#define LIMIT_LINE_BYTES_MAX 16384U
#define LIMIT_REPLY_BYTES_MAX 16384U
#define LIMIT_ROWS_MAX 128U

struct policy {
    enum mode mode;
    enum pipelining pipelining;
    enum bare bare; /* lone CR and LF, in commands and messages */
    struct limits limits;
    uint32_t wait_ms[WAIT_COUNT];
    uint32_t repairs;     /* one bit per enum repair_id: switched on */
    bool record;          /* make transcript lines at all */
    bool record_bodies;   /* keep messages whole in them, instead of counting */
    struct span hostname; /* what lockstep calls itself in its own replies */
};

/* The defaults of every word, as if the configuration had said nothing. */
void policy_default(struct policy *policy_r);

/*
 * One word, as the configuration and the `@` lines of a transcript write it: "mode" "observe",
 * "limits.rows" "4", "timeouts.mail" "5s", "repairs.refused-sender" "off". The policy borrows
 * `value` (a hostname points into it). False: nothing changed, and `error` has the sentence.
 */
bool policy_set(struct policy *policy, struct span path, struct span value, struct text *error);

/* Whether the words agree with each other; false: `error` says which two do not. */
bool policy_check(const struct policy *policy, struct text *error);

#endif
