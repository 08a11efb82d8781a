/* The least a program needs to use liblockstep: its headers, and a must_failed() of its own. */
#include <stdlib.h>

#include "lockstep/base/must.h"
#include "lockstep/smtp/verb.h"

_Noreturn void must_failed(const char *claim, const char *file, int line)
{
    (void)claim;
    (void)file;
    (void)line;
    abort();
}

int main(void)
{
    must(verb_count() > 0);
    return verb_find(SPAN("rcpt")) == VERB_RCPT ? EXIT_SUCCESS : EXIT_FAILURE;
}
