/* The adviser: who asked, what is owed to whom, and who answers which question. */
#include "advise.h"

#include <stdlib.h>

#include "lockstep/base/must.h"
#include "memo.h"

static bool (*const answers[])(struct memo *, const struct asker *, const struct question *,
                               struct answer *) = {
    [QUESTION_AUTH] = advise_auth,       [QUESTION_CHALLENGE] = advise_challenge,
    [QUESTION_OUTCOME] = advise_outcome, [QUESTION_POP] = advise_pop,
    [QUESTION_LOGIN] = advise_login,     [QUESTION_ROUTE] = advise_route,
};

bool memo_tell(struct memo *memo, enum told told, struct answer *answer_r)
{
    *answer_r =
        (struct answer){.told = told, .credential = NOTHING, .bytes = text_span(&memo->words)};
    return true;
}

const struct config_address *memo_address(const struct asker *asker,
                                          const struct config_relay *relay)
{
    return relay->address.count > 0 ? &relay->address.rows[0] : &asker->original;
}

bool memo_wanted(const struct asker *asker, const struct question *question,
                 struct wanted *wanted_r)
{
    const struct config *config = asker->config;
    const struct config_relay *relay;

    if (question->credential >= config->credential_count || question->relay >= config->relay_count)
        return false;
    relay = &config->relays[question->relay];
    *wanted_r = (struct wanted){
        .credential = &config->credentials[question->credential],
        .sender = question->facts[FACT_SENDER],
        .login = question->facts[FACT_LOGIN],
        .relay = relay->name,
        .host = memo_address(asker, relay)->host,
        .port = memo_address(asker, relay)->port,
    };
    return true;
}

void exchange_close(struct exchange **exchange)
{
    struct exchange *old = *exchange;

    if (old->sasl != NULL)
        sasl_end(&old->sasl);
    secret_wipe(old->line, sizeof(old->line));
    free(old);
    *exchange = NULL;
}

void memo_end_exchange(struct memo *memo)
{
    if (memo->exchange != NULL)
        exchange_close(&memo->exchange);
}

/* --- what comes later --- */

/* The secret has come, or has not: the next question for AUTH will tell. */
static void woken(struct waiter *waiter)
{
    const struct memo *memo = waiter->data;
    const struct answer answer = {.told = TOLD_AGAIN, .credential = NOTHING};

    desk_answer(memo->desk, memo->session, memo->id, memo->serial, &answer);
}

static void forget_waiter(struct memo *memo)
{
    supply_forget(memo->advise->vault, &memo->waiter);
}

struct waiter *memo_waiter(struct memo *memo)
{
    memo->waiter = (struct waiter){.wake = woken, .data = memo};
    memo->forget = forget_waiter;
    return &memo->waiter;
}

bool memo_supply(struct memo *memo, const struct wanted *wanted, struct supplied *supplied_r,
                 struct answer *answer_r, bool *answered_r)
{
    enum supply supply =
        supply_get(memo->advise->vault, wanted, supplied_r, &memo->words, memo_waiter(memo));

    *answered_r = supply != SUPPLY_COMING;
    if (supply == SUPPLY_LATER || supply == SUPPLY_NONE)
        memo_tell(memo, supply == SUPPLY_LATER ? TOLD_LATER : TOLD_NO, answer_r);
    if (supply != SUPPLIED)
        supplied_clear(supplied_r);
    return supply == SUPPLIED;
}

/* After this nobody but the session's thread touches the memo. */
static void forget_owed(struct memo *memo)
{
    if (memo->forget != NULL)
        memo->forget(memo);
    memo->forget = NULL;
}

/* --- the adviser --- */

static struct memo *memo_of(struct advise *advise, const struct asker *asker,
                            const struct question *question, void **place)
{
    struct memo *memo = *place;

    if (memo == NULL) {
        memo = calloc(1, sizeof(*memo));
        must(memo != NULL);
        memo->advise = advise;
        *place = memo;
    }
    forget_owed(memo);
    memo->desk = asker->desk;
    memo->session = asker->session;
    memo->id = asker->id;
    memo->serial = question->serial;
    memo->words = text_over(memo->words_bytes, sizeof(memo->words_bytes));
    return memo;
}

static bool ask(void *data, const struct asker *asker, const struct question *question,
                void **place, struct answer *answer_r)
{
    struct memo *memo = memo_of(data, asker, question, place);

    return answers[question->kind](memo, asker, question, answer_r);
}

static void forget_live(struct live *live)
{
    if (live != NULL)
        secret_clear(&live->secret);
    free(live);
}

static void forget(void *data, void *session, uint64_t id, void **place)
{
    struct memo *memo = *place;

    (void)data;
    (void)session;
    (void)id;
    if (memo == NULL)
        return;
    forget_owed(memo);
    memo_end_exchange(memo);
    forget_live(memo->login_live);
    forget_live(memo->route_live);
    free(memo);
    *place = NULL;
}

struct advise *advise_open(struct vault *vault)
{
    struct keeper *keeper = vault_keeper(vault);
    struct advise *advise = malloc(sizeof(*advise));

    must(advise != NULL);
    *advise = (struct advise){
        .vault = vault,
        .adviser = {.data = advise, .ask = ask, .forget = forget},
        .login = login_open(keeper),
        .auth_http = auth_http_open(keeper),
        .pop = pop_open(keeper),
    };
    must(uv_mutex_init(&advise->lock) == 0);
    rests_open(&advise->rests);
    return advise;
}

void advise_renew(struct advise *advise)
{
    rests_clear(&advise->rests);
}

const struct adviser *advise_adviser(struct advise *advise)
{
    return &advise->adviser;
}

void advise_close(struct advise **advise)
{
    struct advise *old = *advise;

    login_close(&old->login);
    auth_http_close(&old->auth_http);
    pop_close(&old->pop);
    rests_close(&old->rests);
    uv_mutex_destroy(&old->lock);
    free(old);
    *advise = NULL;
}
