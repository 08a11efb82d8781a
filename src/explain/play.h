/* play: one run of a script, for the files of the player only. */
#ifndef LOCKSTEP_EXPLAIN_PLAY_H
#define LOCKSTEP_EXPLAIN_PLAY_H

#include "lockstep/engine/engine.h"
#include "lockstep/explain/player.h"

/* What comes out of the engine, and what went in, as runs of bytes: a note and a step in the life
 * of a connection are a line each. */
enum stream_id {
    STREAM_TO_CLIENT,
    STREAM_TO_UPSTREAM,
    STREAM_NOTES,
    STREAM_CLIENT_LIFE,
    STREAM_UPSTREAM_LIFE,
    STREAM_FROM_CLIENT,
    STREAM_FROM_UPSTREAM,
    STREAM_COUNT
};

/* The first of those that are not compared with the script, because they are the script. */
#define STREAM_COMPARED STREAM_FROM_CLIENT

struct stream {
    struct text text;
    size_t matched;  /* bytes the script has expected */
    size_t recorded; /* bytes the engine's record has told of */
};

/* One peer and its socket. */
struct peer_model {
    uint32_t line;   /* of the script, being said now */
    uint64_t offset; /* bytes of it that were read */
    uint32_t said;   /* lines before this one may be read */
    size_t unsent;   /* handed over by SEND, not yet told as SENT */
    bool slow;       /* and to be held back */
    bool left;       /* there was another connection before */
    bool due;        /* may open: a client always, an upstream once it is asked for */
    bool open;
    bool end_due; /* it will say no more, once everything is read */
    bool ended;
    bool failed;
    bool shut; /* by the engine, or because it failed */
};

struct play {
    const struct script *script;
    const struct policy *policy;
    struct player_way way;
    struct seed seed;
    struct lender lender;
    struct fault_memory remembered; /* by faults */
    struct faults sets[2];          /* that were told; the engine may hold on to the other one */
    uint32_t set;                   /* which is being told */
    struct engine *engine;
    struct peer_model peers[SIDE_COUNT];
    struct stream streams[STREAM_COUNT];
    moment started, now;
    uint32_t line;   /* of the script, being played */
    uint32_t serial; /* of the engine's last question */
    bool failed;
    struct text *report;
    struct text *log;
    char *scratch; /* for one line of the record */
};

static inline enum stream_id stream_said(enum side side, bool to_upstream)
{
    if (side == SIDE_CLIENT)
        return to_upstream ? STREAM_FROM_CLIENT : STREAM_TO_CLIENT;
    return to_upstream ? STREAM_TO_UPSTREAM : STREAM_FROM_UPSTREAM;
}

static inline enum stream_id stream_life(enum side side)
{
    return side == SIDE_CLIENT ? STREAM_CLIENT_LIFE : STREAM_UPSTREAM_LIFE;
}

/* --- player.c --- */

/* One step and all that comes of it. */
void play_step(struct play *play, const struct event *event);
/* Lets the sockets work until nothing moves. */
void play_settle(struct play *play);

/* --- outside.c --- */

void play_open(struct play *play, enum side side, struct span rest);
void play_secured(struct play *play, enum side side, struct span rest);
void play_told(struct play *play, struct span rest);
void play_faults(struct play *play, struct span rest);

/* --- expect.c --- */

/* The line being played is expected: it must come next. */
void expect_line(struct play *play);
/* Nothing may have happened that the script did not expect. */
void expect_nothing_more(struct play *play);
/* What the engine recorded must be what it did; notes are taken from there. */
void expect_record(struct play *play, struct span lines);
/* And it must have recorded everything. */
void expect_recorded(struct play *play);
/* The play has failed, at the line being played; later failures are not told. */
void play_fail(struct play *play, struct span says);

#endif
