/*
 * log: one line on stderr for each thing that happened, as text or as JSON, in one write, so that
 * threads never mix their lines. Under journald lines carry a priority instead of a time of day.
 */
#ifndef LOCKSTEP_SRC_APP_LOG_H
#define LOCKSTEP_SRC_APP_LOG_H

#include "lockstep/net/shell.h"

enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_INFO = 6 };

void log_open(enum log_format format);
/* A sentence, without its end of line. */
void log_say(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The one line of a session that has ended. */
void log_session(const struct report *report);
/* A client that got no session. At most one line a second, with the number of those before it. */
void log_refused(const struct refusal *refusal);
/* The keys of a session's line, in their order, each with its sentence in the manual. */
struct log_field {
    const char *key;
    const char *says;
};

extern const struct log_field log_fields[];
extern const size_t log_field_count;

/* log_say for the shell's troubles; 0: no error belongs to it. */
void log_warn(const char *text, int error);

#endif
