/* wish: a login that the tests of SASL try, again and again. */
#ifndef LOCKSTEP_TESTS_VAULT_WISH_H
#define LOCKSTEP_TESTS_VAULT_WISH_H

#include "vault/sasl.h"

#define USER "tim"
#define PASSWORD "tanstaaftanstaaf"
#define ROOM 500U

struct sasl_wish wish_for(uint32_t mechanisms);
/* The line is the caller's until the next beginning. */
struct sasl *wish_begin(const struct sasl_wish *wish, struct text *line);
void wish_said(const struct text *line, const char *wanted);

#endif
