/*
 * play_wire: a transcript over real sockets. lockstep, or any other party, stands between or
 * opposite; this side is the client of the script, its upstream, or both.
 *
 * Notes and the life that the engine decides on can't be seen from outside and are passed over.
 * What a side hears is compared with the bytes of the script when both sides are played. When only
 * the client is, replies are compared by their codes, because a server has words of its own.
 */
#ifndef LOCKSTEP_SRC_APP_PLAY_WIRE_H
#define LOCKSTEP_SRC_APP_PLAY_WIRE_H

#include "lockstep/explain/script.h"

/* Both are HOST:PORT or NULL; not both NULL. */
struct play_wire_options {
    const char *upstream; /* be the client, and connect there */
    const char *client;   /* be the upstream, and listen there */
};

struct play_wires;

/* Starts listening, and says where on stdout. NULL: it said why on stderr. */
struct play_wires *play_wires_open(const struct play_wire_options *options);
/* One session. False: `report` shows the first difference. */
bool play_wires_play(struct play_wires *wires, const struct script *script, struct text *report);
void play_wires_close(struct play_wires **wires);

#endif
