/*
 * The transcript: written where a thing is decided, by the code that decided it. The lines gather
 * in the lender's scratch until the shell takes them. What does not fit ends in one `! cut` line:
 * a record may be incomplete, never silently.
 */
#include "lockstep/base/secret.h"
#include "lockstep/record/record.h"
#include "lockstep/smtp/base64.h"

#include "trouble.h"

#define CUT_LINE SPAN("! cut\n")
/* A note's own words are short; what they quote of a peer is cut. */
#define NOTE_BYTES_MAX 256U
/* Of a connection: three addresses and the longest name of a certificate. */
#define LIFE_BYTES_MAX 640U

static bool recording(const struct engine *engine)
{
    return engine->policy->record && engine->lender->record_scratch != NULL &&
           !engine->lender->record_cut;
}

static struct text text_resume(const struct engine *engine)
{
    struct text text =
        text_over(engine->lender->record_scratch, SCRATCH_RECORD_BYTES - CUT_LINE.size);

    text.size = engine->lender->record_size;
    return text;
}

static void text_end(struct engine *engine, struct text text)
{
    struct lender *lender = engine->lender;

    if (text.cut) {
        text.size = lender->record_size;
        text.room = SCRATCH_RECORD_BYTES;
        text_add(&text, CUT_LINE);
        lender->record_cut = true;
    }
    lender->record_size = text.size;
}

static moment elapsed(const struct engine *engine)
{
    return engine->now - engine->started;
}

/* What of a message was read and not passed on, because it may yet be its end. */
static struct span held_back(const struct body *body)
{
    static const struct span ends[] = {
        [HELD_NONE] = SPAN_INIT(".\r\r"),
        [HELD_CRLF] = SPAN_INIT("\r\n.\r\r"),
        [HELD_LF] = SPAN_INIT("\n.\r\r"),
        [HELD_CR_CRLF] = SPAN_INIT("\r\r\n.\r\r"),
    };
    size_t behind = 0; /* how much of what may follow the line end is not there yet */

    switch (body->place) {
    case BODY_TEXT:
    case BODY_LF:
    case BODY_LF_DOT:
        return SPAN("");
    case BODY_CR:
        return SPAN("\r");
    case BODY_CR_CR:
        return SPAN("\r\r");
    case BODY_LINE_START:
        behind = 3;
        break;
    case BODY_DOT:
        behind = 2;
        break;
    case BODY_DOT_CR:
        behind = 1;
        break;
    case BODY_DOT_CR_CR:
        break;
    }
    return span_head(ends[body->held], ends[body->held].size - behind);
}

/* Writes what was counted of a side's message. Of one that goes on, what is held back stands apart,
 * so that playing the record passes on just as much. */
static void add_counted(struct engine *engine, struct text *text, enum side side, bool open)
{
    struct counted *counted = &engine->message.counted[side];
    struct span held = SPAN("");

    if (counted->bytes == 0)
        return;
    if (open && side == SIDE_CLIENT &&
        (engine->input == INPUT_BODY || engine->message.fate == FATE_CONVERT))
        held = held_back(&engine->message.body);
    if (held.size > counted->bytes)
        held = span_tail(held, held.size - counted->bytes);
    counted->bytes -= held.size;
    counted->lines -= span_find(held, '\n') < held.size ? 1 : 0;
    if (counted->bytes > 0)
        record_body(text, elapsed(engine), side, true, counted->bytes, counted->lines, open);
    record_said(text, elapsed(engine), side, true, held);
    *counted = (struct counted){0};
}

/* Every other line comes behind what was counted so far: what happened in the middle of a message
 * happened there. */
static struct text text_begin(struct engine *engine)
{
    struct text text = text_resume(engine);

    add_counted(engine, &text, SIDE_CLIENT, true);
    add_counted(engine, &text, SIDE_UPSTREAM, true);
    return text;
}

static void count_content(struct engine *engine, enum side side, struct span bytes)
{
    struct counted *counted = &engine->message.counted[side];

    if (!engine->policy->record)
        return;
    if (engine->policy->record_bodies) {
        note_said(engine, side, true, bytes);
        return;
    }
    counted->bytes += bytes.size;
    while (bytes.size > 0) {
        size_t feed = span_find(bytes, '\n');

        counted->lines += feed < bytes.size ? 1 : 0;
        bytes = span_tail(bytes, feed + 1);
    }
}

/* What goes by a wire is told when it leaves. */
void note_content(struct engine *engine, enum side side, struct span bytes)
{
    if (!engine->troubled || side == SIDE_CLIENT)
        count_content(engine, side, bytes);
}

void note_left_content(struct engine *engine, struct span bytes)
{
    count_content(engine, SIDE_UPSTREAM, bytes);
}

void note_left(struct engine *engine, enum side side, struct span bytes)
{
    note_said(engine, side, side == SIDE_UPSTREAM, bytes);
}

void note_left_unread(struct engine *engine, enum side side, struct span bytes)
{
    struct text text;

    if (!recording(engine))
        return;
    text = text_begin(engine);
    record_body(&text, elapsed(engine), side, side == SIDE_UPSTREAM, bytes.size, 0, true);
    text_end(engine, text);
}

void note_secret(struct engine *engine, enum side side, struct span line, size_t secret,
                 struct span end)
{
    struct text text;

    if (!recording(engine))
        return;
    text = text_begin(engine);
    record_said_secret(&text, elapsed(engine), side, side == SIDE_UPSTREAM, line, secret, end);
    text_end(engine, text);
}

void note_content_part(struct engine *engine)
{
    if (recording(engine))
        text_end(engine, text_begin(engine));
}

void note_content_end(struct engine *engine)
{
    struct text text;

    if (!recording(engine))
        return;
    text = text_resume(engine);
    add_counted(engine, &text, SIDE_CLIENT, false);
    add_counted(engine, &text, SIDE_UPSTREAM, false);
    text_end(engine, text);
}

void note_unread(struct engine *engine, enum side from, uint64_t bytes)
{
    struct text text;

    if (!recording(engine))
        return;
    text = text_begin(engine);
    if (!engine->troubled || from == SIDE_CLIENT)
        record_body(&text, elapsed(engine), SIDE_CLIENT, from == SIDE_CLIENT, bytes, 0, true);
    if (!engine->troubled || from == SIDE_UPSTREAM)
        record_body(&text, elapsed(engine), SIDE_UPSTREAM, from == SIDE_CLIENT, bytes, 0, true);
    text_end(engine, text);
}

void note_stop(struct engine *engine)
{
    struct text text;

    if (!recording(engine))
        return;
    text = text_begin(engine);
    record_event(&text, elapsed(engine), SPAN("stop"));
    text_end(engine, text);
}

void note_said(struct engine *engine, enum side side, bool to_upstream, struct span bytes)
{
    struct text text;

    if (!recording(engine))
        return;
    text = text_begin(engine);
    record_said(&text, elapsed(engine), side, to_upstream, bytes);
    text_end(engine, text);
}

/* RFC 4422 3.1: at most 20 letters, digits, hyphens and underscores. Whatever else stands there may
 * be the credential itself. */
static bool names_mechanism(struct span word)
{
    size_t i;

    for (i = 0; i < word.size; i++) {
        unsigned char byte = (unsigned char)word.at[i];
        bool letter = (byte | 0x20U) >= 'a' && (byte | 0x20U) <= 'z';

        if (!letter && (byte < '0' || byte > '9') && byte != '-' && byte != '_')
            return false;
    }
    return word.size <= 20;
}

static struct span without_blanks(struct span rest)
{
    while (rest.size > 0 && (rest.at[0] == ' ' || rest.at[0] == '\t'))
        rest = span_tail(rest, 1);
    return rest;
}

/* How many bytes at the end of a command line may be a credential (RFC 4954 4). */
size_t note_secret_size(const struct engine *engine, enum verb verb, struct span line)
{
    struct span rest = line;
    struct span word;

    if (verb == VERB_UNKNOWN)
        return engine->auth_seen ? line.size : 0;
    if (!verb_facts(verb)->secret)
        return 0;
    if (verb_facts(verb)->does == DOES_RESPONSE)
        return span_equal(line, SPAN("*")) ? 0 : line.size;
    span_word(&rest, &word); /* the verb, then the mechanism */
    line = without_blanks(rest);
    rest = line;
    span_word(&rest, &word);
    return names_mechanism(word) ? without_blanks(rest).size : line.size;
}

void note_command(struct engine *engine, enum side side, enum verb verb, struct span line,
                  struct span end)
{
    struct text text;

    if (!recording(engine))
        return;
    if (end.size == 0) { /* it stands in the line itself, such as it is */
        size_t size = span_ends(line, SPAN("\r\n")) ? 2 : span_ends(line, SPAN("\n")) ? 1 : 0;

        end = span_tail(line, line.size - size);
        line = span_head(line, line.size - size);
    }
    text = text_begin(engine);
    record_said_secret(&text, elapsed(engine), side, true, line,
                       note_secret_size(engine, verb, line), end);
    text_end(engine, text);
}

/* Shorter ones are found in any text. */
#define SECRET_SHOWN_MIN 4U

static bool shows(struct span said, struct span secret)
{
    return secret.size >= SECRET_SHOWN_MIN && span_find_span(said, secret) < said.size;
}

/* Does it hold what the line encodes? The last part is the password, or the token with its name. */
static bool shows_decoded(struct span said, struct span line)
{
    char bytes[LIMIT_LINE_BYTES_MAX];
    struct text decoded = text_over(bytes, sizeof(bytes));
    bool readable = base64_decode(line, &decoded);
    struct span rest = text_span(&decoded);
    struct span last = rest;
    bool shown;

    while (rest.size > 0) {
        size_t end = span_find(rest, '\0');
        size_t mark = span_find(rest, '\1'); /* of XOAUTH2 and OAUTHBEARER */
        struct span part = span_head(rest, end < mark ? end : mark);

        last = part.size > 0 ? part : last;
        rest = span_tail(rest, part.size + 1);
    }
    if (span_starts_fold(last, SPAN("auth=Bearer ")))
        last = span_tail(last, SPAN("auth=Bearer ").size);
    shown = readable && shows(said, last);
    secret_wipe(bytes, decoded.size);
    return shown;
}

/* The line whose reply is awaited, if it may hold a credential. */
static const struct row *secret_row(const struct engine *engine)
{
    const struct row *row;

    if (engine->ledger.in_flight == 0)
        return NULL;
    row = ledger_row(engine, engine->ledger.answer);
    return verb_facts((enum verb)row->verb)->secret ? row : NULL;
}

/* Does a reply to an AUTH line say that line back, or what it encodes? Servers quote what they do
 * not understand. */
bool says_secret_back(const struct engine *engine, struct span said)
{
    const struct row *row = secret_row(engine);
    struct span line, word;

    if (row == NULL)
        return false;
    line = ledger_text(engine, row);
    if (row->verb == VERB_AUTH) { /* the verb and the mechanism are no secret */
        span_word(&line, &word);
        span_word(&line, &word);
    }
    line = span_trim(line);
    return shows(said, line) || shows_decoded(said, line);
}

/* Of each line no more than the code. */
static void note_codes(struct engine *engine, enum side side, struct span rest)
{
    while (rest.size > 0) {
        struct span line = span_head(rest, span_find(rest, '\n') + 1);
        size_t end = span_ends(line, SPAN("\r\n")) ? 2 : span_ends(line, SPAN("\n")) ? 1 : 0;
        struct span words = span_head(line, line.size - end);
        struct text text = text_begin(engine);
        uint64_t code;

        rest = span_tail(rest, line.size);
        record_said_secret(&text, elapsed(engine), side, false, words,
                           span_number(span_head(words, 3), &code) ? span_tail(words, 4).size
                                                                   : words.size,
                           span_tail(line, words.size));
        text_end(engine, text);
    }
}

/* What the client hears may be cut, or made of several lines: it can still hold most of a
 * credential that stood whole in what the upstream said. */
void note_reply(struct engine *engine, enum side side, struct span reply)
{
    bool shown = recording(engine) && says_secret_back(engine, reply);

    if (side == SIDE_UPSTREAM)
        engine->said_back = shown;
    if (shown || engine->said_back)
        note_codes(engine, side, reply);
    else
        note_said(engine, side, false, reply);
}

bool awaits_secret(const struct engine *engine)
{
    return secret_row(engine) != NULL;
}

void note_rubbish(struct engine *engine, struct span bytes)
{
    if (recording(engine) && awaits_secret(engine))
        note_codes(engine, SIDE_UPSTREAM, bytes);
    else
        note_said(engine, SIDE_UPSTREAM, false, bytes);
}

void note(struct engine *engine, struct span word, struct span key, struct span value)
{
    char bytes[NOTE_BYTES_MAX];
    struct text rest = text_over(bytes, sizeof(bytes));
    struct text text;

    if (!recording(engine))
        return;
    text_add(&rest, key);
    if (key.size > 0)
        text_add_byte(&rest, '=');
    text_add(&rest, value);
    text = text_begin(engine);
    record_note(&text, elapsed(engine), word, text_span(&rest));
    text_end(engine, text);
}

void finding(struct engine *engine, struct span what)
{
    note(engine, SPAN("finding"), SPAN(""), what);
}

void note_code(struct engine *engine, struct span word, struct span what, uint16_t code)
{
    char bytes[NOTE_BYTES_MAX];
    struct text value = text_over(bytes, sizeof(bytes));

    text_add(&value, what);
    text_add(&value, SPAN(" code="));
    text_add_number(&value, code);
    note(engine, word, SPAN(""), text_span(&value));
}

static void add_arrival(const struct engine *engine, const struct arrival *arrival,
                        struct text *words)
{
    if (arrival->port != 0 && policy_identifies(engine->policy)) {
        text_add(words, SPAN(" port="));
        text_add_number(words, arrival->port);
    }
    if (arrival->destination.size > 0) {
        text_add(words, SPAN(" to="));
        text_add(words, arrival->destination);
    }
    if (arrival->through.size > 0) {
        text_add(words, SPAN(" through="));
        text_add(words, arrival->through);
        text_add(words, arrival->along ? SPAN(" along") : SPAN(""));
    }
    if (arrival->certificate.size > 0) {
        text_add(words, SPAN(" certificate="));
        text_add(words, arrival->certificate);
    }
}

/* The address of the client, and what else is known at once. */
void note_open(struct engine *engine, const struct event *event)
{
    const struct arrival *arrival = event->arrival;
    char bytes[LIFE_BYTES_MAX];
    struct text words = text_over(bytes, sizeof(bytes));
    size_t i;

    text_add(&words, event->bytes);
    if (event->secured)
        text_add(&words, words.size > 0 ? SPAN(" tls") : SPAN("tls"));
    for (i = 0; i < TRAIT_COUNT; i++) {
        if ((event->traits >> i & 1U) == 0)
            continue;
        text_add(&words, words.size > 0 ? SPAN(" ") : SPAN(""));
        text_add(&words, trait_word((enum trait)i));
    }
    if (arrival != NULL)
        add_arrival(engine, arrival, &words);
    if (engine->troubled && event->session > 0) {
        text_add(&words, SPAN(" session="));
        text_add_number(&words, event->session);
    }
    note_life(engine, event->side, SPAN("open"), text_span(&words));
}

/* What the connection to the relay began with, which the shell has said: it is no SMTP. */
void note_proxy(struct engine *engine)
{
    static const struct span versions[] = {
        [PROXY_NONE] = SPAN_INIT(""), [PROXY_V1] = SPAN_INIT("v1"), [PROXY_V2] = SPAN_INIT("v2")};
    enum proxy_version version = relay_of(engine)->proxy;

    if (version != PROXY_NONE)
        note(engine, SPAN("proxy"), SPAN(""), versions[version]);
}

/* An answer from outside is an input, so it is recorded as one; what may be a credential is
 * counted. */
void note_told(struct engine *engine, const struct advice *advice, struct span words,
               bool with_mechanism)
{
    static const struct span told[] = {
        [TOLD_DONE] = SPAN_INIT("told done"),   [TOLD_LINE] = SPAN_INIT("told line"),
        [TOLD_AGAIN] = SPAN_INIT("told again"), [TOLD_LATER] = SPAN_INIT("told later"),
        [TOLD_NO] = SPAN_INIT("told no"),
    };
    char bytes[NOTE_BYTES_MAX];
    struct text line = text_over(bytes, sizeof(bytes));
    struct span rest = words;
    struct span mechanism;
    struct text text;

    if (!recording(engine))
        return;
    text_add(&line, told[advice->told]);
    if (advice->moved)
        text_add(&line, SPAN(" moved"));
    if (advice->told == TOLD_DONE && advice->credential == LIVE)
        text_add(&line, SPAN(" live"));
    text = text_begin(engine);
    if (advice->told == TOLD_LINE) {
        span_word(&rest, &mechanism);
        if (with_mechanism && names_mechanism(mechanism)) {
            text_add_byte(&line, ' ');
            text_add(&line, mechanism);
            words = without_blanks(rest);
        }
        record_event_secret(&text, elapsed(engine), text_span(&line), words.size);
    } else {
        if (words.size > 0 && (advice->told == TOLD_LATER || advice->told == TOLD_NO)) {
            text_add_byte(&line, ' ');
            text_add(&line, words);
        }
        record_event(&text, elapsed(engine), text_span(&line));
    }
    text_end(engine, text);
}

void note_life(struct engine *engine, enum side side, struct span what, struct span why)
{
    char bytes[LIFE_BYTES_MAX];
    struct text words = text_over(bytes, sizeof(bytes));
    struct text text;

    if (!recording(engine))
        return;
    text_add(&words, what);
    if (why.size > 0)
        text_add_byte(&words, ' ');
    text_add(&words, why);
    text = text_begin(engine);
    record_life(&text, elapsed(engine), side, text_span(&words));
    text_end(engine, text);
}

/* Other faults that hold from now on are an input too: one a line, and then that those are all. */
void note_faults(struct engine *engine, const struct faults *faults)
{
    char bytes[FAULT_RULE_BYTES_MAX + 8U];
    uint32_t i;

    if (!recording(engine))
        return;
    for (i = 0; i <= faults->count; i++) {
        struct text words = text_over(bytes, sizeof(bytes));
        struct text text = text_begin(engine);

        text_add(&words, i < faults->count ? SPAN("now ") : SPAN("now"));
        if (i < faults->count)
            text_add(&words, faults->entries[i]);
        record_event(&text, elapsed(engine), text_span(&words));
        text_end(engine, text);
    }
}
