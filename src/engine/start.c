/*
 * The start of a session: clients that talk before they are greeted, and those that do not speak
 * SMTP at all.
 *
 * What comes before the greeting is read into the ledger as it comes and waits there: the upstream
 * hears nothing before it has greeted (F-45), and the record tells what came first. Whoever turns
 * out not to speak SMTP is answered at once and not listened to any more.
 */
#include "lockstep/smtp/foreign.h"

#include "mend.h"
#include "start.h"

static const struct plan talked_early = {.answer_here = true,
                                         .code = 554,
                                         .status = SPAN_INIT("5.5.0"),
                                         .close = true,
                                         .words =
                                             SPAN_INIT("The client talked before it was greeted")};

/* Who speaks something else, which repair sees to it, and what is said and recorded then. */
struct stranger {
    enum repair_id repair;
    const char *ending;
    struct plan plan;
};

static const struct stranger strangers[] = {
    [FOREIGN_TLS] = {REPAIR_TLS_ON_PLAIN_PORT,
                     "tls-on-plain-port",
                     {.answer_here = true,
                      .code = 501,
                      .status = SPAN_INIT("5.5.1"),
                      .close = true,
                      .words = SPAN_INIT("TLS can't begin here: this is plain SMTP")}},
    [FOREIGN_OLD_SSL] = {REPAIR_TLS_ON_PLAIN_PORT,
                         "client-too-old",
                         {.answer_here = true,
                          .code = 501,
                          .status = SPAN_INIT("5.5.1"),
                          .close = true,
                          .words = SPAN_INIT("The client is too old: it begins with SSL 2")}},
    [FOREIGN_HTTP] = {REPAIR_HTTP,
                      "http",
                      {.answer_here = true,
                       .code = 554,
                       .status = SPAN_INIT("5.7.0"),
                       .close = true,
                       .words = SPAN_INIT("This is SMTP, not HTTP")}},
    [FOREIGN_PROXY] = {REPAIR_PROXY_HEADER,
                       "proxy-header",
                       {.answer_here = true,
                        .code = 421,
                        .status = SPAN_INIT("4.3.5"),
                        .close = true,
                        .words = SPAN_INIT("No PROXY header is expected here")}},
};

bool start_waits(const struct engine *engine)
{
    return (engine->phase == PHASE_CONNECTING || engine->phase == PHASE_GREETING) &&
           !engine->welcomed;
}

bool start_reads(const struct engine *engine)
{
    return start_waits(engine) && (engine->input == INPUT_COMMAND || engine->input == INPUT_SKIP);
}

/* Nobody was greeted, so nothing that was said before is answered either. */
static void turn_away(struct engine *engine, const struct plan *plan, const char *ending)
{
    if (engine->summary.ending == NULL)
        engine->summary.ending = ending;
    note_code(engine, SPAN("answer"), SPAN("session"), plan->code);
    emit_plan(engine, plan);
    session_close(engine, ending);
}

/* A line came before the greeting. The first one may, where it came together with a PROXY header:
 * whoever wrote that has joined what were two (the protocol, section 2). */
static void talked_too_early(struct engine *engine)
{
    bool along = engine->along;

    if (!start_waits(engine) || engine->talked_early)
        return;
    engine->along = false;
    if (along)
        return;
    engine->talked_early = true;
    if (!mend_framing(engine, REPAIR_EARLY_TALK) && !transparent(engine))
        turn_away(engine, &talked_early, "early-talk");
}

/* Nobody minds the stranger: what he is is said behind the line that tells. */
static void notice_stranger(struct engine *engine, struct span line)
{
    size_t size;
    enum foreign foreign = foreign_look(line, engine->blank_lines, &size);

    if (foreign == FOREIGN_NONE || engine->foreign_seen)
        return;
    engine->foreign_seen = true;
    note(engine, SPAN("finding"), SPAN(""), span_of_string(strangers[foreign].ending));
    mend_framing(engine, strangers[foreign].repair);
}

void start_line(struct engine *engine, struct span line)
{
    notice_stranger(engine, line);
    if (line.size > 0)
        engine->blank_lines = 0;
    else if (engine->blank_lines < FOREIGN_BLANK_LINES)
        engine->blank_lines++;
    talked_too_early(engine);
}

bool start_foreign(struct engine *engine)
{
    struct span view = client_of(engine)->inbox.view;
    const struct stranger *stranger;
    enum foreign foreign;
    size_t size;

    if (engine->input != INPUT_COMMAND || engine->foreign_seen)
        return false;
    foreign = foreign_look(view, engine->blank_lines, &size);
    if (foreign == FOREIGN_NONE || !ledger_has_room(engine, 0))
        return false;
    stranger = &strangers[foreign];
    if (!repair_on(engine, stranger->repair))
        return false;
    engine->foreign_seen = true;
    note_said(engine, SIDE_CLIENT, true, span_head(view, size));
    note(engine, SPAN("finding"), SPAN(""), span_of_string(stranger->ending));
    mend_note(engine, stranger->repair);
    inbox_drop(engine, SIDE_CLIENT);
    engine->summary.ending = stranger->ending;
    if (start_waits(engine)) {
        turn_away(engine, &stranger->plan, stranger->ending);
        return true;
    }
    row_decide(engine, ledger_append(engine, VERB_UNKNOWN, SPAN("")), &stranger->plan);
    engine->input = INPUT_WAIT; /* for good: the session ends with that answer */
    return true;
}
