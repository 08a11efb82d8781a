/* What a script sets up before its first line is played: the policy, and the words of the player.
 */
#include "lockstep/explain/player.h"

static bool report_wrong(const struct script *script, const struct script_line *line,
                         struct span says, struct text *report)
{
    script_place(script, line->number, report);
    text_add(report, says);
    text_add_byte(report, '\n');
    return false;
}

static bool set_word(const struct script *script, const struct script_line *line,
                     struct policy *policy, struct text *report)
{
    struct span path = line->record.bytes;
    char bytes[512];
    struct text error = text_over(bytes, sizeof(bytes));
    uint64_t number;

    if (line->word == SCRIPT_SEED && !span_number(line->rest, &number))
        return report_wrong(script, line, SPAN("a seed is a number"), report);
    if (line->word == SCRIPT_UNFINISHED && line->rest.size == 0)
        return report_wrong(script, line, SPAN("say what is left unfinished, and why"), report);
    if (line->word == SCRIPT_UNCUT && line->rest.size == 0)
        return report_wrong(script, line, SPAN("say why it matters how bytes arrive"), report);
    if (line->word != SCRIPT_POLICY)
        return true;
    path = span_trim(span_head(path, path.size - line->rest.size));
    if (!policy_set(policy, path, line->rest, &error))
        return report_wrong(script, line, text_span(&error), report);
    return true;
}

bool player_policy(const struct script *script, struct policy *policy_r, struct text *report)
{
    const struct script_line *last = NULL;
    char bytes[512];
    struct text error = text_over(bytes, sizeof(bytes));
    bool started = false;
    uint32_t i;

    policy_default(policy_r);
    for (i = 0; i < script->count; i++) {
        const struct script_line *line = &script->lines[i];

        started = started || line->part == SCRIPT_STIMULUS || line->part == SCRIPT_EXPECTED;
        if (line->part != SCRIPT_SETUP)
            continue;
        if (started)
            return report_wrong(script, line, SPAN("set-up stands before the first line of a play"),
                                report);
        if (!set_word(script, line, policy_r, report))
            return false;
        last = line;
    }
    policy_r->record = true;
    policy_r->record_bodies = true;
    if (last != NULL && !policy_check(policy_r, &error))
        return report_wrong(script, last, text_span(&error), report);
    return true;
}
