/*
 * bearer: the mechanisms that carry an OAuth 2 access token: OAUTHBEARER (RFC 7628) and the
 * XOAUTH2 that came before it. One message of ours; then success, or a challenge that says in JSON
 * what is wrong with the token and wants a last, fixed response.
 */
#ifndef LOCKSTEP_VAULT_BEARER_H
#define LOCKSTEP_VAULT_BEARER_H

#include "sasl.h"

/* The message, not yet in base64. False: it does not fit, or the identity or the token have a
 * byte that none may have. */
bool bearer_message(enum mechanism mechanism, const struct sasl_wish *wish, struct text *message);
/* The response, not yet in base64, to the relay's error. */
struct span bearer_response(enum mechanism mechanism);
/* What the relay's error says, in printable words. */
void bearer_words(struct span error, struct text *words);

#endif
