/* Questions to the outside: one at a time, numbered, so that a late answer is known as late. */
#include "ask.h"
#include "login.h"

static const struct span words[] = {
    [QUESTION_AUTH] = SPAN_INIT("auth"),       [QUESTION_CHALLENGE] = SPAN_INIT("challenge"),
    [QUESTION_OUTCOME] = SPAN_INIT("outcome"), [QUESTION_POP] = SPAN_INIT("pop"),
    [QUESTION_LOGIN] = SPAN_INIT("login"),     [QUESTION_ROUTE] = SPAN_INIT("route"),
    [QUESTION_PACE] = SPAN_INIT("pace"),
};

bool asking(const struct engine *engine)
{
    return engine->guided && guide_of(engine)->asked != 0;
}

/* The sender and recipient that the row in front tells, and what was told before. */
static void add_facts(struct engine *engine, struct question *question)
{
    const struct guide *guide = guide_of(engine);
    const struct row *row = ledger_row(engine, engine->ledger.send);

    /* A name that was only claimed is nobody's. */
    if (engine->peers[SIDE_CLIENT].view.authenticated)
        question->facts[FACT_LOGIN] = name_span(&guide->user);
    question->facts[FACT_HELO] = brief_span(&engine->helo);
    question->facts[FACT_SENDER] = guide_sender(engine, row);
    question->facts[FACT_RECIPIENT] = guide_recipient(engine, row);
}

void ask(struct engine *engine, enum question_kind kind, struct span text, struct span more,
         uint16_t code)
{
    struct guide *guide = guide_of(engine);
    struct question *question = &engine->lender->question;
    const struct choice *choice = &engine->wanted;

    must(!asking(engine));
    guide->asked = (uint8_t)(1 + kind);
    guide->ask_due = true;
    guide->asked_at = engine->now;
    *question = (struct question){
        .kind = kind,
        .serial = ++guide->serial,
        .relay = engine->leg.choice.relay,
        .credential = choice->credential,
        .route = choice->route,
        .mechanisms = inject_mechanisms(engine),
        .room = relay_of(engine)->auth_line_bytes - (uint32_t)SPAN("AUTH \r\n").size,
        .code = code,
        .text = text,
        .more = more,
    };
    if (kind == QUESTION_PACE) { /* it may not be there yet where it wants to go */
        question->relay = engine->wanted.relay;
        question->room = pace_room(engine);
    }
    add_facts(engine, question);
    note(engine, SPAN("ask"), SPAN(""), words[kind]);
}

/* Whoever waited for it hears of a lost upstream instead. */
bool engine_awaits(const struct engine *engine, uint32_t serial)
{
    return asking(engine) && serial == guide_of(engine)->serial && !engine->upstream_lost &&
           engine->phase == PHASE_TALKING;
}

void ask_told(struct engine *engine, const struct advice *advice, struct span said)
{
    bool awaited = engine_awaits(engine, advice->serial);
    struct guide *guide;
    enum question_kind kind;

    if (!asking(engine) || advice->serial != guide_of(engine)->serial)
        return;
    guide = guide_of(engine);
    kind = (enum question_kind)(guide->asked - 1);
    if (advice->told == TOLD_LINE && kind != QUESTION_AUTH && kind != QUESTION_CHALLENGE)
        said = SPAN(""); /* a line is for the upstream, and nobody else's to read */
    note_told(engine, advice, said, kind == QUESTION_AUTH);
    guide->asked = 0;
    guide->ask_due = false;
    engine->client_since = engine->answer_since = engine->now;
    if (!awaited)
        return;
    if (kind == QUESTION_LOGIN)
        login_told(engine, advice, said);
    else if (kind == QUESTION_ROUTE)
        guide_told(engine, advice, said);
    else if (kind == QUESTION_PACE)
        pace_told(engine, advice, said);
    else
        inject_told(engine, kind, advice, said);
}

bool ask_drop(struct engine *engine)
{
    struct guide *guide;

    if (!asking(engine))
        return true;
    guide = guide_of(engine);
    switch ((enum question_kind)(guide->asked - 1)) {
    case QUESTION_AUTH:
    case QUESTION_CHALLENGE:
    case QUESTION_OUTCOME:
        guide->asked = 0;
        guide->ask_due = false;
        return true;
    case QUESTION_PACE: /* it asks for a message, whatever connection that goes by */
        return true;
    case QUESTION_POP:
    case QUESTION_LOGIN:
    case QUESTION_ROUTE:
        break;
    }
    return false;
}

moment ask_deadline(const struct engine *engine)
{
    if (!asking(engine))
        return MOMENT_NEVER;
    if (guide_of(engine)->asked == 1 + QUESTION_PACE)
        return pace_deadline(engine);
    return guide_of(engine)->asked_at + (moment)engine->policy->wait_ms[WAIT_ASK];
}

void ask_overdue(struct engine *engine)
{
    const struct advice late = {.told = TOLD_LATER, .serial = guide_of(engine)->serial};

    bool pace = guide_of(engine)->asked == 1 + QUESTION_PACE;

    note(engine, SPAN("timeout"), SPAN(""), pace ? SPAN("pace") : SPAN("credential"));
    ask_told(engine, &late, pace ? SPAN("its turn has not come") : SPAN("no answer in time"));
}
