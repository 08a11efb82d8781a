/*
 * lockstep's own AUTH with the upstream. What is said is made outside, where the secrets are; here
 * the lines are passed on, success is 235 and nothing else (B-44), and a refusal becomes what the
 * policy makes of it, at MAIL.
 */
#include "ask.h"

/* Another mechanism, a renewed token: so often, then it is refused. */
#define TRIES_MAX 4U

static const struct plan deferred = {
    .answer_here = true,
    .code = 454,
    .status = SPAN_INIT("4.7.0"),
    .words = SPAN_INIT("Not authenticated with the relay, try again later:"),
    .quote_reason = true};
static const struct plan rejected = {.answer_here = true,
                                     .code = 550,
                                     .status = SPAN_INIT("5.7.8"),
                                     .words = SPAN_INIT("Not authenticated with the relay:"),
                                     .quote_reason = true};
static const struct plan closed = {.answer_here = true,
                                   .code = 421,
                                   .status = SPAN_INIT("4.7.0"),
                                   .words = SPAN_INIT("Not authenticated with the relay:"),
                                   .close = true,
                                   .quote_reason = true};

static const struct plan unproven = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.0"),
    .words = SPAN_INIT("The relay did not prove that it knows the credential")};

static bool may_be_heard(const struct engine *engine)
{
    return engine->peers[SIDE_UPSTREAM].view.secured || relay_of(engine)->allow_clear;
}

static bool offers_auth(const struct engine *engine)
{
    return capabilities_offer(&engine->peers[SIDE_UPSTREAM].view.capabilities, EXTENSION_AUTH);
}

uint32_t inject_mechanisms(const struct engine *engine)
{
    uint32_t offered = engine->peers[SIDE_UPSTREAM].view.capabilities.mechanisms;

    if (!may_be_heard(engine))
        return 0;
    /* A relay that asks for AUTH all the same takes more than it says (F-06, B-46). */
    if (engine->leg.insisted && offered == 0)
        offered = MECHANISM_BIT(MECHANISM_PLAIN) | MECHANISM_BIT(MECHANISM_LOGIN) |
                  MECHANISM_BIT(MECHANISM_XOAUTH2);
    return offered & relay_of(engine)->mechanisms;
}

static struct span credential_name(const struct engine *engine)
{
    uint32_t number = engine->wanted.credential;

    return number < engine->policy->credential_count ? engine->policy->credentials[number].name
                                                     : SPAN("live");
}

static void note_credential(struct engine *engine, struct span what, uint16_t code)
{
    char bytes[200];
    struct text words = text_over(bytes, sizeof(bytes));

    text_add(&words, what);
    text_add(&words, SPAN(" credential="));
    text_add(&words, credential_name(engine));
    if (code != 0) {
        text_add(&words, SPAN(" code="));
        text_add_number(&words, code);
    }
    note(engine, SPAN("auth"), SPAN(""), text_span(&words));
}

void inject_refuse(struct engine *engine, bool forever, struct span words)
{
    struct leg *leg = &engine->leg;

    leg->auth = AUTH_REFUSED;
    leg->forever = forever;
    note_credential(engine, SPAN("refused"), 0);
    if (words.size > 0)
        ledger_keep_words(engine, words);
}

static bool may_try(struct engine *engine)
{
    bool may = engine->leg.tries++ < TRIES_MAX;

    if (!may)
        inject_refuse(engine, false, SPAN("too many attempts"));
    return may;
}

void inject_pop(struct engine *engine)
{
    struct leg *leg = &engine->leg;

    leg->choice.credential = engine->wanted.credential;
    if (may_try(engine))
        ask(engine, QUESTION_POP, SPAN(""), SPAN(""), leg->insisted ? 1 : 0);
}

void inject_begin(struct engine *engine)
{
    struct leg *leg = &engine->leg;

    leg->choice.credential = engine->wanted.credential;
    if (!may_be_heard(engine)) {
        inject_refuse(engine, false, SPAN("credentials are not sent there without TLS"));
        return;
    }
    if (inject_mechanisms(engine) == 0 && (leg->insisted || offers_auth(engine))) {
        inject_refuse(engine, false, SPAN("it offers no mechanism that may be used"));
        return;
    }
    if (inject_mechanisms(engine) == 0) {
        note_credential(engine, SPAN("unoffered"), 0);
        leg->auth = AUTH_UNOFFERED;
        return;
    }
    if (may_try(engine))
        ask(engine, QUESTION_AUTH, SPAN(""), SPAN(""), 0);
}

void inject_answered(struct engine *engine, const struct reply *reply)
{
    const struct verb_facts *facts = verb_facts(VERB_AUTH);
    char bytes[REASON_BYTES_MAX];
    struct text words = text_over(bytes, sizeof(bytes));

    if (engine->leg.auth != AUTH_TALKING)
        return; /* the client's own exchange was cancelled */
    if (reply->code == facts->interim) {
        ask(engine, QUESTION_CHALLENGE, reply->text, SPAN(""), 0);
        return;
    }
    if (reply->code < 400 && reply->code != facts->success)
        note_code(engine, SPAN("odd"), facts->name, reply->code);
    engine->leg.code = reply->code;
    text_add_number(&words, reply->code);
    text_add_byte(&words, ' ');
    if (engine->leg.held_code == 0) /* what the envelope was refused with goes on counting */
        engine->leg.held_code = engine->envelope.code;
    ledger_keep_reason(engine, reply);
    text_add(&words, engine->leg.said_back ? SPAN("in words that show the credential")
                                           : ledger_reason(engine));
    ledger_keep_words(engine, text_span(&words));
    ask(engine, QUESTION_OUTCOME, ledger_reason(engine), SPAN(""), reply->code);
}

/* Whoever judges the outcome may have words for the client that are better than the relay's own. */
static void told_outcome(struct engine *engine, const struct advice *advice, struct span words)
{
    struct leg *leg = &engine->leg;
    uint16_t code = leg->code;

    if (advice->told == TOLD_DONE && code == verb_facts(VERB_AUTH)->success) {
        leg->auth = AUTH_DONE;
        upstream_of(engine)->view.authenticated = true;
        note_credential(engine, SPAN("done"), 0);
        /* Only the words go: an envelope that is being put again has its recipients already. */
        engine->envelope.code = leg->held_code;
        engine->envelope.reason_size = 0;
        engine->envelope.worded = false;
        return;
    }
    note_credential(engine, SPAN("failed"), code);
    if (code == verb_facts(VERB_AUTH)->success)
        upstream_leave(engine, &unproven); /* whoever it is, it takes us for somebody now */
    else if (advice->told == TOLD_AGAIN)
        leg->auth = AUTH_NONE;
    else
        inject_refuse(engine, advice->told == TOLD_NO && code >= 500, words);
}

static void told_pop(struct engine *engine, const struct advice *advice, struct span words)
{
    if (advice->told == TOLD_DONE)
        engine->leg.popped = true;
    else if (advice->told != TOLD_AGAIN)
        inject_refuse(engine, advice->told == TOLD_NO, words);
}

/* The line that goes up: it is not ours, so it is looked at before it is said. */
static void say_line(struct engine *engine, enum verb verb, struct span start, struct span line)
{
    size_t i;

    for (i = 0; i < line.size; i++) {
        if (line.at[i] < ' ' || line.at[i] > '~')
            break;
    }
    if (i < line.size || start.size + line.size > OURS_BYTES_MAX) {
        ledger_insert(engine, VERB_RESPONSE);
        return;
    }
    engine->auth_seen = true;
    engine->leg.auth = AUTH_TALKING;
    ledger_insert_text(engine, verb, start, line);
}

void inject_told(struct engine *engine, enum question_kind kind, const struct advice *advice,
                 struct span words)
{
    if (kind == QUESTION_OUTCOME)
        told_outcome(engine, advice, words);
    else if (kind == QUESTION_POP)
        told_pop(engine, advice, words);
    else if (advice->told == TOLD_LINE)
        say_line(engine, kind == QUESTION_AUTH ? VERB_AUTH : VERB_RESPONSE,
                 kind == QUESTION_AUTH ? SPAN("AUTH ") : SPAN(""), words);
    else if (kind == QUESTION_CHALLENGE)
        ledger_insert(engine, VERB_RESPONSE); /* RFC 4954 4: "*" cancels */
    else if (advice->told == TOLD_AGAIN)
        engine->leg.auth = AUTH_NONE;
    else
        inject_refuse(engine, advice->told == TOLD_NO, words);
}

/* A later envelope finds the words forgotten, and the relay's code must do, if there was one. */
static void remember_code(struct engine *engine)
{
    char bytes[8];
    struct text code = text_over(bytes, sizeof(bytes));

    if (ledger_reason(engine).size > 0)
        return;
    if (engine->leg.code != 0)
        text_add_number(&code, engine->leg.code);
    ledger_keep_words(engine, text_span(&code));
}

bool inject_refused(struct engine *engine, struct row *row)
{
    struct leg *leg = &engine->leg;
    const struct plan *plan = NULL;

    switch (relay_of(engine)->refused) {
    case REFUSED_RETRY:
        plan = &deferred;
        break;
    case REFUSED_REJECT:
        plan = leg->forever ? &rejected : &deferred;
        break;
    case REFUSED_PASS:
        return false;
    case REFUSED_CLOSE:
        plan = &closed;
        break;
    }
    remember_code(engine);
    row_decide(engine, row, plan);
    if (leg->code == 0) { /* the relay was not asked: the next envelope has another try */
        leg->auth = AUTH_NONE;
        leg->tries = 0;
    }
    transaction_begin(engine, plan->code);
    envelope_drop(engine);
    return true;
}

/* RFC 4954 5: who is authenticated may vouch for another sender with AUTH=. That is lockstep here,
 * and it vouches for nobody a client speaks of. */
void inject_disclaim(struct engine *engine, struct row *row)
{
    struct command command;
    struct path path;
    struct span rest, word;

    if (engine->leg.auth != AUTH_DONE)
        return;
    command_parse(ledger_text(engine, row), &command);
    rest = command.argument; /* written loosely: any word may be a parameter */
    if (path_parse(command.argument, SPAN("FROM:"), &path))
        rest = path.parameters;
    while (span_word(&rest, &word)) {
        size_t at = (size_t)(word.at - command.line.at);

        if (!span_starts_fold(word, SPAN("AUTH=")) || span_equal_fold(word, SPAN("AUTH=<>")))
            continue;
        note(engine, SPAN("disclaim"), SPAN(""), verb_facts(VERB_AUTH)->name);
        ledger_cut(engine, row, at - 1, word.size + 1); /* and the blank before it */
        rest = span_of(word.at - 1, rest.size);
    }
}
