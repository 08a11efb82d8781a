/* What faults make of messages: of their content, in parts and in order, and of their ends. */
#include "trouble_parts.h"

#define TLS_HANDSHAKE 22 /* the type of a record, RFC 8446 5.1 */

/* The next message begins with a line of its own. */
void trouble_follow_anew(struct trouble *trouble)
{
    trouble->content = trouble->column = 0;
    trouble->previous = '\0';
    trouble->body = false;
}

void trouble_message_end(struct engine *engine, struct row *row, struct span terminator)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene = trouble_scene(engine, FAULT_COMMAND, VERB_END, SPAN("."));
    struct fault_plan plan = {0};
    struct rooms rooms;

    trouble_follow_anew(trouble);
    scene.column = 0;
    scene.split = trouble_split(engine, client_of(engine)->inbox.view.size, terminator.size);
    scene.followed = client_of(engine)->inbox.view.size > 0;
    trouble_judge(engine, &scene, &rooms, &plan);
    row->judged = true;
    if (plan.fate == FAULT_DROPS || (plan.fate == FAULT_HERE && !plan.ask)) {
        row->unheard = plan.fate == FAULT_DROPS;
        if (plan.fate == FAULT_HERE)
            trouble_answer_row(engine, row, &plan);
        else
            row_answer_here(engine, row, &(struct plan){.answer_here = true});
        engine->ledger.send++;
        return;
    }
    if (plan.fate == FAULT_HERE)
        trouble_answer_row(engine, row, &plan);
    if (plan.before.size > 0) { /* a line more, in front of the dot */
        trouble_say(engine, SIDE_UPSTREAM, SPAN("\r\n"), true, 0);
        trouble_put_words(engine, SIDE_UPSTREAM, plan.before,
                          &(struct wire_terms){.content = true});
        terminator = SPAN(".\r\n");
    }
    trouble->plan = &plan;
    trouble_say(engine, SIDE_UPSTREAM, terminator, true, 0);
    trouble->plan = NULL;
    ledger_sent(engine);
    trouble_lose_patience(engine, &plan);
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
    struct fault_scene scene = trouble_scene(engine, FAULT_CONTENT, VERB_END, bytes);
    struct fault_plan plan = {0};
    struct rooms rooms;

    scene.before = trouble->content;
    trouble_judge(engine, &scene, &rooms, &plan);
    follow(trouble, bytes);
    if (plan.fate == FAULT_HERE)
        trouble_put_answer(engine, &plan);
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

/* The first of them begin TLS, if they are what follows STARTTLS. */
void trouble_unread(struct engine *engine, struct span bytes)
{
    struct trouble *trouble = trouble_of(engine);
    struct fault_scene scene = trouble_scene(engine, FAULT_HANDSHAKE, VERB_STARTTLS, bytes);
    struct fault_plan plan = {0};
    struct rooms rooms;

    if (!trouble->handshake_seen && bytes.at[0] == TLS_HANDSHAKE)
        trouble_judge(engine, &scene, &rooms, &plan);
    trouble->handshake_seen = true;
    trouble->plan = &plan;
    emit_bytes(engine, SIDE_UPSTREAM, bytes, false);
    trouble->plan = NULL;
}
