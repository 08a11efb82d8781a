/* bytes: a growing queue of bytes, and dice that are thrown by a seed or by a fuzzer's input. */
#ifndef LOCKSTEP_TESTS_SIM_BYTES_H
#define LOCKSTEP_TESTS_SIM_BYTES_H

#include "lockstep/base/seed.h"
#include "lockstep/base/span.h"

struct bytes {
    char *at;
    size_t start, end, room;
};

void bytes_add(struct bytes *bytes, struct span more);
/* Formatted text without a NUL in it. */
void bytes_say(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is in it, until the next change. */
struct span bytes_span(const struct bytes *bytes);
void bytes_take(struct bytes *bytes, size_t size);
void bytes_clear(struct bytes *bytes);
void bytes_free(struct bytes *bytes);

struct dice {
    struct seed seed;
    struct span choices; /* used up first */
};

/* 0 to limit - 1. */
uint32_t dice_below(struct dice *dice, uint32_t limit);
/* True `percent` times of a hundred. */
bool dice_chance(struct dice *dice, uint32_t percent);

#endif
