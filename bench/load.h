/*
 * load: what the load client and the load server share. Both are one thread over epoll and do as
 * little as they can, so that what is measured between them is the proxy.
 */
#ifndef LOCKSTEP_BENCH_LOAD_H
#define LOCKSTEP_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Bytes of a line that was not yet whole; longer ones end the run. */
#define HELD_BYTES 512U
/* The highest descriptor either of them may use. */
#define FD_MAX 65536

/* Says what went wrong, with errno's text when `number` is not 0, and ends the program. */
_Noreturn void load_fail(const char *what, int number);
/* A number from the command line, or the end of the program. */
uint64_t load_number(const char *digits);
/* As many descriptors as the system lets us have. */
void load_raise_limits(void);
/* Makes a fresh TCP socket non-blocking and tells it not to wait for more bytes. */
void load_tune(int fd);
void load_watch(int epoll, int fd, uint32_t events, int operation);

#endif
