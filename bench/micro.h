/* micro: the parts of the bench that drive a whole engine, and the sizes of the central types. */
#ifndef LOCKSTEP_BENCH_MICRO_H
#define LOCKSTEP_BENCH_MICRO_H

#include <stdint.h>

/* Messages of 1 KiB through one engine, fed by events: every command waits for its answer... */
uint64_t engine_lockstep_work(uint64_t times);
/* ... MAIL, RCPT and DATA in one write, to a relay that offers PIPELINING... */
uint64_t engine_pipelined_work(uint64_t times);
/* ... and to one that does not. */
uint64_t engine_serialised_work(uint64_t times);
/* A fresh engine for every message: banner, EHLO, one message in lock-step, QUIT. */
uint64_t engine_parts_work(uint64_t times);
uint64_t engine_session_work(uint64_t times);

void micro_sizes(void);

#endif
