/*
 * body_check: everything that has to hold of the message codec (smtp/body.h) for any bytes at all,
 * checked against readers written as plainly as can be. Shared by the unit tests and the fuzzer.
 */
#ifndef LOCKSTEP_TESTS_BODY_CHECK_H
#define LOCKSTEP_TESTS_BODY_CHECK_H

#include "lockstep/base/seed.h"
#include "lockstep/base/text.h"
#include "lockstep/smtp/body.h"

/* How an input is cut: `first` bytes, then random lengths up to `most`; 0: no such limit. */
struct cuts {
    size_t first;
    size_t most;
    uint64_t seed;
};

/* How line ends are read: body_start()'s word, and what may be set behind it. */
struct body_rules {
    enum bare bare;
    bool drop_cr, lf_end;
};

/* Every kind there is, counted from 0; false: no more. */
bool body_rules_nth(size_t number, struct body_rules *rules_r);

struct body_run {
    enum body_found found; /* what ended it */
    size_t taken;          /* bytes of the input it took */
    struct body body;
    struct text said; /* all pieces; allocated, the caller frees said.at */
};

/* Takes a whole input through body_scan, or through body_stuff, cut as told. */
struct body_run body_run_over(struct span input, struct body_rules rules, bool stuffing,
                              const struct cuts *cuts);

/* All properties for one input under one policy; NULL, or the one that does not hold. */
const char *body_check_scan(struct span input, struct body_rules rules, uint64_t seed);
const char *body_check_stuff(struct span content, struct body_rules rules, uint64_t seed);

#endif
