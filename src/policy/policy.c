/* What one listener's sessions are to do, by the words of the schema. */
#include "lockstep/policy/policy.h"

#include "lockstep/base/must.h"

#include "build.h"
#include "value.h"

void policy_default(struct policy *policy_r)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text error = text_over(memory, sizeof(memory));
    size_t i;

    *policy_r = (struct policy){.mode = MODE_REPAIR, .relay_count = 1};
    policy_r->relays[0] = (struct relay){.mechanisms = MECHANISMS_ALL, .auth_line_bytes = 512};
    for (i = 0; i < schema_count; i++) {
        const struct row *row = &schema_rows[i];

        if (row->base == BASE_POLICY)
            must(value_set(row, policy_r, span_of_string(row->initial), &error));
    }
}

bool policy_set(struct policy *policy, struct span path, struct span value, struct text *error)
{
    const struct row *row = schema_find_path(BASE_BIT(BASE_POLICY), path);

    if (row)
        return value_set(row, policy, value, error);
    schema_unknown_path(BASE_BIT(BASE_POLICY), path, error);
    return false;
}

struct span policy_conflict(const struct policy *policy, struct text *error)
{
    if (policy->bare == BARE_PASS && policy->mode != MODE_OBSERVE) {
        text_add(error, SPAN("`bare-newlines: pass` contradicts `mode: repair`: write refuse or "
                             "normalise, or observe"));
        return SPAN("bare-newlines");
    }
    return SPAN("");
}

bool policy_check(const struct policy *policy, struct text *error)
{
    return policy_conflict(policy, error).size == 0;
}
