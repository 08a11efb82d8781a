/* keep: what of a message went upstream, until its final dot does; for the files of the engine
 * only. */
#ifndef LOCKSTEP_SRC_ENGINE_KEEP_H
#define LOCKSTEP_SRC_ENGINE_KEEP_H

#include "prepare.h"

/* What is kept of a message before its final dot; a larger one can't be said again. */
#define KEPT_BODY_BYTES_MAX BLOCK_SIZE

/* What is to be said to the upstream in this step, so far. */
static inline size_t keep_mark(const struct engine *engine)
{
    return engine->lender->outboxes[SIDE_UPSTREAM].size;
}
/* Keeps what part of a message was put there behind that mark, where it may have to be said again
 * and a block is to be had. */
void keep_content(struct engine *engine, size_t mark);
/* Could the message that is being read be said again as far as it went? */
bool keep_whole(const struct engine *engine);
void keep_drop(struct engine *engine);
/* A message waits, and nothing else stands before it: asks for it with DATA; false: no such case.
 */
bool keep_ask(struct engine *engine);
/* Is the row that DATA? */
static inline bool keep_asks(const struct engine *engine, const struct row *row)
{
    return row->ours && row->verb == VERB_DATA && engine->input == INPUT_BODY;
}
/* Its answer: the message goes on behind what is kept of it, or it is refused. */
void keep_answered(struct engine *engine, const struct reply *reply);
/* 421 to anything that was put again for it. */
void keep_closed(struct engine *engine, const struct reply *reply);
/* What it needs is brought about, as for the client's own; or refused, and so is the message. */
enum prepared keep_prepare(struct engine *engine, struct row *row);

#endif
