/*
 * What faults make of what is said. Rules are asked where a thing happens, and fill in a plan;
 * here, in trouble_row.c and in trouble_content.c plans are carried out, whatever rule they are
 * from.
 */
#include "trouble_parts.h"

#include <string.h>

#include "lockstep/record/record.h"

static const struct wire_terms at_once = {0};

void trouble_init(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);

    *trouble = (struct trouble){.faults = &engine->policy->faults, .session = 1};
}

/* --- asking --- */

struct fault_scene trouble_scene(struct engine *engine, enum fault_event event, enum verb verb,
                                 struct span said)
{
    struct trouble *trouble = trouble_of(engine);

    return (struct fault_scene){
        .event = event,
        .verb = verb,
        .said = said,
        .column = trouble->column,
        .previous = trouble->previous,
        .header = !trouble->body,
        .early = engine->ledger.in_flight > 0,
        .none_accepted = engine->envelope.accepted == 0,
        .last_refused = trouble->last_refused,
        .client = brief_span(&engine->address),
        .helo = brief_span(&engine->helo),
        .session = trouble->session,
        .now = engine->now,
        .seed = &engine->seed,
        .memory = engine->lender->faults,
        .counts = trouble->counts,
    };
}

/* Asks, and tells the record who acts; of a message's parts only who acts for the first time. */
bool trouble_judge(struct engine *engine, struct fault_scene *scene, struct rooms *rooms,
                   struct fault_plan *plan_r)
{
    struct trouble *trouble = trouble_of(engine);
    const struct faults *faults = trouble->faults;
    size_t i;

    scene->rooms[0] = rooms->bytes[0];
    scene->rooms[1] = rooms->bytes[1];
    if (!fault_choose(faults, scene, plan_r))
        return false;
    for (i = 0; plan_r->acted >> i != 0; i++) {
        if ((plan_r->acted >> i & 1U) != 0 &&
            (scene->event != FAULT_CONTENT || trouble->counts[i].acted == 1))
            note(engine, SPAN("fault"), SPAN(""), fault_kind_row(faults->rules[i].kind)->name);
    }
    return true;
}

void trouble_shape(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene = trouble_scene(engine, FAULT_TO_CLIENT, VERB_UNKNOWN, SPAN(""));

    fault_shape(trouble->faults, &scene, &trouble->wires[SIDE_CLIENT].shape);
    scene.event = FAULT_TO_UPSTREAM;
    fault_shape(trouble->faults, &scene, &trouble->wires[SIDE_UPSTREAM].shape);
}

/* The same words of the same rule, where it still holds: those before may be gone after this step.
 */
static struct span words_now(const struct faults *before, const struct faults *now,
                             struct span words)
{
    uint32_t i, k;

    for (k = 0; k < before->rule_count; k++) {
        struct span source = before->rules[k].source;
        size_t from = (uintptr_t)words.at - (uintptr_t)source.at;

        if (from > source.size) /* or before it, which is further still */
            continue;
        for (i = 0; i < now->rule_count; i++) {
            if (span_equal(now->rules[i].source, source))
                return span_of(now->rules[i].source.at + from, words.size);
        }
    }
    return SPAN("451 4.3.0 The fault that was to answer this holds no longer");
}

/* Answers that wait for their turn. */
static void keep_answers(struct engine *engine, const struct faults *before,
                         const struct faults *now)
{
    uint32_t number;

    for (number = engine->ledger.release; number != engine->ledger.tail; number++) {
        struct row *row = ledger_row(engine, number);

        if (row->plan.raw)
            row->plan.words = words_now(before, now, row->plan.words);
    }
}

/* A rule that held before goes on counting where it was. */
void trouble_change(struct engine *engine, const struct faults *faults)
{
    struct trouble *trouble = trouble_of(engine);
    const struct faults *before = trouble->faults;
    struct fault_count counts[FAULT_RULES_MAX] = {{0}};
    uint32_t i, k;

    note_faults(engine, faults);
    for (i = 0; i < faults->rule_count; i++) {
        for (k = 0; k < before->rule_count; k++) {
            if (span_equal(faults->rules[i].source, before->rules[k].source))
                counts[i] = trouble->counts[k];
        }
    }
    memcpy(trouble->counts, counts, sizeof(counts));
    keep_answers(engine, before, faults);
    trouble->faults = faults;
    for (i = 0; i < SIDE_COUNT; i++) {
        if (!trouble->wires[i].shape.limited)
            trouble->wires[i].passed = 0;
    }
    trouble_shape(engine);
}

/* --- ends --- */

static void stall(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);

    trouble->stalled = true;
    wire_drop(engine, &trouble->wires[SIDE_CLIENT]);
    wire_drop(engine, &trouble->wires[SIDE_UPSTREAM]);
    inbox_drop(engine, SIDE_CLIENT);
    inbox_drop(engine, SIDE_UPSTREAM);
}

void trouble_come_to_end(struct engine *engine, enum fault_end end)
{
    struct trouble *trouble = trouble_of(engine);

    if (end == FAULT_NO_END || trouble->stalled ||
        (end == FAULT_HALF && trouble->wires[SIDE_CLIENT].lost))
        return;
    if (end == FAULT_HALF && engine->phase != PHASE_CLOSING) {
        wire_drop(engine, &trouble->wires[SIDE_CLIENT]);
        trouble->wires[SIDE_CLIENT].lost = true;
        shut_now(engine, SIDE_CLIENT, SHUT_HALF);
        return;
    }
    if (end == FAULT_STALL && engine->phase != PHASE_CLOSING) {
        stall(engine);
        return;
    }
    wire_drop(engine, &trouble->wires[SIDE_CLIENT]);
    wire_drop(engine, &trouble->wires[SIDE_UPSTREAM]);
    trouble->wires[SIDE_CLIENT].shut_at = trouble->wires[SIDE_UPSTREAM].shut_at = engine->now;
    if (engine->phase == PHASE_CLOSING)
        return; /* what was to be shut behind them is shut now */
    engine->connect_due = false;
    session_end_hard(engine, "fault", end == FAULT_RESET ? SHUT_RESET : SHUT_FLUSH);
}

/* --- saying --- */

static struct wire_terms terms_of(const struct fault_plan *plan)
{
    return (struct wire_terms){
        .hold_ms = plan->hold_ms,
        .slice = plan->slice,
        .gap_ms = plan->gap_ms,
        .end = plan->end,
        .end_after = (uint32_t)plan->end_after,
    };
}

/* The words of a rule as whole lines. */
void trouble_add_lines(struct span words, struct text *text)
{
    fault_words(words, text);
    if (!span_ends(text_span(text), SPAN("\r\n")))
        text_add(text, SPAN("\r\n"));
}

void trouble_put_words(struct engine *engine, enum side side, struct span words,
                       const struct wire_terms *terms)
{
    char bytes[2 * FAULT_RULE_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));

    if (words.size == 0)
        return;
    trouble_add_lines(words, &text);
    wire_put(engine, side, text_span(&text), terms);
}

void trouble_say(struct engine *engine, enum side side, struct span bytes, bool content,
                 size_t secret)
{
    const struct fault_plan *plan = trouble_of(engine)->plan;
    struct wire_terms terms = plan != NULL ? terms_of(plan) : at_once;

    terms.content = content;
    terms.secret = (uint32_t)secret;
    terms.tail = secret > 0 ? (uint32_t)(bytes.size - line_without_end(bytes).size) : 0;
    wire_put(engine, side, bytes, &terms);
}

struct span trouble_text(const struct engine *engine, struct span text)
{
    const struct fault_plan *plan = trouble_seen(engine)->plan;

    return plan != NULL && plan->changed ? plan->said : text;
}

/* The client hears the plan's answer, and the end that may follow. */
void trouble_put_answer(struct engine *engine, const struct fault_plan *plan)
{
    char bytes[2 * FAULT_RULE_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));
    struct wire_terms terms = terms_of(plan);

    trouble_add_lines(plan->answer, &text);
    if (plan->end != FAULT_NO_END && !plan->end_within)
        terms.end_after = (uint32_t)text.size;
    if (span_starts(text_span(&text), SPAN("2")))
        note(engine, SPAN("lie"), SPAN(""), SPAN("success"));
    wire_put(engine, SIDE_CLIENT, text_span(&text), &terms);
}

void trouble_answer(struct engine *engine, const struct plan *plan)
{
    char bytes[FAULT_ADDRESS_WORDS_MAX];
    struct text words = text_over(bytes, sizeof(bytes));
    struct fault_plan said = {.answer = plan->words, .end = (enum fault_end)plan->end};

    if (plan->addressed) {
        fault_address_words(ledger_text(engine, ledger_row(engine, engine->ledger.release)),
                            &words);
        said.answer = text_span(&words);
    }
    trouble_put_answer(engine, &said);
}

void trouble_tell(struct engine *engine, struct span whole)
{
    const struct fault_plan *plan = trouble_of(engine)->plan;
    bool secret = says_secret_back(engine, whole);
    struct wire_terms terms = at_once;

    if (plan != NULL && plan->fate == FAULT_DROPS)
        return;
    if (plan != NULL && plan->fate == FAULT_HERE) {
        trouble_put_answer(engine, plan);
        return;
    }
    if (plan != NULL) {
        terms = terms_of(plan);
        trouble_put_words(engine, SIDE_CLIENT, plan->before, &at_once);
        whole = plan->changed ? plan->said : whole;
    }
    if (secret && whole.size > 6) {
        terms.secret = (uint32_t)whole.size - 6;
        terms.tail = 2;
    }
    if (terms.end != FAULT_NO_END && !plan->end_within)
        terms.end_after = (uint32_t)whole.size;
    wire_put(engine, SIDE_CLIENT, whole, &terms);
    if (plan != NULL)
        trouble_put_words(engine, SIDE_CLIENT, plan->behind, &at_once);
}

/* --- leaving --- */

bool trouble_may_leave(const struct engine *engine, enum side side)
{
    return engine->peers[side].open && !engine->peers[side].securing &&
           engine->peers[side].unsent + engine->lender->outboxes[side].size < UNSENT_BYTES_MAX;
}

static void note_leaving(struct engine *engine, enum side side, struct span bytes, uint32_t behind,
                         const struct wire_terms *terms)
{
    uint32_t tail = 0, secret;
    size_t ours = bytes.size;

    if (terms->tail > behind)
        tail = terms->tail - behind < ours ? terms->tail - behind : (uint32_t)ours;
    secret = (uint32_t)ours - tail;
    if (secret >
        terms->secret + terms->tail - tail - (behind > terms->tail ? behind - terms->tail : 0))
        secret = terms->secret - (behind > terms->tail ? behind - terms->tail : 0);
    note_secret(engine, side, span_head(bytes, ours - tail), secret, span_tail(bytes, ours - tail));
}

void trouble_leaves(struct engine *engine, enum side side, struct span bytes, uint32_t behind,
                    const struct wire_terms *terms)
{
    if (terms->content && engine->input == INPUT_OPAQUE)
        note_left_unread(engine, side, bytes);
    else if (terms->content)
        note_left_content(engine, bytes);
    else if (terms->secret > 0 && behind < terms->secret + terms->tail)
        note_leaving(engine, side, bytes, behind, terms);
    else
        note_left(engine, side, bytes);
    emit_now(engine, side, bytes);
}

bool trouble_shut(struct engine *engine, enum side side, enum shut how)
{
    struct wire *wire = &trouble_of(engine)->wires[side];

    if (how == SHUT_RESET || trouble_of(engine)->stalled ||
        (wire->count == 0 && wire->shape.linger_ms == 0)) {
        wire_drop(engine, wire);
        return false;
    }
    wire->shut = (uint8_t)(1 + how);
    wire->shut_at = engine->now + wire->shape.linger_ms;
    return true;
}

void trouble_drop(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);
    size_t side;

    for (side = 0; side < SIDE_COUNT; side++) {
        wire_drop(engine, &trouble->wires[side]);
        trouble->wires[side].shut = 0;
    }
}

void trouble_force(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);
    size_t side;

    for (side = 0; side < SIDE_COUNT; side++) {
        bool due = trouble->wires[side].shut != 0;

        wire_drop(engine, &trouble->wires[side]);
        trouble->wires[side].shut = 0;
        if (due)
            shut_now(engine, (enum side)side, SHUT_RESET);
    }
}

bool trouble_pending(const struct engine *engine)
{
    const struct trouble *trouble = trouble_seen(engine);

    return trouble->wires[SIDE_CLIENT].shut != 0 || trouble->wires[SIDE_UPSTREAM].shut != 0;
}

static void pump_side(struct engine *engine, enum side side)
{
    struct wire *wire = &trouble_of(engine)->wires[side];
    enum fault_end end = FAULT_NO_END;

    if (engine->peers[side].open)
        wire_pump(engine, side, &end);
    else if (engine->peers[side].ended || engine->phase == PHASE_CLOSING)
        wire_drop(engine, wire);
    trouble_come_to_end(engine, end);
    if (wire->shut != 0 && wire->count == 0 && engine->now >= wire->shut_at) {
        enum shut how = (enum shut)(wire->shut - 1);

        wire->shut = 0;
        shut_now(engine, side, how);
    }
}

/* A path that ends after a time, or forgets who says nothing; a box that has waited enough. */
static void look_at_clock(struct engine *engine, enum side side)
{
    const struct trouble *trouble = trouble_of(engine);
    const struct wire *wire = &trouble->wires[side];
    const struct fault_shape *shape = &wire->shape;

    if (trouble->patient_until != 0 && engine->now >= trouble->patient_until)
        trouble_come_to_end(engine, trouble->patient_end);
    else if (shape->ends && engine->now >= engine->started + (moment)shape->end_ms)
        trouble_come_to_end(engine, shape->end);
    else if (shape->silent && shape->end_ms > 0 && wire->count > 0 &&
             engine->now >= wire->used_at + (moment)shape->end_ms)
        trouble_come_to_end(engine, shape->end);
}

void trouble_pump(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);
    size_t side;

    trouble->plan = NULL;
    for (side = 0; side < SIDE_COUNT; side++) {
        if (engine->phase != PHASE_CLOSING)
            look_at_clock(engine, (enum side)side);
        pump_side(engine, (enum side)side);
    }
    if (!trouble->stalled || engine->phase == PHASE_CLOSING)
        return;
    inbox_drop(engine, SIDE_CLIENT);
    inbox_drop(engine, SIDE_UPSTREAM);
    if (client_of(engine)->ended || !client_of(engine)->open)
        session_end_hard(engine, "fault", SHUT_RESET);
}

static moment earlier(moment one, moment other)
{
    return one < other ? one : other;
}

/* Does the row at the send cursor wait for others? */
static bool waits(const struct engine *engine)
{
    const struct trouble *trouble = trouble_seen(engine);

    return trouble->held_until != 0 && engine->phase == PHASE_TALKING && !trouble->stalled &&
           engine->ledger.send != engine->ledger.tail && trouble->held_row == engine->ledger.send &&
           ledger_row(engine, engine->ledger.send)->state == ROW_WAITING;
}

moment trouble_deadline(const struct engine *engine)
{
    const struct trouble *trouble = trouble_seen(engine);
    moment first = MOMENT_NEVER;
    size_t side;

    if (waits(engine))
        first = trouble->held_until;
    if (trouble->patient_until != 0 && engine->phase != PHASE_CLOSING && !trouble->stalled)
        first = earlier(first, trouble->patient_until);
    if (trouble->greet_at > engine->now)
        first = earlier(first, trouble->greet_at);
    for (side = 0; side < SIDE_COUNT; side++) {
        const struct wire *wire = &trouble->wires[side];

        if (trouble_may_leave(engine, (enum side)side) || wire->count == 0)
            first = earlier(first, wire_deadline(engine, (enum side)side));
        if (engine->phase == PHASE_CLOSING || trouble->stalled)
            continue;
        if (wire->shape.ends)
            first = earlier(first, engine->started + (moment)wire->shape.end_ms);
        if (wire->shape.silent && wire->shape.end_ms > 0 && wire->count > 0)
            first = earlier(first, wire->used_at + (moment)wire->shape.end_ms);
    }
    return first;
}

/* --- what happens --- */

bool trouble_opened(struct engine *engine, const struct event *event)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene;
    struct fault_plan plan;
    struct rooms rooms;

    trouble->session = event->session > 0 ? event->session : 1;
    trouble_shape(engine);
    scene = trouble_scene(engine, FAULT_OPEN, VERB_UNKNOWN, brief_span(&engine->address));
    if (!trouble_judge(engine, &scene, &rooms, &plan))
        return true;
    if (plan.hold_ms > 0)
        trouble->greet_at = engine->now + plan.hold_ms;
    trouble_put_words(engine, SIDE_CLIENT, plan.before, &at_once);
    if (plan.fate == FAULT_HERE)
        trouble_put_answer(engine, &plan);
    else if (plan.end != FAULT_NO_END)
        trouble_come_to_end(engine, plan.end);
    return plan.fate != FAULT_HERE && engine->phase != PHASE_CLOSING && !trouble->stalled;
}

/* The client talks before anybody has greeted it. */
static void talks_early(struct engine *engine, struct span bytes)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene = trouble_scene(engine, FAULT_EARLY, VERB_UNKNOWN, bytes);
    struct fault_plan plan;
    struct rooms rooms;

    trouble->early_seen = true;
    if (!trouble_judge(engine, &scene, &rooms, &plan))
        return;
    if (plan.fate == FAULT_HERE)
        trouble_put_answer(engine, &plan);
    else
        trouble_come_to_end(engine, plan.end);
}

void trouble_begin(struct engine *engine, const struct event *event)
{
    struct trouble *trouble = trouble_of(engine);
    bool client = event->kind == EVENT_BYTES && event->side == SIDE_CLIENT;
    moment used_at = trouble->wires[SIDE_CLIENT].used_at;
    size_t side;

    if (trouble->wires[SIDE_UPSTREAM].used_at > used_at)
        used_at = trouble->wires[SIDE_UPSTREAM].used_at;
    trouble->leftover = client_of(engine)->inbox.size;
    trouble->arrived = trouble->leftover + (client ? event->bytes.size : 0);
    for (side = 0; side < SIDE_COUNT && event->kind == EVENT_BYTES; side++) {
        const struct fault_shape *shape = &trouble->wires[side].shape;

        if (shape->idle_ms > 0 && used_at != 0 && engine->now - used_at > (moment)shape->idle_ms)
            trouble_come_to_end(engine, shape->then);
    }
    if (client && !engine->welcomed && !trouble->early_seen && engine->phase != PHASE_CLOSING)
        talks_early(engine, event->bytes);
}

bool trouble_split(const struct engine *engine, uint64_t behind, size_t size)
{
    const struct trouble *trouble = trouble_seen(engine);
    uint64_t end = trouble->arrived - behind;

    return end > trouble->leftover && end < trouble->leftover + size;
}
