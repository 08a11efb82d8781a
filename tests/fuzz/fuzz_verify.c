/* verify: three lines of patterns, then any text as a transcript. What assertions say of each other
 * must hold: a line is seen when it is not unseen, and when it counts. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/base/must.h"
#include "lockstep/explain/verify.h"

#include "fuzz.h"

static const struct script *script;

static struct span take_line(struct span *input)
{
    struct span line = span_head(*input, span_find(*input, '\n'));

    *input = span_tail(*input, line.size + 1);
    return line;
}

/* "250 RCPT" behind a blank is a reply to something, anything else a line. */
static struct verify_step step_of(struct span words)
{
    struct verify_step step = {.line = words};

    if (words.size == 0 || words.at[0] != ' ')
        return step;
    step.line = (struct span){0};
    step.side = words.size % 2 == 0 ? SIDE_CLIENT : SIDE_UPSTREAM;
    span_word(&words, &step.reply);
    span_word(&words, &step.to);
    return step;
}

static bool holds(struct verify_assertion assertion, bool cut)
{
    static struct verified verdict;
    struct verify_session session = {SPAN("192.0.2.1"), script, cut};
    uint32_t i;

    memset(&verdict, 0, sizeof(verdict));
    verify_read(&assertion, &session, &verdict);
    verify_read(&assertion, &session, &verdict);
    verify_end(&assertion, &verdict);
    must(verdict.sessions == 2 && verdict.why[0] != 0);
    must(verdict.proof_count <= VERIFY_PROOFS_MAX && verdict.pending_count <= VERIFY_PENDING_MAX);
    for (i = 0; i < verdict.proof_count; i++) {
        const struct verify_proof *proof = &verdict.proofs[i];

        must(proof->session < 2 && proof->size <= VERIFY_LINE_MAX);
        must(proof->line >= 1 && proof->line <= script->count);
    }
    return verdict.passed;
}

static void check(const struct verify_step *steps)
{
    struct verify_assertion assertion = {
        .kind = VERIFY_SEEN, .step_count = 1, .steps = {steps[0], steps[1], steps[2]}};
    bool seen = holds(assertion, false);
    bool first;

    must(holds(assertion, true) == seen);
    assertion.kind = VERIFY_ORDER;
    must(holds(assertion, false) == seen);
    assertion.kind = VERIFY_UNSEEN;
    must(holds(assertion, false) != seen);
    must(!holds(assertion, true));
    assertion.kind = VERIFY_COUNT;
    assertion.at_least = 1;
    assertion.at_most = UINT64_MAX;
    must(holds(assertion, false) == seen);
    assertion.kind = VERIFY_NEVER;
    first = holds(assertion, false);
    must(seen || first);
    assertion.after = true;
    must(seen || holds(assertion, false));
    assertion.kind = VERIFY_ORDER;
    assertion.step_count = 3;
    must(seen || !holds(assertion, false));
    assertion.kind = VERIFY_MESSAGES;
    holds(assertion, false);
    assertion.kind = VERIFY_RETRIED;
    assertion.steps[0].reply = SPAN("4");
    holds(assertion, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of((const char *)data, size);
    struct verify_step steps[3];
    struct script read;
    char memory[400];
    struct text report = text_over(memory, sizeof(memory));
    void *lines;
    size_t i;

    for (i = 0; i < 3; i++)
        steps[i] = step_of(take_line(&input));
    lines = malloc(script_size(input) + 1);
    must(lines != NULL);
    script_read(&read, SPAN("fuzz"), input, lines, &report);
    script = &read;
    check(steps);
    free(lines);
    return 0;
}
