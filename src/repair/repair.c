/* The table of repairs, from their one list; each row's function stands in a file of its own. */
#include "lockstep/repair/repair.h"
#include "lockstep/base/must.h"

#include "repairs.h"

static const struct repair rows[] = {
#define REPAIR_ROW(name, function, word, stage, on, says) \
    {SPAN_INIT(word), SPAN_INIT(says), stage, on, function},
    REPAIRS(REPAIR_ROW)
#undef REPAIR_ROW
};

enum verdict framing_only(const struct situation *situation, struct plan *plan_r)
{
    (void)situation;
    (void)plan_r;
    return UNTOUCHED;
}

const struct repair *repair_row(enum repair_id id)
{
    must(id < REPAIR_COUNT);
    return &rows[id];
}
