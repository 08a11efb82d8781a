/* The message codec: one byte chooses the cuts, the rest is a message and raw content at once. */
#include "lockstep/base/must.h"

#include "body_check.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum bare policies[] = {BARE_REFUSE, BARE_NORMALISE, BARE_PASS};
    struct span bytes = span_tail(span_of((const char *)data, size), 1);
    uint64_t seed = size > 0 ? data[0] : 0;
    size_t i;

    if (bytes.size > 4096)
        return 0;
    for (i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        must(body_check_scan(bytes, policies[i], seed) == NULL);
        must(body_check_stuff(bytes, policies[i], seed) == NULL);
    }
    return 0;
}
