/*
 * What faults make of what is said. Rules are asked where a thing happens, and fill in a plan; here
 * plans are carried out, whatever rule they are from. A row is judged once, when it is the next to
 * go; a reply when it is whole, before it is read.
 */
#include "trouble.h"

#include <string.h>

#include "lockstep/record/record.h"
#include "message.h"

/* A command's CRLF, which rules do not see. */
#define LINE_END_BYTES_MAX 2U

static const struct wire_terms at_once = {0};

/* What a plan may write into, for as long as it is carried out. */
struct rooms {
    char bytes[2][FAULT_TEXT_BYTES_MAX + LINE_END_BYTES_MAX];
};

void trouble_init(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);

    *trouble = (struct trouble){.faults = &engine->policy->faults, .session = 1};
}

/* --- asking --- */

static struct fault_scene scene_of(struct engine *engine, enum fault_event event, enum verb verb,
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
static bool judge(struct engine *engine, struct fault_scene *scene, struct rooms *rooms,
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

static void shape_wires(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene = scene_of(engine, FAULT_TO_CLIENT, VERB_UNKNOWN, SPAN(""));

    fault_shape(trouble->faults, &scene, &trouble->wires[SIDE_CLIENT].shape);
    scene.event = FAULT_TO_UPSTREAM;
    fault_shape(trouble->faults, &scene, &trouble->wires[SIDE_UPSTREAM].shape);
}

void trouble_change(struct engine *engine, const struct faults *faults)
{
    struct trouble *trouble = trouble_of(engine);

    trouble->faults = faults;
    memset(trouble->counts, 0, sizeof(trouble->counts));
    shape_wires(engine);
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

static void come_to_end(struct engine *engine, enum fault_end end)
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
static void add_lines(struct span words, struct text *text)
{
    fault_words(words, text);
    if (!span_ends(text_span(text), SPAN("\r\n")))
        text_add(text, SPAN("\r\n"));
}

static void put_words(struct engine *engine, enum side side, struct span words,
                      const struct wire_terms *terms)
{
    char bytes[2 * FAULT_RULE_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));

    if (words.size == 0)
        return;
    add_lines(words, &text);
    wire_put(engine, side, text_span(&text), terms);
}

void trouble_say(struct engine *engine, enum side side, struct span bytes, bool content,
                 size_t secret)
{
    const struct fault_plan *plan = trouble_of(engine)->plan;
    struct wire_terms terms = plan != NULL ? terms_of(plan) : at_once;

    terms.content = content;
    terms.secret = (uint32_t)secret;
    terms.tail = secret > 0 ? (uint32_t)(bytes.size - trouble_line(bytes).size) : 0;
    wire_put(engine, side, bytes, &terms);
}

struct span trouble_line(struct span text)
{
    if (span_ends(text, SPAN("\n")))
        text.size--;
    if (span_ends(text, SPAN("\r")))
        text.size--;
    return text;
}

struct span trouble_text(const struct engine *engine, struct span text)
{
    const struct fault_plan *plan = trouble_seen(engine)->plan;

    return plan != NULL && plan->changed ? plan->said : text;
}

/* The client hears the plan's answer, and the end that may follow. */
static void put_answer(struct engine *engine, const struct fault_plan *plan)
{
    char bytes[2 * FAULT_RULE_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));
    struct wire_terms terms = terms_of(plan);

    add_lines(plan->answer, &text);
    if (plan->end != FAULT_NO_END && !plan->end_within)
        terms.end_after = (uint32_t)text.size;
    if (span_starts(text_span(&text), SPAN("2")))
        note(engine, SPAN("lie"), SPAN(""), SPAN("success"));
    wire_put(engine, SIDE_CLIENT, text_span(&text), &terms);
}

void trouble_answer(struct engine *engine, const struct plan *plan)
{
    put_answer(engine, &(struct fault_plan){.answer = plan->raw, .end = (enum fault_end)plan->end});
}

void trouble_tell(struct engine *engine, struct span whole)
{
    const struct fault_plan *plan = trouble_of(engine)->plan;
    bool secret = says_secret_back(engine, whole);
    struct wire_terms terms = at_once;

    if (plan != NULL && plan->fate == FAULT_DROPS)
        return;
    if (plan != NULL && plan->fate == FAULT_HERE) {
        put_answer(engine, plan);
        return;
    }
    if (plan != NULL) {
        terms = terms_of(plan);
        put_words(engine, SIDE_CLIENT, plan->before, &at_once);
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
        put_words(engine, SIDE_CLIENT, plan->behind, &at_once);
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
    come_to_end(engine, end);
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
        come_to_end(engine, trouble->patient_end);
    else if (shape->ends && engine->now >= engine->started + (moment)shape->end_ms)
        come_to_end(engine, shape->end);
    else if (shape->silent && shape->end_ms > 0 && wire->count > 0 &&
             engine->now >= wire->used_at + (moment)shape->end_ms)
        come_to_end(engine, shape->end);
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
    shape_wires(engine);
    scene = scene_of(engine, FAULT_OPEN, VERB_UNKNOWN, brief_span(&engine->address));
    if (!judge(engine, &scene, &rooms, &plan))
        return true;
    if (plan.hold_ms > 0)
        trouble->greet_at = engine->now + plan.hold_ms;
    put_words(engine, SIDE_CLIENT, plan.before, &at_once);
    if (plan.fate == FAULT_HERE)
        put_answer(engine, &plan);
    else if (plan.end != FAULT_NO_END)
        come_to_end(engine, plan.end);
    return plan.fate != FAULT_HERE && engine->phase != PHASE_CLOSING && !trouble->stalled;
}

/* The client talks before anybody has greeted it. */
static void talks_early(struct engine *engine, struct span bytes)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene = scene_of(engine, FAULT_EARLY, VERB_UNKNOWN, bytes);
    struct fault_plan plan;
    struct rooms rooms;

    trouble->early_seen = true;
    if (!judge(engine, &scene, &rooms, &plan))
        return;
    if (plan.fate == FAULT_HERE)
        put_answer(engine, &plan);
    else
        come_to_end(engine, plan.end);
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
            come_to_end(engine, shape->then);
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

/* --- commands --- */

/* A line of its own that goes upstream now, as a row whose answer is eaten or passed on. */
static void send_extra(struct engine *engine, struct span words, bool absorb)
{
    char bytes[FAULT_TEXT_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));
    struct command command;
    struct row *row;

    if (words.size == 0 || engine->ledger.tail - engine->ledger.release >= ROWS_MAX - 1)
        return;
    add_lines(words, &text);
    command_parse(trouble_line(text_span(&text)), &command);
    row = ledger_insert(engine, command.verb);
    row->ours = false;
    row->judged = true;
    row->unheard = absorb;
    trouble_say(engine, SIDE_UPSTREAM, text_span(&text), false,
                note_secret_size(engine, command.verb, trouble_line(text_span(&text))));
    ledger_sent(engine);
}

/* Behind it there is nothing any more. */
static void forget(struct engine *engine)
{
    struct ledger *ledger = &engine->ledger;
    uint32_t number;

    for (number = ledger->send; number != ledger->tail; number++) {
        struct row *row = ledger_row(engine, number);

        if (row->state == ROW_WAITING) {
            row->unheard = true;
            row_answer_here(engine, row, &(struct plan){.answer_here = true});
        }
    }
    if (client_of(engine)->inbox.view.size > 0)
        note_unread(engine, SIDE_CLIENT, client_of(engine)->inbox.view.size);
    inbox_drop(engine, SIDE_CLIENT);
    if (engine->input == INPUT_WAIT && ledger->in_flight == 0)
        engine->input = INPUT_COMMAND;
}

/* The row at the send cursor goes behind so many others. */
static void move_back(struct engine *engine, uint32_t past)
{
    uint32_t number = engine->ledger.send;
    struct row row = *ledger_row(engine, number);

    row.judged = true;
    for (; past > 0; past--, number++)
        *ledger_row(engine, number) = *ledger_row(engine, number + 1);
    *ledger_row(engine, number) = row;
    engine->ledger.moved = true;
}

/* It waits for others, which may come behind it; true when it has moved. */
static bool wait_for_others(struct engine *engine, struct row *row, const struct fault_plan *plan)
{
    struct trouble *trouble = trouble_of(engine);

    trouble->held_row = engine->ledger.send;
    trouble->held_until = engine->now + plan->hold_ms;
    row->past = plan->past;
    row->past_verb = plan->past_verb;
    if (engine->input == INPUT_WAIT && engine->ledger.send == engine->ledger.tail - 1)
        engine->input = INPUT_COMMAND; /* what it does it does not do yet */
    return true;
}

/* A row that waits: true when it may be looked at again. */
static bool waited(struct engine *engine, struct row *row)
{
    struct trouble *trouble = trouble_of(engine);
    uint32_t behind = engine->ledger.tail - engine->ledger.send - 1;

    if (trouble->held_until == 0)
        return true;
    if (behind > 0 && row->past_verb != 0 &&
        ledger_row(engine, engine->ledger.send + 1)->verb != row->past_verb) {
        trouble->held_until = 0;
        row->judged = true;
        return true;
    }
    if (behind >= row->past) {
        uint32_t past = row->past;

        trouble->held_until = 0;
        move_back(engine, past);
        return true;
    }
    if (engine->now < trouble->held_until && !client_of(engine)->ended)
        return false;
    trouble->held_until = 0;
    row->judged = true;
    return true;
}

/* The client hears of the row what the plan says, in its turn. */
static void answer_row(struct engine *engine, struct row *row, const struct fault_plan *plan)
{
    row->plan = (struct plan){.answer_here = true, .raw = plan->answer, .end = (uint8_t)plan->end};
    if (!plan->ask)
        row_answer_here(engine, row, &row->plan);
}

/* What was sent last is to be answered in time. */
static void lose_patience(struct engine *engine, const struct fault_plan *plan)
{
    struct trouble *trouble = trouble_of(engine);

    if (plan->patience_ms == 0)
        return;
    trouble->patient_row = engine->ledger.send - 1;
    trouble->patient_until = engine->now + plan->patience_ms;
    trouble->patient_end = plan->patience_end;
}

/* Says the row as it came, or as the plan has it, and what goes before and behind it. */
static bool say_row(struct engine *engine, const struct fault_plan *plan)
{
    struct trouble *trouble = trouble_of(engine);
    struct row *row = ledger_row(engine, engine->ledger.send);
    enum verb_does does = verb_facts((enum verb)row->verb)->does;
    bool moved = true;

    send_extra(engine, plan->before, plan->absorb);
    row = ledger_row(engine, engine->ledger.send);
    if (plan->twice)
        send_extra(engine, trouble_line(ledger_text(engine, row)), plan->absorb);
    row = ledger_row(engine, engine->ledger.send);
    trouble->plan = plan;
    if (does == DOES_CHUNK)
        moved = chunk_send(engine, row);
    else
        send_row(engine, row, does);
    trouble->plan = NULL;
    trouble->barrier = plan->alone;
    lose_patience(engine, plan);
    send_extra(engine, plan->behind, plan->absorb);
    if (plan->forget)
        forget(engine);
    return moved;
}

/* What is said instead of a command has the end that the command has. */
static void end_line(struct fault_plan *plan, struct span end)
{
    char *room = plan->said.at == plan->rooms[0] ? plan->rooms[0] : plan->rooms[1];

    if (!plan->changed)
        return;
    must(plan->said.size <= FAULT_TEXT_BYTES_MAX && end.size <= LINE_END_BYTES_MAX);
    memcpy(room + plan->said.size, end.at, end.size);
    plan->said.size += end.size;
}

static bool carry_out(struct engine *engine, struct row *row, const struct fault_plan *plan)
{
    switch (plan->fate) {
    case FAULT_WAITS:
        return wait_for_others(engine, row, plan);
    case FAULT_DROPS:
        row->unheard = true;
        row_answer_here(engine, row, &(struct plan){.answer_here = true});
        return true;
    case FAULT_HERE:
        answer_row(engine, row, plan);
        if (!plan->ask)
            return true;
        break;
    case FAULT_GOES:
        break;
    }
    return say_row(engine, plan);
}

/* The next message begins with a line of its own. */
static void follow_from_start(struct trouble *trouble)
{
    trouble->content = trouble->column = 0;
    trouble->previous = '\0';
    trouble->body = false;
}

bool trouble_send(struct engine *engine)
{
    struct trouble *trouble = trouble_of(engine);
    struct row *row = ledger_row(engine, engine->ledger.send);
    struct span text = ledger_text(engine, row);
    struct fault_plan plan = {0};
    struct fault_scene scene;
    struct rooms rooms;

    if (row->verb == VERB_BDAT && !engine->message.begun)
        follow_from_start(trouble);
    if (trouble->barrier && engine->ledger.in_flight > 0)
        return false;
    if (trouble->held_until != 0 && trouble->held_row == engine->ledger.send) {
        if (!waited(engine, row))
            return false;
        row = ledger_row(engine, engine->ledger.send);
        text = ledger_text(engine, row);
    }
    if (row->judged)
        return say_row(engine, &plan);
    row->judged = true;
    scene = scene_of(engine, FAULT_COMMAND, (enum verb)row->verb, trouble_line(text));
    scene.column = 0;
    scene.split = row->split;
    scene.followed =
        client_of(engine)->inbox.view.size > 0 || engine->ledger.tail - engine->ledger.send > 1;
    if (!judge(engine, &scene, &rooms, &plan))
        return say_row(engine, &plan);
    end_line(&plan, span_tail(text, trouble_line(text).size));
    return carry_out(engine, row, &plan);
}

/* --- messages --- */

void trouble_message_end(struct engine *engine, struct row *row, struct span terminator)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene = scene_of(engine, FAULT_COMMAND, VERB_END, SPAN("."));
    struct fault_plan plan = {0};
    struct rooms rooms;

    follow_from_start(trouble);
    scene.column = 0;
    scene.split = trouble_split(engine, client_of(engine)->inbox.view.size, terminator.size);
    scene.followed = client_of(engine)->inbox.view.size > 0;
    judge(engine, &scene, &rooms, &plan);
    row->judged = true;
    if (plan.fate == FAULT_DROPS || (plan.fate == FAULT_HERE && !plan.ask)) {
        row->unheard = plan.fate == FAULT_DROPS;
        if (plan.fate == FAULT_HERE)
            answer_row(engine, row, &plan);
        else
            row_answer_here(engine, row, &(struct plan){.answer_here = true});
        engine->ledger.send++;
        return;
    }
    if (plan.fate == FAULT_HERE)
        answer_row(engine, row, &plan);
    if (plan.before.size > 0) { /* a line more, in front of the dot */
        trouble_say(engine, SIDE_UPSTREAM, SPAN("\r\n"), true, 0);
        put_words(engine, SIDE_UPSTREAM, plan.before, &(struct wire_terms){.content = true});
        terminator = SPAN(".\r\n");
    }
    trouble->plan = &plan;
    trouble_say(engine, SIDE_UPSTREAM, terminator, true, 0);
    trouble->plan = NULL;
    ledger_sent(engine);
    lose_patience(engine, &plan);
}

/* The client was told to send a message that the upstream does not want: it hears so behind it. */
static void collect(struct engine *engine, const struct reply *reply)
{
    engine->input = INPUT_BODY;
    engine->data_refused = false;
    message_start(engine);
    message_swallow(engine);
    ledger_keep_reason(engine, reply);
    engine->message.verdict = (struct plan){
        .answer_here = true, .code = reply->code, .verbatim = true, .words = SPAN("Refused")};
}

/* How much of it belongs to the header, the empty line behind that included. */
static size_t header_size(const struct trouble *trouble, struct span bytes)
{
    uint64_t column = trouble->column;
    char previous = trouble->previous;
    size_t i;

    for (i = 0; i < bytes.size; i++) {
        char byte = bytes.at[i];

        if (byte == '\n' && (column == 0 || (column == 1 && previous == '\r')))
            return i + 1;
        column = byte == '\n' ? 0 : column + 1;
        previous = byte;
    }
    return bytes.size;
}

/* Where in the message, and in its line, it goes on. */
static void follow(struct trouble *trouble, struct span bytes)
{
    size_t i;

    for (i = 0; i < bytes.size; i++) {
        char byte = bytes.at[i];

        if (byte == '\n' &&
            (trouble->column == 0 || (trouble->column == 1 && trouble->previous == '\r')))
            trouble->body = true;
        trouble->column = byte == '\n' ? 0 : trouble->column + 1;
        trouble->previous = byte;
    }
    trouble->content += bytes.size;
}

static void say_content(struct engine *engine, struct span bytes)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene = scene_of(engine, FAULT_CONTENT, VERB_END, bytes);
    struct fault_plan plan = {0};
    struct rooms rooms;

    scene.before = trouble->content;
    judge(engine, &scene, &rooms, &plan);
    follow(trouble, bytes);
    if (plan.fate == FAULT_HERE)
        put_answer(engine, &plan);
    if (plan.fate != FAULT_GOES)
        plan.end = FAULT_NO_END; /* it comes behind the answer */
    plan.hold_ms = 0;
    trouble->plan = &plan;
    trouble_say(engine, SIDE_UPSTREAM, plan.changed ? plan.said : bytes, true, 0);
    trouble->plan = NULL;
}

void trouble_content(struct engine *engine, struct span bytes)
{
    struct trouble *trouble = trouble_of(engine);
    struct span part;

    for (; bytes.size > 0; bytes = span_tail(bytes, part.size)) {
        part = span_head(bytes, FAULT_CONTENT_BYTES_MAX);
        if (!trouble->body)
            part = span_head(part, header_size(trouble, part));
        say_content(engine, part);
    }
}

/* --- replies --- */

void trouble_reply(struct engine *engine, const struct reply *reply,
                   void (*answer)(struct engine *engine, const struct reply *reply))
{
    struct trouble *trouble = trouble_of(engine);
    bool greeting = engine->phase == PHASE_GREETING;
    struct row none = {.verb = VERB_UNKNOWN};
    struct row row = greeting || engine->ledger.in_flight == 0
                         ? none
                         : *ledger_row(engine, engine->ledger.answer);
    struct fault_plan plan = {0};
    struct fault_scene scene;
    struct rooms rooms;

    scene =
        scene_of(engine, greeting ? FAULT_GREETING : FAULT_REPLY, (enum verb)row.verb, reply->all);
    if (engine->ledger.in_flight > 0 && trouble->patient_row == engine->ledger.answer)
        trouble->patient_until = 0;
    scene.column = 0;
    scene.code = reply->code;
    if (row.unheard)
        plan.fate = FAULT_DROPS;
    else
        judge(engine, &scene, &rooms, &plan);
    trouble->plan = &plan;
    answer(engine, reply);
    trouble->plan = NULL;
    trouble->last_refused = reply->code >= 400;
    if (row.unheard && row.verb == VERB_DATA && reply->code != verb_facts(VERB_DATA)->success)
        collect(engine, reply);
    if (plan.forget)
        forget(engine);
    if (plan.fate == FAULT_DROPS && plan.end != FAULT_NO_END)
        come_to_end(engine, plan.end);
}
