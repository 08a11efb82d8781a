/* message: messages and chunks on their way; for the files of the engine only. */
#ifndef LOCKSTEP_SRC_ENGINE_MESSAGE_H
#define LOCKSTEP_SRC_ENGINE_MESSAGE_H

#include "state.h"

/* Read what the client says of its message, as far as it can go on; false: nothing moved. */
bool body_read(struct engine *engine);
bool chunk_read(struct engine *engine);
/* One scan of what the client says of its message, and the record of what it took. */
enum body_found message_scan(struct engine *engine, struct span *input, struct body_piece *piece_r);
/* Passes that piece on, or fails the message for what was found. */
void message_pass(struct engine *engine, enum body_found found, struct body_piece piece);
/* The upstream waits for a message now. */
void message_start(struct engine *engine);
/* The upstream refused a chunk that was not the last. */
void chunk_refused(struct engine *engine, const struct reply *reply);
/* A BDAT row is the next to go. */
bool chunk_send(struct engine *engine, struct row *row);
/* Some bytes of a message went upstream and its end did not. */
bool message_open(const struct engine *engine);
/* The client is within a message that the next upstream has to hear from its start. */
static inline bool message_waits(const struct engine *engine)
{
    return engine->input == INPUT_BODY && engine->message.fate == FATE_PENDING;
}
/* The message will not be delivered: what is left of it is swallowed, its end answered so. */
void message_fail(struct engine *engine, const struct plan *verdict);
/* By this answer of the upstream's, before its end. */
void message_answered(struct engine *engine, const struct reply *reply);
/* The same without a word. */
void message_swallow(struct engine *engine);
/* DATA was refused, which the client heard as that plan; the next line may be a message's. */
void message_refused(struct engine *engine, const struct plan *said);
/* It is: it is read to its end by a repair, which decides what is said then. */
void message_stray(struct engine *engine, enum repair_id id);

#endif
