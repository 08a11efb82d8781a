/*
 * place: the addresses that are listened on, and how those of one setup become those of the next.
 * What is listened on already goes on without a gap, by whatever name it is known now; only what is
 * new is bound.
 */
#ifndef LOCKSTEP_NET_PLACE_H
#define LOCKSTEP_NET_PLACE_H

#include "census.h"
#include "lockstep/net/setup.h"

#define PLACES_MAX (CONFIG_LISTENERS_MAX * CONFIG_ADDRESSES_MAX * 2U)

struct place {
    uint64_t serial;                  /* no other place has or had it */
    const struct config_address *row; /* of the setup, that asks for it */
    uint32_t listener;                /* of the setup, whose row it is */
    struct address address;           /* with its real port */
    struct census *census;            /* of the listener */
    int *sockets;                     /* of a new place, one for each worker; NULL: it is old */
};

struct places {
    struct setup *setup; /* held */
    uint64_t serial;     /* the last that was given */
    uint32_t workers;
    uint32_t count;
    struct place rows[PLACES_MAX]; /* in the order of the configuration */
    struct address wanted;         /* the one that was tried last */
};

/* Those of `setup`; `old`, which may be NULL, are those of now. New ones are bound and listen. 0,
 * or a negative libuv error: then `wanted` says where, and places_free() gives back what was bound.
 */
int places_make(struct places **places_r, const struct places *old, struct setup *setup,
                uint32_t workers);
/* The sockets of the new ones have found their owners. */
void places_handed(struct places *places);
/* With the sockets that nobody has. */
void places_free(struct places **places);

#endif
