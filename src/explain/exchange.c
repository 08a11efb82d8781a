/* What follows 354 or BDAT is content; all else that goes to the upstream is a command. */
#include "exchange.h"

#include "lockstep/smtp/command.h"

struct exchange exchange_on(enum side side)
{
    return (struct exchange){.side = side, .data_at = UINT32_MAX};
}

struct span exchange_words(const struct script_line *command)
{
    struct span words = command->record.bytes;

    if (command->record.kind == RECORD_BODY)
        return SPAN(".");
    words = span_head(words, span_find(words, '\n'));
    return span_ends(words, SPAN("\r")) ? span_head(words, words.size - 1) : words;
}

static struct exchanged append(struct exchange *exchange, const struct script_line *line, bool dot)
{
    uint32_t number = exchange->next++;

    if (exchange->next - exchange->first > EXCHANGE_WAITING_MAX)
        exchange->first++;
    exchange->waiting[number % EXCHANGE_WAITING_MAX] = line;
    return (struct exchanged){EXCHANGED_COMMAND, number, line, dot, 0};
}

/* Content, or a command. */
static struct exchanged read_up(struct exchange *exchange, const struct script_line *line)
{
    uint64_t size = script_said_size(line);
    struct command command;

    if (exchange->chunk_left > 0) {
        exchange->chunk_left -= size < exchange->chunk_left ? size : exchange->chunk_left;
        return (struct exchanged){0};
    }
    if (exchange->in_body) {
        bool counted = line->record.kind == RECORD_BODY && !line->record.body_open;

        exchange->in_body = !counted && !span_equal(line->record.bytes, SPAN(".\r\n"));
        return exchange->in_body ? (struct exchanged){0} : append(exchange, line, true);
    }
    if (line->record.kind == RECORD_BODY)
        return (struct exchanged){0};
    command_parse(exchange_words(line), &command);
    if (command.verb == VERB_DATA)
        exchange->data_at = exchange->next;
    if (command.verb == VERB_BDAT)
        exchange->chunk_left = command.chunk_bytes;
    return append(exchange, line, false);
}

static struct exchanged read_down(struct exchange *exchange, struct span said)
{
    struct exchanged exchanged = {.kind = EXCHANGED_REPLY, .number = exchange->first};
    bool data = exchange->first == exchange->data_at;
    uint64_t code = 0;

    if (said.size < 4 || !span_number(span_head(said, 3), &code) || said.at[3] == '-')
        return (struct exchanged){0};
    exchanged.code = (uint16_t)code;
    if (exchange->first == exchange->next)
        return exchanged;
    exchanged.command = exchange->waiting[exchange->first++ % EXCHANGE_WAITING_MAX];
    exchange->in_body = exchange->in_body || (data && code == 354);
    return exchanged;
}

struct exchanged exchange_read(struct exchange *exchange, const struct script_line *line)
{
    const struct record *record = &line->record;

    if ((record->kind != RECORD_SAID && record->kind != RECORD_BODY) ||
        record->side != exchange->side)
        return (struct exchanged){0};
    if (record->to_upstream)
        return read_up(exchange, line);
    return record->kind == RECORD_SAID ? read_down(exchange, record->bytes) : (struct exchanged){0};
}
