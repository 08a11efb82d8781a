/* tool: runs a program of the system to its end, and keeps what it said. */
#ifndef LOCKSTEP_SRC_APP_TOOL_H
#define LOCKSTEP_SRC_APP_TOOL_H

#include "lockstep/base/span.h"

struct tool_result {
    int error;        /* errno when it could not be run at all; else 0 */
    int code;         /* its exit status; 128 and more: it was ended by a signal */
    char *said;       /* its standard output, ended by NUL; of no length rather than NULL */
    char *complained; /* its standard error output, the same */
};

/* Looks for it in $PATH and where such tools are. `words` end in NULL; `input` is what it reads.
 * The result is to be cleared in any case. True: it ran, and its exit status is 0. */
bool tool_run(const char *const *words, struct span input, struct tool_result *result_r);
void tool_clear(struct tool_result *result);

#endif
