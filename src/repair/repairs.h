/* The functions of the repair table, one file each. */
#ifndef LOCKSTEP_REPAIR_REPAIRS_H
#define LOCKSTEP_REPAIR_REPAIRS_H

#include "lockstep/repair/repair.h"

#define REPAIR_FUNCTION(name, function, ...) \
    enum verdict function(const struct situation *situation, struct mended *mended_r);
REPAIRS(REPAIR_FUNCTION)
#undef REPAIR_FUNCTION

/* Is a transaction open upstream that is not given up anyway, whatever the answers on their way
 * will be? A repair that needs none to be open says what it would do where that is not sure, and is
 * asked again when it is. */
static inline bool surely_open(const struct situation *situation)
{
    return situation->upstream->mail_open && !situation->reset_sent && !situation->reset_owed;
}

#endif
