/*
 * What is known of the client, and which route follows from it. Only what routes may ask for is
 * learnt, and of most of it only which routes it allows.
 */
#include <string.h>

#include "ask.h"
#include "believe.h"
#include "login.h"
#include "mend.h"
#include "trouble.h"

static bool needed(const struct policy *policy)
{
    enum security security = policy->relays[policy->relay].security;
    uint32_t i;

    if (policy->mode != MODE_REPAIR)
        return false;
    for (i = 0; i < policy->relay_count; i++)
        if (policy->relays[i].paced)
            return true;
    return policy->route_count > 0 || security == SECURITY_OFFERED ||
           security == SECURITY_STARTTLS || tls_offers_starttls(policy->tls_offer) ||
           policy->tls_required || policy->client_auth.required || policy_identifies(policy) ||
           policy->client_auth.logins > LOGINS_PASS || policy->certificates.count > 0;
}

size_t engine_size(const struct policy *policy)
{
    if (policy->mode == MODE_FAULT)
        return sizeof(struct engine) + sizeof(struct trouble);
    return sizeof(struct engine) + (needed(policy) ? sizeof(struct guide) : 0);
}

void guide_init(struct engine *engine)
{
    const struct choice none = {
        .route = NOTHING, .relay = engine->policy->relay, .credential = NOTHING};

    engine->guided = needed(engine->policy);
    if (engine->guided)
        *guide_of(engine) = (struct guide){.granted = NOTHING, .told = NOTHING};
    engine->wanted = engine->leg.choice = none;
}

void name_keep(struct name *name, struct span bytes)
{
    name->size = bytes.size <= NAME_BYTES_MAX ? (uint8_t)bytes.size : 0;
    memcpy(name->bytes, bytes.at, name->size);
}

struct span name_span(const struct name *name)
{
    return span_of(name->bytes, name->size);
}

void brief_keep(struct brief *brief, struct span bytes)
{
    brief->size = bytes.size <= BRIEF_BYTES_MAX ? (uint8_t)bytes.size : 0;
    if (brief->size > 0)
        memcpy(brief->bytes, bytes.at, brief->size);
}

struct span brief_span(const struct brief *brief)
{
    return span_of(brief->bytes, brief->size);
}

bool guide_injects(const struct engine *engine)
{
    const struct policy *policy = engine->policy;
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        const struct route *route = &policy->routes[i];

        if (route->credential != NOTHING || route->ask.size > 0)
            return true;
    }
    return false;
}

static void learn(struct engine *engine, enum fact fact, struct span value)
{
    trail_learn(&guide_of(engine)->trail, engine->policy, fact, value);
}

static bool knows(const struct engine *engine, enum fact fact)
{
    return ((uint32_t)guide_of(engine)->trail.known >> fact & 1U) != 0;
}

void guide_arrive(struct engine *engine, const struct event *event)
{
    const struct arrival *arrival = event->arrival;

    learn(engine, FACT_CLIENT, event->bytes);
    login_certify(engine, arrival);
    if (arrival != NULL && arrival->destination.size > 0)
        learn(engine, FACT_DESTINATION, arrival->destination);
    if (arrival != NULL && arrival->certificate.size > 0)
        learn(engine, FACT_CERTIFICATE, arrival->certificate);
    believe_arrive(engine, event);
    guide_choose(engine);
    engine->leg.choice = engine->wanted;
}

/* The mailbox of MAIL and RCPT; written loosely, what stands between the brackets, or the first
 * word behind the colon. */
static struct span mailbox_of(struct span text)
{
    size_t open = span_find(text, '<');
    struct command command;
    struct path path;
    struct span rest = span_tail(text, open + 1);
    size_t close = span_find(rest, '>');
    struct span word;

    command_parse(text, &command);
    if (path_parse(command.argument, SPAN("FROM:"), &path) ||
        path_parse(command.argument, SPAN("TO:"), &path))
        return path.mailbox;
    if (close < rest.size)
        return span_head(rest, close);
    rest = span_tail(text, span_find(text, ':') + 1);
    span_word(&rest, &word);
    return word;
}

struct span guide_sender(const struct engine *engine, const struct row *row)
{
    if (verb_facts((enum verb)row->verb)->does == DOES_SENDER)
        return mailbox_of(ledger_text(engine, row));
    if (mend_first(engine, row) == FIRST_SENDER)
        return rewrite_of(engine).default_sender;
    return mailbox_of(envelope_first(engine));
}

struct span guide_recipient(const struct engine *engine, const struct row *row)
{
    return row->verb == VERB_RCPT ? mailbox_of(ledger_text(engine, row)) : SPAN("");
}

/* A recipient that was to decide has decided nothing: the next one may, and DATA without any is
 * refused in the worst class of them all. */
void guide_refuse(struct engine *engine, struct row *row, const struct plan *plan,
                  struct span words)
{
    struct envelope *envelope = &engine->envelope;
    uint16_t before = envelope->code;

    ledger_keep_words(engine, words);
    row_decide(engine, row, plan);
    if (row->verb != VERB_RCPT) {
        transaction_begin(engine, plan->code);
        return;
    }
    trail_forget(&guide_of(engine)->trail, FACT_RECIPIENT);
    envelope->recipients++;
    envelope->code = before > plan->code ? before : plan->code;
}

void guide_told(struct engine *engine, const struct advice *advice, struct span words)
{
    struct plan plan = {.answer_here = true,
                        .code = 451,
                        .status = SPAN("4.3.0"),
                        .words = SPAN("No way to send this now:"),
                        .quote_reason = true};
    struct guide *guide = guide_of(engine);

    guide->told = NOTHING;
    guide->route_asked = advice->told == TOLD_DONE;
    switch (advice->told) {
    case TOLD_DONE:
        guide->told = advice->credential == LIVE ? LIVE_ROUTE : advice->credential;
        engine->moved = engine->moved || advice->moved || engine->leg.auth != AUTH_NONE ||
                        engine->leg.choice.live;
        return;
    case TOLD_NO:
        plan.code = 550;
        plan.status = SPAN("5.7.1");
        break;
    case TOLD_AGAIN:
    case TOLD_LATER:
    case TOLD_LINE:
        break;
    }
    guide_refuse(engine, ledger_row(engine, engine->ledger.send), &plan, words);
}

/* Whatever the client has not told by the time it says MAIL, it will not tell. */
static void learn_sender(struct engine *engine, struct span mailbox)
{
    static const enum fact earlier[] = {FACT_CERTIFICATE, FACT_DESTINATION, FACT_HELO, FACT_LOGIN};
    size_t i;

    for (i = 0; i < sizeof(earlier) / sizeof(earlier[0]); i++) {
        if (!knows(engine, earlier[i]))
            learn(engine, earlier[i], SPAN(""));
    }
    trail_forget(&guide_of(engine)->trail, FACT_RECIPIENT);
    learn(engine, FACT_SENDER, mailbox);
}

void guide_learn(struct engine *engine, const struct row *row)
{
    struct span text = ledger_text(engine, row);

    switch (verb_facts((enum verb)row->verb)->does) {
    case DOES_GREET:
    case DOES_GREET_OLD:
        believe_greets(engine, verb_facts((enum verb)row->verb)->does == DOES_GREET);
        if (!believe_told(engine, ATTRIBUTE_HELO))
            learn(engine, FACT_HELO, ledger_argument(engine, row));
        break;
    case DOES_SENDER:
        learn_sender(engine, mailbox_of(text));
        break;
    case DOES_RECIPIENT:
        if (mend_first(engine, row) == FIRST_SENDER)
            learn_sender(engine, rewrite_of(engine).default_sender);
        if (!knows(engine, FACT_RECIPIENT))
            learn(engine, FACT_RECIPIENT, mailbox_of(text));
        break;
    case DOES_NONE:
    case DOES_MESSAGE:
    case DOES_CHUNK:
    case DOES_END:
    case DOES_RESET:
    case DOES_AUTH:
    case DOES_RESPONSE:
    case DOES_SECURE:
    case DOES_IDENTIFY:
    case DOES_QUIT:
    case DOES_COUNT:
        break;
    }
}

void guide_forget(struct engine *engine)
{
    engine->stale = false;
    envelope_drop(engine);
    if (!engine->guided)
        return;
    trail_forget(&guide_of(engine)->trail, FACT_SENDER);
    trail_forget(&guide_of(engine)->trail, FACT_RECIPIENT);
    guide_of(engine)->route_asked = false; /* it is told who sends, so it may say otherwise */
}

void guide_abandon(struct engine *engine)
{
    guide_forget(engine);
    engine->envelope = (struct envelope){0};
    engine->message.convert = CONVERT_NONE;
    engine->stale = upstream_of(engine)->view.mail_open;
    engine->reset_owed = engine->reset_owed || engine->stale;
}

void guide_anew(struct engine *engine)
{
    struct guide *guide = guide_of(engine);

    trail_forget(&guide->trail, FACT_HELO);
    trail_forget(&guide->trail, FACT_LOGIN);
    client_of(engine)->view = (struct view){.secured = client_of(engine)->view.secured};
    engine->helo.size = guide->user.size = 0;
    guide->granted = guide->told = NOTHING;
    guide->placed = guide->route_asked = false;
    guide->login = LOGIN_NONE;
    guide_abandon(engine);
    engine->data_refused = false;
    engine->client_since = engine->now;
}

static void note_choice(struct engine *engine, const struct choice *choice)
{
    const struct policy *policy = engine->policy;
    char bytes[200];
    struct text words = text_over(bytes, sizeof(bytes));

    text_add_number(&words, choice->route + 1); /* as the list is counted */
    if (policy->relays[choice->relay].name.size > 0) {
        text_add(&words, SPAN(" relay="));
        text_add(&words, policy->relays[choice->relay].name);
    }
    if (choice->credential < policy->credential_count) {
        text_add(&words, SPAN(" credential="));
        text_add(&words, policy->credentials[choice->credential].name);
    }
    note(engine, SPAN("route"), SPAN(""), text_span(&words));
}

enum chosen guide_choose(struct engine *engine)
{
    const struct policy *policy = engine->policy;
    struct guide *guide = guide_of(engine);
    struct choice choice = {.route = NOTHING, .relay = policy->relay, .credential = NOTHING};
    enum chosen chosen =
        guide->placed ? UNROUTED : route_choose(policy, &guide->trail, &choice.route);

    if (chosen == UNDECIDED)
        return chosen;
    if (choice.route != engine->wanted.route) { /* what another route's source said is not for it */
        guide->route_asked = false;
        guide->told = NOTHING;
    }
    choice.live = guide->placed;
    if (chosen == CHOSEN) {
        const struct route *route = &policy->routes[choice.route];

        choice.relay = route->relay != NOTHING ? route->relay : policy->relay;
        choice.credential = route->credential;
        choice.live = route->ask.size > 0 && guide->route_asked;
        if (route->ask.size > 0 && guide->route_asked && guide->told != NOTHING)
            choice.credential = guide->told;
    }
    if (choice.credential == NOTHING)
        choice.credential = guide->granted;
    if (chosen == CHOSEN && choice.route != engine->wanted.route)
        note_choice(engine, &choice);
    engine->wanted = choice;
    return chosen;
}
