/* fault_words: how the words of fault rules are shown, for `lockstep fault` and the manual. */
#ifndef LOCKSTEP_SRC_APP_FAULT_WORDS_H
#define LOCKSTEP_SRC_APP_FAULT_WORDS_H

#include "lockstep/fault/fault.h"

#define FAULT_RULE_FORM "EVENT [VERB,... or !VERB,...] [TRIGGER...] do KIND [ARGUMENT...]"

/* Prints the name of the kind and the arguments it takes, in brackets those that it may go without.
 */
void fault_print_kind(const struct fault_kind_row *kind);

#define FAULT_EVENTS_SENTENCE_MAX 128U
/* "Stands on greeting, command or reply." */
const char *fault_events_sentence(const struct fault_kind_row *kind,
                                  char memory[FAULT_EVENTS_SENTENCE_MAX]);

#endif
