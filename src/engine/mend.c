/*
 * What repairs make of lines, of replies and of their order. A repair looks and hands back text or
 * a plan; here it is asked, recorded and counted, and nothing else knows how many there are.
 */
#include "lockstep/base/secret.h"

#include "mend.h"
#include "prepare.h"

static struct span either(struct span first, struct span second)
{
    return first.size > 0 ? first : second;
}

struct rewrite rewrite_of(const struct engine *engine)
{
    const struct route *route = route_of(engine);
    struct rewrite rewrite = engine->policy->rewrite;

    if (route == NULL)
        return rewrite;
    rewrite.helo = either(route->rewrite.helo, rewrite.helo);
    rewrite.domain = either(route->rewrite.domain, rewrite.domain);
    rewrite.sender = either(route->rewrite.sender, rewrite.sender);
    rewrite.default_sender = either(route->rewrite.default_sender, rewrite.default_sender);
    rewrite.codes = either(route->rewrite.codes, rewrite.codes);
    return rewrite;
}

/* Whom lockstep speaks for, as far as the configuration says. */
static struct span account_of(const struct engine *engine)
{
    uint32_t credential = engine->wanted.credential;

    return credential < engine->policy->credential_count
               ? engine->policy->credentials[credential].user
               : SPAN("");
}

/* The set of repairs that look at such a command at that stage. In `observe` all do, but for those
 * that answers would go through: what a client can't read does not show in what it says. */
static uint64_t lookers(const struct engine *engine, enum repair_stage stage, enum verb_does does)
{
    uint64_t set = engine->policy->mode == MODE_FAULT ? 0 : engine->policy->repairs_at[stage][does];

    if (stage == STAGE_HEADER)
        set &= ~engine->message.header.acted;
    return observing(engine) && stage != STAGE_ANSWER ? set : set & repairs_of(engine);
}

bool mend_due(const struct engine *engine, enum repair_stage stage, enum verb_does does)
{
    return lookers(engine, stage, does) != 0;
}

static struct situation situation_of(const struct engine *engine, enum verb verb)
{
    return (struct situation){
        .verb = verb_facts(verb),
        .client = &engine->peers[SIDE_CLIENT].view,
        .upstream = &engine->peers[SIDE_UPSTREAM].view,
        .envelope = &engine->envelope,
        .hostname = engine->policy->hostname,
        .address = span_of(engine->address.bytes, engine->address.size),
        .account = account_of(engine),
    };
}

/* What a row says, without its line end: in `observe` the ledger keeps that too. */
static struct span line_of(const struct engine *engine, const struct row *row)
{
    struct span line = ledger_text(engine, row);

    while (span_ends(line, SPAN("\n")) || span_ends(line, SPAN("\r")))
        line.size--;
    return line;
}

/* Is a RSET on its way, behind the last of the message's chunks? */
static bool message_given_up(const struct engine *engine)
{
    bool given_up = false;
    uint32_t number;

    for (number = engine->ledger.answer; number != engine->ledger.send; number++) {
        const struct row *row = ledger_row(engine, number);
        enum verb_does does = verb_facts((enum verb)row->verb)->does;

        if (row->state == ROW_SENT && (does == DOES_RESET || does == DOES_CHUNK))
            given_up = does == DOES_RESET;
    }
    return given_up;
}

/* What order repairs may look at beside that. */
static struct situation situation_of_row(const struct engine *engine, const struct row *row,
                                         uint16_t reply_code)
{
    struct situation situation = situation_of(engine, (enum verb)row->verb);

    situation.seen = line_of(engine, row);
    situation.reply_code = reply_code;
    situation.mail_pending = mail_pending(engine);
    situation.reset_sent = reset_pending(engine);
    situation.reset_owed = engine->reset_owed;
    situation.abandoned = engine->stale;
    situation.message_begun = engine->message.begun && !message_given_up(engine);
    situation.needs_extended =
        !engine->leg.ehlo_refused && (guide_injects(engine) || upstream_secures(engine));
    situation.extended_refused =
        engine->leg.ehlo_refused || engine->leg.downgraded || avoids_ehlo(engine);
    situation.envelope_kept = engine->kept.replay != REPLAY_NONE;
    situation.idle_ms = engine->leg.gone ? 0 : engine->now - engine->upstream_told;
    return situation;
}

void mend_note(struct engine *engine, enum repair_id id)
{
    note(engine, SPAN("repair"), SPAN(""), repair_row(id)->name);
    engine->summary.repairs++;
    engine->lender->repairs[id].done++;
}

bool mend_acts(struct engine *engine, enum repair_id id)
{
    if (!observing(engine)) {
        mend_note(engine, id);
        return true;
    }
    note(engine, SPAN("would"), SPAN(""), repair_row(id)->name);
    engine->lender->repairs[id].noticed++;
    return false;
}

bool mend_framing(struct engine *engine, enum repair_id id)
{
    return (observing(engine) || repair_on(engine, id)) && mend_acts(engine, id);
}

/* The first order repair that has a plan for the row; REPAIR_COUNT: none has. */
static enum repair_id find_plan(const struct engine *engine, const struct row *row,
                                uint16_t reply_code, struct plan *plan_r)
{
    enum verb verb = (enum verb)row->verb;
    uint64_t set = lookers(engine, STAGE_ORDER, verb_facts(verb)->does);
    struct rewrite rewrite = rewrite_of(engine);
    struct situation situation = situation_of_row(engine, row, reply_code);
    struct mended mended;
    size_t i;

    situation.rewrite = &rewrite;
    for (i = 0; set >> i != 0; i++) {
        if ((set & REPAIR_BIT(i)) == 0 ||
            repair_row((enum repair_id)i)->mend(&situation, &mended) == UNTOUCHED)
            continue;
        *plan_r = mended.plan;
        return (enum repair_id)i;
    }
    return REPAIR_COUNT;
}

bool mend_order(struct engine *engine, struct row *row, uint16_t reply_code, struct plan *plan_r)
{
    enum repair_id id = row->noticed ? REPAIR_COUNT : find_plan(engine, row, reply_code, plan_r);

    if (id == REPAIR_COUNT)
        return false;
    if (row->mended == 1 + id)
        return true;
    row->noticed = observing(engine);
    row->mended = (uint8_t)(1 + id);
    return mend_acts(engine, id);
}

bool mend_waits(const struct engine *engine, const struct row *row, bool in_group)
{
    struct plan plan;

    if (find_plan(engine, row, 0, &plan) == REPAIR_COUNT)
        return false;
    return !in_group || plan.first != FIRST_NOTHING;
}

enum plan_first mend_first(const struct engine *engine, const struct row *row)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;
    struct plan plan;

    if (transparent(engine) || !mend_due(engine, STAGE_ORDER, does) ||
        find_plan(engine, row, 0, &plan) == REPAIR_COUNT)
        return FIRST_NOTHING;
    return plan.first;
}

/* One repair over what is there now. */
static enum verdict mend_once(struct engine *engine, enum repair_id id, struct situation *situation,
                              struct mending *mending)
{
    char *memory = mending->bytes[mending->used ^ 1U];
    struct mended mended = {.text = text_over(memory, sizeof(mending->bytes[0]))};
    enum verdict verdict = repair_row(id)->mend(situation, &mended);

    if (verdict == UNTOUCHED || mended.text.cut)
        return UNTOUCHED;
    if (repair_row(id)->stage == STAGE_HEADER)
        engine->message.header.acted |= REPAIR_BIT(id);
    if (verdict == BEYOND)
        mending->beyond = mended.plan;
    else
        situation->seen = text_span(&mended.text);
    mending->used ^= verdict == REPAIRED ? 1U : 0U;
    return mend_acts(engine, id) ? verdict : UNTOUCHED;
}

/* A line that nobody knew may be a command by now; then it is for those who look at such. */
static uint64_t reread(const struct engine *engine, struct situation *situation, uint64_t set)
{
    struct command command;

    command_parse(situation->seen, &command);
    if (command.verb == VERB_UNKNOWN)
        return set;
    situation->verb = verb_facts(command.verb);
    return lookers(engine, STAGE_COMMAND, situation->verb->does);
}

enum verdict mend_text(struct engine *engine, enum repair_stage stage, enum verb verb,
                       struct span *seen, struct mending *mending)
{
    uint64_t set = lookers(engine, stage, verb_facts(verb)->does);
    struct rewrite rewrite = rewrite_of(engine);
    struct situation situation = situation_of(engine, verb);
    enum verdict all = UNTOUCHED;
    size_t i;

    situation.rewrite = &rewrite;
    situation.seen = *seen;
    situation.first =
        stage == STAGE_HEADER ? engine->message.header.first : engine->ledger.tail == 0;
    mending->used = 0;
    for (i = 0; set >> i != 0 && all != BEYOND; i++) {
        const char *before = situation.seen.at;
        enum verdict verdict = UNTOUCHED;

        if ((set & REPAIR_BIT(i)) != 0)
            verdict = mend_once(engine, (enum repair_id)i, &situation, mending);
        if (verb == VERB_UNKNOWN && stage == STAGE_COMMAND && situation.seen.at != before)
            set = reread(engine, &situation, set);
        all = verdict > all ? verdict : all;
    }
    if (all == REPAIRED)
        *seen = situation.seen;
    return all;
}

void mend_reply(struct engine *engine, struct reply *reply, struct mending *mending)
{
    bool asked = engine->phase == PHASE_TALKING && engine->ledger.in_flight > 0;
    enum verb verb = asked ? (enum verb)ledger_row(engine, engine->ledger.answer)->verb
                           : VERB_UNKNOWN; /* a greeting, or what nobody asked for */
    struct span seen = reply->all;
    struct reply mended;

    if (!mend_due(engine, STAGE_REPLY, verb_facts(verb)->does) ||
        mend_text(engine, STAGE_REPLY, verb, &seen, mending) != REPAIRED)
        return;
    if (reply_parse(seen, seen.size, &mended) != PARSED || mended.taken != seen.size)
        return;
    mended.taken = reply->taken;
    *reply = mended;
}
