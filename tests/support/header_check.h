/*
 * header_check: everything that has to hold of a message whose header is mended, for any bytes at
 * all, checked against the same message with nothing mended. Shared by the unit tests and the
 * fuzzer.
 */
#ifndef LOCKSTEP_TESTS_HEADER_CHECK_H
#define LOCKSTEP_TESTS_HEADER_CHECK_H

#include "lockstep/base/span.h"

#define HEADER_CHECK_BYTES_MAX 20000U

/*
 * `message` is what a client says behind 354. NULL, or the property that does not hold: how it was
 * cut makes no difference; it ends where it would have ended; and what it was can be read off what
 * became of it. `mended_r`: a repair acted.
 */
const char *header_check(struct span message, uint64_t seed, bool *mended_r);

#endif
