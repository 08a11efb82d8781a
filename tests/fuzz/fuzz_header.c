/* A message behind DATA, with its header mended and not: one byte chooses cuts and line ends. */
#include "lockstep/base/must.h"

#include "fuzz.h"
#include "header_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span message = span_tail(span_of((const char *)data, size), 1);
    bool mended;

    if (message.size <= HEADER_CHECK_BYTES_MAX)
        must(header_check(message, size > 0 ? data[0] : 0, &mended) == NULL);
    return 0;
}
