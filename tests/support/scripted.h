/*
 * scripted: a server on loopback that says what it was told to say, to every client alike, on a
 * thread of its own. For tests of what asks servers: HTTP, POP3.
 */
#ifndef LOCKSTEP_TESTS_SCRIPTED_H
#define LOCKSTEP_TESTS_SCRIPTED_H

#include "lockstep/base/span.h"

#define SCRIPTED_HEARD_MAX 262144

/* First `hears` must have come since the step before, then `says` goes out. A script ends with a
 * step of all zeroes. */
struct scripted_step {
    const char *hears; /* NULL: nothing needs to have come */
    struct span says;
};

enum scripted_end {
    SCRIPTED_CLOSE,
    SCRIPTED_RESET,
    SCRIPTED_TRUNCATE, /* FIN without TLS's close_notify before it */
    SCRIPTED_SILENCE,  /* until the client ends */
};

struct scripted_script {
    const struct scripted_step *steps;
    enum scripted_end end;
    size_t piece;            /* bytes of one send; 0: whole */
    const char *certificate; /* file of certificate and key, in PEM; NULL: no TLS */
    const char *secure_at;   /* TLS begins behind the step that hears that; NULL: at once */
    const struct scripted_step *later; /* to all clients but the first; NULL: the same */
};

struct scripted;

struct scripted *scripted_start(const struct scripted_script *script, uint16_t *port_r);
/* What the clients have said, one after the other; when the thread has ended. */
struct span scripted_heard(const struct scripted *server);
/* How many have come. */
uint32_t scripted_clients(const struct scripted *server);
/* Waits until that many have come and gone. */
void scripted_served(struct scripted *server, uint32_t count);
/* Ends the thread: afterwards it can be asked what it heard. */
void scripted_stop(struct scripted *server);
void scripted_free(struct scripted **server);

/* A certificate for 127.0.0.1 and localhost with its key, which is its own CA, written into a new
 * file; expired unless `days` is above 0. Returns its path, to be unlinked and freed. */
char *scripted_certificate(int days);

#endif
