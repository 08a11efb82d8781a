/* mend_check: text repairs as tables of what is seen and what becomes of it. */
#ifndef LOCKSTEP_TESTS_MEND_CHECK_H
#define LOCKSTEP_TESTS_MEND_CHECK_H

#include "lockstep/repair/repair.h"

struct mend_row {
    const char *seen;
    const char *mended; /* NULL: untouched */
    uint16_t code;      /* of the plan, when it is beyond repair; then `mended` is NULL */
};

/*
 * Runs the repair over each row's line, with `situation` but for `verb` and `seen`, of which the
 * verb is the line's own (replies: `situation->verb`, when it is not NULL). What was mended is
 * never mended again (invariant 10), and nothing is read behind the line's end. Only lines whose
 * verb the repair's row names are given to it; others count as untouched.
 */
void mend_check(enum repair_id id, const struct situation *situation, const struct mend_row *rows,
                size_t count);

#define MEND_CHECK(id, situation, rows) \
    mend_check(id, situation, rows, sizeof(rows) / sizeof((rows)[0]))

#endif
