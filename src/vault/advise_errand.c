/* Questions that somebody outside answers: clients' logins, live sources, POP before SMTP. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "memo.h"

static const struct route *route_of(const struct asker *asker, const struct question *question)
{
    const struct policy *policy = &asker->listener->policy;

    return question->route < policy->route_count ? &policy->routes[question->route] : NULL;
}

static bool tell_words(struct memo *memo, enum told told, struct span words,
                       struct answer *answer_r)
{
    text_add(&memo->words, words);
    return memo_tell(memo, told, answer_r);
}

/* --- outcomes, on the keeper's thread --- */

static void keep_live(struct memo *memo, const struct outcome *outcome)
{
    struct live **place = memo->asks_login ? &memo->login_live : &memo->route_live;
    struct live *live = *place;

    if (live == NULL)
        live = *place = calloc(1, sizeof(*live));
    must(live != NULL && outcome->user.size <= sizeof(live->user));
    memcpy(live->user, outcome->user.at, outcome->user.size);
    live->user_size = outcome->user.size;
    secret_set(&live->secret, secret_reveal(outcome->secret));
}

static void done(struct errand *errand, const struct outcome *outcome)
{
    struct memo *memo = errand->data;
    struct answer answer = {.told = outcome->told, .credential = NOTHING, .bytes = outcome->words};

    if (outcome->told == TOLD_DONE && outcome->host.size > 0) {
        answer.moved = true;
        answer.relay = (struct config_address){outcome->host, outcome->port};
    }
    if (outcome->told == TOLD_DONE && outcome->user.size > SUPPLY_USER_MAX) {
        answer = (struct answer){.told = TOLD_LATER,
                                 .credential = NOTHING,
                                 .bytes = SPAN("the live source names too long a user")};
    } else if (outcome->told == TOLD_DONE && outcome->user.size > 0 && outcome->secret != NULL) {
        keep_live(memo, outcome);
        answer.credential = LIVE;
    }
    desk_answer(memo->desk, memo->session, memo->id, memo->serial, &answer);
}

static struct errand *send_errand(struct memo *memo, void (*forget)(struct memo *memo))
{
    memo->errand = (struct errand){.done = done, .data = memo};
    memo->forget = forget;
    return &memo->errand;
}

/* --- live sources --- */

static void forget_auth_http(struct memo *memo)
{
    auth_http_forget(memo->advise->auth_http, &memo->errand);
}

static bool ask_auth_http(struct memo *memo, const struct asker *asker,
                          const struct question *question, struct span url)
{
    bool login = question->kind == QUESTION_LOGIN;
    const struct auth_http_query query = {
        .url = url,
        .login = login,
        .user = login ? question->text : SPAN(""),
        .password = login ? question->more : SPAN(""),
        .attempt = login ? ++memo->logins : 1,
        .secured = asker->secured,
        .client = asker->client,
        .helo = question->facts[FACT_HELO],
        .sender = question->facts[FACT_SENDER],
        .recipient = question->facts[FACT_RECIPIENT],
    };

    memo->asks_login = login;
    auth_http_ask(memo->advise->auth_http, &query, send_errand(memo, forget_auth_http));
    return false;
}

bool advise_route(struct memo *memo, const struct asker *asker, const struct question *question,
                  struct answer *answer_r)
{
    const struct route *route = route_of(asker, question);

    if (route == NULL || route->ask.size == 0)
        return tell_words(memo, TOLD_NO, SPAN("that route has no live source"), answer_r);
    return ask_auth_http(memo, asker, question, route->ask);
}

/* --- clients' logins --- */

static void forget_login(struct memo *memo)
{
    login_forget(memo->advise->login, &memo->errand);
}

bool advise_login(struct memo *memo, const struct asker *asker, const struct question *question,
                  struct answer *answer_r)
{
    const struct config_auth *auth = &asker->listener->auth;
    const struct login_query query = {
        .file = auth->file,
        .socket = auth->socket,
        .client = asker->client,
        .secured = asker->secured,
        .user = question->text,
        .password = question->more,
    };

    if (auth->http.size > 0)
        return ask_auth_http(memo, asker, question, auth->http);
    if (auth->file.size == 0 && auth->socket.size == 0)
        return tell_words(memo, TOLD_LATER, SPAN("nobody is there to check logins"), answer_r);
    login_ask(memo->advise->login, &query, send_errand(memo, forget_login));
    return false;
}

/* --- POP before SMTP --- */

static void forget_pop(struct memo *memo)
{
    pop_forget(memo->advise->pop, &memo->errand);
}

static bool ask_pop(struct memo *memo, const struct question *question, const struct route *route,
                    const struct supplied *supplied)
{
    const struct pop_login login = {
        .url = route->pop,
        .user = span_of(supplied->user, supplied->user_size),
        .secret = secret_reveal(&supplied->secret),
        .bearer = supplied->bearer,
        .again = question->code != 0,
    };

    pop_ask(memo->advise->pop, &login, send_errand(memo, forget_pop));
    return false;
}

bool advise_pop(struct memo *memo, const struct asker *asker, const struct question *question,
                struct answer *answer_r)
{
    const struct route *route = route_of(asker, question);
    struct supplied supplied = {0};
    struct wanted wanted;
    bool answered;

    if (route == NULL || route->pop.size == 0 || !memo_wanted(asker, question, &wanted))
        return tell_words(memo, TOLD_NO, SPAN("that route names no POP3 server"), answer_r);
    if (!memo_supply(memo, &wanted, &supplied, answer_r, &answered))
        return answered;
    answered = ask_pop(memo, question, route, &supplied);
    supplied_clear(&supplied);
    return answered;
}
