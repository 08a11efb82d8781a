/* A claim that does not hold ends the test, by the signal a test of it can expect. */
#include <stdio.h>
#include <stdlib.h>

#include "lockstep/base/must.h"

_Noreturn void must_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, claim);
    abort();
}
