/* One look at each line; what is kept between sessions is in the verdict. */
#include "lockstep/explain/verify.h"

#include <string.h>

#include "exchange.h"
#include "lockstep/policy/route.h"
#include "lockstep/smtp/command.h"

/* One session while it is read. */
struct look {
    const struct verify_assertion *assertion;
    const struct verify_session *session;
    struct verified *verdict;
    struct exchange legs[SIDE_COUNT];
    const struct script_line *line; /* the present one, ... */
    struct exchanged exchanged;     /* ... and what it is on its leg */
    enum side side;
    uint32_t steps;                               /* ORDER: seen so far; NEVER: the second was */
    struct verify_proof proofs[VERIFY_STEPS_MAX]; /* ORDER: of these */
    bool shown;                                   /* NEVER: what came in time is a proof already */
    const struct script_line *mail;               /* of the open transaction */
};

/* --- patterns --- */

/* Does the text begin like that? */
static bool begins_like(struct span text, struct span pattern)
{
    char bytes[VERIFY_PATTERN_MAX + 1];
    struct text whole = text_over(bytes, sizeof(bytes));

    text_add(&whole, span_head(pattern, VERIFY_PATTERN_MAX));
    text_add_byte(&whole, '*');
    return pattern_matches(text_span(&whole), text);
}

/* Without its moment. */
static struct span shown_line(const struct script_line *line)
{
    struct span raw = line->raw;

    return span_starts(raw, SPAN("+")) ? span_tail(raw, span_find(raw, ' ') + 1) : raw;
}

static struct span reply_words(const struct script_line *line)
{
    struct span words = line->record.bytes;

    return span_head(words, span_find(words, '\r'));
}

static bool fits_step(const struct look *look, const struct verify_step *step)
{
    if (step->line.size > 0)
        return begins_like(shown_line(look->line), step->line);
    return look->exchanged.kind == EXCHANGED_REPLY && look->side == step->side &&
           begins_like(reply_words(look->line), step->reply) &&
           (step->to.size == 0 || (look->exchanged.command != NULL &&
                                   begins_like(exchange_words(look->exchanged.command), step->to)));
}

/* --- proofs --- */

static struct verify_proof proof_of(const struct look *look, const struct script_line *line)
{
    struct verify_proof proof = {.session = look->verdict->sessions, .line = line->number};
    struct text text = text_over(proof.text, sizeof(proof.text));

    text_add(&text, shown_line(line));
    proof.size = (uint32_t)text.size;
    return proof;
}

static void add_proof(struct verified *verdict, const struct verify_proof *proof)
{
    if (verdict->proof_count == VERIFY_PROOFS_MAX)
        verdict->more++;
    else
        verdict->proofs[verdict->proof_count++] = *proof;
}

static void prove(const struct look *look)
{
    struct verify_proof proof = proof_of(look, look->line);

    add_proof(look->verdict, &proof);
}

/* What was collected proved the opposite of what counts from now on. */
static void forget_proofs(struct verified *verdict)
{
    verdict->proof_count = 0;
    verdict->more = 0;
}

static void find(const struct look *look)
{
    look->verdict->found++;
    prove(look);
}

/* --- kinds --- */

static void look_for_order(struct look *look)
{
    const struct verify_assertion *assertion = look->assertion;

    if (look->steps == assertion->step_count || !fits_step(look, &assertion->steps[look->steps]))
        return;
    look->proofs[look->steps++] = proof_of(look, look->line);
}

static void end_order(const struct look *look)
{
    struct verified *verdict = look->verdict;
    uint32_t i;

    if (look->steps <= verdict->steps)
        return;
    forget_proofs(verdict);
    verdict->steps = look->steps;
    for (i = 0; i < look->steps; i++)
        add_proof(verdict, &look->proofs[i]);
}

static void violate(const struct look *look)
{
    if (look->verdict->violations++ == 0)
        forget_proofs(look->verdict);
    prove(look);
}

/* The proof of good order is the second step, and with `before` what came in time behind it. */
static void look_for_never(struct look *look)
{
    const struct verify_assertion *assertion = look->assertion;
    bool first = fits_step(look, &assertion->steps[0]);
    bool forbidden = assertion->after == (look->steps > 0);

    if (look->steps == 0 && fits_step(look, &assertion->steps[1])) {
        look->steps = 1;
        if (look->verdict->violations == 0)
            prove(look);
    } else if (first && forbidden) {
        violate(look);
    } else if (first && !look->shown && look->verdict->violations == 0) {
        look->shown = true;
        prove(look);
    }
}

static void look_for_message(const struct look *look)
{
    const struct exchanged *exchanged = &look->exchanged;
    struct command command;

    if (exchanged->kind != EXCHANGED_REPLY || look->side != SIDE_UPSTREAM ||
        exchanged->command == NULL || exchanged->code / 100 != 2)
        return;
    command_parse(exchange_words(exchanged->command), &command);
    if (span_equal(command.line, SPAN(".")) || (command.verb == VERB_BDAT && command.last))
        find(look);
}

/* --- retried --- */

static uint32_t keep(char *memory, size_t room, struct span span)
{
    struct text text = text_over(memory, room);

    text_add(&text, span);
    return (uint32_t)text.size;
}

static void await_retry(const struct look *look)
{
    const struct script_line *command = look->exchanged.command;
    const struct script_line *again = look->mail != NULL ? look->mail : command;
    struct verified *verdict = look->verdict;
    struct verify_pending *pending;

    verdict->found++;
    if (verdict->pending_count == VERIFY_PENDING_MAX) {
        verdict->pending_more++;
        return;
    }
    pending = &verdict->pending[verdict->pending_count++];
    pending->refused = proof_of(look, look->line);
    pending->client_size = keep(pending->client, sizeof(pending->client), look->session->client);
    pending->words_size =
        again == NULL ? 0 : keep(pending->words, sizeof(pending->words), exchange_words(again));
}

/* The refusal and what was said again are proof for each other. */
static void settle_retries(const struct look *look)
{
    struct verified *verdict = look->verdict;
    struct span said = span_head(exchange_words(look->line), VERIFY_LINE_MAX);
    uint32_t kept = 0;
    uint32_t i;
    bool settled = false;

    for (i = 0; i < verdict->pending_count; i++) {
        const struct verify_pending *pending = &verdict->pending[i];
        struct span words = span_of(pending->words, pending->words_size);
        struct span client = span_of(pending->client, pending->client_size);

        if (span_equal(client, span_head(look->session->client, sizeof(pending->client))) &&
            (words.size == 0 || span_equal_fold(words, said))) {
            add_proof(verdict, &pending->refused);
            settled = true;
        } else {
            verdict->pending[kept++] = *pending;
        }
    }
    verdict->pending_count = kept;
    if (settled)
        prove(look);
}

static void look_for_retries(struct look *look)
{
    const struct exchanged *exchanged = &look->exchanged;
    struct command command;

    if (look->side != SIDE_CLIENT || exchanged->kind == EXCHANGED_NOTHING)
        return;
    if (exchanged->kind == EXCHANGED_COMMAND) {
        settle_retries(look);
        command_parse(exchange_words(look->line), &command);
        if (command.verb == VERB_MAIL)
            look->mail = look->line;
        return;
    }
    if (begins_like(reply_words(look->line), look->assertion->steps[0].reply))
        await_retry(look);
    if (exchanged->command != NULL && span_equal(exchange_words(exchanged->command), SPAN(".")))
        look->mail = NULL; /* the transaction is over */
}

/* --- one session --- */

static void look_at(struct look *look)
{
    const struct verify_step *step = &look->assertion->steps[0];

    switch (look->assertion->kind) {
    case VERIFY_SEEN:
    case VERIFY_UNSEEN:
    case VERIFY_COUNT:
        if (fits_step(look, step))
            find(look);
        break;
    case VERIFY_ORDER:
        look_for_order(look);
        break;
    case VERIFY_NEVER:
        look_for_never(look);
        break;
    case VERIFY_MESSAGES:
        look_for_message(look);
        break;
    case VERIFY_SESSIONS:
        if (look->steps++ == 0)
            find(look); /* its first line */
        break;
    case VERIFY_RETRIED:
        look_for_retries(look);
        break;
    }
}

/* A connection of its own has seen no command of the one before. */
static void look_at_life(struct look *look)
{
    if (look->line->record.kind == RECORD_LIFE && look->line->life == SCRIPT_OPEN)
        look->legs[look->line->record.side] = exchange_on(look->line->record.side);
}

void verify_read(const struct verify_assertion *assertion, const struct verify_session *session,
                 struct verified *verdict)
{
    struct look look = {.assertion = assertion, .session = session, .verdict = verdict};
    uint32_t i;
    int side;

    for (side = 0; side < SIDE_COUNT; side++)
        look.legs[side] = exchange_on((enum side)side);
    for (i = 0; i < session->script->count; i++) {
        look.line = &session->script->lines[i];
        if (look.line->part == SCRIPT_NOTHING || look.line->part == SCRIPT_SETUP)
            continue;
        look_at_life(&look);
        look.side = look.line->record.side;
        look.exchanged = exchange_read(&look.legs[look.side], look.line);
        look_at(&look);
    }
    if (assertion->kind == VERIFY_ORDER)
        end_order(&look);
    verdict->cut = verdict->cut || session->cut;
    verdict->sessions++;
}

/* --- the verdict --- */

static void say(struct verified *verdict, bool passed, struct span words)
{
    struct text why = text_over(verdict->why, VERIFY_WHY_MAX - 1);

    verdict->passed = passed;
    text_add(&why, words);
    verdict->why[why.size] = 0;
}

/* "3 found, not 2" */
static void judge_number(const struct verify_assertion *assertion, uint64_t number,
                         struct verified *verdict)
{
    bool passed = number >= assertion->at_least && number <= assertion->at_most;
    char memory[VERIFY_WHY_MAX];
    struct text why = text_over(memory, sizeof(memory));

    text_add_number(&why, number);
    text_add(&why, SPAN(" found"));
    if (!passed)
        text_add(&why, SPAN(", not "));
    if (!passed && assertion->at_least != assertion->at_most)
        text_add(&why, number < assertion->at_least ? SPAN("at least ") : SPAN("at most "));
    if (!passed)
        text_add_number(&why,
                        number < assertion->at_least ? assertion->at_least : assertion->at_most);
    say(verdict, passed, text_span(&why));
}

static void judge_order(const struct verify_assertion *assertion, struct verified *verdict)
{
    char memory[VERIFY_WHY_MAX];
    struct text why = text_over(memory, sizeof(memory));

    text_add(&why, SPAN("step "));
    text_add_number(&why, verdict->steps + 1U);
    text_add(&why, verdict->steps == 0 ? SPAN(" was not seen")
                                       : SPAN(" was not seen behind those before it"));
    say(verdict, verdict->steps == assertion->step_count,
        verdict->steps == assertion->step_count ? SPAN("all seen, in this order")
                                                : text_span(&why));
}

/* Of refusals that were not tried again the lines disprove; else those that were. */
static void judge_retries(struct verified *verdict)
{
    uint32_t i;

    if (verdict->found == 0) {
        say(verdict, false, SPAN("no such reply was heard"));
    } else if (verdict->pending_count == 0 && verdict->pending_more == 0) {
        say(verdict, true, SPAN("all were tried again"));
    } else {
        forget_proofs(verdict);
        for (i = 0; i < verdict->pending_count; i++)
            add_proof(verdict, &verdict->pending[i].refused);
        verdict->more += verdict->pending_more;
        say(verdict, false, SPAN("not tried again"));
    }
}

static void judge(const struct verify_assertion *assertion, struct verified *verdict)
{
    switch (assertion->kind) {
    case VERIFY_SEEN:
        say(verdict, verdict->found > 0, verdict->found > 0 ? SPAN("seen") : SPAN("not seen"));
        break;
    case VERIFY_UNSEEN:
        say(verdict, verdict->found == 0, verdict->found > 0 ? SPAN("seen") : SPAN("not seen"));
        break;
    case VERIFY_ORDER:
        judge_order(assertion, verdict);
        break;
    case VERIFY_NEVER:
        if (verdict->violations == 0)
            say(verdict, true, SPAN("never"));
        else
            say(verdict, false, assertion->after ? SPAN("it came after") : SPAN("it came before"));
        break;
    case VERIFY_COUNT:
    case VERIFY_MESSAGES:
        judge_number(assertion, verdict->found, verdict);
        break;
    case VERIFY_SESSIONS:
        judge_number(assertion, verdict->sessions, verdict);
        break;
    case VERIFY_RETRIED:
        judge_retries(verdict);
        break;
    }
}

/* Could lines that were left out have made it false? */
static bool rests_on_absence(const struct verify_assertion *assertion)
{
    bool counted = assertion->kind == VERIFY_COUNT || assertion->kind == VERIFY_MESSAGES;

    return assertion->kind == VERIFY_UNSEEN || assertion->kind == VERIFY_NEVER ||
           assertion->kind == VERIFY_RETRIED || (counted && assertion->at_most != UINT64_MAX);
}

void verify_end(const struct verify_assertion *assertion, struct verified *verdict)
{
    judge(assertion, verdict);
    if (verdict->sessions == 0 && assertion->kind != VERIFY_SESSIONS)
        say(verdict, false, SPAN("there is no such session"));
    else if (verdict->passed && verdict->cut && rests_on_absence(assertion))
        say(verdict, false, SPAN("lines were left out of a transcript: allow more, admin.session"));
}
