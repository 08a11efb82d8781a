/* Which repairs would have helped. Commands and their replies are matched by counting, as ever. */
#include "lockstep/explain/proposal.h"

#include <string.h>

#include "exchange.h"
#include "lockstep/base/must.h"

/* What is being read of one session. */
struct reading {
    struct exchange upstream;
    uint64_t pending; /* repairs noted since the last command */
    uint64_t needed;
    uint64_t waiting[EXCHANGE_WAITING_MAX]; /* what repairs saw in each command; a ring */
    bool ended;                             /* a message, and nothing was said since */
    bool refused;
    bool just_refused; /* a reply, and nothing was said since */
    struct span client;
};

static enum repair_id repair_find(struct span name)
{
    size_t i;

    for (i = 0; i < REPAIR_COUNT; i++) {
        if (span_equal(repair_row((enum repair_id)i)->name, name))
            break;
    }
    return (enum repair_id)i;
}

static void command_refused(struct reading *reading, uint64_t repairs)
{
    reading->refused = true;
    reading->needed |= repairs;
}

static void read_said(struct reading *reading, const struct script_line *line)
{
    struct exchanged exchanged = exchange_read(&reading->upstream, line);
    uint64_t *saw = &reading->waiting[exchanged.number % EXCHANGE_WAITING_MAX];

    reading->just_refused = reading->just_refused && !line->record.to_upstream;
    reading->ended = exchanged.dot;
    if (exchanged.kind == EXCHANGED_COMMAND) {
        *saw = reading->pending;
        reading->pending = 0;
    } else if (exchanged.kind == EXCHANGED_REPLY && exchanged.command == NULL) {
        reading->refused = reading->refused || exchanged.code >= 400; /* the greeting */
    } else if (exchanged.kind == EXCHANGED_REPLY) {
        if (exchanged.code >= 400)
            command_refused(reading, *saw);
        reading->just_refused = exchanged.code >= 400;
    }
}

static void read_note(struct reading *reading, struct span note)
{
    struct span rest = note;
    struct span word, name;
    enum repair_id id;

    span_word(&rest, &word);
    span_word(&rest, &name);
    id = repair_find(name);
    if (id == REPAIR_COUNT)
        return;
    if (span_equal(word, SPAN("would")) && reading->just_refused &&
        repair_row(id)->stage == STAGE_ORDER)
        command_refused(reading, REPAIR_BIT(id)); /* it looked at the answer */
    else if (span_equal(word, SPAN("would")) && reading->ended)
        reading->waiting[(reading->upstream.next - 1) % EXCHANGE_WAITING_MAX] |=
            REPAIR_BIT(id); /* what was in it */
    else if (span_equal(word, SPAN("would")))
        reading->pending |= REPAIR_BIT(id);
    else if (span_equal(word, SPAN("repair")))
        command_refused(reading, REPAIR_BIT(id));
}

static void read_life(struct reading *reading, const struct record *record)
{
    struct span rest = record->bytes;
    struct span word;

    if (record->side != SIDE_CLIENT || !span_word(&rest, &word) ||
        !span_equal(word, SPAN("open")) || !span_word(&rest, &word) ||
        span_find(word, '=') < word.size)
        return;
    reading->client = word;
}

static void read_line(struct reading *reading, const struct script_line *line)
{
    const struct record *record = &line->record;

    switch (record->kind) {
    case RECORD_NOTE:
        read_note(reading, record->bytes);
        break;
    case RECORD_LIFE:
        read_life(reading, record);
        break;
    case RECORD_SAID:
    case RECORD_BODY:
        read_said(reading, line);
        break;
    case RECORD_COMMENT:
    case RECORD_SETTING:
        break;
    }
}

static void add_client(struct proposal_need *need, struct span client)
{
    struct text text;
    uint32_t i;

    for (i = 0; i < need->client_count; i++) {
        if (span_equal(span_of_string(need->clients[i]), client))
            return;
    }
    if (client.size == 0 || need->client_count == PROPOSAL_CLIENTS_MAX)
        return;
    text = text_over(need->clients[need->client_count++], PROPOSAL_CLIENT_BYTES_MAX - 1);
    text_add(&text, client);
    text.at[text.size] = 0;
}

void proposal_read(struct proposal *proposal, const struct script *script)
{
    struct reading reading = {.upstream = exchange_on(SIDE_UPSTREAM)};
    uint32_t i;

    for (i = 0; i < script->count; i++)
        read_line(&reading, &script->lines[i]);
    for (i = reading.upstream.first; i != reading.upstream.next; i++)
        command_refused(&reading, reading.waiting[i % EXCHANGE_WAITING_MAX]);
    proposal->sessions++;
    proposal->refused += reading.refused ? 1 : 0;
    for (i = 0; i < REPAIR_COUNT; i++) {
        if ((reading.needed & REPAIR_BIT(i)) == 0)
            continue;
        proposal->needs[i].sessions++;
        add_client(&proposal->needs[i], reading.client);
    }
}

static void add_count(struct text *out, uint32_t count, struct span one, struct span many)
{
    text_add_number(out, count);
    text_add(out, count == 1 ? one : many);
}

static void show_need(const struct proposal_need *need, struct text *out)
{
    uint32_t i;

    text_add(out, SPAN("# "));
    add_count(out, need->sessions, SPAN(" session"), SPAN(" sessions"));
    for (i = 0; i < need->client_count; i++) {
        text_add(out, i == 0 ? SPAN(" of ") : SPAN(", "));
        text_add(out, span_of_string(need->clients[i]));
    }
    text_add(out, need->client_count == PROPOSAL_CLIENTS_MAX ? SPAN(" ...\n") : SPAN("\n"));
}

/* Those that the configuration has to name, or those that it has not. */
static uint32_t show_needs(const struct proposal *proposal, bool named, struct text *out)
{
    uint32_t shown = 0;
    uint32_t i;

    for (i = 0; i < REPAIR_COUNT; i++) {
        const struct repair *repair = repair_row((enum repair_id)i);

        if (proposal->needs[i].sessions == 0 || named != (repair->initially != INITIALLY_ON))
            continue;
        if (shown++ == 0)
            text_add(out, named ? SPAN("repairs:\n") : SPAN("# on by itself:\n"));
        text_add(out, named ? SPAN("  ") : SPAN("#   "));
        text_add(out, repair->name);
        text_add(out, named ? SPAN(": on  ") : SPAN("  "));
        text_add(out, repair->initially == ONLY_TRUSTED ? SPAN("# only for clients you trust; ")
                                                        : SPAN(""));
        show_need(&proposal->needs[i], out);
    }
    return shown;
}

void proposal_show(const struct proposal *proposal, struct text *out)
{
    uint32_t shown;

    text_add(out, SPAN("# "));
    add_count(out, proposal->sessions, SPAN(" session"), SPAN(" sessions"));
    text_add(out, SPAN(", something refused in "));
    text_add_number(out, proposal->refused);
    text_add(out, SPAN("\nmode: repair\n"));
    shown = show_needs(proposal, true, out);
    shown += show_needs(proposal, false, out);
    if (shown == 0)
        text_add(out, SPAN("# no repair would have changed what was refused\n"));
}
