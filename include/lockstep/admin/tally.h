/*
 * tally: what all sessions came to, counted by listener and relay since the start. The labels are
 * names of the configuration and words of ours, never an address, so that their number is bounded.
 */
#ifndef LOCKSTEP_ADMIN_TALLY_H
#define LOCKSTEP_ADMIN_TALLY_H

#include <pthread.h>

#include "lockstep/net/shell.h"

/* Pairs of listener and relay; the last counts all for which there is no room. */
#define TALLY_ROWS_MAX 128U
#define TALLY_ENDINGS_MAX 24U
/* Longer names are cut. */
#define TALLY_NAME_MAX 64U

struct tally_ending {
    char word[TALLY_NAME_MAX];
    uint64_t sessions;
};

struct tally_row {
    char listener[TALLY_NAME_MAX];
    char relay[TALLY_NAME_MAX]; /* empty: none was tried */
    uint64_t commands;
    uint64_t messages;
    uint64_t refused;
    uint64_t recipients;
    uint64_t message_bytes;
    uint64_t repairs;
    uint64_t refusals[REFUSED_COUNT]; /* of clients that got no session */
    uint64_t passes[REFUSED_COUNT];   /* of those that passed untouched instead */
    uint32_t ending_count;
    struct tally_ending endings[TALLY_ENDINGS_MAX]; /* the last likewise */
};

struct counts {
    uint32_t row_count;
    struct tally_row rows[TALLY_ROWS_MAX];
    struct repair_count repairs[REPAIR_COUNT]; /* of all listeners */
};

/* Zeroed, and TALLY_INIT: ready. */
struct tally {
    pthread_mutex_t lock;
    struct counts counts;
};

#define TALLY_INIT                        \
    {                                     \
        .lock = PTHREAD_MUTEX_INITIALIZER \
    }

/* Any thread. */
void tally_report(struct tally *tally, const struct report *report);
void tally_refusal(struct tally *tally, const struct refusal *refusal);
void tally_copy(struct tally *tally, struct counts *counts_r);

#endif
