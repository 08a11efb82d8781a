/*
 * rest: logins that a relay refused, and how long each rests before it is tried again. A wrong
 * password that every session tries anew locks the account.
 *
 * A login is a relay, a user and a secret, by whatever mechanism; with another secret it is another
 * login. The first refusal costs a second, each one after it twice the pause before. When a pause
 * is over one session tries, and the others wait for what comes of it for as long again. A success
 * makes good for all.
 */
#ifndef LOCKSTEP_SRC_VAULT_REST_H
#define LOCKSTEP_SRC_VAULT_REST_H

#include <uv.h>

#include "lockstep/base/moment.h"
#include "lockstep/base/secret.h"
#include "lockstep/base/text.h"

#define REST_FIRST_MS 1000
#define REST_MAX_MS (15 * 60 * 1000)
/* A login that nobody has tried for so long begins anew. */
#define REST_FORGET_MS (24 * 60 * 60 * 1000)
/* Logins that rest at the same time; the one that is tried next makes room for another. */
#define REST_LOGINS_MAX 256U
/* Bytes of the relay's words. */
#define REST_WORDS_MAX 200U
#define REST_KEY_BYTES 32U

struct rest_row {
    unsigned char key[REST_KEY_BYTES];
    moment pause_ms;
    moment until;
    bool tried; /* somebody was let through since the last refusal */
    uint32_t size;
    char words[REST_WORDS_MAX];
};

struct rests {
    uv_mutex_t lock;
    unsigned char seed[REST_KEY_BYTES]; /* no key can be compared with another process's */
    uint32_t count;
    struct rest_row rows[REST_LOGINS_MAX];
};

void rests_open(struct rests *rests);
void rests_close(struct rests *rests);

/* --- any thread --- */

/* What a login is known by; never the secret. */
void rest_key(const struct rests *rests, struct span relay, struct span user, struct span secret,
              unsigned char key_r[REST_KEY_BYTES]);
/* May it be tried? If not, what the relay said is added to `words`. */
bool rest_over(struct rests *rests, const unsigned char key[REST_KEY_BYTES], moment now,
               struct text *words);
/* How long it rests now. */
moment rest_refused(struct rests *rests, const unsigned char key[REST_KEY_BYTES], moment now,
                    struct span words);
void rest_accepted(struct rests *rests, const unsigned char key[REST_KEY_BYTES]);
/* All of them may be tried. */
void rests_clear(struct rests *rests);

#endif
