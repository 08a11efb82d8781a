/*
 * sink_player: plays input through one sink machine in many cuts and keeps what came of it.
 */
#ifndef LOCKSTEP_TESTS_SINK_PLAYER_H
#define LOCKSTEP_TESTS_SINK_PLAYER_H

#include "lockstep/sink/sink.h"

/* How input is cut into feeds; everything else is the seed of random cuts. */
#define WHOLE 0U
#define BYTE_BY_BYTE 1U
#define CUTS 40U

/* What a session came to. */
struct heard {
    struct text replies;
    struct text content;
    struct text events; /* S<sender> R<recipient> B E A C */
    struct sink sink;
};

extern struct heard heard;

/* Hostname "s", banner "b", else as the sink has them. */
struct sink_settings sink_play_settings(void);
/* Starts a session; the banner, if it is due, has been said after it. */
void sink_play_begin(const struct sink_settings *settings);
/* Feeds a copy that lives no longer than the contract says, so that a stale span is noticed; then
 * answers every END with `answer`, when it is not NULL. */
void sink_play_feed(struct span input, moment now, const char *answer);
/* A whole session at the moment 0. */
void sink_play(const struct sink_settings *settings, struct span input, unsigned cut);

#endif
