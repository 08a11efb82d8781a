/*
 * login_pace: how long the clients of an address wait before their next login is looked at, after
 * they have failed. From the third failure on each costs a second more, up to ten, and logins of
 * that address are looked at one after the other; so guessing is slow however many connections it
 * takes. A success makes good for one failure, ten minutes for all.
 *
 * IPv6 clients count by their /64, for one host has all of that to itself.
 */
#ifndef LOCKSTEP_SRC_VAULT_LOGIN_PACE_H
#define LOCKSTEP_SRC_VAULT_LOGIN_PACE_H

#include "lockstep/base/moment.h"
#include "lockstep/policy/route.h"

/* Addresses that are remembered; the one that was longest without failure goes first. */
#define LOGIN_PACE_ADDRESSES 1024U
#define LOGIN_PACE_FREE 2U /* failures that cost nothing */
#define LOGIN_PACE_DELAY_MAX_MS 10000
#define LOGIN_PACE_FORGET_MS (10 * 60 * 1000)
/* Who would have to wait longer is told to come later. */
#define LOGIN_PACE_WAIT_MAX_MS 30000

struct login_pace_row {
    uint8_t client[16];
    uint32_t failures; /* 0: the row is free */
    moment failed;     /* when last */
    moment next;       /* the next login is not looked at before */
};

/* All zero: nobody failed. */
struct login_pace {
    struct login_pace_row rows[LOGIN_PACE_ADDRESSES];
};

/* One login wants to be looked at. False: it would have to wait too long. */
bool login_pace_wait(struct login_pace *pace, struct span client, moment now, uint64_t *wait_ms_r);
/* What came of it. Returns the failures that count against the address. */
uint32_t login_pace_settle(struct login_pace *pace, struct span client, moment now, bool passed);

#endif
