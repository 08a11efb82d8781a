/* start: clients that talk before they are greeted, or do not speak SMTP. */
#ifndef LOCKSTEP_SRC_ENGINE_START_H
#define LOCKSTEP_SRC_ENGINE_START_H

#include "state.h"

/* Is the greeting of the session's first relay awaited? */
bool start_waits(const struct engine *engine);
/* May the client's lines be read all the same? */
bool start_reads(const struct engine *engine);
/* A line of the client's was read. */
void start_line(struct engine *engine, struct span line);
/* What comes next is not SMTP, and was refused for good. */
bool start_foreign(struct engine *engine);

#endif
