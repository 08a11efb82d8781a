/*
 * repair: the table of everything lockstep puts right, one file per row.
 *
 * A repair never writes to a peer. At its stage it looks, and hands back text or fills in a plan;
 * the engine records it under the repair's name and the emitter checks what it made. In `observe`
 * every repair still runs, and what it would have done is recorded.
 */
#ifndef LOCKSTEP_REPAIR_REPAIR_H
#define LOCKSTEP_REPAIR_REPAIR_H

#include "lockstep/smtp/command.h"
#include "lockstep/smtp/plan.h"
#include "lockstep/smtp/view.h"

enum repair_stage {
    STAGE_ORDER,   /* when a command would be sent, and again when its answer is a refusal */
    STAGE_FRAMING, /* how bytes are cut into commands and messages: done by the engine itself */
};

enum verdict { UNTOUCHED, REPAIRED };

/* What an order repair may look at; all of it read-only. */
struct situation {
    const struct verb_facts *verb;
    const struct view *upstream;
    const struct envelope *envelope;
    uint16_t reply_code; /* what the upstream answered; 0: the command was not sent yet */
};

/* clang-format off */
#define REPAIRS(X)                                                                                 \
    /*  name                function            word                  stage          on    */      \
    X(REFUSED_SENDER,       refused_sender,     "refused-sender",     STAGE_ORDER,   true,         \
      "After a refused MAIL the rest of the batch is refused in the same class, with its words.")  \
    X(REFUSED_RECIPIENTS,   refused_recipients, "refused-recipients", STAGE_ORDER,   true,         \
      "DATA without an accepted recipient is answered with the words of the refused recipient.")   \
    X(BDAT_TO_DATA,         framing_only,       "bdat-to-data",       STAGE_FRAMING, true,         \
      "BDAT is offered to clients and becomes DATA for an upstream without CHUNKING.")
/* clang-format on */

enum repair_id {
#define REPAIR_NAME(name, ...) REPAIR_##name,
    REPAIRS(REPAIR_NAME)
#undef REPAIR_NAME
        REPAIR_COUNT
};

struct repair {
    struct span name; /* configuration word, record word, metric label */
    struct span says; /* one sentence, for the manual and the command line */
    enum repair_stage stage;
    bool on; /* by default */
    enum verdict (*order)(const struct situation *situation, struct plan *plan_r);
};

const struct repair *repair_row(enum repair_id id);

#endif
