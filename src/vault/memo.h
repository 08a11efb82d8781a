/*
 * memo: what the adviser keeps of one session between its questions. It is touched on the session's
 * thread; on the keeper's only by what a waiter or an errand brings, and never while the session's
 * next question is being answered, for that forgets both first.
 */
#ifndef LOCKSTEP_SRC_VAULT_MEMO_H
#define LOCKSTEP_SRC_VAULT_MEMO_H

#include "advise.h"
#include "auth_http.h"
#include "health.h"
#include "login.h"
#include "pop.h"
#include "rest.h"
#include "sasl.h"

/* Bytes of what is told beside lines of an exchange. */
#define MEMO_WORDS_MAX 512U

struct advise {
    struct vault *vault;
    struct adviser adviser;
    uv_mutex_t lock; /* over whose the exchanges are whose steps are slow */
    struct login *login;
    struct auth_http *auth_http;
    struct pop *pop;
    struct rests rests;
};

/* One AUTH, from its question to its outcome. A slow step is done on the thread pool; meanwhile the
 * exchange is nobody's but the pool's, and the memo only waits for it. */
struct exchange {
    struct job job;
    uv_work_t work;
    struct memo *memo; /* that waits for a slow step; NULL: none does, or not any more */
    struct advise *advise;
    struct sasl *sasl;
    uint64_t version;                  /* of the secret, for supply_refused() */
    unsigned char key[REST_KEY_BYTES]; /* of the login */
    bool live;                         /* the secret is the memo's own */
    bool cancelled;                    /* by us: the outcome says nothing of the secret */
    bool answers;                      /* the slow step has brought a response */
    size_t challenge_size;
    char challenge[ANSWER_BYTES_MAX];
    struct text response;
    char line[ANSWER_BYTES_MAX];
};

/* A user and a secret that came with an answer, for this session only. */
struct live {
    char user[SUPPLY_USER_MAX];
    size_t user_size;
    struct secret secret;
};

struct memo {
    struct advise *advise;
    /* Who asked last, for an answer that comes later. */
    struct desk *desk;
    void *session;
    uint64_t id;
    uint32_t serial;
    /* What it waits for: one of these, or nothing. */
    struct waiter waiter;
    struct errand errand;
    void (*forget)(struct memo *memo); /* NULL: nothing */
    struct exchange *exchange;         /* NULL: none is under way */
    struct live *login_live;           /* came with the client's login; NULL: none did */
    struct live *route_live;           /* came with the last route's answer; NULL: none did */
    bool asks_login;                   /* the errand under way is about one */
    uint64_t refused;                  /* the version of the secret that was refused; 0: none was */
    uint32_t refused_credential;
    struct text refusal; /* in these words */
    char refusal_bytes[MEMO_WORDS_MAX];
    uint32_t logins; /* that were asked about */
    struct text words;
    char words_bytes[MEMO_WORDS_MAX];
};

/* --- the kinds of questions, each answered at once (true) or later --- */

bool advise_auth(struct memo *memo, const struct asker *asker, const struct question *question,
                 struct answer *answer_r);
bool advise_challenge(struct memo *memo, const struct asker *asker, const struct question *question,
                      struct answer *answer_r);
bool advise_outcome(struct memo *memo, const struct asker *asker, const struct question *question,
                    struct answer *answer_r);
bool advise_pop(struct memo *memo, const struct asker *asker, const struct question *question,
                struct answer *answer_r);
bool advise_login(struct memo *memo, const struct asker *asker, const struct question *question,
                  struct answer *answer_r);
bool advise_route(struct memo *memo, const struct asker *asker, const struct question *question,
                  struct answer *answer_r);

/* Where a relay is: its first address, or the original one of who asks. */
const struct config_address *memo_address(const struct asker *asker,
                                          const struct config_relay *relay);
/* What is wanted of supply; false: there is no such credential. */
bool memo_wanted(const struct asker *asker, const struct question *question,
                 struct wanted *wanted_r);
/* Gets the secret; false: it is not there, and `*answered_r` says whether that was told already or
 * the session will ask again. */
bool memo_supply(struct memo *memo, const struct wanted *wanted, struct supplied *supplied_r,
                 struct answer *answer_r, bool *answered_r);
/* The waiter that has the session ask again. */
struct waiter *memo_waiter(struct memo *memo);
void memo_end_exchange(struct memo *memo);
void exchange_close(struct exchange **exchange);
/* Told at once, with memo->words. */
bool memo_tell(struct memo *memo, enum told told, struct answer *answer_r);

#endif
