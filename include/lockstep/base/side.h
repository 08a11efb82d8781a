/* side: the two ends of a session. `client` and `upstream` are the only words for them. */
#ifndef LOCKSTEP_BASE_SIDE_H
#define LOCKSTEP_BASE_SIDE_H

enum side { SIDE_CLIENT, SIDE_UPSTREAM };
#define SIDE_COUNT 2

#endif
