/* The functions of the repair table, one file each. */
#ifndef LOCKSTEP_REPAIR_REPAIRS_H
#define LOCKSTEP_REPAIR_REPAIRS_H

#include "lockstep/repair/repair.h"

#define REPAIR_FUNCTION(name, function, ...) \
    enum verdict function(const struct situation *situation, struct mended *mended_r);
REPAIRS(REPAIR_FUNCTION)
#undef REPAIR_FUNCTION

#endif
