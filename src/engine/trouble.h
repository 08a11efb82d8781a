/*
 * trouble: what the faults of `mode: fault` make of what is said, and where their plans are carried
 * out; for the files of the engine only. It lies behind the engine, in the same block.
 */
#ifndef LOCKSTEP_SRC_ENGINE_TROUBLE_H
#define LOCKSTEP_SRC_ENGINE_TROUBLE_H

#include "wire.h"

struct trouble {
    const struct faults *faults; /* of the policy, or those that took their place */
    struct fault_count counts[FAULT_RULES_MAX];
    struct wire wires[SIDE_COUNT];
    const struct fault_plan *plan; /* of what is being said, within a step */
    uint32_t session;              /* its number, from 1 */
    uint32_t held_row;             /* a row that waits for others, ... */
    moment held_until;             /* ... or for this; 0: none does */
    moment greet_at;               /* the upstream is not read before */
    uint64_t arrived;              /* bytes of the client's that this step began with */
    uint64_t leftover;             /* of which were there before it */
    uint64_t content;              /* of the message on its way: bytes that have gone on, ... */
    uint64_t column;               /* ... those of its line so far, ... */
    char previous;                 /* ... its last byte, ... */
    bool body;                     /* ... whether its header is over */
    uint32_t patient_row;          /* which is to be answered before ... */
    moment patient_until;          /* ... this, or `patient_end` comes; 0: none is */
    enum fault_end patient_end;
    bool barrier; /* what was sent last stands alone */
    bool last_refused;
    bool early_seen;
    bool handshake_seen;
    bool ending;  /* an end is on its way: nothing is said behind it, to either side */
    bool stalled; /* nothing passes any more */
};

static inline struct trouble *trouble_of(struct engine *engine)
{
    must(engine->troubled);
    return (struct trouble *)(void *)(engine + 1);
}

static inline const struct trouble *trouble_seen(const struct engine *engine)
{
    must(engine->troubled);
    return (const struct trouble *)(const void *)(engine + 1);
}

void trouble_init(struct engine *engine);
/* The client is there: false when it is not to be connected for. */
bool trouble_opened(struct engine *engine, const struct event *event);
/* A step begins. */
void trouble_begin(struct engine *engine, const struct event *event);
/* And ends: whatever may leave does. */
void trouble_pump(struct engine *engine);
/* The client's row at the send cursor may go: true when anything moved. */
bool trouble_send(struct engine *engine);
/* A whole reply of the upstream's came, which is then the one to be answered with. */
void trouble_reply(struct engine *engine, const struct reply *reply,
                   void (*answer)(struct engine *engine, const struct reply *reply));
/* The message has ended; its row is at the send cursor. */
void trouble_message_end(struct engine *engine, struct row *row, struct span terminator);
/* Did only a part of the last `size` bytes read, with `behind` unread, come in this step? */
bool trouble_split(const struct engine *engine, uint64_t behind, size_t size);
/* Content of a message goes to the upstream. */
void trouble_content(struct engine *engine, struct span bytes);
/* The client's bytes that pass unread go to the upstream. */
void trouble_unread(struct engine *engine, struct span bytes);
/* What goes to a side goes by its wire. */
void trouble_say(struct engine *engine, enum side side, struct span bytes, bool content,
                 size_t secret);
/* What is said for the row's text. */
struct span trouble_text(const struct engine *engine, struct span text);
/* The client hears what a rule says. */
void trouble_answer(struct engine *engine, const struct plan *plan);
/* The client is told a whole reply. */
void trouble_tell(struct engine *engine, struct span whole);
/* A side is to be shut behind what waits for it; false: nothing waits, it can be at once. */
bool trouble_shut(struct engine *engine, enum side side, enum shut how);
/* Nothing more leaves. */
void trouble_drop(struct engine *engine);
/* The same, and what was to be shut behind it is reset. */
void trouble_force(struct engine *engine);
bool trouble_pending(const struct engine *engine);
moment trouble_deadline(const struct engine *engine);
/* Bytes leave a wire; `behind` of the same thing said follow them. */
void trouble_leaves(struct engine *engine, enum side side, struct span bytes, uint32_t behind,
                    const struct wire_terms *terms);
bool trouble_may_leave(const struct engine *engine, enum side side);
/* Other faults hold from now on. */
void trouble_change(struct engine *engine, const struct faults *faults);
/* Records them; in note.c. */
void note_faults(struct engine *engine, const struct faults *faults);

#endif
