/*
 * The client's STARTTLS and AUTH, where they are between it and us. PLAIN and LOGIN are all that
 * can be checked against hashes; what LOGIN asks is spelt as the oldest clients want it (B-42).
 */
#include <string.h>

#include "lockstep/base/secret.h"
#include "lockstep/smtp/base64.h"

#include "ask.h"
#include "believe.h"
#include "login.h"
#include "prepare.h"

#define OURS_MECHANISMS (MECHANISM_BIT(MECHANISM_PLAIN) | MECHANISM_BIT(MECHANISM_LOGIN))

static const struct plan ready = {.answer_here = true,
                                  .code = 220,
                                  .status = SPAN_INIT("2.0.0"),
                                  .words = SPAN_INIT("Ready to start TLS")};
static const struct plan not_offered = {.answer_here = true,
                                        .code = 502,
                                        .status = SPAN_INIT("5.5.1"),
                                        .words = SPAN_INIT("Command not offered here")};
static const struct plan tls_already = {.answer_here = true,
                                        .code = 503,
                                        .status = SPAN_INIT("5.5.1"),
                                        .words = SPAN_INIT("TLS is active already")};
static const struct plan tls_within = {
    .answer_here = true,
    .code = 503,
    .status = SPAN_INIT("5.5.1"),
    .words = SPAN_INIT("STARTTLS not permitted within a mail transaction")};
static const struct plan tls_mixed = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.0"),
    .words = SPAN_INIT("Nothing may follow STARTTLS before its answer (RFC 3207 4)"),
    .close = true};
static const struct plan tls_first = {.answer_here = true,
                                      .code = 530,
                                      .status = SPAN_INIT("5.7.0"),
                                      .words = SPAN_INIT("Must issue a STARTTLS command first")};
static const struct plan login_first = {.answer_here = true,
                                        .code = 530,
                                        .status = SPAN_INIT("5.7.0"),
                                        .words = SPAN_INIT("Authentication required")};
static const struct plan not_certified = {
    .answer_here = true,
    .code = 550,
    .status = SPAN_INIT("5.7.1"),
    .words = SPAN_INIT("Only clients with certain certificates may send here")};
static const struct plan tls_before_auth = {
    .answer_here = true,
    .code = 538,
    .status = SPAN_INIT("5.7.11"),
    .words = SPAN_INIT("Encryption required for authentication, use STARTTLS first")};
static const struct plan auth_twice = {.answer_here = true,
                                       .code = 503,
                                       .status = SPAN_INIT("5.5.1"),
                                       .words = SPAN_INIT("Already authenticated")};
static const struct plan auth_within = {.answer_here = true,
                                        .code = 503,
                                        .status = SPAN_INIT("5.5.1"),
                                        .words = SPAN_INIT("AUTH not permitted within a mail "
                                                           "transaction")};
static const struct plan unknown_mechanism = {
    .answer_here = true,
    .code = 504,
    .status = SPAN_INIT("5.5.4"),
    .words = SPAN_INIT("Unknown mechanism, PLAIN and LOGIN are offered")};
static const struct plan bad_base64 = {.answer_here = true,
                                       .code = 501,
                                       .status = SPAN_INIT("5.5.2"),
                                       .words = SPAN_INIT("Cannot decode the response")};
static const struct plan cancelled = {.answer_here = true,
                                      .code = 501,
                                      .status = SPAN_INIT("5.0.0"),
                                      .words = SPAN_INIT("Authentication cancelled")};
static const struct plan go_on = {.answer_here = true, .code = 334};
static const struct plan ask_name = {
    .answer_here = true, .code = 334, .words = SPAN_INIT("VXNlcm5hbWU6")};
static const struct plan ask_password = {
    .answer_here = true, .code = 334, .words = SPAN_INIT("UGFzc3dvcmQ6")};
static const struct plan good = {.answer_here = true,
                                 .code = 235,
                                 .status = SPAN_INIT("2.7.0"),
                                 .words = SPAN_INIT("Authentication successful")};
static const struct plan bad = {.answer_here = true,
                                .code = 535,
                                .status = SPAN_INIT("5.7.8"),
                                .words = SPAN_INIT("Authentication credentials invalid")};
static const struct plan not_now = {.answer_here = true,
                                    .code = 454,
                                    .status = SPAN_INIT("4.7.0"),
                                    .words = SPAN_INIT("Temporary authentication failure:"),
                                    .quote_reason = true};

/* Some clients ask their user for a password wherever AUTH is offered (B-43). */
static bool hidden(const struct engine *engine)
{
    const struct networks *networks = &engine->policy->client_auth.hidden_from;

    return networks->count > 0 && networks_hold(networks, brief_span(&engine->address));
}

static enum logins logins_of(const struct engine *engine)
{
    enum logins logins = engine->policy->client_auth.logins;

    if (hidden(engine))
        return LOGINS_HIDE;
    if (logins != LOGINS_AUTO)
        return logins;
    return guide_injects(engine) ? LOGINS_HIDE : LOGINS_PASS;
}

bool login_passes(const struct engine *engine)
{
    return logins_of(engine) == LOGINS_PASS;
}

static bool clear_is_too_bad(const struct engine *engine)
{
    return !engine->peers[SIDE_CLIENT].view.secured && !engine->policy->client_auth.allow_clear;
}

bool login_is_ours(const struct engine *engine)
{
    enum logins logins = logins_of(engine);

    return logins == LOGINS_CHECK || logins == LOGINS_ACCEPT;
}

bool login_may_come(const struct engine *engine)
{
    return login_is_ours(engine) && !engine->peers[SIDE_CLIENT].view.authenticated;
}

uint32_t login_offers(const struct engine *engine)
{
    return login_is_ours(engine) && !clear_is_too_bad(engine) ? OURS_MECHANISMS : 0;
}

void login_certify(struct engine *engine, const struct arrival *arrival)
{
    const struct patterns *patterns = &engine->policy->certificates;
    uint32_t i;

    guide_of(engine)->certified = false;
    for (i = 0; arrival != NULL && arrival->certificate.size > 0 && i < patterns->count; i++) {
        if (pattern_matches(patterns->rows[i], arrival->certificate))
            guide_of(engine)->certified = true;
    }
}

/* What somebody hears who may not send, or not yet; NULL: he may. */
static const struct plan *certificate_owed(struct engine *engine)
{
    if (engine->policy->certificates.count == 0 || guide_of(engine)->certified)
        return NULL;
    if (!engine->peers[SIDE_CLIENT].view.secured)
        return &tls_first;
    if (!engine->summary.uncertified)
        note(engine, SPAN("finding"), SPAN(""), SPAN("certificate-refused"));
    engine->summary.uncertified = true;
    return &not_certified;
}

bool login_owed(struct engine *engine, enum verb verb, struct plan *plan_r)
{
    const struct view *view = &engine->peers[SIDE_CLIENT].view;
    enum verb_does does = verb_facts(verb)->does;
    bool envelope =
        does == DOES_SENDER || does == DOES_RECIPIENT || does == DOES_MESSAGE || does == DOES_CHUNK;
    const struct plan *owed = NULL;

    if (!engine->guided)
        return false;
    if (engine->policy->tls_required && !view->secured && !verb_facts(verb)->clear)
        owed = &tls_first; /* */
    else if (envelope || does == DOES_AUTH)
        owed = certificate_owed(engine);
    if (owed != NULL) {
        *plan_r = *owed;
        return true;
    }
    if (!engine->policy->client_auth.required || view->authenticated || !envelope || hidden(engine))
        return false;
    *plan_r = login_first;
    return true;
}

/* --- STARTTLS --- */

/* Not one that is over for the client, and only for the upstream not yet. */
bool within_transaction(const struct engine *engine)
{
    return (engine->peers[SIDE_UPSTREAM].view.mail_open && !engine->stale) ||
           engine->kept.replay != REPLAY_NONE;
}

static const struct plan *answer_starttls(const struct engine *engine)
{
    if (engine->peers[SIDE_CLIENT].view.secured)
        return &tls_already; /* */
    if (!tls_offers_starttls(engine->policy->tls_offer))
        return &not_offered;
    if (within_transaction(engine))
        return &tls_within;                                                      /* B-07 */
    return engine->peers[SIDE_CLIENT].inbox.view.size > 0 ? &tls_mixed : &ready; /* */
}

bool login_splice(struct engine *engine, const struct reply *reply)
{
    if (transparent(engine) || reply->code != ready.code)
        return true;
    if (prepare_mixed(engine, reply))
        return false;
    if (client_of(engine)->inbox.view.size > 0) { /* */
        note(engine, SPAN("finding"), SPAN(""), SPAN("clear-behind-starttls"));
        upstream_leave(engine, &tls_mixed);
        return false;
    }
    note(engine, SPAN("opaque"), SPAN("why"), SPAN("starttls"));
    return true;
}

static void secure(struct engine *engine)
{
    struct peer *client = client_of(engine);

    engine->input = INPUT_WAIT;
    must(client->inbox.view.size == 0); /* else STARTTLS was refused, and nothing was read since */
    client->securing = client->secure_due = true;
    note_life(engine, SIDE_CLIENT, SPAN("secure"), SPAN(""));
}

void login_secured(struct engine *engine, const struct arrival *arrival)
{
    struct peer *client = client_of(engine);
    struct guide *guide = guide_of(engine);

    client->securing = false;
    guide_anew(engine);
    client->view.secured = true;
    if (arrival != NULL && arrival->certificate.size > 0)
        trail_learn(&guide->trail, engine->policy, FACT_CERTIFICATE, arrival->certificate);
    login_certify(engine, arrival);
    believe_forget(engine);
    /* A login that passed in clear may have been anybody's, and there it still holds. */
    engine->moved =
        engine->moved || (upstream_of(engine)->view.authenticated && engine->leg.auth != AUTH_DONE);
    engine->input = INPUT_COMMAND;
}

/* --- AUTH --- */

/* Bytes of a step that must outlive it until the question was taken: at the far end of the scratch,
 * for what is said to the client lies in one piece from its start. One login at a time is looked
 * at, so the next may have the same place. */
static struct text borrow(struct engine *engine, size_t size)
{
    struct outbox *outbox = &engine->lender->outboxes[SIDE_CLIENT];

    must(outbox->used + size <= SCRATCH_SEND_BYTES);
    outbox->secret = SCRATCH_SEND_BYTES;
    return text_over(outbox->scratch + SCRATCH_SEND_BYTES - size, size);
}

static bool holds_nul(struct span bytes)
{
    return span_find(bytes, '\0') < bytes.size;
}

/* Name and password are known: whoever knows is asked. Some take a name to end at a NUL, and would
 * let in somebody else than whom we then call him. */
static const struct plan *check(struct engine *engine, struct span user, struct span password)
{
    struct guide *guide = guide_of(engine);

    guide->login = LOGIN_NONE;
    if (user.size == 0 || user.size > NAME_BYTES_MAX || password.size == 0 || holds_nul(user) ||
        holds_nul(password))
        return &bad;
    name_keep(&guide->user, user);
    if (logins_of(engine) == LOGINS_ACCEPT)
        return &good;
    ask(engine, QUESTION_LOGIN, user, password, 0);
    return NULL;
}

/* RFC 4616 2: [authzid] NUL authcid NUL password. To act for another is not asked for here. */
static const struct plan *take_plain(struct engine *engine, struct span message)
{
    size_t first = span_find(message, '\0');
    struct span user = span_tail(message, first + 1);
    size_t second = span_find(user, '\0');
    struct span authzid = span_head(message, first);
    struct span password = span_tail(user, second + 1);

    if (first == message.size || second == user.size || holds_nul(password))
        return &bad_base64;
    user = span_head(user, second);
    if (authzid.size > 0 && !span_equal(authzid, user))
        return &bad;
    return check(engine, user, password);
}

/* One decoded response; NULL: somebody is asked. */
static const struct plan *take_message(struct engine *engine, struct span message)
{
    struct guide *guide = guide_of(engine);

    switch ((enum login)guide->login) {
    case LOGIN_NONE:
        break;
    case LOGIN_PLAIN:
        return take_plain(engine, message);
    case LOGIN_NAME:
        if (message.size == 0 || message.size > NAME_BYTES_MAX)
            return &bad;
        name_keep(&guide->user, message);
        guide->login = LOGIN_PASSWORD;
        return &ask_password;
    case LOGIN_PASSWORD:
        return check(engine, name_span(&guide->user), message);
    }
    return &bad_base64;
}

static const struct plan *take_response(struct engine *engine, struct span text)
{
    struct text bytes;

    text = span_trim(text);
    if (span_equal(text, SPAN("*")))
        return &cancelled;
    if (span_equal(text, SPAN("="))) /* RFC 4954 4: an empty initial response */
        text = SPAN("");
    bytes = borrow(engine, text.size);
    if (!base64_decode(text, &bytes))
        return &bad_base64;
    return take_message(engine, text_span(&bytes));
}

static const struct plan *begin(struct engine *engine, struct span line)
{
    struct guide *guide = guide_of(engine);
    struct span verb, mechanism;

    span_word(&line, &verb);
    span_word(&line, &mechanism);
    line = span_trim(line);
    if (clear_is_too_bad(engine))
        return &tls_before_auth;
    if (client_of(engine)->view.authenticated)
        return &auth_twice;
    if (within_transaction(engine))
        return &auth_within;
    if (span_equal_fold(mechanism, SPAN("PLAIN")))
        guide->login = LOGIN_PLAIN;
    else if (span_equal_fold(mechanism, SPAN("LOGIN")))
        guide->login = LOGIN_NAME;
    else
        return &unknown_mechanism;
    if (line.size > 0)
        return take_response(engine, line); /* B-41: also with LOGIN */
    return guide->login == LOGIN_PLAIN ? &go_on : &ask_name;
}

static const struct plan *answer_auth(struct engine *engine, const struct row *row)
{
    struct span text = ledger_text(engine, row);

    if (!login_is_ours(engine))
        return &not_offered;
    return row->verb == VERB_AUTH ? begin(engine, text) : take_response(engine, text);
}

void login_answer(struct engine *engine, struct row *row)
{
    const struct plan *plan =
        row->verb == VERB_STARTTLS ? answer_starttls(engine) : answer_auth(engine, row);

    if (plan != NULL)
        row_decide(engine, row, plan);
}

void login_answered(struct engine *engine, const struct row *row)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;
    uint16_t code = row->plan.code;

    if (does == DOES_SECURE && code == ready.code) {
        secure(engine);
        return;
    }
    if (does != DOES_AUTH && does != DOES_RESPONSE)
        return;
    if (code == go_on.code) {
        engine->input = INPUT_RESPONSE;
        return;
    }
    guide_of(engine)->login = LOGIN_NONE;
    if (code != good.code)
        return;
    client_of(engine)->view.authenticated = true;
    guide_of(engine)->known.login++;
    trail_learn(&guide_of(engine)->trail, engine->policy, FACT_LOGIN,
                name_span(&guide_of(engine)->user));
}

void login_told(struct engine *engine, const struct advice *advice, struct span words)
{
    struct row *row = ledger_row(engine, engine->ledger.send);
    struct guide *guide = guide_of(engine);

    if (advice->told == TOLD_DONE) {
        guide->granted = advice->credential;
        guide->placed = advice->moved;
        engine->moved = engine->moved || advice->moved;
        row_decide(engine, row, &good);
        return;
    }
    guide->user.size = 0;
    if (advice->told == TOLD_NO) {
        row_decide(engine, row, &bad);
        return;
    }
    ledger_keep_words(engine, words);
    row_decide(engine, row, &not_now);
}
