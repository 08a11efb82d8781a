/*
 * Who the client is. A proxy or a filter in front may say so with XCLIENT, and is believed where
 * the policy trusts its address; from then on that is the client, for routes, for the record and
 * for relays. A relay may be told with XCLIENT, once for each connection and before anything is
 * said that it decides on; its log with XFORWARD, before each message.
 *
 * Identities never mix: a connection that was opened or greeted for one client is left as soon as
 * the client is another, and so is one that was told of another login than there is now, or of
 * which nobody knows how much it took.
 */
#include "identify.h"
#include "login.h"
#include "mend.h"
#include "prepare.h"

/* RFC 5321 4.5.3.1.4, which XCLIENT_README repeats: a line, without its end. */
#define LINE_BYTES_MAX 510U
/* Of a port, and of what is written behind an attribute. */
#define NUMBER_BYTES_MAX 8U
#define VALUE_BYTES_MAX (16U + 3U * ATTRIBUTE_BYTES_MAX)

/* Whoever was told the address may take no more of it: so it comes last. And with each line Postfix
 * forgets of the one before the login and how the client greeted: so what it forgets comes with the
 * address, in one line. */
#define TOGETHER                                                      \
    (ATTRIBUTE_BIT(ATTRIBUTE_HELO) | ATTRIBUTE_BIT(ATTRIBUTE_PROTO) | \
     ATTRIBUTE_BIT(ATTRIBUTE_LOGIN) | ATTRIBUTE_BIT(ATTRIBUTE_ADDR))
static const enum attribute xclient_order[] = {
    ATTRIBUTE_HELO,     ATTRIBUTE_PROTO, ATTRIBUTE_LOGIN, ATTRIBUTE_DESTADDR,
    ATTRIBUTE_DESTPORT, ATTRIBUTE_PORT,  ATTRIBUTE_NAME,  ATTRIBUTE_ADDR};
static const enum attribute xforward_order[] = {ATTRIBUTE_NAME,  ATTRIBUTE_ADDR, ATTRIBUTE_PORT,
                                                ATTRIBUTE_PROTO, ATTRIBUTE_HELO, ATTRIBUTE_SOURCE};

#define COUNT(order) (sizeof(order) / sizeof((order)[0]))

static struct naming_state *naming_of(const struct engine *engine)
{
    return &guide_of(engine)->naming;
}

/* --- what the relay is told: when --- */

static bool is_envelope(const struct engine *engine, enum verb_does does)
{
    return does == DOES_SENDER ||
           (engine->kept.replay != REPLAY_NONE &&
            (does == DOES_RECIPIENT || does == DOES_MESSAGE || does == DOES_CHUNK));
}

enum naming identify_state(const struct engine *engine)
{
    return engine->guided ? (enum naming)naming_of(engine)->xclient : NAMING_NONE;
}

/* A relay that has taken one half is not asked again: it would be left again, and so on. */
void identify_forget(struct engine *engine, bool same)
{
    struct naming_state *naming;
    bool given_up;

    if (!engine->guided)
        return;
    naming = naming_of(engine);
    given_up = same && (naming->spoiled || naming->given_up);
    *naming = (struct naming_state){.xclient = given_up ? NAMING_REFUSED : NAMING_NONE,
                                    .given_up = given_up};
}

static bool logged_in(const struct engine *engine)
{
    return engine->peers[SIDE_CLIENT].view.authenticated;
}

/* The client's login that can be told; 0: none. Who is told one takes no other, Postfix for one: so
 * lockstep's own goes first. */
static uint16_t login_to_tell(const struct engine *engine)
{
    return logged_in(engine) && engine->wanted.credential == NOTHING ? known_of(engine)->login : 0;
}

/* Before the client's greeting, so that it hears what is offered to it and not to lockstep; but
 * where it may yet log in, or only MAIL decides whether lockstep does, that is waited for. A login
 * that passes must not be forgotten with all else that came before. */
bool identify_due(const struct engine *engine, enum verb_does does)
{
    enum naming state = identify_state(engine);

    if (state >= NAMING_DONE || state == NAMING_BEGUN)
        return state == NAMING_BEGUN;
    if (state == NAMING_MISSING && engine->peers[SIDE_UPSTREAM].view.capabilities.xclient == 0)
        return false;
    if (!engine->guided || !relay_of(engine)->xclient ||
        engine->peers[SIDE_UPSTREAM].view.mail_open)
        return false;
    if (does == DOES_GREET || does == DOES_GREET_OLD)
        return !login_may_come(engine) && (!logged_in(engine) || !guide_injects(engine));
    return does == DOES_AUTH || is_envelope(engine, does);
}

bool identify_forward_due(const struct engine *engine, enum verb_does does)
{
    const struct view *view = &engine->peers[SIDE_UPSTREAM].view;
    enum naming state = engine->guided ? (enum naming)naming_of(engine)->xforward : NAMING_REFUSED;

    return state < NAMING_DONE && relay_of(engine)->xforward && !view->mail_open &&
           (state != NAMING_MISSING || view->capabilities.xforward != 0) &&
           is_envelope(engine, does);
}

bool identify_spoiled(const struct engine *engine)
{
    return engine->guided && naming_of(engine)->spoiled;
}

bool identify_outdated(const struct engine *engine)
{
    return identify_state(engine) == NAMING_DONE && naming_of(engine)->names_login &&
           naming_of(engine)->login != login_to_tell(engine);
}

/* --- what the relay is told --- */

/* Without the scope, which means nothing elsewhere. */
static struct span address_of(const struct brief *address)
{
    struct span text = brief_span(address);

    return span_head(text, span_find(text, '%'));
}

static struct span number(struct text *memory, uint16_t value)
{
    if (value != 0)
        text_add_number(memory, value);
    return text_span(memory);
}

/* What is known of it; empty: nothing is. */
static struct span value_of(const struct engine *engine, enum attribute attribute,
                            struct text *memory)
{
    const struct known *known = known_of(engine);

    switch (attribute) {
    case ATTRIBUTE_NAME:
        return brief_span(&known->name);
    case ATTRIBUTE_ADDR:
        return address_of(&engine->address);
    case ATTRIBUTE_PORT:
        return number(memory, known->port);
    case ATTRIBUTE_PROTO:
        return known->extended ? SPAN("ESMTP") : SPAN("SMTP");
    case ATTRIBUTE_HELO:
        return brief_span(&engine->helo);
    case ATTRIBUTE_LOGIN:
        return login_to_tell(engine) != 0 ? name_span(&guide_of(engine)->user) : SPAN("");
    case ATTRIBUTE_DESTADDR:
        return address_of(&known->destination);
    case ATTRIBUTE_DESTPORT:
        return number(memory, known->destination_port);
    case ATTRIBUTE_SOURCE:
        return SPAN("REMOTE"); /* it came over the network */
    case ATTRIBUTE_IDENT:
    case ATTRIBUTE_COUNT:
        break;
    }
    return SPAN("");
}

/* Where the relay would go on with what it found out about lockstep, it hears that nobody knows. */
static bool must_be_said(enum verb verb, enum attribute attribute)
{
    return verb == VERB_XCLIENT && (attribute == ATTRIBUTE_NAME || attribute == ATTRIBUTE_ADDR ||
                                    attribute == ATTRIBUTE_PORT);
}

/* " NAME=value"; nothing when it is not known. */
static void add_attribute(const struct engine *engine, enum verb verb, enum attribute attribute,
                          struct text *part)
{
    char bytes[NUMBER_BYTES_MAX];
    struct text memory = text_over(bytes, sizeof(bytes));
    struct span value = value_of(engine, attribute, &memory);

    if (value.size > 0 || must_be_said(verb, attribute))
        attribute_say(attribute, value, part);
}

static void note_unsaid(struct engine *engine, uint16_t set)
{
    size_t i;

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        if ((set & ATTRIBUTE_BIT(i)) != 0)
            note(engine, SPAN("unsaid"), SPAN(""), attribute_word((enum attribute)i));
    }
}

/* Those of them that can be said at all: one whose value is too long would spoil the others. */
static uint16_t sayable(struct engine *engine, enum verb verb, uint16_t set)
{
    uint16_t unsaid = 0;
    size_t i;

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        char value[VALUE_BYTES_MAX];
        struct text part = text_over(value, sizeof(value));

        if ((set & ATTRIBUTE_BIT(i)) == 0)
            continue;
        add_attribute(engine, verb, (enum attribute)i, &part);
        if (part.size > attribute_word((enum attribute)i).size + 2 + ATTRIBUTE_BYTES_MAX)
            unsaid |= ATTRIBUTE_BIT(i);
    }
    note_unsaid(engine, unsaid);
    return set & (uint16_t)~unsaid;
}

/* Makes a line of those of the set that it holds, and returns the others. */
static uint16_t compose(const struct engine *engine, enum verb verb, uint16_t set,
                        struct text *line)
{
    bool xclient = verb == VERB_XCLIENT;
    const enum attribute *order = xclient ? xclient_order : xforward_order;
    size_t count = xclient ? COUNT(xclient_order) : COUNT(xforward_order), i;
    uint16_t left = 0;

    text_clear(line);
    for (i = 0; i < count; i++) {
        char value[VALUE_BYTES_MAX];
        struct text part = text_over(value, sizeof(value));

        if ((set & ATTRIBUTE_BIT(order[i])) == 0)
            continue;
        add_attribute(engine, verb, order[i], &part);
        if (part.size > text_left(line))
            left |= ATTRIBUTE_BIT(order[i]);
        else
            text_add(line, text_span(&part));
    }
    return left;
}

/* All in one line; or in two; and where the second is too long, the relay takes the client's name
 * from its greeting. False: there is nothing to say. */
static bool say_line(struct engine *engine, enum verb verb)
{
    const uint16_t helo = ATTRIBUTE_BIT(ATTRIBUTE_HELO);
    struct span word = verb_facts(verb)->word;
    uint16_t *unsaid = &naming_of(engine)->unsaid;
    uint16_t set = *unsaid;
    char bytes[LINE_BYTES_MAX];
    struct text line = text_over(bytes, LINE_BYTES_MAX - word.size);
    uint16_t left = compose(engine, verb, set, &line);

    if (left != 0) {
        set = *unsaid & (uint16_t)~TOGETHER;
        left = compose(engine, verb, set, &line);
    }
    if (line.size == 0) {
        set = *unsaid;
        left = compose(engine, verb, set, &line);
    }
    if (left != 0)
        left = compose(engine, verb, set & (uint16_t)~helo, &line) | (set & helo);
    *unsaid &= (uint16_t)~set;
    note_unsaid(engine, left);
    if (line.size > 0)
        ledger_insert_text(engine, verb, word, text_span(&line));
    return line.size > 0;
}

/* How far it is, now that this many are offered and no line is left to say. */
static enum naming said_all(enum naming state, uint16_t offered)
{
    if (state == NAMING_BEGUN)
        return NAMING_DONE;
    return offered == 0 ? NAMING_MISSING : NAMING_REFUSED; /* it asks for what nobody knows */
}

void identify_say(struct engine *engine)
{
    struct naming_state *naming = naming_of(engine);
    uint16_t offered = upstream_of(engine)->view.capabilities.xclient;

    if (naming->xclient != NAMING_BEGUN) {
        naming->unsaid = sayable(engine, VERB_XCLIENT, offered);
        naming->names_login = (offered & ATTRIBUTE_BIT(ATTRIBUTE_LOGIN)) != 0;
        naming->login = login_to_tell(engine);
    }
    if (naming->xclient == NAMING_NONE && offered == 0)
        finding(engine, SPAN("xclient-missing"));
    if (say_line(engine, VERB_XCLIENT))
        naming->xclient = NAMING_BEGUN;
    else
        naming->xclient = (uint8_t)said_all((enum naming)naming->xclient, offered);
}

void identify_forward_say(struct engine *engine)
{
    struct naming_state *naming = naming_of(engine);
    uint16_t offered = upstream_of(engine)->view.capabilities.xforward;

    if (naming->xforward != NAMING_BEGUN)
        naming->unsaid = sayable(engine, VERB_XFORWARD, offered);
    if (naming->xforward == NAMING_NONE && offered == 0)
        finding(engine, SPAN("xforward-missing"));
    if (say_line(engine, VERB_XFORWARD))
        naming->xforward = NAMING_BEGUN;
    else
        naming->xforward = (uint8_t)said_all((enum naming)naming->xforward, offered);
}

/* A line that was taken begins the session anew, so what was learnt before does not hold; but TLS
 * does. A refusal is the relay's affair, and no reason for a message to fail; but who took one line
 * of two, or refused one with a login, may have kept some of it, and gets no mail behind it. */
void identify_answered(struct engine *engine, const struct reply *reply)
{
    struct peer *upstream = upstream_of(engine);
    struct naming_state *naming = naming_of(engine);
    bool taken = reply->code == verb_facts(VERB_XCLIENT)->success;

    if (reply->code < 300)
        upstream->view = (struct view){.secured = upstream->view.secured};
    if (!taken) {
        if (reply->code < 300)
            note_code(engine, SPAN("odd"), verb_facts(VERB_XCLIENT)->name, reply->code);
        finding(engine, SPAN("xclient-refused"));
        naming->spoiled = naming->taken || (naming->names_login && naming->login != 0);
        naming->xclient = NAMING_REFUSED;
    } else if (naming->unsaid == 0) {
        naming->xclient = NAMING_DONE;
    }
    naming->taken = naming->taken || taken;
}

void identify_forward_answered(struct engine *engine, const struct reply *reply)
{
    struct naming_state *naming = naming_of(engine);

    if (reply->code >= 300) {
        finding(engine, SPAN("xforward-refused"));
        naming->xforward = NAMING_REFUSED;
    } else if (naming->unsaid == 0) {
        naming->xforward = NAMING_DONE;
    }
}

void identify_forward_spent(struct engine *engine, enum verb_does does)
{
    if (engine->guided && naming_of(engine)->xforward == NAMING_DONE &&
        (does == DOES_SENDER || does == DOES_RESET || does == DOES_GREET || does == DOES_GREET_OLD))
        naming_of(engine)->xforward = NAMING_NONE;
}
