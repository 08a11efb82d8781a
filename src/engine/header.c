/*
 * The header of a message, where a repair looks at it: each field waits unread until it is whole,
 * which only the byte behind it tells (RFC 5322 2.2.3), and then passes, or what repairs made of it
 * does. Where lines end and what becomes of dots is decided by body.h alone, on both ways: a field
 * is what it made of the client's bytes, and what a repair hands back goes through it once more.
 * In `observe` fields wait, too, and then pass as they came.
 *
 * A client that was not to hear of CHUNKING and says BDAT all the same has its header left alone.
 */
#include "header.h"
#include "mend.h"
#include "message.h"

#define LINE_END SPAN("\r\n")
/* What a field becomes where each of its bytes is a line end of its own, and what was held back in
 * front of it. */
#define READ_BYTES_MAX (2 * FIELD_BYTES_MAX + 8)

void header_start(struct engine *engine)
{
    struct header *header = &engine->message.header;

    *header = (struct header){.first = true};
    header->looks = mend_due(engine, STAGE_HEADER, DOES_MESSAGE);
}

bool header_may_be_mended(const struct engine *engine)
{
    const struct policy *policy = engine->policy;
    uint64_t on = policy->repairs;
    uint32_t i;

    for (i = 0; i < policy->route_count; i++)
        on |= policy->routes[i].repairs;
    return (on & policy->repairs_at[STAGE_HEADER][DOES_MESSAGE]) != 0;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/*
 * Does a field begin there? A name, then a colon, and blanks between them as of old (RFC 5322 2.2,
 * 4.5); or, in front of all, the line that mailboxes have there (B-63).
 */
static enum parsed field_begins(struct span input, bool first)
{
    size_t at = 0;

    while (at < input.size && input.at[at] > ' ' && input.at[at] <= '~' && input.at[at] != ':')
        at++;
    if (first && span_ends(span_head(input, at), SPAN("From")) && at < input.size &&
        input.at[at] == ' ')
        return PARSED;
    if (at == 0 && input.size > 0)
        return PARSED_BAD;
    while (at < input.size && is_blank(input.at[at]))
        at++;
    if (at == input.size)
        return PARSED_MORE;
    return input.at[at] == ':' ? PARSED : PARSED_BAD;
}

/* Does the field in front of that line go on with it? A lone CR may be a blank upstream. */
static enum parsed goes_on(const struct body *body, struct span line)
{
    size_t returns = 0;
    bool empty;

    while (returns < line.size && line.at[returns] == '\r')
        returns++;
    if (returns == line.size)
        return PARSED_MORE;
    if (returns == 0)
        return is_blank(line.at[0]) ? PARSED : PARSED_BAD;
    empty = line.at[returns] == '\n' && (returns == 1 || (returns == 2 && body->drop_cr));
    return empty ? PARSED_BAD : PARSED;
}

/* The size of the field that the input begins with; 0: where it ends is not seen yet. */
static size_t field_size(const struct body *body, struct span input)
{
    enum parsed more = PARSED;
    size_t size = 0;

    while (more == PARSED && size < input.size) {
        size += span_find(span_tail(input, size), '\n') + 1;
        more = goes_on(body, span_tail(input, size));
    }
    return more == PARSED_BAD ? size : 0;
}

/* It will not be waited for, or not any longer. */
static bool too_long(struct span input, size_t size)
{
    return size > FIELD_BYTES_MAX || (size == 0 && input.size > FIELD_BYTES_MAX);
}

/* The line behind a field decides that it is over: the record has causes before effects. */
static void tell_next(struct engine *engine, struct span input)
{
    struct header *header = &engine->message.header;
    struct span line = span_head(input, span_find(input, '\n') + 1);

    if (!engine->policy->record_bodies || header->told >= line.size)
        return;
    note_content(engine, SIDE_CLIENT, span_tail(line, header->told));
    header->told = (uint32_t)line.size;
}

/* Will nobody say how the field goes on? Then the record tells so before what follows from it. */
static bool breaks_off(struct engine *engine, struct span input, size_t size)
{
    struct header *header = &engine->message.header;

    if (size > 0 || !client_of(engine)->ended)
        return false;
    if (header->told < input.size)
        note_content(engine, SIDE_CLIENT, span_tail(input, header->told));
    header->told = (uint32_t)input.size;
    end_tell(engine, SIDE_CLIENT, true);
    return true;
}

/* What a repair handed back, as it goes on: false when that would be more or less than lines, or
 * end the header. */
static bool as_lines(struct span mended, struct text *out)
{
    enum body_found found = BODY_PIECE;
    struct body_piece piece;
    struct body lines;

    if (span_starts(mended, LINE_END) || span_find_span(mended, SPAN("\r\n\r\n")) < mended.size)
        return false;
    body_start(&lines, BARE_REFUSE);
    while (found == BODY_PIECE) {
        found = body_stuff(&lines, &mended, &piece);
        text_add(out, piece.before);
        text_add(out, piece.bytes);
    }
    return found == BODY_MORE && lines.place == BODY_TEXT && !out->cut;
}

/* Passes a field that was read. `start`: the line end in front of it, which was held back. */
static void pass_field(struct engine *engine, struct span field, size_t start)
{
    struct span seen = span_tail(field, start);
    struct mending mending;
    char bytes[READ_BYTES_MAX + MENDED_GROWTH_MAX];
    struct text text = text_over(bytes, sizeof(bytes));

    text_add(&text, span_head(field, start));
    if (span_starts(seen, SPAN(".")) || /* stuffed, and nobody's name */
        mend_text(engine, STAGE_HEADER, VERB_DATA, &seen, &mending) != REPAIRED ||
        !as_lines(seen, &text)) {
        text_clear(&text);
        text_add(&text, field);
    }
    message_pass(engine, BODY_PIECE, (struct body_piece){.before = text_span(&text)});
}

/* Reads a whole field, and passes it. */
static enum body_found read_field(struct engine *engine, struct span *input, size_t size)
{
    struct body *body = &engine->message.body;
    size_t start = body->held == HELD_NONE ? 0 : LINE_END.size;
    struct span part = span_head(*input, size);
    enum body_found found = BODY_PIECE;
    char bytes[READ_BYTES_MAX];
    struct text text = text_over(bytes, sizeof(bytes));
    struct body_piece piece;

    while (found == BODY_PIECE && part.size > 0) {
        found = message_scan(engine, &part, &piece);
        text_add(&text, piece.before);
        text_add(&text, piece.bytes);
    }
    must(!text.cut);
    *input = span_tail(*input, size - part.size);
    engine->message.header.looks = found == BODY_PIECE && body->place == BODY_LINE_START;
    if (engine->message.header.looks) {
        tell_next(engine, *input);
        pass_field(engine, text_span(&text), start);
    } else {
        message_pass(engine, found, (struct body_piece){.before = text_span(&text)});
    }
    engine->message.header.first = false;
    return found;
}

/* Passes what is there of a line of a field that is too long. */
static enum body_found pass_line(struct engine *engine, struct span *input)
{
    size_t size = span_find(*input, '\n') + 1;
    struct span part = span_head(*input, size);
    size_t whole = part.size;
    enum body_found found = BODY_PIECE;
    struct body_piece piece;

    while (found == BODY_PIECE && part.size > 0) {
        found = message_scan(engine, &part, &piece);
        message_pass(engine, found, piece);
    }
    *input = span_tail(*input, whole - part.size);
    return found;
}

/* One field, or part of a long one. */
static enum body_found read_some(struct engine *engine, struct span *input)
{
    const struct body *body = &engine->message.body;
    struct header *header = &engine->message.header;
    enum parsed begins = field_begins(*input, header->first);
    size_t size = field_size(body, *input);

    if (header->passes && (body->place != BODY_LINE_START || goes_on(body, *input) == PARSED))
        return pass_line(engine, input);
    if (header->passes && goes_on(body, *input) == PARSED_MORE && !client_of(engine)->ended)
        return BODY_MORE;
    header->passes = false;
    if (begins == PARSED_BAD || breaks_off(engine, *input, size) ||
        (begins == PARSED_MORE && too_long(*input, size))) {
        header->looks = false;
        return BODY_PIECE;
    }
    if (too_long(*input, size)) {
        note(engine, SPAN("odd"), SPAN(""), SPAN("long-field"));
        header->passes = true;
        header->first = false;
        return pass_line(engine, input);
    }
    return size > 0 ? read_field(engine, input, size) : BODY_MORE;
}

enum body_found header_read(struct engine *engine, struct span *input)
{
    struct message *message = &engine->message;
    enum body_found found = BODY_PIECE;

    while (message->header.looks && message->fate == FATE_FORWARD && found == BODY_PIECE)
        found = input->size > 0 ? read_some(engine, input) : BODY_MORE;
    return found;
}
