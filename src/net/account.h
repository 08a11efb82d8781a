/*
 * account: what a session has to do with rates and places: it asks before a message begins, says
 * afterwards how much it was, and waits for its place at a relay.
 */
#ifndef LOCKSTEP_NET_ACCOUNT_H
#define LOCKSTEP_NET_ACCOUNT_H

#include "pacer.h"
#include "session.h"

/* Made when it is first needed. */
struct account {
    struct held held;
    struct seat seat;
    bool asked; /* at least once, and last for this relay */
    bool waits; /* for the answer */
    uint32_t relay;
    struct address client; /* whose rates those are */
    uint32_t granted;      /* messages that were let begin and not said yet */
    struct spent counted;  /* what is accounted for */
    uint32_t ended;        /* messages, by then */
    uint32_t times;        /* that it had to wait */
    uint64_t waited_ms;
    moment since;
};

/* QUESTION_PACE; as adviser->ask() answers. */
bool account_ask(struct session *session, const struct question *question, struct answer *answer_r);
/* An answer came, later: to that question, or to one of before, or of another kind. */
void account_answered(struct session *session, uint32_t serial, const struct answer *answer);
/* After a step: what of a message went is counted when it has ended. */
void account_follow(struct session *session);
/* The session has ended. */
void account_end(struct session *session);
/* Its memory is free again. */
void account_drop(struct session *session);

/* A connection to that relay may begin; false: session_seated() will be called. */
bool account_sit(struct session *session, uint32_t relay);
enum seating account_seating(const struct session *session);
/* There is no connection any more, nor one that is to be. */
void account_rise(struct session *session);

#endif
