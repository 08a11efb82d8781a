/*
 * machine: what the files of the sink share. sink.c moves through the phases, commands.c obeys
 * command lines, path.c and parameters.c read what envelopes are made of, auth.c and message.c
 * carry on where one line is not enough, words.c says it.
 */
#ifndef LOCKSTEP_SINK_MACHINE_H
#define LOCKSTEP_SINK_MACHINE_H

#include "personality.h"

void sink_emit(struct sink *sink, enum sink_output_kind kind, struct span bytes);
/* Does the personality have words for it? */
bool sink_minds(const struct sink *sink, enum sink_say what);
/* It counts, and what is too much ends the session. */
void sink_say(struct sink *sink, enum sink_say what);
/* The same behind the words of DATA_REASON. */
void sink_say_reasoned(struct sink *sink, enum sink_say what);
/* EARLY or SPOILT, as whoever's manners these are says it. */
void sink_say_manners(struct sink *sink, enum sink_say what);
/* A reply from the settings, without its line end. */
void sink_say_line(struct sink *sink, struct span line);
/* What stands in sink->reply, which gets its line end here; 421 closes. */
void sink_say_reply(struct sink *sink);
void sink_say_hello(struct sink *sink);
/* Counts one against the limit; if it is reached, the limit. */
const struct sink_limit *sink_count(struct sink *sink, enum sink_count count);
void sink_close(struct sink *sink);

/* Is the extension offered to this client, in this session's state? */
bool sink_offers(const struct sink *sink, enum extension extension);
/* The refusal that the settings have for it, if any. */
bool sink_verdict(const struct sink *sink, enum verb verb, struct span mailbox,
                  struct span *reply_r);

void command_obey(struct sink *sink, const struct line *line, const struct command *command);

/* A host name or an address literal, as far as its bytes show. */
bool host_name(struct span name);
bool eight_bit(struct span text);
/* Reads `FROM:<a@b> P=V` or `TO:<a@b>`, as far as the personality minds; SAY_NOTHING: all is well.
 */
enum sink_say path_read(struct sink *sink, struct span argument, bool recipient,
                        struct path *path_r);
/* Checks MAIL's or RCPT's parameters and notes what they say; SAY_NOTHING: all is well. */
enum sink_say parameters_read(struct sink *sink, struct span parameters, bool recipient);

void auth_begin(struct sink *sink, const struct command *command);
void auth_respond(struct sink *sink, struct span response);

/* Forgets the open transaction. */
void mail_reset(struct sink *sink);
void data_begin(struct sink *sink, const struct command *command);
void chunk_begin(struct sink *sink, const struct command *command);
/* One step in their phases; false: more input is needed. */
bool message_step(struct sink *sink);
bool chunk_step(struct sink *sink);
void whole_step(struct sink *sink);
void answer_step(struct sink *sink);

#endif
