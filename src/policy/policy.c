/* What holds when the configuration says nothing. */
#include "lockstep/policy/policy.h"

#define MS_PER_SECOND 1000U

void policy_default(struct policy *policy_r)
{
    static const uint32_t waits_s[] = {
#define WAIT_DEFAULT(name, word, seconds) seconds,
        WAITS(WAIT_DEFAULT)
#undef WAIT_DEFAULT
    };
    size_t i;

    *policy_r = (struct policy){
        .mode = MODE_REPAIR,
        .pipelining = PIPELINING_AUTO,
        .bare = BARE_REFUSE,
        .limits = {.line_bytes = 2048, .auth_line_bytes = 12288, .reply_bytes = 16384, .rows = 64},
        .hostname = SPAN("lockstep.invalid"),
    };
    for (i = 0; i < WAIT_COUNT; i++)
        policy_r->wait_ms[i] = waits_s[i] * MS_PER_SECOND;
    for (i = 0; i < REPAIR_COUNT; i++)
        policy_r->repairs |= repair_row((enum repair_id)i)->on ? 1U << i : 0U;
}
