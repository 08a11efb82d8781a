/*
 * junit: what came of the cases of a test as JUnit's XML, which CI systems read.
 *
 * All of it is ASCII: any other byte, and what XML can't hold, stands there as \xHH.
 */
#ifndef LOCKSTEP_SRC_APP_JUNIT_H
#define LOCKSTEP_SRC_APP_JUNIT_H

#include <stdint.h>

#include "lockstep/base/span.h"

enum junit_outcome { JUNIT_PASSED, JUNIT_FAILED, JUNIT_ERROR, JUNIT_OUTCOMES };

struct junit;

/* Opens the file of that name, which is empty until it is closed; NULL with errno. */
struct junit *junit_open(const char *name);
/* A case begins: its time runs. */
void junit_begin(struct junit *junit);
/* It is over. `text` says why it did not pass. */
void junit_end(struct junit *junit, const char *name, enum junit_outcome outcome, struct span text);
/* Writes the suite. False: not all of it could be written; errno says why. */
bool junit_close(struct junit **junit, const char *suite);

#endif
