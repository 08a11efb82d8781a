/*
 * proposal: which repairs would have made recorded sessions succeed, the fewest of them.
 *
 * A transcript of `mode: observe` tells at each command what a repair would have done with it. One
 * is needed when the command it looked at was refused, or never answered: what the upstream took as
 * it was needs no repair. Of sessions that were repaired, what was done counts as needed: how the
 * upstream would have taken it without, nobody knows.
 */
#ifndef LOCKSTEP_EXPLAIN_PROPOSAL_H
#define LOCKSTEP_EXPLAIN_PROPOSAL_H

#include "lockstep/explain/script.h"
#include "lockstep/repair/repair.h"

/* Clients that are named beside a repair; of more only the number is known. */
#define PROPOSAL_CLIENTS_MAX 4U
#define PROPOSAL_CLIENT_BYTES_MAX 64U
/* Bytes that proposal_show() writes at most. */
#define PROPOSAL_BYTES_MAX 16384U

struct proposal_need {
    uint32_t sessions;
    uint32_t client_count;                                         /* of those that are kept */
    char clients[PROPOSAL_CLIENTS_MAX][PROPOSAL_CLIENT_BYTES_MAX]; /* addresses, NUL behind */
};

/* All zero: nothing was read yet. */
struct proposal {
    uint32_t sessions;
    uint32_t refused; /* of which something was refused, or never answered */
    struct proposal_need needs[REPAIR_COUNT];
};

/* One session more. */
void proposal_read(struct proposal *proposal, const struct script *script);
/* Of a configuration: the words that switch on what is needed and is not on by itself. */
void proposal_show(const struct proposal *proposal, struct text *out);

#endif
