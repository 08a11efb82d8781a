/* words: replies written anew, line by line; shared by the repairs of replies. */
#ifndef LOCKSTEP_SRC_REPAIR_WORDS_H
#define LOCKSTEP_SRC_REPAIR_WORDS_H

#include "lockstep/base/text.h"
#include "lockstep/smtp/reply.h"

/* One line of a reply; control characters that no line can have become blanks. */
void words_line(struct text *text, uint16_t code, bool last, struct span words);
/* Reads a whole reply as the text stages hand it over; false: it is none. */
bool words_parse(struct span seen, struct reply *reply_r);

#endif
