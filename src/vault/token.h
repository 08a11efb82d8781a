/*
 * token: the life of one access token, as a pure machine: what is known of it and of the endpoint
 * it comes from, and when to ask there again. It holds no secret, does nothing and has no clock:
 * every call brings its moment, here in milliseconds since 1970, because tokens outlive processes.
 *
 *     if (token_due(&token, now) <= now) {
 *         token_asked(&token);
 *         ... ask the endpoint; then one of
 *         token_came(&token, now, life_ms);
 *         token_failed(&token, now, TOKEN_AWAY, retry_after_ms);
 *     }
 *
 * - A token is renewed after about two thirds of its life, so that the endpoint may be away for the
 *   other third without anybody noticing; when exactly depends on the name, so that not all of a
 *   program's credentials ask at once.
 * - It is renewed daily at the least, used or not: providers let refresh tokens die that nobody
 *   used for some months.
 * - A token that still lives is used while the next one is fetched, or can't be.
 * - When a person must act it is still tried now and then: what an administrator puts right at the
 *   provider needs no login here.
 */
#ifndef LOCKSTEP_SRC_VAULT_TOKEN_H
#define LOCKSTEP_SRC_VAULT_TOKEN_H

#include "lockstep/base/moment.h"
#include "lockstep/base/span.h"

#define TOKEN_DAY_MS ((moment)24 * 60 * 60 * 1000)
/* How often it is tried although a person must act, and the longest an endpoint may put us off. */
#define TOKEN_HOPE_MS ((moment)15 * 60 * 1000)
/* The wait after a first failure; it doubles up to the longest. */
#define TOKEN_AGAIN_MS ((moment)1000)
#define TOKEN_AGAIN_MAX_MS ((moment)120 * 1000)
/* An endpoint whose tokens live for no time at all is asked no more often than this. */
#define TOKEN_PACE_MS ((moment)1000)
/* A relay that refuses tokens makes us fetch another no more often than this. */
#define TOKEN_REFUSED_MS ((moment)300 * 1000)
/* A token this close to its end is not begun with: the exchange would outlast it. Tokens of less
 * than ten times this keep a tenth of their life. */
#define TOKEN_MARGIN_MS ((moment)30 * 1000)

enum token_state {
    TOKEN_USABLE,
    TOKEN_WAITING, /* none now: it is being fetched, or will be tried again */
    TOKEN_LOGIN,   /* none, and a person must act */
};

enum token_failure {
    TOKEN_AWAY,   /* no answer, or none that means anything; also "not now" */
    TOKEN_BARRED, /* a plain no: what we have to show is not taken any more */
};

struct token {
    moment came;       /* the access token; it may be from before this process */
    moment ends;       /* 0: there is none */
    moment again;      /* after a failure: not before */
    moment replaced;   /* when a relay's refusal last made us ask */
    uint32_t failures; /* in a row */
    uint32_t spread;   /* of 65536: from the name */
    bool renewable;    /* there is something to show at the endpoint */
    bool barred;
    bool asked; /* and not answered yet */
};

/* `renewable`: another can be had without a person. */
void token_init(struct token *token, struct span name, bool renewable);
/* What was stored, or what a person's login brought: forgets failures, and that it was asked.
 * `ends` 0: no access token, only the means to get one. */
void token_known(struct token *token, moment came, moment ends, bool renewable);

enum token_state token_state(const struct token *token, moment now);
/* Until when the access token is begun with; 0: there is none. */
moment token_usable_until(const struct token *token);
/* When to ask the endpoint: at once if that is not after now. MOMENT_NEVER: nothing to do. */
moment token_due(const struct token *token, moment now);

void token_asked(struct token *token);
void token_came(struct token *token, moment now, moment life_ms);
/* `put_off_ms`: the endpoint's own wish (Retry-After), or 0. */
void token_failed(struct token *token, moment now, enum token_failure failure, moment put_off_ms);
/* A relay refused the token in use. True: it is given up and another is due at once; false: that
 * was tried a moment ago and did not help, so the token is not what is wrong. */
bool token_refused(struct token *token, moment now);

#endif
