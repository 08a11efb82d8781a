/*
 * What faults make of commands and of the replies to them. A row is judged once, when it is the
 * next to go; a reply when it is whole, before it is read.
 */
#include "trouble_parts.h"

#include <string.h>

#include "message.h"

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
    trouble_add_lines(words, &text);
    command_parse(line_without_end(text_span(&text)), &command);
    row = ledger_insert(engine, command.verb);
    row->ours = false;
    row->judged = true;
    row->unheard = absorb;
    trouble_say(engine, SIDE_UPSTREAM, text_span(&text), false,
                note_secret_size(engine, command.verb, line_without_end(text_span(&text))));
    ledger_sent(engine);
}

/* What the client said has a text here, its line's end at least. */
static bool is_extra(const struct row *row)
{
    return row->verb != VERB_UNKNOWN && row->verb != VERB_END && row->text_size == 0;
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
    row->apart = plan->alone;
    row->past = plan->past < ROWS_MAX ? (uint8_t)plan->past : ROWS_MAX;
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
void trouble_answer_row(struct engine *engine, struct row *row, const struct fault_plan *plan)
{
    row->plan = (struct plan){.answer_here = true,
                              .raw = true,
                              .addressed = plan->addressed,
                              .words = plan->answer,
                              .end = (uint8_t)plan->end};
    if (!plan->ask)
        row_answer_here(engine, row, &row->plan);
}

/* What was sent last is to be answered in time. */
void trouble_lose_patience(struct engine *engine, const struct fault_plan *plan)
{
    struct trouble *trouble = trouble_of(engine);

    if (plan->patience_ms == 0)
        return;
    trouble->patient_row = engine->ledger.send - 1;
    trouble->patient_until = engine->now + plan->patience_ms;
    trouble->patient_end = plan->patience_end;
}

/* A box that passes one command at a time does so with its own, too: the client's is said as it
 * came when they are answered. */
static bool extras_first(const struct fault_plan *plan)
{
    bool as_it_came = !plan->changed && plan->end == FAULT_NO_END && plan->hold_ms == 0 &&
                      plan->slice == 0 && plan->behind.size == 0 && !plan->forget;

    return plan->alone && as_it_came && (plan->before.size > 0 || plan->twice);
}

/* Says the row as it came, or as the plan has it, and what goes before and behind it. */
static bool say_row(struct engine *engine, const struct fault_plan *plan)
{
    struct trouble *trouble = trouble_of(engine);
    struct row *row = ledger_row(engine, engine->ledger.send);
    enum verb_does does = verb_facts((enum verb)row->verb)->does;
    bool apart, moved = true;

    row->apart = row->apart || plan->alone;
    send_extra(engine, plan->before, plan->absorb);
    row = ledger_row(engine, engine->ledger.send);
    if (plan->twice)
        send_extra(engine, line_without_end(ledger_text(engine, row)), plan->absorb);
    if (extras_first(plan) && engine->ledger.in_flight > 0) {
        trouble->barrier = true;
        return true;
    }
    row = ledger_row(engine, engine->ledger.send);
    apart = plan->alone || row->apart;
    trouble->plan = plan;
    if (does == DOES_CHUNK)
        moved = chunk_send(engine, row);
    else
        send_row(engine, row, does);
    trouble->plan = NULL;
    trouble->barrier = apart;
    trouble_lose_patience(engine, plan);
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
        trouble_answer_row(engine, row, plan);
        if (!plan->ask)
            return true;
        break;
    case FAULT_GOES:
        break;
    }
    return say_row(engine, plan);
}

/* Rules may ask for the name that the client greets with. */
static void learn_name(struct engine *engine, const struct row *row)
{
    enum verb_does does = verb_facts((enum verb)row->verb)->does;

    if (does != DOES_GREET && does != DOES_GREET_OLD)
        return;
    brief_keep(&engine->helo, line_without_end(ledger_argument(engine, row)));
    trouble_shape(engine);
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
        trouble_follow_anew(trouble);
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
    learn_name(engine, row);
    scene = trouble_scene(engine, FAULT_COMMAND, (enum verb)row->verb, line_without_end(text));
    scene.column = 0;
    scene.split = row->split;
    scene.followed =
        client_of(engine)->inbox.view.size > 0 || engine->ledger.tail - engine->ledger.send > 1;
    if (!trouble_judge(engine, &scene, &rooms, &plan))
        return say_row(engine, &plan);
    end_line(&plan, span_tail(text, line_without_end(text).size));
    return carry_out(engine, row, &plan);
}

/* --- replies --- */

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

/* The answer to the row has come; before it, the client's bytes were this. */
static void settle_bytes(struct engine *engine, const struct row *row, const struct reply *reply,
                         enum input input)
{
    if (is_extra(row) && engine->input == INPUT_COMMAND)
        engine->input = input; /* it does not hang on that */
    if (row->unheard && row->plan.raw && row->verb == VERB_DATA &&
        reply->code != verb_facts(VERB_DATA)->success)
        collect(engine, reply);
}

void trouble_reply(struct engine *engine, const struct reply *reply,
                   void (*answer)(struct engine *engine, const struct reply *reply))
{
    struct trouble *trouble = trouble_of(engine);
    bool greeting = engine->phase == PHASE_GREETING;
    enum input input = engine->input;
    struct row none = {.verb = VERB_UNKNOWN};
    struct row row = greeting || engine->ledger.in_flight == 0
                         ? none
                         : *ledger_row(engine, engine->ledger.answer);
    struct fault_plan plan = {0};
    struct fault_scene scene;
    struct rooms rooms;

    scene = trouble_scene(engine, greeting ? FAULT_GREETING : FAULT_REPLY, (enum verb)row.verb,
                          reply->all);
    if (engine->ledger.in_flight > 0 && trouble->patient_row == engine->ledger.answer)
        trouble->patient_until = 0;
    scene.column = 0;
    scene.code = reply->code;
    if (row.unheard)
        plan.fate = FAULT_DROPS;
    else
        trouble_judge(engine, &scene, &rooms, &plan);
    trouble->plan = &plan;
    answer(engine, reply);
    trouble->plan = NULL;
    trouble->last_refused = reply->code >= 400;
    settle_bytes(engine, &row, reply, input);
    if (plan.forget)
        forget(engine);
    if (plan.fate == FAULT_DROPS && plan.end != FAULT_NO_END)
        trouble_come_to_end(engine, plan.end);
}
