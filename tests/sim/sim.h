/*
 * sim: one whole session of the engine between a model client and a model upstream, on a virtual
 * clock. Nothing of it is random but the dice, so a seed is a session.
 *
 * Every command carries a tag, `~17~`, and the upstream's reply to it repeats the tag, so that a
 * reply said to the wrong command shows. A message, its sender and its recipients carry the tag of
 * its MAIL, so that a message delivered to somebody else's recipients shows.
 *
 * The upstream gets what the engine sends at once and its answers travel slowly; what has left
 * (SENT) is told apart from it. That is all a delay can mean to the engine.
 */
#ifndef LOCKSTEP_TESTS_SIM_H
#define LOCKSTEP_TESTS_SIM_H

#include "lockstep/engine/engine.h"

#include "bytes.h"

#define TAGS_MAX 512U
#define MESSAGES_MAX 8U
#define EXPECTED_MAX 512U

/* What a reply was said to. */
enum to { TO_LINE, TO_DATA, TO_CHUNK, TO_DOT, TO_COUNT };

/* How an upstream misbehaves; one way per session, so that what still has to hold is known. */
enum mischief {
    MISCHIEF_NONE,
    MISCHIEF_ODD,     /* continuation lines as they should not be */
    MISCHIEF_WRONG,   /* a 2xx or 3xx that means something else */
    MISCHIEF_CLOSING, /* 421 to some command */
    MISCHIEF_EARLY,   /* refuses a message before its end */
    MISCHIEF_EMPTY,   /* 354 although no recipient was accepted (F-41) */
    MISCHIEF_SILENT,  /* stops answering */
    MISCHIEF_LOST,    /* the connection ends, at any byte */
    MISCHIEF_UNASKED, /* a reply nobody asked for */
    MISCHIEF_RUBBISH, /* a reply without a code */
    MISCHIEF_FLOOD,   /* a reply without end */
    MISCHIEF_SWALLOW, /* a command vanishes, and its reply with it (F-36) */
    MISCHIEF_COUNT,
};

/* How the client's and the upstream's bytes are cut. */
enum cutting { CUT_WHOLE, CUT_TRICKLE, CUT_RANDOM };

/* What a message's header begins with, and what is made of it where the repairs are on. */
struct head {
    const char *said, *mended;
    enum repair_id id;
};

#define HEADS 6U

struct message {
    uint32_t tag;
    const struct head *head;
    struct bytes content; /* as the client's user wrote it */
    bool by_chunks;
    bool complete; /* its end was said by the client */
    bool bare;     /* holds a lone CR or LF */
    bool doubled;  /* holds CR CR LF */
    bool lf_end;   /* ends with LF.LF, and its client then waits */
    uint32_t accepted;
};

enum expected_kind {
    EXPECT_GREETING,
    EXPECT_LINE,
    EXPECT_NOTHING, /* NOOP, which may be answered without being asked about */
    EXPECT_HELLO,
    EXPECT_MAIL,
    EXPECT_RCPT,
    EXPECT_DATA,
    EXPECT_DOT,
    EXPECT_CHUNK,
    EXPECT_LAST_CHUNK,
    EXPECT_RSET,
    EXPECT_AUTH,
    EXPECT_TLS,
    EXPECT_IDENTITY,
    EXPECT_QUIT,
    EXPECT_ANYTHING, /* to something that is no proper command */
};

struct expected {
    enum expected_kind kind;
    uint32_t tag;      /* in the reply */
    uint32_t mail_tag; /* of the transaction */
    bool in_chunks;    /* said between BDAT and its LAST */
    bool refusable;    /* said so that lockstep may refuse it */
    size_t end;        /* bytes the client has said when the command is whole */
};

/* What the client heard of one transaction. */
struct heard {
    uint16_t mail, data;
    uint32_t recipients, accepted;
    bool permanent; /* some recipient was refused with 5xx */
};

struct client {
    struct dice dice;
    struct bytes out;  /* said, and not yet read by the engine */
    size_t fed;        /* bytes of it that were */
    struct bytes line; /* of a reply, so far */
    struct expected expected[EXPECTED_MAX];
    uint32_t first, next; /* of the expected replies; they wrap */
    struct heard heard[TAGS_MAX];
    uint32_t stage, sub; /* client.c */
    uint32_t transactions, recipients, chunks;
    uint32_t mail_tag;
    size_t chunk_at;
    bool pipelines, early_body, wait;
    bool go;         /* DATA was answered with 354 */
    bool auth_going; /* the last AUTH reply was 334 */
    bool in_chunks;  /* BDAT without LAST so far */
    bool bad_line;   /* said something that may end the session */
    bool stray;      /* a message was said that DATA did not ask for */
    bool handshake;  /* STARTTLS was answered with 220, and TLS is not up yet */
    bool secured;
    bool speaks_for_another; /* XCLIENT was answered with 220 */
    bool names_login;        /* and told a login */
    bool known;              /* AUTH was answered with 235, in this state of TLS */
    bool cut;                /* was ended before it had said all */
    bool closing, reset;
    bool done;   /* nothing more will be said */
    bool tagged; /* the reply so far */
    uint32_t tag;
    uint16_t last_code;
};

enum upstream_mode { UP_COMMAND, UP_BODY, UP_CHUNK, UP_AUTH, UP_HANDSHAKE, UP_DEAD };

/* What one connection has told the upstream of who the client is. */
struct named {
    bool offered, refused, told, another, login; /* XCLIENT */
    bool half; /* a login was refused with all else, and nobody knows what of it holds */
    bool forward_offered, forward_refused; /* XFORWARD */
    bool forwarded, forwarded_another;
};

struct upstream {
    uint64_t salt; /* verdicts are a function of it and of the line */
    struct bytes out, line, content;
    enum upstream_mode mode;
    enum mischief mischief;
    uint32_t mischief_at; /* commands until then */
    uint32_t commands;
    moment hold_until;
    bool pipelining, chunking, auth, extended;
    bool known;            /* somebody logged in */
    bool reset_refused;    /* and what came with RSET came in vain */
    bool tls, hidden_auth; /* AUTH works and is not offered */
    bool insists;          /* 530 before AUTH */
    bool secured;
    bool xclient, xclient_login, xforward;
    struct named named;
    bool half_told; /* some connection of the session was left so, and need be told no more */
    uint32_t as;    /* the credential that logged in, or NOTHING */
    bool offered;   /* PIPELINING, in the EHLO reply that counts */
    bool barrier;   /* the last reply not heard yet is to a command that lets nothing follow */
    bool mail_open, chunk_last, chunk_failed;
    uint32_t mail_tag, recipients, auth_rounds;
    uint64_t chunk_left;
    size_t lose_after;     /* bytes of replies; 0: never */
    uint32_t lose_in_body; /* lines of messages until then; 0: never */
    bool gone;             /* lost in a message, and that is the next thing to be noticed */
    bool fickle;           /* another connection may not like what this one does */
    uint32_t connections;
    size_t said_bytes;
    bool closing; /* ends when its replies were read */
    bool flooding;
    bool swallowed; /* a command vanished on this connection */
};

struct link {
    bool open, ended, failed, shut;
    bool flushing; /* shut once what is said has left */
    bool slow;     /* reads what it is sent, but not now */
    size_t unsent;
};

struct world {
    uint64_t seed;
    struct policy policy;
    struct lender lender;
    struct engine *engine;
    struct dice dice;
    moment now;
    struct link links[SIDE_COUNT];
    struct client client;
    struct upstream upstream;
    uint16_t said[TAGS_MAX][TO_COUNT]; /* by the upstream */
    struct message messages[MESSAGES_MAX];
    uint32_t message_count, tag_count;
    bool calm;     /* no chance but in the scripts: cuts must not matter */
    bool confused; /* the upstream said what it was not asked: replies can't be told apart */
    bool lied;     /* the upstream took a message before its end */
    size_t lie_at; /* bytes carried until the end of what it took */
    bool guided;   /* TLS, routes, credentials */
    bool asked;    /* a question waits for its answer */
    bool late;     /* it gets it when nobody waits any more, before the next one's */
    uint32_t late_serial;
    uint32_t live_as; /* whom the live source named last */
    bool securing[SIDE_COUNT];
    bool logged_in;
    bool granted;                       /* the last message that asked may begin */
    uint32_t relay;                     /* connected to */
    uint32_t traits[POLICY_RELAYS_MAX]; /* what engines learnt of the paths */
    struct question question;
    bool connect_due, connect_fails;
    bool upstream_down; /* it was lost, or has closed */
    bool stopped;
    enum cutting cutting;
    uint32_t read_most;    /* bytes of a read, when they are cut at random */
    uint32_t fault_chance; /* per thousand and step */
    uint32_t hogged[8];    /* blocks that somebody else holds */
    uint32_t hogged_count;
    struct bytes heard;           /* everything said to the client */
    struct bytes carried;         /* everything said to the upstream */
    struct bytes fed[SIDE_COUNT]; /* where all passes: what came and has not gone on */
    struct bytes record;
    bool keep_record; /* for --show */
    uint64_t digest;  /* of all effects */
    uint32_t steps;
    const char *failure; /* what does not hold; the first such thing */
};

/* --- world.c --- */
/* A world can be run again and again, and is freed at the end. */
struct world *world_new(void);
void world_free(struct world *world);
/* Runs one session; NULL, or what does not hold. `choices` come before the seed's own. */
const char *world_run(struct world *world, uint64_t seed, struct span choices, bool calm,
                      enum cutting cutting);
void world_fail(struct world *world, const char *what);
/* The same for what holds only between peers that nobody misleads: not in `mode: fault`. */
void world_doubt(struct world *world, const char *what);
struct message *world_message(struct world *world, uint32_t tag);
/* The tag `~17~` in a text; 0: none. */
uint32_t tag_in(struct span text);

/* One step and all that comes of it. */
void world_step(struct world *world, struct event event);

/* Is that framing repair on, and does it act? */
static inline bool repairs(const struct world *world, enum repair_id id)
{
    return world->policy.mode == MODE_REPAIR && (world->policy.repairs & REPAIR_BIT(id)) != 0;
}

/* Does every byte pass as it came? */
static inline bool passes(const struct world *world)
{
    return world->policy.mode == MODE_OBSERVE ||
           (world->policy.mode == MODE_FAULT && world->policy.faults.rule_count == 0);
}

/* --- choose.c --- */
/* The session's policy, by its script. */
void choose_policy(struct world *world);

/* --- delivery.c --- */
/* The upstream takes the message that it has read. */
const struct head *head_row(uint32_t number);
void delivery_take(struct world *world, bool by_chunks);

/* --- outside.c --- */
/* Will the question that is open be answered now? */
bool outside_can_tell(const struct world *world);
/* Can that side's handshake be done now? */
bool outside_can_shake_hands(const struct world *world, enum side side);
void outside_choose(struct world *world);
void outside_arrive(struct world *world);
/* Whose credential of ours is in that line? NOTHING: it is the client's. */
uint32_t outside_credential(struct span line);
void outside_check_mail(struct world *world, struct span line);
void outside_check_clear(struct world *world, struct span line);
/* Does the upstream hear what that repair keeps from it? */
void outside_check_spared(struct world *world, enum repair_id id, bool heard, const char *what);
void outside_ask(struct world *world, const struct question *question);
void outside_tell(struct world *world);
void outside_secure(struct world *world, enum side side);
void outside_shake_hands(struct world *world, enum side side);

/* --- identity.c --- */
void identity_choose(struct world *world);
/* It says for whom it speaks, perhaps. */
bool identity_say(struct world *world);
/* The answer to that; true: it begins anew. */
bool identity_heard(struct client *client, uint16_t code);
/* What the upstream offers, and makes of XCLIENT; and of XFORWARD: false: it refuses. */
void identity_offer(struct world *world);
void identity_obey(struct world *world, struct span line);
bool identity_forwarded(struct world *world, struct span line);
void identity_check_mail(struct world *world);

/* --- client.c --- */
/* Its TLS is up; its connection was lost. */
void client_secured(struct world *world);
void client_lost(struct world *world);
/* It greets next. */
void client_restart(struct client *client);
void client_start(struct world *world);
/* Says what it can say now. */
void client_think(struct world *world);
void client_expect(struct client *client, enum expected_kind kind, uint32_t tag);

/* --- client_check.c --- */
void client_hear(struct world *world, struct span bytes);
/* The engine has closed: was everything answered that had to be? */
void client_closed(struct world *world, bool reset);

/* --- upstream_say.c --- */
/* A number below 100 that depends on the line and the session, not on when the line came. */
uint32_t upstream_verdict(const struct world *world, struct span line, uint32_t salt);
bool upstream_misbehaves(const struct world *world, enum mischief mischief);
/* One reply. What was said is written down, so that the client can compare. */
void upstream_say(struct world *world, enum to to, uint32_t tag, uint32_t code, const char *words);

/* --- upstream.c --- */
void upstream_start(struct world *world);
/* A new connection to it. */
void upstream_greet(struct world *world);
void upstream_secured(struct world *world);
/* It knows nothing of the session any more. */
void upstream_begin_anew(struct upstream *upstream);
void upstream_lost(struct world *world);
void upstream_hear(struct world *world, struct span bytes);
/* Some of its replies were read by the engine. */
void upstream_heard_out(struct world *world);

#endif
