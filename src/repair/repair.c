/* The table of repairs, from their one list; each row's function stands in a file of its own. */
#include "lockstep/repair/repair.h"
#include "lockstep/base/must.h"

#include "repairs.h"

static const struct repair rows[] = {
#define REPAIR_ROW(name, function, word, stage, does, initially, says) \
    {SPAN_INIT(word), SPAN_INIT(says), stage, does, initially, function},
    REPAIRS(REPAIR_ROW)
#undef REPAIR_ROW
};

/* STAGE_FRAMING: nobody calls it. */
enum verdict framing_only(const struct situation *situation, struct mended *mended_r)
{
    (void)situation;
    (void)mended_r;
    return UNTOUCHED;
}

const struct repair *repair_row(enum repair_id id)
{
    must(id < REPAIR_COUNT);
    return &rows[id];
}

uint64_t repairs_at(enum repair_stage stage, enum verb_does does)
{
    uint64_t set = 0;
    size_t i;

    for (i = 0; i < REPAIR_COUNT; i++) {
        if (rows[i].stage == stage && (rows[i].does & DOES_BIT(does)) != 0)
            set |= REPAIR_BIT(i);
    }
    return set;
}

uint64_t repairs_trusted(void)
{
    uint64_t set = 0;
    size_t i;

    for (i = 0; i < REPAIR_COUNT; i++)
        set |= rows[i].initially == ONLY_TRUSTED ? REPAIR_BIT(i) : 0;
    return set;
}
