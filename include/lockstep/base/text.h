/*
 * text: a bounded place to write into. It never grows and never fails in the middle: what does not
 * fit is left out, and `cut` says so for the caller who must know.
 */
#ifndef LOCKSTEP_BASE_TEXT_H
#define LOCKSTEP_BASE_TEXT_H

#include "lockstep/base/span.h"

struct text {
    char *at;    /* the caller's memory */
    size_t size; /* bytes written */
    size_t room; /* bytes that fit in all */
    bool cut;    /* something was left out */
};

struct text text_over(char *at, size_t room);
/* Adds the whole span or as much of it as fits. */
void text_add(struct text *text, struct span more);
void text_add_byte(struct text *text, char byte);
void text_add_number(struct text *text, uint64_t number);
void text_clear(struct text *text);
struct span text_span(const struct text *text);
/* How many more bytes fit. */
size_t text_left(const struct text *text);

#endif
