/*
 * engine: one SMTP session between a client and an upstream, as a pure machine.
 *
 * It reads no socket, no clock, no file, and allocates nothing. The shell feeds it events and
 * carries out its effects; in tests, the simulator and `play` somebody else does the same.
 *
 *     engine_step(engine, &event);
 *     while (engine_take(engine, &effect))
 *         ... carry it out ...
 *     deadline = engine_deadline(engine);
 *
 * Contract
 * - Every event carries its moment. The engine has no other clock. Moments never go back.
 * - BYTES never brings more than engine_room() said; the engine consumes all of it.
 * - All effects of a step are taken before any engine with the same lender is stepped again: the
 *   spans of SEND and RECORD are borrowed until then, and point into the lender's scratch, the
 *   lent blocks or the bytes of the event itself. What the socket did not take, the shell copies.
 * - SENT tells how many of the bytes handed over by SEND have left. Bytes not yet SENT bound what
 *   the engine reads from the other side.
 * - When both sides have been SHUT the session is over: engine_over(). engine_close() gives lent
 *   blocks back; it may be called at any time.
 * - A copy of the block is a valid snapshot as long as the lent blocks are copied with it.
 */
#ifndef LOCKSTEP_ENGINE_ENGINE_H
#define LOCKSTEP_ENGINE_ENGINE_H

#include "lockstep/base/moment.h"
#include "lockstep/base/pool.h"
#include "lockstep/base/seed.h"
#include "lockstep/base/side.h"
#include "lockstep/policy/policy.h"
#include "lockstep/smtp/middlebox.h"

/* Most pieces one SEND can have: what was held back, the body as it lies in the read buffer... */
#define SEND_PIECES_MAX 8
/* Bytes of the scratch areas of a lender. */
#define SCRATCH_SEND_BYTES (5U * BLOCK_SIZE)
#define SCRATCH_RECORD_BYTES (16U * BLOCK_SIZE)

/* What one step wants to say to one side, gathered piece by piece. The engine's business. */
struct outbox {
    char *scratch; /* SCRATCH_SEND_BYTES, the lender's owner provides them */
    size_t used;   /* of the scratch */
    size_t secret; /* of the scratch: may hold a secret, and is overwritten by the next step */
    size_t size;   /* of all pieces */
    uint32_t count;
    struct span pieces[SEND_PIECES_MAX];
};

enum event_kind {
    EVENT_OPENED,  /* side is there: the client was accepted, or CONNECT succeeded */
    EVENT_BYTES,   /* side said `bytes` */
    EVENT_ENDED,   /* side will say no more (FIN); it may still listen */
    EVENT_FAILED,  /* side is lost, or CONNECT failed on every address; `bytes` says why */
    EVENT_SECURED, /* side's TLS handshake is done */
    EVENT_SENT,    /* `count` bytes of what was to be sent to side have left */
    EVENT_TIME,    /* nothing happened, but time passed */
    EVENT_STOP,    /* end soon: 421 when idle, else after the message in flight */
    EVENT_TOLD,    /* the answer to ASK */
    EVENT_FAULTS,  /* in `mode: fault` these hold from now on */
};

/* What the engine asks the outside: what takes a secret, or somebody else's knowledge. */
enum question_kind {
    QUESTION_AUTH,      /* log in upstream with that credential: what stands behind AUTH? */
    QUESTION_CHALLENGE, /* the upstream said 334 and `text`: what is the response? */
    QUESTION_OUTCOME,   /* the upstream ended AUTH with `code`, and `text` that begins with it */
    QUESTION_POP,       /* log in to the POP3 server of that route with that credential (B-50) */
    QUESTION_LOGIN,     /* are `text`, the name, and `more`, the password, a client of ours? */
    QUESTION_ROUTE,     /* the live source of that route: where to, and as whom? */
    QUESTION_PACE,      /* may a message to `relay` begin, within `room` ms? `code` is with what
                           the relay itself refused this one, 0: it did not */
};

enum told {
    TOLD_DONE,  /* LOGIN, POP, OUTCOME, PACE: all is well; ROUTE: see event */
    TOLD_LINE,  /* AUTH: "PLAIN AGEAYg==" or "LOGIN"; CHALLENGE: the response, may be empty */
    TOLD_AGAIN, /* AUTH, OUTCOME: ask for AUTH once more, now there is another answer */
    TOLD_LATER, /* not now; `bytes` says why, for the client */
    TOLD_NO,    /* never; `bytes` says why. To CHALLENGE: cancel the exchange */
};

/* At most one question of an engine is open; an answer names its serial number, and one that comes
 * too late is ignored. Spans are borrowed like those of SEND. */
struct question {
    enum question_kind kind;
    uint32_t serial;
    uint32_t relay;      /* that is spoken to */
    uint32_t credential; /* AUTH to POP */
    uint32_t route;      /* ROUTE, POP; NOTHING: by no route */
    uint32_t mechanisms; /* AUTH: a set: what the upstream offers, and what the policy allows */
    uint32_t room;       /* AUTH: bytes that may follow "AUTH " on the line; PACE */
    uint16_t code;       /* OUTCOME, PACE */
    struct span text;
    struct span more;
    struct span facts[FACT_COUNT]; /* HELO, LOGIN, SENDER, RECIPIENT, as far as known */
};

/* How often a repair did something, and in `observe` would have. */
struct repair_count {
    uint64_t done;
    uint64_t noticed;
};

/* What all engines of one loop share: the pool of blocks, and room to write while stepping. Its
 * owner sets up `pool`, both `scratch` and `record_scratch`, all else zero. */
struct lender {
    struct pool pool;
    struct outbox outboxes[SIDE_COUNT];
    char *record_scratch; /* SCRATCH_RECORD_BYTES; may be NULL when no policy records */
    size_t record_size;
    bool record_cut;          /* more was to be recorded than fits; its last line says so */
    struct question question; /* of the engine that steps */
    struct repair_count repairs[REPAIR_COUNT]; /* since whoever counts them has cleared this */
    struct fault_memory *faults;               /* what faults remember; NULL: nothing */
};

/* The answer to a question; its words are the event's bytes. */
struct advice {
    enum told told;
    uint32_t serial;
    uint32_t credential; /* to ROUTE or LOGIN: a number, LIVE, or NOTHING */
    bool moved;          /* to ROUTE or LOGIN: connect anew, the shell knows where */
};

/* Who comes, beside the address. */
struct arrival {
    struct span certificate; /* the name in the client's verified certificate; empty: none */
    struct span destination; /* the address and port that the client connected to */
    struct span through; /* the address and port of who said so in a PROXY header; empty: nobody */
    bool along;          /* the client's first words came together with that header */
    uint16_t port;       /* the client's; 0: not known */
};

struct event {
    enum event_kind kind;
    enum side side;
    moment at;
    struct span bytes; /* OPENED of the client: its address; TOLD: see enum told */
    size_t count;
    bool secured;                  /* OPENED: TLS was there first */
    uint32_t traits;               /* OPENED of the upstream: what is known of its path */
    const struct arrival *arrival; /* OPENED, SECURED of the client; may be NULL */
    const struct advice *advice;   /* TOLD */
    const struct faults *faults;   /* FAULTS: they outlive the engine */
    uint32_t session; /* OPENED of the client: its number in its listener; 0: nobody counts */
};

/* A credential that came with an answer; the outside keeps it for this session. Of those that came
 * with a ROUTE the engine asks as LIVE_ROUTE, for a login's may be another's. */
#define LIVE (UINT32_MAX - 1)
#define LIVE_ROUTE (UINT32_MAX - 2)

enum effect_kind {
    EFFECT_CONNECT, /* connect to `relay`; answer with OPENED or FAILED */
    EFFECT_SEND,    /* send the pieces to side, as one write */
    EFFECT_SECURE,  /* start TLS on side, behind what was sent; answer with SECURED or FAILED */
    EFFECT_SHUT,    /* end side's connection, `how` */
    EFFECT_RECORD,  /* `pieces[0]` is whole lines of transcript */
    EFFECT_ASK,     /* `question`; answer with TOLD, at any time */
    EFFECT_LEARN, /* keep `traits` of the path to `relay` for later sessions, as long as it says */
};

enum shut {
    SHUT_FLUSH, /* after everything handed over has left */
    SHUT_NOW,   /* at once, what has not left is dropped */
    SHUT_RESET, /* at once, so that the peer can't take it for a proper end */
    SHUT_HALF,  /* after everything has left; what the peer says is still heard */
};

struct effect {
    enum effect_kind kind;
    enum side side;
    enum shut how;
    uint32_t piece_count;
    struct span pieces[SEND_PIECES_MAX];
    uint32_t relay;                  /* CONNECT: a number in the policy */
    uint32_t turn;                   /* CONNECT: begin with another address each turn */
    uint32_t traits;                 /* LEARN: set of enum trait */
    bool live;                       /* CONNECT: to where an answer said, if one did */
    const struct question *question; /* ASK; borrowed until the next step */
};

/* What was said to relays, whether or not they took it, and however often. */
struct spent {
    uint32_t messages; /* MAIL */
    uint32_t recipients;
    uint64_t bytes; /* of messages that have an answer */
};

/* What a session came to, for its log line and the counters. */
struct summary {
    uint32_t commands;      /* client commands answered */
    uint32_t messages;      /* accepted by the upstream */
    uint32_t refused;       /* messages refused at their end */
    uint32_t recipients;    /* accepted */
    uint32_t repairs;       /* times any repair acted */
    uint64_t message_bytes; /* of accepted messages */
    const char *ending;     /* why it ended, one word: "quit", "client-lost", ... */
    uint32_t credential;    /* the upstream took it last: a number, LIVE, or NOTHING */
    struct span login;      /* the name the client logged in with here; borrowed; empty: none */
    bool upstream_greeted;
    bool uncertified;    /* refused something for its certificate */
    uint8_t greetings;   /* of relays that will serve; it wraps */
    uint8_t turned_away; /* greetings of those that will not; it wraps */
};

struct engine;

size_t engine_size(const struct policy *policy);
/* `memory` is engine_size() bytes, aligned for any type. Policy and lender outlive the engine. */
struct engine *engine_init(void *memory, const struct policy *policy, struct lender *lender,
                           uint64_t seed, moment now);
/* Bytes that may be fed from that side now; 0: do not read it. Never above BLOCK_SIZE. */
size_t engine_room(const struct engine *engine, enum side from);
/* Will the answer to that question be acted on? Not when it comes too late. */
bool engine_awaits(const struct engine *engine, uint32_t serial);
void engine_step(struct engine *engine, const struct event *event);
bool engine_take(struct engine *engine, struct effect *effect_r);
/* When a TIME event is due at the latest; MOMENT_NEVER: none. */
moment engine_deadline(const struct engine *engine);
/* Nothing is owed to anybody and nothing is half read: every command was answered. */
bool engine_idle(const struct engine *engine);
/* Both sides were shut. */
bool engine_over(const struct engine *engine);
/* Waiting for a block that the pool could not lend: step it with TIME when blocks return. */
bool engine_starved(const struct engine *engine);
/* Has XCLIENT said who the client is? Then it is not who connected, but that address (borrowed;
 * empty: nobody knows) and port (0: nobody knows). A new CONNECT is for that one. */
bool engine_client(const struct engine *engine, struct span *address_r, uint16_t *port_r);
void engine_summary(const struct engine *engine, struct summary *summary_r);
/* Only where a relay of the policy is paced; else nothing is counted. */
void engine_spent(const struct engine *engine, struct spent *spent_r);
void engine_close(struct engine *engine);

#endif
