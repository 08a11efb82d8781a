/*
 * remap: which reply codes a client is told in the place of others, as text: `550=450 251=250`.
 *
 * A refusal is never made a success or the other way (house invariant 16); 3xx and the codes that
 * mean something to the connection (220, 221, 235, 421) stay what they are. No code is both read
 * and written, so that remapping twice is remapping once.
 */
#ifndef LOCKSTEP_SMTP_REMAP_H
#define LOCKSTEP_SMTP_REMAP_H

#include "lockstep/base/span.h"

/* Is it such a text? */
bool remap_valid(struct span text);
/* What is said for that code; the code itself when nothing else is. */
uint16_t remap_code(struct span text, uint16_t code);

#endif
