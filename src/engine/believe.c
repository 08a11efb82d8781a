/*
 * The client's XCLIENT: whom it speaks for, where it is believed. It takes the place of the client
 * itself, and the session begins anew behind it: with another connection to the relay, for the one
 * there is was opened, and greeted, for somebody else.
 */
#include "believe.h"
#include "identify.h"
#include "login.h"
#include "prepare.h"

static const struct plan not_offered = {.answer_here = true,
                                        .code = 502,
                                        .status = SPAN_INIT("5.5.1"),
                                        .words = SPAN_INIT("Command not offered here")};
static const struct plan not_trusted = {.answer_here = true,
                                        .code = 550,
                                        .status = SPAN_INIT("5.7.0"),
                                        .words = SPAN_INIT("XCLIENT is not for this client")};
static const struct plan within = {
    .answer_here = true,
    .code = 503,
    .status = SPAN_INIT("5.5.1"),
    .words = SPAN_INIT("XCLIENT not permitted within a mail transaction")};
static const struct plan welcome = {.answer_here = true, .code = 220, .verbatim = true};

/* --- who comes --- */

/* "192.0.2.1:25", "[2001:db8::1]:25" */
static void keep_destination(struct arrived *arrived, struct span destination)
{
    size_t colon = destination.size;
    uint64_t port = 0;
    struct span host;

    while (colon > 0 && destination.at[colon - 1] != ':')
        colon--;
    host = span_head(destination, colon > 0 ? colon - 1 : 0);
    if (host.size > 1 && host.at[0] == '[')
        host = span_head(span_tail(host, 1), host.size - 2);
    brief_keep(&arrived->destination, host);
    if (span_number(span_tail(destination, colon), &port) && port <= UINT16_MAX)
        arrived->destination_port = (uint16_t)port;
}

static void begin_as_arrived(struct known *known)
{
    known->port = known->arrived.port;
    known->destination = known->arrived.destination;
    known->destination_port = known->arrived.destination_port;
}

void believe_arrive(struct engine *engine, const struct event *event)
{
    struct known *known = known_of(engine);
    const struct arrival *arrival = event->arrival;

    brief_keep(&known->arrived.address, event->bytes);
    if (arrival != NULL)
        known->arrived.port = arrival->port;
    if (arrival != NULL && arrival->destination.size > 0)
        keep_destination(&known->arrived, arrival->destination);
    begin_as_arrived(known);
}

bool believe_told(const struct engine *engine, enum attribute attribute)
{
    return engine->guided && (known_of(engine)->told & ATTRIBUTE_BIT(attribute)) != 0;
}

void believe_greets(struct engine *engine, bool extended)
{
    if (!believe_told(engine, ATTRIBUTE_PROTO))
        known_of(engine)->extended = extended;
}

/* --- what it may tell --- */

static bool offers_any(const struct engine *engine)
{
    return engine->guided && engine->policy->xclient_from.count > 0;
}

/* A login is a promise that somebody has checked it: where none would be here, none is taken. */
uint16_t believe_offers(const struct engine *engine)
{
    uint16_t set = xclient_attributes();

    if (!offers_any(engine) ||
        !networks_hold(&engine->policy->xclient_from, brief_span(&engine->address)))
        return 0;
    return login_is_ours(engine) ? set : set & (uint16_t)~ATTRIBUTE_BIT(ATTRIBUTE_LOGIN);
}

/* --- what it tells --- */

static uint16_t port_of(struct span value)
{
    uint64_t port = 0;

    span_number(value, &port);
    return (uint16_t)port;
}

static void learn_destination(struct engine *engine)
{
    const struct known *known = known_of(engine);
    struct span host = brief_span(&known->destination);
    bool six = span_find(host, ':') < host.size;
    char bytes[BRIEF_BYTES_MAX + 16U];
    struct text words = text_over(bytes, sizeof(bytes));

    if (host.size == 0) {
        trail_learn(&guide_of(engine)->trail, engine->policy, FACT_DESTINATION, host);
        return;
    }
    text_add(&words, six ? SPAN("[") : SPAN(""));
    text_add(&words, host);
    text_add(&words, six ? SPAN("]:") : SPAN(":"));
    text_add_number(&words, known->destination_port);
    trail_learn(&guide_of(engine)->trail, engine->policy, FACT_DESTINATION, text_span(&words));
}

#define DESTINATION (ATTRIBUTE_BIT(ATTRIBUTE_DESTADDR) | ATTRIBUTE_BIT(ATTRIBUTE_DESTPORT))

static void become(struct engine *engine, struct span address)
{
    brief_keep(&engine->address, address);
    trail_learn(&guide_of(engine)->trail, engine->policy, FACT_CLIENT,
                brief_span(&engine->address));
}

/* With an address it is another client than before, of whom nothing is left; only what was told
 * before any address was told of it. */
static void forget_another(struct engine *engine, uint16_t given)
{
    struct known *known = known_of(engine);
    uint16_t told = known->told;

    if ((given & ATTRIBUTE_BIT(ATTRIBUTE_ADDR)) == 0)
        return;
    if ((told & ATTRIBUTE_BIT(ATTRIBUTE_ADDR)) == 0) {
        known->port = (told & ATTRIBUTE_BIT(ATTRIBUTE_PORT)) != 0 ? known->port : 0;
        return;
    }
    known->told = known->port = 0;
    known->name.size = 0;
    known->extended = false;
    if ((told & DESTINATION) == 0)
        return;
    known->destination.size = 0;
    known->destination_port = 0;
    learn_destination(engine);
}

/* Where the client's connection leads. */
static void believe_places(struct engine *engine, const struct identity *identity)
{
    struct known *known = known_of(engine);

    if ((identity->given & ATTRIBUTE_BIT(ATTRIBUTE_ADDR)) != 0)
        become(engine, identity->values[ATTRIBUTE_ADDR]);
    if ((identity->given & ATTRIBUTE_BIT(ATTRIBUTE_PORT)) != 0)
        known->port = port_of(identity->values[ATTRIBUTE_PORT]);
    if ((identity->given & ATTRIBUTE_BIT(ATTRIBUTE_DESTADDR)) != 0)
        brief_keep(&known->destination, identity->values[ATTRIBUTE_DESTADDR]);
    if ((identity->given & ATTRIBUTE_BIT(ATTRIBUTE_DESTPORT)) != 0)
        known->destination_port = port_of(identity->values[ATTRIBUTE_DESTPORT]);
    if ((identity->given & DESTINATION) != 0)
        learn_destination(engine);
}

/* What the client is called, and calls itself. */
static void believe_names(struct engine *engine, const struct identity *identity)
{
    struct guide *guide = guide_of(engine);
    struct span login = identity->values[ATTRIBUTE_LOGIN];

    if ((identity->given & ATTRIBUTE_BIT(ATTRIBUTE_NAME)) != 0)
        brief_keep(&guide->known.name, identity->values[ATTRIBUTE_NAME]);
    if ((guide->known.told & ATTRIBUTE_BIT(ATTRIBUTE_HELO)) != 0 &&
        identity->values[ATTRIBUTE_HELO].size > 0) {
        brief_keep(&engine->helo, identity->values[ATTRIBUTE_HELO]);
        trail_learn(&guide->trail, engine->policy, FACT_HELO, brief_span(&engine->helo));
    }
    if ((identity->given & ATTRIBUTE_BIT(ATTRIBUTE_PROTO)) != 0)
        guide->known.extended = identity->values[ATTRIBUTE_PROTO].size == SPAN("ESMTP").size;
    if (login.size == 0)
        return;
    name_keep(&guide->user, login);
    client_of(engine)->view.authenticated = true;
    guide->known.login++;
    trail_learn(&guide->trail, engine->policy, FACT_LOGIN, login);
}

/* The session goes on as that client's. */
static void go_on(struct engine *engine)
{
    note(engine, SPAN("believe"), SPAN("client"),
         engine->address.size > 0 ? brief_span(&engine->address) : SPAN("unknown"));
    engine->wanted =
        (struct choice){.route = NOTHING, .relay = engine->policy->relay, .credential = NOTHING};
    guide_choose(engine);
}

/* The certificate was shown by whoever speaks for the client. */
static void believe(struct engine *engine, const struct identity *identity)
{
    struct known *known = known_of(engine);
    struct trail *trail = &guide_of(engine)->trail;
    struct brief helo = engine->helo;
    uint16_t names = ATTRIBUTE_BIT(ATTRIBUTE_HELO);

    forget_another(engine, identity->given);
    guide_anew(engine);
    if (believe_told(engine, ATTRIBUTE_HELO) && (identity->given & names) == 0) {
        engine->helo = helo;
        trail_learn(trail, engine->policy, FACT_HELO, brief_span(&helo));
    }
    known->told |= identity->given;
    if (identity->values[ATTRIBUTE_HELO].size == 0 && (identity->given & names) != 0)
        known->told &= (uint16_t)~names; /* whatever it greets with is the name */
    trail_learn(trail, engine->policy, FACT_CERTIFICATE, SPAN(""));
    believe_places(engine, identity);
    believe_names(engine, identity);
    go_on(engine);
}

void believe_forget(struct engine *engine)
{
    struct known *known = known_of(engine);

    if (known->told == 0)
        return;
    *known = (struct known){.arrived = known->arrived, .login = known->login};
    begin_as_arrived(known);
    become(engine, brief_span(&known->arrived.address));
    if (known->destination.size > 0)
        learn_destination(engine);
    else
        trail_forget(&guide_of(engine)->trail, FACT_DESTINATION);
    go_on(engine);
    engine->moved = true; /* the relay was connected to for somebody else, and may have been told */
}

_Static_assert(BRIEF_BYTES_MAX == 79 && NAME_BYTES_MAX == 254, "as the sentences say");

/* More than is kept; empty: nothing is. */
static struct span too_long(const struct identity *identity)
{
    if (identity->values[ATTRIBUTE_HELO].size > BRIEF_BYTES_MAX)
        return SPAN("HELO must be a name of at most 79 bytes");
    if (identity->values[ATTRIBUTE_LOGIN].size > NAME_BYTES_MAX)
        return SPAN("LOGIN must be a name of at most 254 bytes");
    return SPAN("");
}

static struct plan refusal(struct span right)
{
    return (struct plan){.answer_here = true, .code = 501, .status = SPAN("5.5.4"), .words = right};
}

void believe_answer(struct engine *engine, struct row *row)
{
    char bytes[IDENTITY_BYTES_MAX];
    struct text memory = text_over(bytes, sizeof(bytes));
    uint16_t offers = believe_offers(engine);
    struct identity identity;
    struct span wrong;
    struct plan plan;

    if (offers == 0) {
        row_decide(engine, row, offers_any(engine) ? &not_trusted : &not_offered);
        return;
    }
    if (within_transaction(engine)) {
        row_decide(engine, row, &within);
        return;
    }
    wrong = identity_parse(ledger_argument(engine, row), offers, &memory, &identity);
    if (wrong.size == 0)
        wrong = too_long(&identity);
    plan = wrong.size > 0 ? refusal(wrong) : welcome;
    if (wrong.size == 0) {
        believe(engine, &identity);
        plan.words = engine->policy->hostname;
    }
    row_decide(engine, row, &plan);
    if (wrong.size > 0)
        return;
    identify_forget(engine, false); /* what was refused of another may be taken of this one */
    switch_leg(engine);
}

bool believe_welcomed(struct engine *engine, const struct reply *reply)
{
    struct span rest = reply->all;
    struct row *row;
    struct span line;

    if (ledger_empty(engine))
        return false;
    row = ledger_row(engine, engine->ledger.release);
    if (row->verb != VERB_XCLIENT || row->state != ROW_HERE || !row->plan.verbatim)
        return false;
    row->plan.code = reply->code;
    if (reply->code >= 300)
        note_code(engine, SPAN("answer"), verb_facts(VERB_XCLIENT)->name, reply->code);
    if (reply_line(&rest, &line))
        ledger_keep_words(engine, line);
    return true;
}

void believe_passed(struct engine *engine)
{
    struct peer *upstream = upstream_of(engine);

    client_of(engine)->view.greeted = false;
    upstream->view = (struct view){.secured = upstream->view.secured};
    transaction_end(engine);
}
