/* Which route, by what is known so far. */
#include "lockstep/policy/policy.h"

_Static_assert(ROUTES_MAX == 64, "one bit of a trail each");
_Static_assert(FACT_COUNT <= 8, "one bit of `known` each");

/* Without recursion: a mismatch goes back to the last `*` and lets it take one byte more. */
bool pattern_matches(struct span pattern, struct span text)
{
    size_t star = pattern.size; /* the last `*` seen, to which a mismatch goes back */
    size_t resume = 0;
    size_t at = 0;
    size_t i = 0;

    while (i < text.size) {
        if (at < pattern.size && pattern.at[at] == '*') {
            star = at++;
            resume = i;
        } else if (at < pattern.size && span_equal_fold(span_head(span_tail(pattern, at), 1),
                                                        span_head(span_tail(text, i), 1))) {
            at++;
            i++;
        } else if (star < pattern.size) {
            at = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.at[at] == '*')
        at++;
    return at == pattern.size;
}

static bool wants(const struct route *route, enum fact fact)
{
    return fact == FACT_CLIENT ? route->client.count > 0 : route->wants[fact].size > 0;
}

static bool allows(const struct route *route, enum fact fact, struct span value)
{
    if (!wants(route, fact))
        return true;
    return fact == FACT_CLIENT ? networks_hold(&route->client, value)
                               : pattern_matches(route->wants[fact], value);
}

void trail_learn(struct trail *trail, const struct policy *policy, enum fact fact,
                 struct span value)
{
    uint32_t i;

    trail->known |= (uint8_t)(1U << fact);
    trail->allowed[fact] = 0;
    for (i = 0; i < policy->route_count; i++) {
        if (allows(&policy->routes[i], fact, value))
            trail->allowed[fact] |= 1ULL << i;
    }
}

void trail_forget(struct trail *trail, enum fact fact)
{
    trail->known &= (uint8_t) ~(1U << fact);
}

/* What one route says to what is known. */
static enum chosen judge(const struct route *route, const struct trail *trail, uint32_t number)
{
    enum chosen chosen = CHOSEN;
    size_t fact;

    for (fact = 0; fact < FACT_COUNT; fact++) {
        bool known = (trail->known >> fact & 1U) != 0;

        if (known && (trail->allowed[fact] >> number & 1U) == 0)
            return UNROUTED;
        if (!known && wants(route, (enum fact)fact))
            chosen = UNDECIDED;
    }
    return chosen;
}

enum chosen route_choose(const struct policy *policy, const struct trail *trail, uint32_t *route_r)
{
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        enum chosen chosen = judge(&policy->routes[i], trail, i);

        *route_r = i;
        if (chosen != UNROUTED)
            return chosen;
    }
    *route_r = NOTHING;
    return UNROUTED;
}

bool routes_want(const struct policy *policy, enum fact fact)
{
    uint32_t i;

    for (i = 0; i < policy->route_count; i++) {
        if (wants(&policy->routes[i], fact))
            return true;
    }
    return false;
}
