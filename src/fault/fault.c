/* The table of kinds, and asking the rules. */
#include "faults.h"

#define LINE_ROW(id, function, word, on, takes, needed, decision, sentence) \
    {.name = SPAN_INIT(word),                                               \
     .events = (on),                                                        \
     .arguments = (takes),                                                  \
     .needs = (needed),                                                     \
     .decides = (decision),                                                 \
     .act = fault_##function,                                               \
     .says = (sentence)},
#define BYTE_ROW(id, function, word, takes, needed, sentence) \
    {.name = SPAN_INIT(word),                                 \
     .events = FAULT_ON(TO_CLIENT) | FAULT_ON(TO_UPSTREAM),   \
     .arguments = (takes),                                    \
     .needs = (needed),                                       \
     .form = fault_##function,                                \
     .says = (sentence)},

static const struct fault_kind_row kinds[] = {FAULT_LINE_KINDS(LINE_ROW)
                                                  FAULT_BYTE_KINDS(BYTE_ROW)};

const struct fault_kind_row *fault_kind_row(enum fault_kind kind)
{
    return &kinds[kind];
}

const struct fault_value *fault_value(const struct fault_rule *rule, enum fault_argument argument)
{
    uint32_t i;

    for (i = 0; i < rule->with_count; i++) {
        if (rule->with[i].what == argument)
            return &rule->with[i];
    }
    return NULL;
}

uint64_t fault_number(const struct fault_rule *rule, enum fault_argument argument,
                      uint64_t otherwise)
{
    const struct fault_value *value = fault_value(rule, argument);

    return value != NULL ? value->number : otherwise;
}

struct span fault_text(const struct fault_rule *rule, enum fault_argument argument)
{
    const struct fault_value *value = fault_value(rule, argument);

    return value != NULL ? value->text : SPAN("");
}

static bool add_rule(struct faults *faults, struct span line, struct text *error)
{
    if (faults->rule_count == FAULT_RULES_MAX) {
        text_add(error, SPAN("at most 48 rules in all"));
        return false;
    }
    if (!fault_rule_parse(line, &faults->rules[faults->rule_count], error))
        return false;
    faults->rule_count++;
    return true;
}

bool fault_add(struct faults *faults, struct span entry, struct text *error)
{
    const struct fault_profile *profile = fault_profile_find(entry);
    uint32_t before = faults->rule_count;
    bool added = true;
    size_t i;

    if (faults->count == FAULT_ENTRIES_MAX) {
        text_add(error, SPAN("at most 32 faults"));
        return false;
    }
    if (profile == NULL && span_find(entry, ' ') == entry.size) {
        text_add(
            error,
            SPAN("a profile that `lockstep fault --list` prints, or a rule: EVENT ... do KIND"));
        return false;
    }
    if (profile == NULL)
        added = add_rule(faults, entry, error);
    for (i = 0; added && profile != NULL && profile->rules[i] != NULL; i++)
        added = add_rule(faults, span_of_string(profile->rules[i]), error);
    if (added)
        faults->entries[faults->count++] = entry;
    else
        faults->rule_count = before;
    return added;
}

bool fault_choose(const struct faults *faults, const struct fault_scene *scene,
                  struct fault_plan *plan_r)
{
    uint32_t i;

    *plan_r = (struct fault_plan){.rooms = {scene->rooms[0], scene->rooms[1]}};
    for (i = 0; i < faults->rule_count; i++) {
        const struct fault_rule *rule = &faults->rules[i];
        const struct fault_kind_row *kind = &kinds[rule->kind];

        if (kind->act == NULL || !fault_fits(rule, scene, i))
            continue;
        plan_r->same = false;
        kind->act(rule, scene, plan_r);
        if (plan_r->same) {
            scene->counts[i].acted--;
            continue;
        }
        plan_r->acted |= 1ULL << i;
        if (kind->decides)
            break;
    }
    return plan_r->acted != 0;
}

void fault_shape(const struct faults *faults, const struct fault_scene *scene,
                 struct fault_shape *shape_r)
{
    uint32_t i;

    *shape_r = (struct fault_shape){0};
    for (i = 0; i < faults->rule_count; i++) {
        const struct fault_rule *rule = &faults->rules[i];
        const struct fault_count *count = &scene->counts[i];

        if (kinds[rule->kind].form == NULL || rule->event != scene->event)
            continue;
        /* Decided once: a session's bytes are not slow now and then. */
        if (count->acted > 0 || (count->fitted == 0 && fault_fits(rule, scene, i)))
            kinds[rule->kind].form(rule, shape_r);
    }
}

struct text fault_room(const struct fault_plan *plan)
{
    bool first_used = plan->changed && plan->said.at == plan->rooms[0];

    return text_over(plan->rooms[first_used ? 1 : 0], FAULT_TEXT_BYTES_MAX);
}

void fault_becomes(const struct fault_scene *scene, struct fault_plan *plan,
                   const struct text *text)
{
    plan->same = text->cut || span_equal(fault_said(scene, plan), text_span(text));
    if (plan->same)
        return;
    plan->changed = true;
    plan->said = text_span(text);
}

const struct fault_profile *fault_profile_find(struct span name)
{
    const struct fault_profile *profile;
    size_t i;

    for (i = 0; (profile = fault_profile(i)) != NULL; i++) {
        if (span_equal(span_of_string(profile->name), name))
            break;
    }
    return profile;
}
