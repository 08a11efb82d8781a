/* limits: what there is to be seen of rates, places and addresses, by relay and listener. */
#ifndef LOCKSTEP_NET_LIMITS_H
#define LOCKSTEP_NET_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#define LIMITS_NAME_MAX 65U
#define LIMITS_ROWS_MAX 128U

struct limits_row {
    char name[LIMITS_NAME_MAX];
    bool listener; /* of clients of that listener, else of that relay */
    uint64_t held; /* messages that had to wait */
    uint64_t late; /* of those, waited in vain */
    uint32_t waiting;
    uint32_t sessions; /* connections that hold a place */
    uint32_t queued;   /* connections that wait for one */
    uint32_t resting;  /* addresses of the relay that failed lately */
    uint64_t failures; /* of its addresses */
};

#endif
