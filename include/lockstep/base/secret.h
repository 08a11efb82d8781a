/*
 * secret: bytes that must not be seen: a password, a token, a key.
 *
 * It has a type of its own so that printing one does not compile by accident: there is no function
 * that shows it, and secret_reveal() is the one door, used where the bytes go into a SASL line, an
 * HTTP request or a cipher. Whoever holds one clears it when it is done; a copy is a second secret.
 */
#ifndef LOCKSTEP_BASE_SECRET_H
#define LOCKSTEP_BASE_SECRET_H

#include "lockstep/base/span.h"

/* The longest access tokens seen have some 4 KiB. */
#define SECRET_BYTES_MAX 8192U

struct secret {
    size_t size;
    char bytes[SECRET_BYTES_MAX];
};

/* False: it does not fit, and the secret is empty. */
bool secret_set(struct secret *secret, struct span bytes);
/* The bytes themselves, borrowed. */
struct span secret_reveal(const struct secret *secret);
void secret_clear(struct secret *secret);
/* Overwrites memory in a way that no compiler leaves out. */
void secret_wipe(void *memory, size_t size);

#endif
