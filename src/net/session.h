/*
 * session: an engine between two links. It carries events in and effects out, and nothing else.
 *
 * session.c is the loop and the end; arrive.c makes a session of an accepted socket; connect.c
 * brings it to its relay; account.c knows what rates are asked of it; advice.c
 * carries its questions to the adviser; known.c gathers what is known of it; change.c tells it that
 * its listener is another.
 */
#ifndef LOCKSTEP_NET_SESSION_H
#define LOCKSTEP_NET_SESSION_H

#include <stddef.h>

#include "worker.h"

#define TLS_VERSION_MAX 8U /* NUL included */

struct account;

struct session {
    struct worker *worker;
    struct session *next; /* in the worker's list of all, or of the free */
    struct session *before;
    struct session *starved_next;
    struct setup *setup;
    const struct config_listener *listener;
    struct engine *engine;
    struct dial *dial; /* while connecting to the relay */
    struct transcript *transcript;
    struct past *past;         /* what is remembered of it; NULL: nothing */
    struct heading *heading;   /* of its transcripts; NULL: there are none */
    struct moved *moved;       /* where the adviser sent it; NULL: nowhere */
    struct through *through;   /* who speaks for the client; NULL: it speaks for itself */
    struct original *original; /* where the client wanted to go; NULL: here */
    struct leg *leg;           /* the upstream link, as known to all workers; NULL: it is not */
    void *memo;                /* the adviser's */
    char *relay_error;         /* what a connection to a relay last failed of; NULL: none did */
    struct span server;        /* name of the upstream that was connected to */
    uint32_t relay_number;     /* of that upstream */
    uint32_t connect_to;       /* what CONNECT said, until there is a place at the relay, */
    uint32_t connect_turn;     /* and how often before */
    bool connect_live;
    bool connect_waits;
    bool unjudged;     /* whether the relay serves at that address is not known yet */
    uint8_t greetings; /* by the time it was connected to, cut to a byte */
    uint8_t turned_away;
    struct pick *picked;     /* counts the connection to `relay`; NULL: none does */
    struct account *account; /* of rates and places; NULL: there are none */
    struct census *census;
    struct setup *faults_of; /* whose faults hold; NULL: those of `setup` */
    const struct faults *faults;
    uint32_t number;                       /* in its listener, from 1 */
    size_t sent[SIDE_COUNT];               /* left at once during this step */
    bool lost[SIDE_COUNT];                 /* the engine was told, or told us */
    bool starved;                          /* stands in the worker's list */
    bool unwritable;                       /* its transcript could not be made */
    bool arriving;                         /* the engine was told nothing yet: see arrive.h */
    bool over;                             /* only waits for its links to close */
    bool refused;                          /* that was told: it is no session */
    char tls[SIDE_COUNT][TLS_VERSION_MAX]; /* "TLSv1.3"; empty: in clear */
    uint64_t id;
    moment opened_at;
    moment armed_at;           /* when the timer fires */
    struct address connect_as; /* the client, when it was last connected for it */
    struct address client;
    struct address relay;
    struct link links[SIDE_COUNT];
    uv_timer_t timer;
    size_t engine_bytes;  /* of `memory` */
    max_align_t memory[]; /* the engine */
};

/* What its links tell it. */
extern const struct link_user session_users[SIDE_COUNT];

moment session_now(const struct session *session);
/* Steps the engine, and does what follows; afterwards the session may be over and released. */
void session_event(struct session *session, const struct event *event);
/* The same, and those who wait for a block go on waiting: no other session is touched. */
void session_feed(struct session *session, struct event event);
/* Its timer fires when something is due. */
void session_arm(struct session *session);
/* An answer from the desk; it may come too late. */
void session_told(struct session *session, uint64_t id, uint32_t serial,
                  const struct answer *answer);
/* Keeps for the report what TLS that side speaks; and what a relay's connection failed of, which
 * the client does not hear. */
void session_note_tls(struct session *session, enum side side);
void session_note_failure(struct session *session, const struct event *event);
/* The client that connected, or that it has said with XCLIENT; family 0: nobody knows. */
struct address session_client(const struct session *session);
/* All that is known so far; spans are the session's. */
void session_sum_up(const struct session *session, struct report *report_r);
/* The setup of new sessions is another: its faults hold, and it may end the session. */
void session_reload(struct session *session, struct setup *setup);
/* Tells the engine of faults that came while the session was arriving. */
void session_tell_faults(struct session *session);
/* They are held no longer. */
void session_drop_faults(struct session *session);
/* Tells the session to end soon; at once. */
void session_stop(struct session *session);
void session_kill(struct session *session);
/* It is there from now on, for those who ask what there is. */
void session_begin(struct session *session);
/* Ends a session that is still arriving, or gives up on its engine. */
void session_end(struct session *session, const char *ending, struct span why);
/* Back to the worker's free sessions, once it is over and its links are closed. */
void session_release(struct session *session);
/* Steps those that waited for a block, while there are blocks. */
void session_feed_starved(struct worker *worker);
/* Gives a free session's memory back to the system, with the loop's next turns. */
void session_dispose(struct session *session);
size_t session_size(const struct policy *policy);

#endif
