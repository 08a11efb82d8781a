/* header: what the repairs of a message's header make of it; for the files of the engine only. */
#ifndef LOCKSTEP_SRC_ENGINE_HEADER_H
#define LOCKSTEP_SRC_ENGINE_HEADER_H

#include "state.h"

/* Of a field, with its line ends; a longer one passes as it is. */
#define FIELD_BYTES_MAX 8192U

/* A message begins. */
void header_start(struct engine *engine);
/* Passes on what of the header is there, field by field, as repairs have it. BODY_PIECE: what is
 * left of the input is none of it; BODY_MORE: it was used up, or is the front of a field; else what
 * was found ended the message. */
enum body_found header_read(struct engine *engine, struct span *input);
/* May some session of this listener have its messages' headers mended? */
bool header_may_be_mended(const struct engine *engine);

#endif
