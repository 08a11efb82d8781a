/* failure: why a socket or a directory could not be had, in words that say what to do. */
#ifndef LOCKSTEP_SRC_APP_FAILURE_H
#define LOCKSTEP_SRC_APP_FAILURE_H

/* Says on stderr why `lockstep WORD` can't start: `where` is ADDR:PORT or a directory, `error` is
 * libuv's. Returns the exit code of sysexits.h that stands for it. */
int failure_start(const char *word, const char *where, int error);

#endif
