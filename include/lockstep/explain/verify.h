/*
 * verify: what a test says of sessions, held against their transcripts, with the lines that prove
 * or disprove it.
 *
 * A pattern is the beginning of a line, as the transcript has it without its moment, in any case;
 * `*` stands for any bytes: "C> RCPT TO:<a@", "C< 5", "! repair", "C> MAIL*SIZE=". A step is such a
 * pattern, or a reply together with what it answers.
 *
 *   seen      a line like that is there, in any session
 *   unseen    none is, in no session
 *   count     so many are, in all sessions together
 *   order     they come in this order, others between, in one session
 *   never     no line like the first comes, in no session, before (or after) the first like the
 *             second
 *   messages  so many messages the upstream accepted, in all sessions together
 *   sessions  so many sessions there are
 *   retried   whoever heard a reply like that says the same again later: its MAIL, or where there
 *             was none the command; in that session or another from the same address
 *
 * Where there is no session at all, all but `sessions` fail: what nobody did proves nothing. And
 * what rests on lines that are not there fails where lines were left out.
 *
 * Sessions are read one by one, the oldest first, so that only one transcript need be in memory.
 *
 * Pure: the caller lends the memory.
 */
#ifndef LOCKSTEP_EXPLAIN_VERIFY_H
#define LOCKSTEP_EXPLAIN_VERIFY_H

#include "lockstep/explain/script.h"

#define VERIFY_STEPS_MAX 16U
/* Bytes of a pattern. */
#define VERIFY_PATTERN_MAX 512U
/* Lines that are kept as proof, and bytes of each; longer ones are cut. */
#define VERIFY_PROOFS_MAX 16U
#define VERIFY_LINE_MAX 256U
/* Refusals that wait to be tried again. */
#define VERIFY_PENDING_MAX 32U
#define VERIFY_WHY_MAX 160U

enum verify_kind {
    VERIFY_SEEN,
    VERIFY_UNSEEN,
    VERIFY_COUNT,
    VERIFY_ORDER,
    VERIFY_NEVER,
    VERIFY_MESSAGES,
    VERIFY_SESSIONS,
    VERIFY_RETRIED,
};

struct verify_step {
    struct span line;  /* a pattern; empty: these three say it */
    struct span reply; /* the beginning of a reply's last line: "250", "4" */
    struct span to;    /* of the command that it answers: "RCPT"; "." is the end of a message */
    enum side side;    /* whose leg */
};

/* Spans are borrowed. */
struct verify_assertion {
    enum verify_kind kind;
    bool after; /* NEVER: after the second step, else before it */
    uint32_t step_count;
    struct verify_step steps[VERIFY_STEPS_MAX]; /* RETRIED: one, of which `reply` counts */
    uint64_t at_least;                          /* COUNT, MESSAGES, SESSIONS */
    uint64_t at_most;
};

struct verify_session {
    struct span client; /* where it came from, without the port */
    const struct script *script;
    bool cut; /* lines were left out */
};

struct verify_proof {
    uint32_t session; /* the sessions that were read, from 0 */
    uint32_t line;    /* from 1 */
    uint32_t size;
    char text[VERIFY_LINE_MAX];
};

/* A refusal that nobody has tried again yet. */
struct verify_pending {
    struct verify_proof refused;
    uint32_t client_size;
    uint32_t words_size;
    char client[64];
    char words[VERIFY_LINE_MAX]; /* what has to be said again; none: anything */
};

/* All zero: nothing was read yet. */
struct verified {
    bool passed; /* with verify_end() */
    char why[VERIFY_WHY_MAX];
    uint32_t proof_count;
    uint64_t more; /* proofs for which there was no room */
    struct verify_proof proofs[VERIFY_PROOFS_MAX];

    uint32_t sessions; /* read so far, as all that follows */
    uint64_t found;
    uint64_t violations;
    uint32_t steps; /* ORDER: most that were seen in one session */
    bool cut;
    uint32_t pending_count;
    uint64_t pending_more;
    struct verify_pending pending[VERIFY_PENDING_MAX];
};

/* One session more. */
void verify_read(const struct verify_assertion *assertion, const struct verify_session *session,
                 struct verified *verdict);
/* There are no more: did it hold, and why? */
void verify_end(const struct verify_assertion *assertion, struct verified *verdict);

#endif
