/* moment: a point in time in milliseconds, on a clock that only the shell can read. */
#ifndef LOCKSTEP_BASE_MOMENT_H
#define LOCKSTEP_BASE_MOMENT_H

#include <stdint.h>

typedef int64_t moment;

/* Later than everything: "no deadline". */
#define MOMENT_NEVER INT64_MAX

#endif
