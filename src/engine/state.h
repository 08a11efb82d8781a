/*
 * state: one session's whole state, for the files of the engine only.
 *
 * The files and what they decide:
 *   engine.c    events in, effects out
 *   inbox.c     bytes that came and were not read yet
 *   ledger.c    the rows and their cursors
 *   emit.c      the only writer to a peer
 *   start.c     clients that talk too early, or speak something else
 *   client.c    what the client's bytes mean: commands, AUTH responses, messages
 *   mend.c      what repairs make of lines, replies and their order
 *   send.c      which row goes upstream next, or is answered here
 *   greeting.c  what the upstream's greeting means
 *   answer.c    what the upstream's replies mean, and who hears them
 *   message.c   messages and chunks on their way
 *   keep.c      what of a message went upstream, so that it can be said to another one
 *   header.c    the fields of a message's header, for the repairs that look at them
 *   replay.c    putting an envelope to an upstream once more, and what was learnt of the path
 *   ending.c    how a session ends, and what the client hears of a lost upstream
 *   note.c      the transcript
 * And where TLS, routes or credentials are in play:
 *   guide.c     what is known of the client, and which relay and credential follow from it
 *   prepare.c   what has to happen upstream before the client's next command can be sent
 *   prepared.c  what the answers to that mean
 *   identify.c  what the upstream is told of the client, with XCLIENT and XFORWARD
 *   ask.c       questions to the outside and their answers, see ask.h
 *   pace.c      waiting for a rate, see ask.h
 *   inject.c    lockstep's own AUTH with the upstream
 *   believe.c   whom the client speaks for, by its XCLIENT
 *   login.c     the client's STARTTLS and AUTH, answered here
 *   envelope.c  an envelope that is kept, to be put to an upstream again
 * And in `mode: fault`:
 *   trouble.c   what faults make of what is said
 *   wire.c      how it leaves then
 */
#ifndef LOCKSTEP_ENGINE_STATE_H
#define LOCKSTEP_ENGINE_STATE_H

#include "lockstep/base/must.h"
#include "lockstep/engine/engine.h"
#include "lockstep/smtp/body.h"

#include "note.h"

/* Bytes handed over and not yet SENT, above which nothing more is made for that side. */
#define UNSENT_BYTES_MAX BLOCK_SIZE
/* The words of a refusal that are kept, to be quoted later. */
#define REASON_BYTES_MAX 480U
/* Rows of ours that may stand among the client's: RSET, DATA, a lone dot. */
#define ROWS_OF_OURS_MAX 4U
/* The longest line of ours: of an AUTH exchange (RFC 4954 4), or an envelope's. */
#define OURS_BYTES_MAX LIMIT_LINE_BYTES_MAX
/* What is kept of an envelope; a longer one can't be said again. */
#define KEPT_BYTES_MAX 8192U
/* Of the name a client gives or logs in with; a longer one is not kept. */
#define NAME_BYTES_MAX 254U
/* Of the name a client greets with, and of its address. */
#define BRIEF_BYTES_MAX 79U
#define ROWS_MAX LIMIT_ROWS_MAX

enum phase {
    PHASE_NEW,
    PHASE_CONNECTING, /* the client is here, the upstream is not */
    PHASE_GREETING,   /* the upstream's first reply is awaited */
    PHASE_TALKING,
    PHASE_CLOSING, /* nothing more is said or read; what was said is leaving */
};

/* What the client's next bytes mean. */
enum input {
    INPUT_COMMAND,
    INPUT_WAIT,     /* unknown until the row before is answered: they stay unread */
    INPUT_RESPONSE, /* one line of an AUTH exchange */
    INPUT_BODY,     /* a message, to its final dot */
    INPUT_CHUNK,    /* a counted part of a message */
    INPUT_SKIP,     /* the rest of an overlong line */
    INPUT_OPAQUE,   /* both directions pass unread */
};

/* What becomes of the message bytes being read. */
enum fate {
    FATE_PENDING, /* not decided, or the upstream must hear the rest again: they stay unread */
    FATE_FORWARD,
    FATE_CONVERT, /* a chunk becomes part of a DATA message */
    FATE_SWALLOW, /* read and dropped; the answer is known */
};

/* A BDAT message on its way to an upstream that only knows DATA (B-67); or, on the way to any
 * upstream, one of which a chunk was refused. */
enum convert { CONVERT_NONE, CONVERT_ASKED, CONVERT_OPEN, CONVERT_REFUSED };

enum row_state {
    ROW_WAITING, /* not sent */
    ROW_SENT,    /* sent, no reply yet */
    ROW_STREAM,  /* a converted chunk: its bytes are being sent, it has no words of its own */
    ROW_HERE,    /* answered by us: `plan` says how */
};

struct row {
    struct plan plan;
    uint32_t text_at; /* in the ledger's text ring */
    uint32_t text_size;
    uint32_t held_back; /* of the text: not said yet, an interim answer will ask for it */
    uint8_t verb;       /* enum verb */
    uint8_t state;      /* enum row_state */
    uint8_t past;       /* so many others are to go first, ... */
    uint8_t past_verb;  /* ... the next of which has to be this; 0: any */
    bool ours;          /* put in by us: the client never hears its answer */
    bool last_chunk;
    bool upgraded;  /* HELO, said as EHLO */
    bool worded;    /* ours, with words of its own */
    bool noticed;   /* `observe`: what a repair would have done with it was noted */
    uint8_t mended; /* 1 + the repair that acted on it last: it is noted once */
    bool alone;     /* nothing may follow before its answer, whatever its verb says */
    bool judged;    /* the faults were asked about it, ... */
    bool apart;     /* ... and let nothing follow before its answer */
    bool split;     /* it came in more than one segment */
    bool unheard;   /* the client hears no answer to it */
    bool refused;   /* MAIL, RCPT or a message, answered here: it decides on the transaction */
};

struct ledger {
    uint32_t block;                       /* rows, reason and texts; 0: nothing to keep */
    uint32_t release, answer, send, tail; /* counted from the session's first row */
    uint32_t in_flight;                   /* rows sent and not answered */
    bool barrier;                         /* the last of them lets nothing follow */
    bool moved;                           /* rows lie in another order than their texts */
    uint32_t text_start, text_end;        /* the ring of texts */
};

struct inbox {
    struct span view; /* unread bytes; only valid within a step */
    uint32_t block;   /* holds them between steps; 0: there are none */
    uint32_t start, size;
    bool borrowed; /* the view is the event's own bytes */
};

struct peer {
    struct inbox inbox;
    struct view view;
    uint32_t unsent;
    moment unsent_since; /* of the last progress while bytes wait to leave */
    bool open;           /* there, and may be written to */
    bool end_told;       /* and the record says so: behind what was said before */
    bool ended;          /* will say no more */
    bool shut;           /* SHUT was made */
    bool securing;       /* between SECURE and SECURED: it is neither heard nor spoken to */
    bool secure_due;
};

/* Content not yet in the record. */
struct counted {
    uint64_t bytes, lines;
};

/* What of a message went upstream. It is whole as long as it has the size of that. */
struct copy {
    uint32_t block; /* 0: none */
    uint32_t size;
};

/* How far the header of a message is looked at. */
struct header {
    uint64_t acted; /* set of repairs that have, in this message */
    uint32_t told;  /* bytes of what is unread that the record has already */
    bool looks;     /* what comes next may be a field, and some repair looks at those */
    bool first;     /* nothing of the message was read */
    bool passes;    /* the middle of a field that is too long to be looked at */
};

struct message {
    struct counted counted[SIDE_COUNT];
    struct body body;
    struct copy copy;
    struct header header;
    struct plan verdict; /* FATE_SWALLOW: what the client hears at the end */
    uint64_t chunk_left;
    uint64_t total;  /* of the message so far */
    uint64_t passed; /* of a DATA message, to the upstream */
    uint8_t fate;    /* enum fate */
    uint8_t convert; /* enum convert */
    uint8_t stray;   /* FATE_SWALLOW: 1 + the repair that swallows what nobody asked for; or 0 */
    bool binary;     /* its MAIL said BODY=BINARYMIME (RFC 3030 3) */
    bool begun;      /* a chunk of it went upstream as such */
    bool ended;      /* by a dot, which may have been one too many (B-60) */
};

enum auth {
    AUTH_NONE,
    AUTH_TALKING,
    AUTH_DONE,
    AUTH_UNOFFERED, /* the upstream does not offer what could be used: it may not want it */
    AUTH_REFUSED,   /* every MAIL hears so */
};

/* What a route decides. */
struct choice {
    uint32_t route;      /* its number, or NOTHING */
    uint32_t relay;      /* a number in the policy */
    uint32_t credential; /* a number in the policy, LIVE, or NOTHING */
    bool live;           /* the route's live source was asked, and may have named another place */
};

/* One connection to an upstream, and how far it is prepared. */
struct leg {
    struct choice choice; /* what it is opened for; the credential is the one it used */
    uint8_t auth;         /* enum auth */
    uint8_t tries;        /* of AUTH */
    uint16_t held_code;   /* the envelope's refusal before AUTH was said */
    uint16_t code;        /* the upstream's last answer to AUTH; 0: it has not been asked */
    bool forever;         /* the refusal, says who knows */
    bool anew;            /* not the session's first: its greeting is not for the client */
    bool again;           /* another one failed before it, and it is tried once more */
    bool gone;            /* it failed; another is opened when there is something to say */
    bool downgraded;      /* EHLO was said as HELO */
    bool clear;           /* STARTTLS was not to be had, and need not be */
    bool ehlo_refused;
    bool greeting_lost; /* it failed before EHLO was answered */
    uint8_t middlebox;  /* 1 + enum middlebox that was seen; 0: none */
    uint8_t traits;     /* set of enum trait: what is known of the path */
    bool said_back;     /* the last answer to AUTH shows the credential: nobody is told its words */
    bool popped;        /* POP before SMTP was done */
    bool insisted;      /* a reply asked for AUTH, and the envelope was put once more */
};

/* A kept envelope on its way to the upstream once more. */
enum replay { REPLAY_NONE, REPLAY_RESET, REPLAY_ROWS };

struct kept {
    uint16_t size;  /* bytes, each line with its length in front */
    uint16_t count; /* lines: MAIL, then RCPTs */
    uint16_t at;    /* the next to be said again: its place, ... */
    uint16_t next;  /* ... and its number */
    bool cut;       /* there was more than is kept */
    bool held;      /* the upstream has not heard MAIL: the recipient decides which it is */
    uint8_t replay; /* enum replay */
};

struct name {
    uint8_t size;
    char bytes[NAME_BYTES_MAX];
};

/* The client's own AUTH, where it is answered here. */
enum login { LOGIN_NONE, LOGIN_PLAIN, LOGIN_NAME, LOGIN_PASSWORD };

/* A short text that every session keeps; a longer one is not kept. */
struct brief {
    uint8_t size;
    char bytes[BRIEF_BYTES_MAX];
};

/* How far an upstream was told who the client is. */
enum naming {
    NAMING_NONE,
    NAMING_BEGUN,   /* there is more than one line */
    NAMING_MISSING, /* not offered; another EHLO may show it yet */
    NAMING_DONE,
    NAMING_REFUSED,
};

/* What the upstream of a leg was told. */
struct naming_state {
    uint8_t xclient;  /* enum naming */
    uint8_t xforward; /* enum naming, for the next MAIL */
    bool names_login; /* logins can be told there, ... */
    uint16_t login;   /* ... and this one was: see struct known; 0: none */
    bool taken;       /* a line of XCLIENT was, ... */
    bool spoiled;     /* ... and not all of it, or nobody knows: no mail goes there, ... */
    bool given_up;    /* ... and its relay is told nothing on another connection */
    uint16_t unsaid;  /* attributes of the command that has begun */
};

/* Who connected, whomever it speaks for. */
struct arrived {
    struct brief address, destination;
    uint16_t port, destination_port;
};

/* Who the client is, beside its address and the name it greets with. */
struct known {
    struct arrived arrived;
    struct brief name;        /* that XCLIENT told */
    struct brief destination; /* address that it connected to */
    uint16_t port;            /* of the client; 0: not known, as its destination's */
    uint16_t destination_port;
    uint16_t told;  /* set of attributes that XCLIENT told, and that still hold */
    uint16_t login; /* counts logins of the session, so that each has a number */
    bool extended;  /* it says EHLO */
};

/* What a session needs only where TLS, routes or credentials are in play. It lies behind the
 * engine, in the same block. */
struct guide {
    struct trail trail;
    moment asked_at;
    uint32_t serial; /* of the last question */
    uint8_t asked;   /* 1 + enum question_kind; 0: nothing */
    bool ask_due;
    uint32_t granted; /* the credential that came with the client's login, or NOTHING */
    uint32_t told;    /* the one that the live source named, or NOTHING */
    bool placed; /* the login named the relay: no route, and no credential of one, goes there */
    bool route_asked;    /* the live source was asked for this envelope */
    uint32_t granted_by; /* 1 + the relay to which the next message may begin; 0: none was asked */
    uint16_t rate_code;  /* with which the relay refused MAIL for a rate of its own */
    bool paced;          /* MAIL waits for a rate, or did, and has no answer yet */
    moment held_at;      /* since when */
    struct spent spent;
    bool certified;   /* the client's certificate is one that may send */
    uint8_t login;    /* enum login */
    struct name user; /* the client's login */
    struct known known;
    struct naming_state naming;
};

struct engine {
    const struct policy *policy;
    struct lender *lender;
    struct seed seed;
    moment started, now;
    moment client_since;  /* since when the client is waited for */
    moment answer_since;  /* since when the upstream is waited for */
    moment upstream_told; /* when it last heard anything */
    moment closing_since, stop_at;
    moment connect_at; /* when to connect again; MOMENT_NEVER: not waiting for that */
    struct peer peers[SIDE_COUNT];
    struct ledger ledger;
    struct envelope envelope;
    struct message message;
    struct plan farewell; /* what the client hears when the upstream is gone */
    struct choice wanted; /* what routes decide, the listener's relay where there are none */
    struct leg leg;
    struct kept kept;
    struct brief helo;    /* the name the client greeted with */
    struct brief address; /* the client's, without port */
    enum phase phase;
    enum input input;
    uint32_t turn;       /* of the relay's addresses */
    uint32_t reply_seen; /* bytes of the upstream's inbox that hold no whole reply yet */
    bool upstream_lost;
    bool reset_owed;       /* the upstream must hear RSET before the next MAIL */
    bool data_refused;     /* the client may go on with a message all the same (B-24) */
    bool ahead;            /* its next line came before it could know what that would be */
    bool skip_to_lf;       /* INPUT_SKIP: a LF alone ends the line */
    bool auth_seen;        /* unknown lines may be stray credentials: not recorded */
    bool said_back;        /* the upstream's reply that is being read shows a credential */
    bool talked_early : 1; /* before the greeting, and that was noted */
    bool along : 1;        /* the next line came together with a PROXY header, and so may */
    bool foreign_seen : 1; /* the client said what is not SMTP, and that was noted */
    uint8_t blank_lines;   /* empty lines in a row, as far as it matters */
    bool quit_sent, stopping, connect_due;
    bool client_left;  /* without QUIT, and the session ends with that */
    bool welcomed;     /* the client has heard a greeting */
    uint8_t replays;   /* since a message was accepted */
    uint8_t learn_due; /* set of enum trait */
    bool moved;        /* an answer said to connect anew */
    bool stale;        /* what is open upstream was begun by a client that has begun anew */
    bool starved;      /* no block could be lent */
    bool guided;       /* there is a guide behind the engine */
    bool troubled;     /* or, in `mode: fault`, trouble */
    uint8_t shut_due[SIDE_COUNT]; /* 1 + enum shut */
    struct summary summary;
};

/* What repairs would do is noted, and not done. */
static inline bool observing(const struct engine *engine)
{
    return engine->policy->mode == MODE_OBSERVE;
}

/* Bytes pass as they came; it is nobody's proxy. */
static inline bool transparent(const struct engine *engine)
{
    return engine->policy->mode != MODE_REPAIR;
}

/* The route that was chosen; NULL: none. */
static inline const struct route *route_of(const struct engine *engine)
{
    uint32_t number = engine->wanted.route;

    return number == NOTHING ? NULL : &engine->policy->routes[number];
}

/* The repairs of that route, or of the policy. */
static inline uint64_t repairs_of(const struct engine *engine)
{
    const struct route *route = route_of(engine);

    return route != NULL && route->repairs_given != 0 ? route->repairs : engine->policy->repairs;
}

static inline bool repair_on(const struct engine *engine, enum repair_id id)
{
    return !transparent(engine) && (repairs_of(engine) & REPAIR_BIT(id)) != 0;
}

static inline struct peer *client_of(struct engine *engine)
{
    return &engine->peers[SIDE_CLIENT];
}

static inline struct peer *upstream_of(struct engine *engine)
{
    return &engine->peers[SIDE_UPSTREAM];
}

static inline struct guide *guide_of(const struct engine *engine)
{
    must(engine->guided);
    return (struct guide *)(void *)(uintptr_t)(engine + 1);
}

static inline struct known *known_of(const struct engine *engine)
{
    return &guide_of(engine)->known;
}

static inline const struct relay *relay_of(const struct engine *engine)
{
    const struct policy *policy = engine->policy;

    return &policy->relays[engine->leg.choice.relay];
}

/* --- inbox.c --- */
void inbox_begin(struct engine *engine, enum side side, struct span bytes);
void inbox_take(struct inbox *inbox, size_t size);
void inbox_drop(struct engine *engine, enum side side);
void inbox_keep(struct engine *engine, enum side side);

/* --- ledger.c --- */
struct row *ledger_row(const struct engine *engine, uint32_t number);
bool ledger_has_room(struct engine *engine, size_t text_size);
/* A row at the tail; there must be room. */
struct row *ledger_append(struct engine *engine, enum verb verb, struct span text);
/* What the row says, after the verb. */
struct span ledger_argument(const struct engine *engine, const struct row *row);
/* A row of ours before the next one to be sent. */
struct row *ledger_insert(struct engine *engine, enum verb verb);
/* The same with words of its own: `text` and `more`. There may be one such row at a time. */
struct row *ledger_insert_text(struct engine *engine, enum verb verb, struct span text,
                               struct span more);
/* MAIL with that address. */
void ledger_insert_sender(struct engine *engine, struct span mailbox);
/* The row says another verb, of the same length, instead of its own. */
void ledger_rename(struct engine *engine, struct row *row, enum verb verb);
/* The row says `size` bytes less, from there. */
void ledger_cut(struct engine *engine, struct row *row, size_t from, size_t size);
/* The only row in flight, the client's, goes back to be sent once more. */
void ledger_again(struct engine *engine);
/* KEPT_BYTES_MAX bytes for an envelope that is kept; NULL: none are to be had now. */
char *ledger_kept(struct engine *engine);
bool ledger_empty(const struct engine *engine);
/* What the row says, without its line end. */
struct span ledger_text(const struct engine *engine, const struct row *row);
/* The row at the send cursor was sent. */
void ledger_sent(struct engine *engine);
/* The row at the answer cursor has its answer and retires. */
void ledger_retire(struct engine *engine);
/* Nothing in flight will be answered: the client's rows go back to be sent again, ours are over. */
void ledger_rewind(struct engine *engine);
/* Nothing of it will be answered any more. */
void ledger_drop(struct engine *engine);
/* Gives the block back when nothing in it is needed. */
void ledger_rest(struct engine *engine);
/* Keeps a refusal's words, and reads them again. */
void ledger_keep_reason(struct engine *engine, const struct reply *reply);
struct span ledger_reason(const struct engine *engine);
/* Keeps words of somebody who has no code. */
void ledger_keep_words(struct engine *engine, struct span words);

/* --- emit.c --- */
bool emit_may(const struct engine *engine, enum side side);
/* `borrowed`: the bytes outlive the step; otherwise they are copied. */
void emit_bytes(struct engine *engine, enum side side, struct span bytes, bool borrowed);
/* Past all that may delay it. */
void emit_now(struct engine *engine, enum side side, struct span bytes);
/* Says `text` for the row: what it says, or what repairs made of that. */
void emit_command(struct engine *engine, const struct row *row, struct span text);
/* The part of the row's text that was held back; false: none was. */
bool emit_held_back(struct engine *engine, struct row *row);
void emit_reply(struct engine *engine, const struct reply *reply);
void emit_capabilities(struct engine *engine, const struct reply *reply);
void emit_plan(struct engine *engine, const struct plan *plan);
/* A reply of which the client wants to read one line. */
void emit_first_line(struct engine *engine, const struct reply *reply);

/* --- engine.c --- */
/* Asks for the connection if its moment has come. */
void connect_when_due(struct engine *engine);

/* --- client.c --- */
/* The answer to what that does is there, and the client's bytes are commands again. */
void client_resume(struct engine *engine, enum verb_does does);
/* Reads what can be read now; false when nothing moved. */
bool client_read(struct engine *engine);

/* --- send.c --- */
/* May a transaction be open upstream when it reads what is sent next? */
bool mail_pending(const struct engine *engine);
/* Does the upstream get more than one command at a time? */
bool speaks_in_groups(const struct engine *engine);
/* Is a RSET on its way, and no MAIL behind it? */
bool reset_pending(const struct engine *engine);
bool send_next(struct engine *engine);
/* The row at the send cursor goes. */
void send_row(struct engine *engine, struct row *row, enum verb_does does);
bool release_next(struct engine *engine);
void row_answer_here(struct engine *engine, struct row *row, const struct plan *plan);
/* The same, and recorded as a decision of ours. */
void row_decide(struct engine *engine, struct row *row, const struct plan *plan);
/* The same for what is refused whatever the upstream would say; a refused MAIL or RCPT counts for
 * the transaction when its turn has come, as if the upstream had refused it. */
void row_refuse(struct engine *engine, struct row *row, const struct plan *plan);

/* --- answer.c --- */
bool upstream_read(struct engine *engine);

/* --- greeting.c --- */
void upstream_greets(struct engine *engine, const struct reply *reply);

/* MAIL has its answer: 0, or the code of its refusal, whose words may have been kept already. */
void transaction_begin(struct engine *engine, uint16_t refusal);
/* Nothing of the transaction holds any more. */
void transaction_end(struct engine *engine);

/* --- guide.c --- */
void guide_init(struct engine *engine);
/* The client is there. */
void guide_arrive(struct engine *engine, const struct event *event);
/* Learns from a command that is about to be sent. */
void guide_learn(struct engine *engine, const struct row *row);
/* The transaction is over: its sender and recipients decide nothing any more. */
void guide_forget(struct engine *engine);
/* The client begins anew, and the upstream has not heard so: nothing may join what is open. */
void guide_abandon(struct engine *engine);
/* The client begins anew, and nothing that it said before holds. */
void guide_anew(struct engine *engine);
/* Decides anew, by what is known. */
enum chosen guide_choose(struct engine *engine);
/* May a credential be used in this session at all? Then the client's own AUTH is not passed. */
bool guide_injects(const struct engine *engine);
/* The sender of the envelope that the row belongs to, and the mailbox of a recipient. */
struct span guide_sender(const struct engine *engine, const struct row *row);
struct span guide_recipient(const struct engine *engine, const struct row *row);
void guide_told(struct engine *engine, const struct advice *advice, struct span words);
void name_keep(struct name *name, struct span bytes);
struct span name_span(const struct name *name);
void brief_keep(struct brief *brief, struct span bytes);
struct span brief_span(const struct brief *brief);

/* --- ending.c --- */
/* This upstream is not needed any more; the session goes on with another. */
void leg_leave(struct engine *engine);
/* It is of no use any more; nothing is said to it. */
void leg_drop(struct engine *engine);

/* --- envelope.c --- */
/* MAIL or RCPT was taken: keeps it, where it may have to be said again. */
void envelope_keep(struct engine *engine, enum verb_does does, struct span text);
void envelope_drop(struct engine *engine);
/* The kept MAIL; empty: none is kept. */
struct span envelope_first(const struct engine *engine);
/* Puts MAIL with that sender before the row that waits: it opens the row's transaction. */
void envelope_begin(struct engine *engine, struct span mailbox);
/* Puts the next kept line before the row that waits. */
void envelope_replay(struct engine *engine);
/* The answer to either. */
void envelope_replayed(struct engine *engine, enum verb verb, const struct reply *reply);

/* --- ending.c --- */
/* Records that a side has ended, once; `unread`: even though not all it said was read. */
void end_tell(struct engine *engine, enum side side, bool unread);
void session_close(struct engine *engine, const char *word);
/* The same without a farewell, both sides alike. */
void session_end_hard(struct engine *engine, const char *word, enum shut how);
/* The side's connection ends now. */
void shut_now(struct engine *engine, enum side side, enum shut how);
/* The upstream can't be used any more; the client will hear `farewell`. */
void upstream_leave(struct engine *engine, const struct plan *farewell);
void upstream_gone(struct engine *engine, struct span why);
void upstream_broken(struct engine *engine, struct span what);
/* The same, for what is no reply; a line `without_code` may say why, and is told. */
void upstream_unreadable(struct engine *engine, bool without_code);
void client_gone(struct engine *engine, struct span why);
void session_conclude(struct engine *engine);
void session_overdue(struct engine *engine);
moment session_deadline(const struct engine *engine);
struct plan farewell_to(struct engine *engine, const struct row *row);

#endif
