/*
 * history: what happened in sessions, kept in memory for whoever asks: of each worker its live
 * sessions and the last that ended, with their transcripts as a file would have them.
 *
 * It is bounded. Of one session the beginning and the end are kept, and a mark where lines are
 * missing; when a worker's share is used up, the oldest ended session goes, and when there is none
 * the live ones keep no more lines. A transcript grows as it comes, so one of few lines is small.
 *
 * Each worker has a part with a lock of its own, held for as long as it takes to copy.
 */
#ifndef LOCKSTEP_NET_HISTORY_H
#define LOCKSTEP_NET_HISTORY_H

#include "lockstep/net/shell.h"

/* Bytes of names, which are cut; NUL included. */
#define HISTORY_NAME_MAX 65U
#define HISTORY_TAG_MAX 129U
#define HISTORY_TLS_MAX 8U
/* How many lines of a session are searched for its tag. */
#define HISTORY_TAG_LINES_MAX 64U

struct history;
struct history_part; /* a worker's */
struct heading;      /* what the transcripts of a listener begin with */

/* What is known of a session beside its lines. */
struct past_facts {
    uint64_t id;
    uint64_t serial;                 /* in the order of their beginnings */
    int64_t started_ms;              /* since 1970 */
    int64_t ended_ms;                /* 0: it is live */
    struct address client;           /* family 0: nobody knows */
    struct address through;          /* who spoke for it, in a PROXY header or with XCLIENT */
    struct address relay;            /* the last that was tried; family 0: none was */
    char listener[HISTORY_NAME_MAX]; /* names of the configuration, empty: none */
    char relay_name[HISTORY_NAME_MAX];
    char credential[HISTORY_NAME_MAX];
    char tag[HISTORY_TAG_MAX];             /* the first name that the client greeted with */
    char tls[SIDE_COUNT][HISTORY_TLS_MAX]; /* "TLSv1.3"; empty: in clear */
    char ending[HISTORY_NAME_MAX];         /* one word; empty: it is live */
    uint32_t commands;                     /* these as in a summary */
    uint32_t messages;
    uint32_t refused;
    uint32_t recipients;
    uint32_t repairs;
    uint64_t message_bytes;
    uint64_t lines_left_out; /* of the transcript */
};

/* Which sessions; all zero: all. */
struct past_filter {
    struct span listener;
    struct span tag;    /* in any case */
    struct span client; /* an address, perhaps with a port */
    bool by_id;
    uint64_t id;
    bool live_only;
    bool ended_only;
    int64_t since_ms; /* begun then or later */
};

/* As the configuration wants it; NULL: nothing is kept. */
struct history *history_new(const struct config_admin *config);
/* When the workers have ended. */
void history_free(struct history **history);

/* --- any thread --- */

/* The newest first, to be freed; all that there are, even if none: never NULL. */
struct past_facts *history_list(struct history *history, const struct past_filter *filter,
                                size_t *count_r);
/* The transcript of one session, to be freed, and what else is known at that moment; NULL: there is
 * none with that number (any more). Of a live one in which something is owed `@ unfinished` says
 * so, so that it plays too. */
char *history_text(struct history *history, uint64_t id, struct past_facts *facts_r,
                   size_t *size_r);
/* Forgets those that have ended; returns how many. */
size_t history_forget(struct history *history);

#endif
