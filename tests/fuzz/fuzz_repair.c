/* The repairs of a client's lines over each line of the input, as they come and as they go on. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/repair/repair.h"

#include "fuzz.h"

static const struct view offers_nothing = {.greeted = true};
static const struct envelope no_envelope;
static const struct rewrite rewrite = {.helo = SPAN_INIT("scanner.example"),
                                       .domain = SPAN_INIT("shop.example"),
                                       .default_sender = SPAN_INIT("scanner@shop.example"),
                                       .sender = SPAN_INIT("scanner@shop.example")};

static enum verdict mend(const struct repair *repair, struct span line, struct mended *mended)
{
    struct situation situation = {
        .seen = line,
        .client = &offers_nothing,
        .upstream = &offers_nothing,
        .envelope = &no_envelope,
        .rewrite = &rewrite,
        .hostname = SPAN("lockstep.invalid"),
        .address = SPAN("192.0.2.9"),
        .account = SPAN("scanner@shop.example"),
        .first = true,
    };
    struct command command;

    command_parse(line, &command);
    situation.verb = verb_facts(command.verb);
    if ((repair->does & DOES_BIT(situation.verb->does)) == 0)
        return UNTOUCHED;
    return repair->mend(&situation, mended);
}

static bool has(struct span text, char byte)
{
    return span_find(text, byte) < text.size;
}

/* It stays one line, grows no more than said, and is not mended again (invariants 4 and 10). */
static void check(const struct repair *repair, struct span line, char *memory)
{
    size_t room = line.size + MENDED_GROWTH_MAX;
    struct mended once = {.text = text_over(memory, room)};
    struct mended twice = {.text = text_over(memory + room, room + MENDED_GROWTH_MAX)};
    enum verdict verdict = mend(repair, line, &once);
    struct span mended = text_span(&once.text);

    must(verdict != BEYOND || (once.plan.answer_here && once.plan.code >= 400));
    if (verdict != REPAIRED)
        return;
    must(!once.text.cut && mended.size > 0);
    must(!has(mended, '\r') || has(line, '\r'));
    must(!has(mended, '\0') || has(line, '\0'));
    must(!has(mended, '\n'));
    must(mend(repair, mended, &twice) == UNTOUCHED);
}

static void check_line(struct span line)
{
    char *exact = malloc(line.size + 1);
    char *memory = malloc(2 * line.size + 3 * (size_t)MENDED_GROWTH_MAX);
    uint32_t id;

    must(exact != NULL && memory != NULL);
    if (line.size > 0)
        memcpy(exact, line.at, line.size);
    for (id = 0; id < REPAIR_COUNT; id++) {
        const struct repair *repair = repair_row((enum repair_id)id);

        if (repair->stage == STAGE_COMMAND || repair->stage == STAGE_SENDING)
            check(repair, span_of(exact, line.size), memory);
    }
    free(memory);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of((const char *)data, size);

    while (rest.size > 0) {
        size_t end = span_find(rest, '\n');

        check_line(span_head(rest, end));
        rest = span_tail(rest, end + 1);
    }
    return 0;
}
