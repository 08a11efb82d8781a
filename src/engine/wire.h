/*
 * wire: the way out to one side in `mode: fault`, where bytes may come late, in pieces, or not at
 * all; for the files of the engine only. What is said is put here instead of being sent, and leaves
 * when it may; it is recorded as it leaves.
 */
#ifndef LOCKSTEP_SRC_ENGINE_WIRE_H
#define LOCKSTEP_SRC_ENGINE_WIRE_H

#include "state.h"

/* Things said and not yet left; more are joined to the last. */
#define PARCELS_MAX 32U
/* The most that is put in between two looks at wire_has_room(). */
#define WIRE_ITEM_BYTES_MAX (2U * FAULT_TEXT_BYTES_MAX + 4096U)

/* How one thing that is said leaves, by its own plan. */
struct wire_terms {
    uint32_t hold_ms;
    uint32_t slice, gap_ms;
    enum fault_end end;
    uint32_t end_after; /* bytes of it that leave before `end` */
    uint32_t secret;    /* bytes that are a credential, in front of its last `tail` */
    uint32_t tail;
    bool content; /* of a message */
};

struct parcel {
    struct wire_terms terms;
    uint32_t size; /* bytes that have not left */
    moment due;
};

struct wire {
    struct fault_shape shape;
    uint32_t block; /* lent; 0: nothing waits */
    uint32_t start, size;
    uint32_t first, count; /* of the parcels */
    struct parcel parcels[PARCELS_MAX];
    moment free_at; /* when the next segment may leave */
    moment used_at; /* when anything last came */
    uint64_t passed;
    uint8_t shut;   /* 1 + enum shut, once all has left */
    moment shut_at; /* and not before */
    bool secret;    /* there was a credential in the block */
    bool lost;      /* nothing that is put here arrives any more */
};

bool wire_has_room(const struct wire *wire);
/* Puts it at the end of what waits for that side. */
void wire_put(struct engine *engine, enum side side, struct span bytes,
              const struct wire_terms *terms);
/* Lets leave what may; an end that is reached with it in `end_r`. */
void wire_pump(struct engine *engine, enum side side, enum fault_end *end_r);
/* Nothing of it will leave. */
void wire_drop(struct engine *engine, struct wire *wire);
/* When there is something to do; MOMENT_NEVER: only when something is put. */
moment wire_deadline(const struct engine *engine, enum side side);

#endif
