/*
 * path: what those must know who lead connections to lockstep, which is in the way of others.
 *
 * All that lockstep connects to relays with carries PATH_MARK (SO_MARK) once any listener
 * intercepts: rules must let such packets pass, or lockstep would intercept itself. Where it may
 * not set the mark it still recognises its own connections by their addresses, and refuses them.
 */
#ifndef LOCKSTEP_NET_PATH_H
#define LOCKSTEP_NET_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* "LS" and a one. */
#define PATH_MARK 0x4C530001U

/* Lets a socket have addresses that are not this machine's, or no longer (IP_TRANSPARENT). 0, or a
 * negative libuv error. */
int path_transparent(int fd, sa_family_t family, bool on);
/* Whether this process, here and now, may have such sockets, and set marks. */
bool path_may_borrow(void);
bool path_may_mark(void);

#endif
