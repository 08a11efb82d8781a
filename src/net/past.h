/*
 * past: what the history keeps of one session. All of it is called by the worker whose session it
 * is.
 */
#ifndef LOCKSTEP_NET_PAST_H
#define LOCKSTEP_NET_PAST_H

#include "heading.h"
#include "lockstep/net/history.h"

struct past;

/* A part for one worker more, before any of them runs. */
struct history_part *history_join(struct history *history);

/* A session has begun; the report has its number, listener and client. */
struct past *past_open(struct history_part *part, struct heading *heading,
                       const struct report *report);
/* Lines that were recorded, what the session came to so far, and whether it is idle: whoever plays
 * them must be told when something is still owed. */
void past_add(struct past *past, struct span lines, const struct report *report, bool idle);
void past_end(struct past **past, const struct report *report);

#endif
