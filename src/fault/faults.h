/* faults: what the files of this module share, and the functions of the kinds. */
#ifndef LOCKSTEP_SRC_FAULT_FAULTS_H
#define LOCKSTEP_SRC_FAULT_FAULTS_H

#include "lockstep/fault/fault.h"

#define FAULT_DECLARE(id, function, ...)                                                  \
    void fault_##function(const struct fault_rule *rule, const struct fault_scene *scene, \
                          struct fault_plan *plan);
FAULT_LINE_KINDS(FAULT_DECLARE)
#undef FAULT_DECLARE
#define FAULT_DECLARE(id, function, ...) \
    void fault_##function(const struct fault_rule *rule, struct fault_shape *shape);
FAULT_BYTE_KINDS(FAULT_DECLARE)
#undef FAULT_DECLARE

/* The value of that argument; NULL: it was not given. */
const struct fault_value *fault_value(const struct fault_rule *rule, enum fault_argument argument);

static inline bool fault_has(const struct fault_rule *rule, enum fault_argument argument)
{
    return fault_value(rule, argument) != NULL;
}

/* Its number, or what stands for it where it was not given. */
uint64_t fault_number(const struct fault_rule *rule, enum fault_argument argument,
                      uint64_t otherwise);
/* Its text, empty where it was not given. */
struct span fault_text(const struct fault_rule *rule, enum fault_argument argument);

/* What is said by the plan so far. */
static inline struct span fault_said(const struct fault_scene *scene, const struct fault_plan *plan)
{
    return plan->changed ? plan->said : scene->said;
}

/* Where to write what is said instead; what is said by now stays readable. */
struct text fault_room(const struct fault_plan *plan);
/* What was written there is said instead; what does not fit leaves all as it was. */
void fault_becomes(const struct fault_scene *scene, struct fault_plan *plan,
                   const struct text *text);

/* Is the text like the pattern, where * stands for any bytes? Case does not matter. */
bool fault_like(struct span pattern, struct span text);
/* The next line of a reply with its end; false behind the last. */
bool fault_line(struct span *rest, struct span *line_r);
/* The keyword of a reply's line: what stands behind the code and its separator. */
struct span fault_keyword(struct span line);
/* Is the keyword one of A,B,C, or with ! in front none of them? */
bool fault_listed(struct span list, struct span keyword);
/* May the bytes of this trigger pass? Counts what it must. */
bool fault_fits(const struct fault_rule *rule, const struct fault_scene *scene, uint32_t number);

#endif
