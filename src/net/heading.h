/*
 * heading: what a listener's transcripts begin with, the same for all its sessions: its name, and
 * its policy in the words that `play` reads. It is made once and counted, from any thread.
 */
#ifndef LOCKSTEP_NET_HEADING_H
#define LOCKSTEP_NET_HEADING_H

#include <stdatomic.h>

#include "lockstep/policy/config.h"

struct heading {
    atomic_uint holders;
    size_t size;
    char text[];
};

struct heading *heading_new(const struct config_listener *listener);
struct heading *heading_hold(struct heading *heading);
void heading_drop(struct heading **heading);

#endif
