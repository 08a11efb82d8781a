/* Logging in at a relay: the secret, the exchange, and what came of it. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "memo.h"
#include "private.h"

/* Bytes of a relay's words in the log. */
#define SHOWN_BYTES_MAX 200U

static const struct config_relay *relay_of(const struct asker *asker,
                                           const struct question *question)
{
    return &asker->config->relays[question->relay];
}

static struct span credential_of(const struct asker *asker, const struct question *question)
{
    return question->credential < asker->config->credential_count
               ? asker->config->credentials[question->credential].name
               : SPAN("of the live source");
}

/* --- the question for AUTH --- */

static struct sasl_wish wish_of(const struct asker *asker, const struct question *question,
                                const struct supplied *supplied)
{
    const struct config_relay *relay = relay_of(asker, question);

    return (struct sasl_wish){
        .mechanisms = question->mechanisms,
        .identity = span_of(supplied->user, supplied->user_size),
        .secret = secret_reveal(&supplied->secret),
        .bearer = supplied->bearer,
        .certificate = relay->certificate.size > 0,
        .host = relay->server_name.size > 0 ? relay->server_name : memo_address(asker, relay)->host,
        .port = memo_address(asker, relay)->port,
        .exporter = asker->binding,
        .unique = asker->binding_unique,
        .room = question->room,
    };
}

/* "relay office offers PLAIN LOGIN, credential scanner is a token: XOAUTH2 OAUTHBEARER" */
static void say_unusable(struct memo *memo, const struct asker *asker,
                         const struct question *question, struct sasl_wish wish)
{
    struct text *words = &memo->words;

    text_add(words, SPAN("relay "));
    text_add(words, relay_of(asker, question)->name);
    text_add(words, SPAN(" offers, of what is allowed, only "));
    mechanisms_show(wish.mechanisms, words);
    wish.mechanisms = MECHANISMS_ALL;
    wish.mechanisms = sasl_usable(&wish);
    text_add(words, SPAN("; credential "));
    text_add(words, credential_of(asker, question));
    text_add(words, wish.mechanisms == 0 ? SPAN(" can do none")
                    : wish.bearer        ? SPAN(" is a token and can do ")
                                         : SPAN(" can do "));
    mechanisms_show(wish.mechanisms, words);
}

/* The same secret again is no other. */
static bool was_refused(const struct memo *memo, const struct question *question,
                        const struct supplied *supplied)
{
    return memo->refused != 0 && memo->refused == supplied->version &&
           memo->refused_credential == question->credential;
}

/* The relay refused it lately, to this session or to another one. */
static bool rests(struct memo *memo, const struct asker *asker, const struct question *question,
                  const struct supplied *supplied)
{
    struct rests *rests = &memo->advise->rests;
    unsigned char *key = memo->exchange->key;
    char memory[REST_WORDS_MAX];
    struct text said = text_over(memory, sizeof(memory));

    rest_key(rests, relay_of(asker, question)->name, span_of(supplied->user, supplied->user_size),
             secret_reveal(&supplied->secret), key);
    if (rest_over(rests, key, keeper_now(vault_keeper(memo->advise->vault)), &said))
        return false;
    text_add(&memo->words, SPAN("it was refused and is not tried again yet: "));
    text_add(&memo->words, text_span(&said));
    return true;
}

static bool begin(struct memo *memo, const struct asker *asker, const struct question *question,
                  const struct supplied *supplied, struct answer *answer_r)
{
    struct sasl_wish wish = wish_of(asker, question, supplied);
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    struct text line;

    must(exchange != NULL);
    memo->exchange = exchange;
    line = text_over(exchange->line, sizeof(exchange->line));
    exchange->advise = memo->advise;
    exchange->version = supplied->version;
    exchange->live = question->credential == LIVE || question->credential == LIVE_ROUTE;
    exchange->sasl = sasl_begin(&wish, &line);
    if (exchange->sasl == NULL) {
        say_unusable(memo, asker, question, wish);
        memo_end_exchange(memo);
        return memo_tell(memo, TOLD_NO, answer_r);
    }
    if (rests(memo, asker, question, supplied)) {
        memo_end_exchange(memo);
        return memo_tell(memo, TOLD_NO, answer_r);
    }
    *answer_r = (struct answer){
        .told = TOLD_LINE, .credential = question->credential, .bytes = text_span(&line)};
    return true;
}

static bool begin_live(struct memo *memo, const struct asker *asker,
                       const struct question *question, struct answer *answer_r)
{
    const struct live *live = question->credential == LIVE ? memo->login_live : memo->route_live;
    struct supplied supplied = {0};
    bool answered;

    if (live == NULL) {
        text_add(&memo->words, SPAN("no credential came with the answer"));
        return memo_tell(memo, TOLD_LATER, answer_r);
    }
    memcpy(supplied.user, live->user, live->user_size);
    supplied.user_size = live->user_size;
    secret_set(&supplied.secret, secret_reveal(&live->secret));
    answered = begin(memo, asker, question, &supplied, answer_r);
    supplied_clear(&supplied);
    return answered;
}

bool advise_auth(struct memo *memo, const struct asker *asker, const struct question *question,
                 struct answer *answer_r)
{
    struct supplied supplied = {0};
    struct wanted wanted;
    bool answered;

    memo_end_exchange(memo);
    if (question->credential == LIVE || question->credential == LIVE_ROUTE)
        return begin_live(memo, asker, question, answer_r);
    if (!memo_wanted(asker, question, &wanted)) {
        text_add(&memo->words, SPAN("there is no such credential"));
        return memo_tell(memo, TOLD_NO, answer_r);
    }
    if (!memo_supply(memo, &wanted, &supplied, answer_r, &answered))
        return answered;
    if (was_refused(memo, question, &supplied)) {
        text_add(&memo->words, text_span(&memo->refusal));
        answered = memo_tell(memo, TOLD_NO, answer_r);
    } else {
        answered = begin(memo, asker, question, &supplied, answer_r);
    }
    supplied_clear(&supplied);
    return answered;
}

/* --- challenges --- */

static void step(struct exchange *exchange, struct span challenge)
{
    secret_wipe(exchange->line, sizeof(exchange->line));
    exchange->response = text_over(exchange->line, sizeof(exchange->line));
    exchange->answers = sasl_step(exchange->sasl, challenge, &exchange->response);
    exchange->cancelled = !exchange->answers;
}

static struct answer response_of(const struct exchange *exchange)
{
    return (struct answer){
        .told = exchange->answers ? TOLD_LINE : TOLD_NO,
        .credential = NOTHING,
        .bytes = exchange->answers ? text_span(&exchange->response) : sasl_words(exchange->sasl),
    };
}

static void step_slowly(uv_work_t *work)
{
    struct exchange *exchange = work->data;

    step(exchange, span_of(exchange->challenge, exchange->challenge_size));
}

/* Back on the keeper's thread. */
static void stepped(uv_work_t *work, int status)
{
    struct exchange *exchange = work->data;
    struct advise *advise = exchange->advise;
    struct memo *memo;

    (void)status;
    uv_mutex_lock(&advise->lock);
    memo = exchange->memo;
    exchange->memo = NULL;
    if (memo != NULL) {
        const struct answer answer = response_of(exchange);

        desk_answer(memo->desk, memo->session, memo->id, memo->serial, &answer);
    }
    uv_mutex_unlock(&advise->lock);
    if (memo == NULL) /* it was left to us */
        exchange_close(&exchange);
}

static void queue_step(struct job *job)
{
    struct exchange *exchange = (struct exchange *)job;

    exchange->work.data = exchange;
    must(uv_queue_work(&vault_keeper(exchange->advise->vault)->uv, &exchange->work, step_slowly,
                       stepped) == 0);
}

/* Leaves the exchange to the pool, if it is still there. */
static void forget_step(struct memo *memo)
{
    uv_mutex_lock(&memo->advise->lock);
    if (memo->exchange->memo != NULL) {
        memo->exchange->memo = NULL;
        memo->exchange = NULL;
    }
    uv_mutex_unlock(&memo->advise->lock);
}

bool advise_challenge(struct memo *memo, const struct asker *asker, const struct question *question,
                      struct answer *answer_r)
{
    struct exchange *exchange = memo->exchange;

    (void)asker;
    if (exchange == NULL) {
        text_add(&memo->words, SPAN("no exchange is under way"));
        return memo_tell(memo, TOLD_NO, answer_r);
    }
    if (sasl_slow(exchange->sasl) && question->text.size <= sizeof(exchange->challenge)) {
        memcpy(exchange->challenge, question->text.at, question->text.size);
        exchange->challenge_size = question->text.size;
        exchange->job.run = queue_step;
        exchange->memo = memo;
        memo->forget = forget_step;
        keeper_post(vault_keeper(memo->advise->vault), &exchange->job);
        return false;
    }
    step(exchange, question->text);
    *answer_r = response_of(exchange);
    return true;
}

/* --- the outcome --- */

/* What a relay said, as far as a log may show it. */
static void show(struct text *shown, const struct exchange *exchange, struct span text)
{
    size_t i;

    if (sasl_leaks(exchange->sasl, text)) {
        text_add(shown, SPAN("words that show the secret"));
        return;
    }
    for (i = 0; i < text.size; i++)
        text_add_byte(shown, text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '?');
}

/* The finding, for the log and as the words of the answer. */
static void say_refused(struct memo *memo, const struct asker *asker,
                        const struct question *question)
{
    const struct exchange *exchange = memo->exchange;
    char memory[SHOWN_BYTES_MAX];
    struct text shown = text_over(memory, sizeof(memory));
    struct span name = mechanism_facts(sasl_mechanism(exchange->sasl))->word;
    struct span relay = relay_of(asker, question)->name;
    struct span credential = credential_of(asker, question);
    struct span why = sasl_words(exchange->sasl);

    show(&shown, exchange, question->text);
    if (question->text.size == 0)
        text_add_number(&shown, question->code);
    if (question->code == 235)
        why = SPAN("but it has not proven that it knows the password");
    text_format(&memo->words, "relay %.*s refused credential %.*s by %.*s: %.*s%s%.*s%s",
                (int)relay.size, relay.at, (int)credential.size, credential.at, (int)name.size,
                name.at, (int)shown.size, shown.at, why.size > 0 ? " (" : "", (int)why.size, why.at,
                why.size > 0 ? ")" : "");
    keeper_say(vault_keeper(memo->advise->vault), VAULT_WARNING, "%.*s", (int)memo->words.size,
               memo->words.at);
    memo->refusal = text_over(memo->refusal_bytes, sizeof(memo->refusal_bytes));
    text_add(&memo->refusal, text_span(&shown));
}

/* Is there, or will there perhaps be, another secret to try? */
static bool worth_it(struct memo *memo, const struct asker *asker, const struct question *question)
{
    struct wanted wanted;

    return !memo->exchange->live && memo_wanted(asker, question, &wanted) &&
           supply_refused(memo->advise->vault, &wanted, memo->exchange->version, question->code);
}

/* An account is not to be locked by those who come after this session. */
static void lay_to_rest(struct memo *memo, const struct asker *asker,
                        const struct question *question)
{
    struct keeper *keeper = vault_keeper(memo->advise->vault);
    struct span name = credential_of(asker, question);
    moment pause_ms = rest_refused(&memo->advise->rests, memo->exchange->key, keeper_now(keeper),
                                   text_span(&memo->refusal));

    keeper_say(keeper, VAULT_WARNING,
               "credential %.*s rests for %lld s, or until it is another one", (int)name.size,
               name.at, (long long)pause_ms / 1000);
}

static enum told judge(struct memo *memo, const struct asker *asker,
                       const struct question *question)
{
    if (question->code < 400 || memo->exchange->cancelled)
        return TOLD_LATER;
    if (supply_blamed(question->code))
        lay_to_rest(memo, asker, question);
    if (worth_it(memo, asker, question)) {
        memo->refused = memo->exchange->version;
        memo->refused_credential = question->credential;
        return TOLD_AGAIN;
    }
    return question->code < 500 ? TOLD_LATER : TOLD_NO;
}

bool advise_outcome(struct memo *memo, const struct asker *asker, const struct question *question,
                    struct answer *answer_r)
{
    enum told told = TOLD_DONE;

    if (memo->exchange == NULL) {
        text_add(&memo->words, SPAN("no exchange is under way"));
        return memo_tell(memo, TOLD_LATER, answer_r);
    }
    /* RFC 4954 4: nothing but 235 is success. */
    if (question->code != 235 || !sasl_proven(memo->exchange->sasl)) {
        say_refused(memo, asker, question);
        told = judge(memo, asker, question);
    }
    if (told == TOLD_DONE)
        rest_accepted(&memo->advise->rests, memo->exchange->key);
    if (told == TOLD_DONE || question->code >= 500)
        health_say(memo->advise->vault, credential_of(asker, question), AIL_LOGIN,
                   text_span(&memo->words));
    memo_end_exchange(memo);
    return memo_tell(memo, told, answer_r);
}
