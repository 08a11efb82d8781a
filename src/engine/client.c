/*
 * What the client's bytes mean. Lines become rows; after a row whose answer decides what comes next
 * (DATA, AUTH) the rest stays unread until that answer is there (house section 5).
 */
#include "login.h"
#include "mend.h"
#include "message.h"
#include "start.h"
#include "trouble.h"

/* Lines that are answered here without asking anyone, and why. */
static const struct plan too_long = {.answer_here = true,
                                     .code = 500,
                                     .status = SPAN_INIT("5.5.2"),
                                     .words = SPAN_INIT("Line too long")};
static const struct plan auth_too_long = {.answer_here = true,
                                          .code = 500,
                                          .status = SPAN_INIT("5.5.6"), /* RFC 4954 4 */
                                          .words = SPAN_INIT("AUTH line too long")};
static const struct plan bare_line = {
    .answer_here = true,
    .code = 550,
    .status = SPAN_INIT("5.5.2"),
    .close = true,
    .words = SPAN_INIT("Line ends in a bare LF: lines end in CRLF (RFC 5321 2.3.8)")};
static const struct plan bad_bytes = {.answer_here = true,
                                      .code = 501,
                                      .status = SPAN_INIT("5.5.2"),
                                      .words = SPAN_INIT("Line holds a control character")};
static const struct plan bad_chunk = {
    .answer_here = true,
    .code = 501,
    .status = SPAN_INIT("5.5.4"),
    .close = true,
    .words = SPAN_INIT("Syntax: BDAT size [LAST]; without a size nothing more can be read")};
static const struct plan not_offered = {.answer_here = true,
                                        .code = 502,
                                        .status = SPAN_INIT("5.5.1"),
                                        .words = SPAN_INIT("Command not offered here")};
static const struct plan stray_message = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.0"),
    .close = true,
    .words = SPAN_INIT("DATA was refused, and this does not look like a command")};
static const struct plan ahead_of_answer = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.0"),
    .close = true,
    .words = SPAN_INIT("This came behind LF.LF before the message had its answer")};
static const struct plan unstuffed = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.0"),
    .close = true,
    .words = SPAN_INIT("This is no command; a line of the message before may have been a dot")};
static const struct plan stray_header = {
    .answer_here = true,
    .code = 421,
    .status = SPAN_INIT("4.7.0"),
    .close = true,
    .words = SPAN_INIT("This looks like a header of a message, and DATA was not said")};

void client_resume(struct engine *engine, enum verb_does does)
{
    engine->input = INPUT_COMMAND;
    engine->ahead =
        (does == DOES_MESSAGE || does == DOES_END) && client_of(engine)->inbox.view.size > 0;
}

/*
 * A line of a message must never run as a command. It may be one behind a DATA that was refused
 * (B-24); behind a LF "." LF that only ends a message for who waits (B-61); and where a dot that
 * was not stuffed has ended a message too early (B-60). NULL: it is none.
 */
static const struct plan *stray_fault(struct engine *engine, bool unknown, struct span line)
{
    bool refused = engine->data_refused, ahead = engine->ahead;
    bool ended = engine->message.ended;

    /* Some say an empty line too many behind their dot; that alone proves nothing. */
    engine->message.ended = ended && unknown && span_trim(line).size == 0;
    engine->data_refused = engine->ahead = false;
    if (refused && unknown)
        return &stray_message;
    if (ahead && !refused && !span_equal_fold(span_trim(line), SPAN("QUIT")))
        return &ahead_of_answer;
    if (!ended || !unknown || engine->message.ended)
        return NULL;
    note(engine, SPAN("finding"), SPAN(""), SPAN("unstuffed-dot"));
    return &unstuffed;
}

/*
 * A message that comes together with DATA (B-21) is held until the answer, and a 354 makes it a
 * message like any other, repair or not: Exim, and Postfix where it does not forbid unauthorised
 * pipelining, take it from such a client directly; OpenSMTPD and a Postfix that does refuse it
 * whatever it holds. The danger is only a DATA that is refused. Then the session ends at the first
 * line that is no command, and what is one runs: when it came must not matter by default, since no
 * record and no repetition of it could tell.
 *
 * With `early-body` such a message is read to its end, whatever its first line looks like, and gets
 * no answer of its own. With `stray-body`, which is for clients that hear the refusal and go on all
 * the same (B-24), it hears the refusal once more.
 */
static bool stray_body(struct engine *engine, struct span line)
{
    bool early = engine->ahead && repair_on(engine, REPAIR_EARLY_BODY);
    enum repair_id id =
        repair_on(engine, REPAIR_STRAY_BODY) ? REPAIR_STRAY_BODY : REPAIR_EARLY_BODY;
    struct command command;

    if (!engine->data_refused || !repair_on(engine, id))
        return false;
    command_parse(line, &command);
    if (command.verb != VERB_UNKNOWN && !early)
        return false;
    engine->data_refused = engine->ahead = false;
    message_stray(engine, id);
    return true;
}

/* What is wrong with a line whatever it says; NULL: nothing. */
static const struct plan *line_fault(const struct engine *engine, const struct line *line)
{
    if (line->bare_lf && !repair_on(engine, REPAIR_BARE_LF))
        return &bare_line;
    return line->nul || line->bare_cr ? &bad_bytes : NULL;
}

/* B-63; a header's name is no verb (RFC 5322 2.2). */
static bool looks_like_header(struct span line)
{
    size_t size = span_find(line, ':');
    size_t i;

    for (i = 0; i < size; i++) {
        if (line.at[i] <= ' ' || line.at[i] == 0x7f)
            return false;
    }
    return size > 0 && size < line.size && verb_find(span_head(line, size)) == VERB_UNKNOWN;
}

static const struct plan *command_fault(const struct engine *engine, const struct command *command)
{
    bool unknown = command->verb == VERB_UNKNOWN;

    if (unknown && looks_like_header(command->line))
        return &stray_header;
    if (command->bad)
        return unknown ? &bad_bytes : &bad_chunk;
    if (verb_facts(command->verb)->relay == RELAY_REFUSE)
        return &not_offered;
    if (verb_facts(command->verb)->relay == RELAY_OURS && !engine->guided &&
        engine->policy->tls_offer != TLS_OFFER_PASS)
        return &not_offered;
    return NULL;
}

/* What the bytes behind this command will be. */
static enum input input_behind(const struct command *command)
{
    switch (verb_facts(command->verb)->does) {
    case DOES_CHUNK:
        return command->bad ? INPUT_COMMAND : INPUT_CHUNK;
    case DOES_MESSAGE:
    case DOES_AUTH:
    case DOES_RESPONSE:
    case DOES_SECURE:
    case DOES_IDENTIFY:
    case DOES_QUIT:
    case DOES_COUNT:
        return INPUT_WAIT;
    case DOES_NONE:
    case DOES_GREET:
    case DOES_GREET_OLD:
    case DOES_SENDER:
    case DOES_RECIPIENT:
    case DOES_END:
    case DOES_RESET:
        return INPUT_COMMAND;
    }
    return INPUT_COMMAND;
}

/* The line can't be passed on: it is answered here, and the upstream hears a cancelled response if
 * it waits for one (RFC 4954 4). */
static void append_fault(struct engine *engine, enum verb verb, const struct plan *fault)
{
    if (engine->input == INPUT_RESPONSE) {
        if (login_passes(engine))
            ledger_insert(engine, VERB_RESPONSE);
        engine->input = INPUT_COMMAND;
    }
    row_refuse(engine, ledger_append(engine, verb, SPAN("")), fault);
}

static void parse_line(const struct engine *engine, const struct line *line,
                       struct command *command_r)
{
    command_parse(line->text, command_r);
    if (engine->input == INPUT_RESPONSE)
        *command_r = (struct command){.verb = VERB_RESPONSE, .line = line->text};
}

/* Anything that starts like AUTH may carry a credential, also where AUTH is misspelt
 * ("AUTH=PLAIN").
 */
static bool looks_like_auth(struct span line)
{
    return span_starts_fold(span_trim(line), SPAN("AUTH"));
}

/* What the client has to do first is told whatever the upstream would say; the bytes behind the
 * command are given their meaning all the same. */
static void answer_at_once(struct engine *engine, struct row *row)
{
    struct plan plan;

    if (login_owed(engine, (enum verb)row->verb, &plan))
        row_decide(engine, row, &plan);
}

/* What repairs make of the line, which is then the command; NULL, or what the client hears at once.
 */
static const struct plan *mend_line(struct engine *engine, struct command *command,
                                    struct mending *mending)
{
    struct line mended = {.text = command->line};
    enum verdict verdict;

    if (!mend_due(engine, STAGE_COMMAND, verb_facts(command->verb)->does))
        return NULL;
    verdict = mend_text(engine, STAGE_COMMAND, command->verb, &mended.text, mending);
    if (verdict == REPAIRED)
        parse_line(engine, &mended, command);
    return verdict == BEYOND ? &mending->beyond : NULL;
}

/* Does the line end in CR CR LF, and is that looked for (B-62)? Then its end is read as CRLF, but
 * in `observe`. */
static bool mend_doubled_cr(const struct engine *engine, struct line *line)
{
    bool doubled = !line->bare_lf && span_ends(line->text, SPAN("\r"));

    if (doubled && repair_on(engine, REPAIR_DOUBLED_CR)) {
        line->text.size--;
        line->bare_cr = span_find(line->text, '\r') < line->text.size;
        return true;
    }
    return doubled && observing(engine);
}

/* What is wrong with the line as it stands; NULL: nothing. In `observe` all is only noted. */
static const struct plan *find_fault(struct engine *engine, const struct line *line,
                                     const struct command *command)
{
    const struct plan *fault;

    if (line->bare_lf && (observing(engine) || repair_on(engine, REPAIR_BARE_LF)))
        mend_acts(engine, REPAIR_BARE_LF);
    if (observing(engine) && engine->data_refused && command->verb == VERB_UNKNOWN)
        mend_acts(engine, REPAIR_STRAY_BODY); /* or early-body: when it came is not looked at */
    fault = stray_fault(engine, command->verb == VERB_UNKNOWN, line->text);
    if (fault || transparent(engine))
        return transparent(engine) ? NULL : fault;
    fault = line_fault(engine, line);
    /* The bytes of a chunk must not run as commands. */
    return fault && verb_facts(command->verb)->does == DOES_CHUNK ? &bad_chunk : fault;
}

static void append_command(struct engine *engine, const struct line *line, struct span all,
                           bool doubled_cr)
{
    const struct plan *fault;
    struct mending mending;
    struct command command;
    struct row *row;

    parse_line(engine, line, &command);
    engine->auth_seen = engine->auth_seen || verb_facts(command.verb)->secret ||
                        (command.verb == VERB_UNKNOWN && looks_like_auth(line->text));
    note_command(engine, SIDE_CLIENT, command.verb, all, SPAN(""));
    if (doubled_cr)
        mend_acts(engine, REPAIR_DOUBLED_CR);
    fault = find_fault(engine, line, &command);
    fault = fault ? fault : mend_line(engine, &command, &mending);
    if (!transparent(engine) && !fault)
        fault = command_fault(engine, &command);
    if (fault) {
        append_fault(engine, command.verb, fault);
        return;
    }
    row = ledger_append(engine, command.verb, transparent(engine) ? all : command.line);
    row->last_chunk = command.last;
    row->split = engine->troubled &&
                 trouble_split(engine, client_of(engine)->inbox.view.size - all.size, all.size);
    /* Behind XCLIENT that is answered here the client is somebody else; one that passes changes
     * nothing in what the next bytes are. */
    if (!transparent(engine) || verb_facts(command.verb)->does != DOES_IDENTIFY)
        engine->input = input_behind(&command);
    if (engine->input == INPUT_CHUNK) {
        engine->message.chunk_left = command.chunk_bytes;
        engine->message.fate = FATE_PENDING;
    }
    if (!transparent(engine))
        answer_at_once(engine, row);
}

/* In `observe` nothing is refused: what can't be read as lines passes unread from here on. */
static void go_opaque(struct engine *engine)
{
    note(engine, SPAN("opaque"), SPAN("why"), SPAN("line-too-long"));
    engine->input = INPUT_OPAQUE;
}

static void refuse_long_line(struct engine *engine, size_t limit)
{
    struct inbox *inbox = &client_of(engine)->inbox;
    struct span start = span_head(inbox->view, limit);
    bool auth = engine->input == INPUT_RESPONSE || looks_like_auth(start);
    const struct plan *fault;
    struct command command;
    enum verb verb;

    if (span_ends(start, SPAN("\r")))
        start.size--; /* it may be half of the line's end, which is read with the rest */
    command_parse(start, &command);
    verb = (DOES_ENVELOPE & DOES_BIT(verb_facts(command.verb)->does)) != 0 ? command.verb
                                                                           : VERB_UNKNOWN;
    engine->auth_seen = engine->auth_seen || auth;
    note_command(engine, SIDE_CLIENT, auth ? VERB_RESPONSE : VERB_UNKNOWN, start, SPAN(""));
    fault = stray_fault(engine, command.verb == VERB_UNKNOWN, start);
    if (fault)
        append_fault(engine, VERB_UNKNOWN, fault);
    else if (verb_facts(command.verb)->does == DOES_CHUNK && engine->input == INPUT_COMMAND)
        append_fault(engine, command.verb, &bad_chunk);
    else
        append_fault(engine, verb, auth ? &auth_too_long : &too_long);
    inbox_take(inbox, start.size);
    engine->input = INPUT_SKIP;
    engine->skip_to_lf = repair_on(engine, REPAIR_BARE_LF);
}

static size_t line_limit(const struct engine *engine, struct span input)
{
    const struct limits *limits = &engine->policy->limits;

    if (transparent(engine))
        return LIMIT_LINE_BYTES_MAX;
    if (engine->input == INPUT_RESPONSE || looks_like_auth(input))
        return limits->auth_line_bytes;
    return limits->line_bytes;
}

static bool read_line(struct engine *engine)
{
    struct inbox *inbox = &client_of(engine)->inbox;
    size_t limit = line_limit(engine, inbox->view);
    struct line line;
    enum parsed state;
    bool doubled_cr;

    if (inbox->view.size == 0)
        return false;
    if (start_foreign(engine))
        return true;
    state = line_next(inbox->view, limit, &line);
    if (state == PARSED_MORE)
        return false;
    if (state == PARSED_BAD && transparent(engine)) {
        if (!ledger_empty(engine) || start_waits(engine))
            return false;
        go_opaque(engine);
        return true;
    }
    if (!ledger_has_room(engine, state == PARSED_BAD ? 0 : line.taken + MENDED_GROWTH_MAX))
        return false;
    engine->client_since = engine->now;
    doubled_cr = state == PARSED && mend_doubled_cr(engine, &line);
    if (stray_body(engine, state == PARSED_BAD ? span_head(inbox->view, limit) : line.text))
        return true;
    if (state == PARSED_BAD) {
        refuse_long_line(engine, limit);
        return true;
    }
    append_command(engine, &line, span_head(inbox->view, line.taken), doubled_cr);
    inbox_take(inbox, line.taken);
    start_line(engine, line.text);
    return true;
}

/* The rest of a line that was already refused for its length. */
static bool skip_line(struct engine *engine)
{
    struct inbox *inbox = &client_of(engine)->inbox;
    struct span end = engine->skip_to_lf ? SPAN("\n") : SPAN("\r\n");
    size_t size = span_find_span(inbox->view, end);
    bool found = size < inbox->view.size;

    if (found)
        size += end.size;
    else if (size > 0 && inbox->view.at[size - 1] == '\r')
        size--; /* it may be half of the end */
    if (size == 0)
        return false;
    note_command(engine, SIDE_CLIENT, VERB_UNKNOWN, span_head(inbox->view, size), SPAN(""));
    inbox_take(inbox, size);
    if (found)
        engine->input = INPUT_COMMAND;
    return true;
}

static bool pass_unread(struct engine *engine)
{
    struct inbox *inbox = &client_of(engine)->inbox;
    struct span bytes;

    if (inbox->view.size == 0 || !emit_may(engine, SIDE_UPSTREAM) ||
        engine->ledger.send != engine->ledger.tail) /* commands that wait go first */
        return false;
    bytes = engine->troubled ? span_head(inbox->view, FAULT_TEXT_BYTES_MAX) : inbox->view;
    note_unread(engine, SIDE_CLIENT, bytes.size);
    if (engine->troubled)
        trouble_unread(engine, bytes);
    else
        emit_bytes(engine, SIDE_UPSTREAM, bytes, inbox->borrowed);
    engine->client_since = engine->now;
    inbox_take(inbox, bytes.size);
    return true;
}

bool client_read(struct engine *engine)
{
    if ((engine->phase != PHASE_TALKING && !start_reads(engine)) || !emit_may(engine, SIDE_CLIENT))
        return false;
    switch (engine->input) {
    case INPUT_COMMAND:
    case INPUT_RESPONSE:
        return read_line(engine);
    case INPUT_WAIT:
        return false;
    case INPUT_BODY:
        return body_read(engine);
    case INPUT_CHUNK:
        return chunk_read(engine);
    case INPUT_SKIP:
        return skip_line(engine);
    case INPUT_OPAQUE:
        return pass_unread(engine);
    }
    return false;
}
