/*
 * toxic: one toxic of Toxiproxy's API as fault rules. Its `type` is one of Toxiproxy's own, with
 * the attributes that it has there; a profile; a kind of fault, whose attributes are its arguments,
 * the triggers, `on` (the event) and `verb`; or `rule`, whose one attribute is a whole rule.
 */
#ifndef LOCKSTEP_ADMIN_TOXIC_H
#define LOCKSTEP_ADMIN_TOXIC_H

#include <jansson.h>

#include "lockstep/base/text.h"

/* Bytes of all rules of one toxic. */
#define TOXIC_BYTES_MAX 32768U

enum toxic_fault {
    TOXIC_GOOD,
    TOXIC_WRONG_STREAM,
    TOXIC_WRONG_TYPE,
    TOXIC_WRONG, /* `why` says what */
};

/* What was sent as it is kept and shown: with its name and all attributes that it has by default. A
 * new reference, or NULL. */
json_t *toxic_read(const json_t *sent, enum toxic_fault *fault_r, struct text *why);
/* The entries for a listener's faults, one a line. False: `why` says what is wrong with it. */
bool toxic_rules(const json_t *toxic, struct text *lines, struct text *why);
/* The other way: the toxic that stands for an entry of a configuration. */
json_t *toxic_of_entry(struct span entry, size_t number);

#endif
