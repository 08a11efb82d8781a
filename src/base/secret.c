/* Bytes that must not be seen. */
#include <string.h>

#include "lockstep/base/secret.h"

void secret_wipe(void *memory, size_t size)
{
    volatile unsigned char *byte = memory;

    while (size-- > 0)
        *byte++ = 0;
}

void secret_clear(struct secret *secret)
{
    secret_wipe(secret->bytes, secret->size);
    secret->size = 0;
}

bool secret_set(struct secret *secret, struct span bytes)
{
    secret_clear(secret);
    if (bytes.size > SECRET_BYTES_MAX)
        return false;
    if (bytes.size > 0) /* an empty span may point nowhere */
        memcpy(secret->bytes, bytes.at, bytes.size);
    secret->size = bytes.size;
    return true;
}

struct span secret_reveal(const struct secret *secret)
{
    return span_of(secret->bytes, secret->size);
}
