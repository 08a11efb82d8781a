/*
 * state: one session's whole state, for the files of the engine only.
 *
 * The files and what they decide:
 *   engine.c    events in, effects out
 *   inbox.c     bytes that came and were not read yet
 *   ledger.c    the rows and their cursors
 *   emit.c      the only writer to a peer
 *   client.c    what the client's bytes mean: commands, AUTH responses, messages
 *   send.c      which row goes upstream next, or is answered here
 *   answer.c    what the upstream's replies mean, and who hears them
 *   message.c   messages and chunks on their way
 *   ending.c    how a session ends, and what the client hears of a lost upstream
 *   note.c      the transcript
 */
#ifndef LOCKSTEP_ENGINE_STATE_H
#define LOCKSTEP_ENGINE_STATE_H

#include "lockstep/base/must.h"
#include "lockstep/engine/engine.h"

/* Bytes handed over and not yet SENT, above which nothing more is made for that side. */
#define UNSENT_BYTES_MAX BLOCK_SIZE
/* The words of a refusal that are kept, to be quoted later. */
#define REASON_BYTES_MAX 480U
/* Rows of ours that may stand among the client's: RSET, DATA, a lone dot. */
#define ROWS_OF_OURS_MAX 4U
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
    FATE_PENDING, /* not decided: they stay unread */
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
    uint8_t verb;  /* enum verb */
    uint8_t state; /* enum row_state */
    bool ours;     /* put in by us: the client never hears its answer */
    bool last_chunk;
    bool alone; /* nothing may follow before its answer, whatever its verb says */
};

struct ledger {
    uint32_t block;                       /* rows, reason and texts; 0: nothing to keep */
    uint32_t release, answer, send, tail; /* counted from the session's first row */
    uint32_t in_flight;                   /* rows sent and not answered */
    bool barrier;                         /* the last of them lets nothing follow */
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
};

/* Content not yet in the record. */
struct counted {
    uint64_t bytes;
    uint64_t lines;
};

struct message {
    struct counted counted[SIDE_COUNT];
    struct body body;
    struct plan verdict; /* FATE_SWALLOW: what the client hears at the end */
    uint64_t chunk_left;
    uint64_t total;  /* of the message so far */
    uint64_t passed; /* of a DATA message, to the upstream */
    enum fate fate;
    enum convert convert;
};

struct engine {
    const struct policy *policy;
    struct lender *lender;
    struct seed seed;
    moment started, now;
    moment client_since; /* since when the client is waited for */
    moment answer_since; /* since when the upstream is waited for */
    moment closing_since;
    moment stop_at;
    struct peer peers[SIDE_COUNT];
    struct ledger ledger;
    struct envelope envelope;
    struct message message;
    struct plan farewell; /* what the client hears when the upstream is gone */
    enum phase phase;
    enum input input;
    bool upstream_lost;
    bool reset_owed;   /* the upstream must hear RSET before the next MAIL */
    bool data_refused; /* the client may go on with a message all the same (B-24) */
    bool auth_seen;    /* unknown lines may be stray credentials: not recorded */
    bool quit_sent;
    bool stopping;
    bool starved; /* no block could be lent */
    bool connect_due;
    uint8_t shut_due[SIDE_COUNT]; /* 1 + enum shut */
    uint32_t reply_seen;          /* bytes of the upstream's inbox that hold no whole reply yet */
    struct summary summary;
};

static inline bool observing(const struct engine *engine)
{
    return engine->policy->mode == MODE_OBSERVE;
}

static inline bool repair_on(const struct engine *engine, enum repair_id id)
{
    return !observing(engine) && (engine->policy->repairs >> id & 1U) != 0;
}

static inline struct peer *client_of(struct engine *engine)
{
    return &engine->peers[SIDE_CLIENT];
}

static inline struct peer *upstream_of(struct engine *engine)
{
    return &engine->peers[SIDE_UPSTREAM];
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
/* A row of ours before the next one to be sent. */
struct row *ledger_insert(struct engine *engine, enum verb verb);
bool ledger_empty(const struct engine *engine);
/* What the row says, without its line end. */
struct span ledger_text(const struct engine *engine, const struct row *row);
/* The row at the send cursor was sent. */
void ledger_sent(struct engine *engine);
/* The row at the answer cursor has its answer and retires. */
void ledger_retire(struct engine *engine);
/* Nothing of it will be answered any more. */
void ledger_drop(struct engine *engine);
/* Gives the block back when nothing in it is needed. */
void ledger_rest(struct engine *engine);
/* Keeps a refusal's words, and reads them again. */
void ledger_keep_reason(struct engine *engine, const struct reply *reply);
struct span ledger_reason(const struct engine *engine);

/* --- emit.c --- */
bool emit_may(const struct engine *engine, enum side side);
/* `borrowed`: the bytes outlive the step; otherwise they are copied. */
void emit_bytes(struct engine *engine, enum side side, struct span bytes, bool borrowed);
void emit_command(struct engine *engine, const struct row *row);
void emit_reply(struct engine *engine, const struct reply *reply);
void emit_capabilities(struct engine *engine, const struct reply *reply);
void emit_plan(struct engine *engine, const struct plan *plan);

/* --- client.c --- */
/* Reads what can be read now; false when nothing moved. */
bool client_read(struct engine *engine);

/* --- send.c --- */
bool send_next(struct engine *engine);
bool release_next(struct engine *engine);
void row_answer_here(struct engine *engine, struct row *row, const struct plan *plan);
/* The same, and recorded as a decision of ours. */
void row_decide(struct engine *engine, struct row *row, const struct plan *plan);
/* Runs the order repairs; true when one acts. `reply_code` 0: before sending. */
bool order_repaired(struct engine *engine, enum verb verb, uint16_t reply_code,
                    struct plan *plan_r);

/* --- answer.c --- */
bool upstream_read(struct engine *engine);

/* --- message.c --- */
bool body_read(struct engine *engine);
bool chunk_read(struct engine *engine);
/* The upstream waits for a message now. */
void message_start(struct engine *engine);
/* A BDAT row is the next to go. */
/* The upstream refused a chunk that was not the last. */
void chunk_refused(struct engine *engine, const struct reply *reply);
bool chunk_send(struct engine *engine, struct row *row);
/* Some bytes of a message went upstream and its end did not. */
bool message_open(const struct engine *engine);
/* The message will not be delivered: what is left of it is swallowed, its end answered so. */
void message_fail(struct engine *engine, const struct plan *verdict);

/* --- ending.c --- */
/* Records that a side has ended, once; `unread`: even though not all it said was read. */
void end_tell(struct engine *engine, enum side side, bool unread);
void session_close(struct engine *engine, const char *word);
/* The upstream can't be used any more; the client will hear `farewell`. */
void upstream_leave(struct engine *engine, const struct plan *farewell);
void upstream_gone(struct engine *engine, struct span why);
void upstream_broken(struct engine *engine, struct span what);
void client_gone(struct engine *engine, struct span why);
void session_conclude(struct engine *engine);
void session_overdue(struct engine *engine);
moment session_deadline(const struct engine *engine);
struct plan farewell_to(const struct engine *engine, const struct row *row);

/* --- note.c --- */
void note_said(struct engine *engine, enum side side, bool to_upstream, struct span bytes);
/* A command line that may hold a secret, on either leg. */
void note_command(struct engine *engine, enum side side, enum verb verb, struct span text,
                  struct span end);
/* Bytes that passed from that side to the other, and nobody read them. */
void note_unread(struct engine *engine, enum side from, uint64_t bytes);
/* Content of a message that the client said, or that went upstream: recorded whole or counted. */
void note_content(struct engine *engine, enum side side, struct span bytes);
/* There may be more of it; what was held back is told apart. */
void note_content_part(struct engine *engine);
/* That was all of it. */
void note_content_end(struct engine *engine);
void note_stop(struct engine *engine);
void note(struct engine *engine, struct span word, struct span key, struct span value);
void note_code(struct engine *engine, struct span word, struct span what, uint16_t code);
void note_life(struct engine *engine, enum side side, struct span what, struct span why);

#endif
