/*
 * note: the transcript of a session, written where a thing is decided; for the files of the engine
 * only.
 */
#ifndef LOCKSTEP_SRC_ENGINE_NOTE_H
#define LOCKSTEP_SRC_ENGINE_NOTE_H

#include "lockstep/engine/engine.h"

void note_said(struct engine *engine, enum side side, bool to_upstream, struct span bytes);
/* What leaves for a side by a wire: bytes, the last `secret` of `line` a credential, content. */
void note_left(struct engine *engine, enum side side, struct span bytes);
void note_secret(struct engine *engine, enum side side, struct span line, size_t secret,
                 struct span end);
void note_left_content(struct engine *engine, struct span bytes);
void note_left_unread(struct engine *engine, enum side side, struct span bytes);
/* How many bytes at the end of a command line may be a credential. */
size_t note_secret_size(const struct engine *engine, enum verb verb, struct span line);
/* Is the answer to a line that may hold a credential awaited? */
bool awaits_secret(const struct engine *engine);
/* Does the answer to the row in front show the credential that the row said? */
bool says_secret_back(const struct engine *engine, struct span said);
/* A reply of the upstream on either leg; where it says a secret back, only its code. */
void note_reply(struct engine *engine, enum side side, struct span reply);
/* What the upstream said and is no whole reply: in the place of one to a credential it may quote a
 * part of that. */
void note_rubbish(struct engine *engine, struct span bytes);
/* A command line that may hold a secret, on either leg. */
void note_command(struct engine *engine, enum side side, enum verb verb, struct span text,
                  struct span end);
/* Bytes that passed from that side to the other, and nobody read them. */
void note_unread(struct engine *engine, enum side from, uint64_t bytes);
/* Content of a message that the client said, or that went upstream: recorded whole or counted. */
void note_content(struct engine *engine, enum side side, struct span bytes);
/* There may be more of it; what was held back is told apart. */
void note_content_part(struct engine *engine);
/* That was all of it. */
void note_content_end(struct engine *engine);
void note_stop(struct engine *engine);
void note(struct engine *engine, struct span word, struct span key, struct span value);
/* What was found out about a peer. */
void finding(struct engine *engine, struct span what);
void note_code(struct engine *engine, struct span word, struct span what, uint16_t code);
void note_open(struct engine *engine, const struct event *event);
void note_proxy(struct engine *engine);
void note_told(struct engine *engine, const struct advice *advice, struct span words,
               bool with_mechanism);
void note_life(struct engine *engine, enum side side, struct span what, struct span why);

#endif
