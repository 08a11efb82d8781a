/* quote: text of a configuration, for its file and for sentences about it. */
#ifndef LOCKSTEP_SRC_POLICY_QUOTE_H
#define LOCKSTEP_SRC_POLICY_QUOTE_H

#include "lockstep/base/text.h"

/* As a YAML scalar that can't be taken for anything else. */
void quote_yaml(struct span value, struct text *out);
/* Between backquotes, printable and not too long, without a password it may hold. */
void quote_value(struct span value, struct text *out);
bool quote_is_control(char byte);

#endif
