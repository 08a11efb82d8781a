/* The message codec: one byte chooses the cuts, the rest is a message and raw content at once. */
#include "lockstep/base/must.h"

#include "body_check.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_tail(span_of((const char *)data, size), 1);
    uint64_t seed = size > 0 ? data[0] : 0;
    struct body_rules rules;
    size_t i;

    if (bytes.size > 4096)
        return 0;
    for (i = 0; body_rules_nth(i, &rules); i++) {
        must(body_check_scan(bytes, rules, seed) == NULL);
        must(body_check_stuff(bytes, rules, seed) == NULL);
    }
    return 0;
}
