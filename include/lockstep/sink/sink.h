/*
 * sink: a strict SMTP server as a pure machine: the relay that lockstep is tested against, and the
 * upstream of somebody who has none yet. It reads no socket and no clock and allocates nothing.
 *
 *     sink_feed(sink, bytes, now);
 *     while (sink_take(sink, &output))
 *         ... carry it out ...
 *     deadline = sink_deadline(sink);
 *
 * Contract
 * - sink_feed never brings more than sink_room() said; empty bytes mean that time has passed.
 * - All outputs are taken before the next feed. A span of an output is borrowed until the next
 *   take or feed; it may point into the bytes that were fed.
 * - A message comes as SENDER, one RECIPIENT each, BEGIN, CONTENT..., and then either END or
 *   ABANDON. A new SENDER takes the place of an envelope that was not begun. After END the caller
 *   may say by sink_answer() what the client is told; else it hears 250.
 * - The banner is the first output: take it before anything is fed.
 * - After CLOSE the session is over; what is fed then is dropped.
 *
 * With a delay each command waits that long before it is looked at, and its answer comes at once
 * then. So there is one rule for bytes that come too early: they stand behind the command when its
 * answer is due, be it from the same read or from a later one.
 */
#ifndef LOCKSTEP_SINK_SINK_H
#define LOCKSTEP_SINK_SINK_H

#include "lockstep/base/moment.h"
#include "lockstep/base/pool.h"
#include "lockstep/base/text.h"
#include "lockstep/smtp/body.h"
#include "lockstep/smtp/command.h"
#include "lockstep/smtp/extension.h"

/*
 * How a server talks: its replies, to the letter, and its state machine, as data. The strict one
 * keeps to the standards and is nobody's; the others are those of servers in the wild.
 */
struct sink_personality;

/* The strict one is the first; NULL behind the last. */
const struct sink_personality *sink_personality_row(size_t row);
/* NULL: there is none of that name. */
const struct sink_personality *sink_personality_find(struct span name);
struct span sink_personality_name(const struct sink_personality *personality);
/* One sentence, for those who choose. */
struct span sink_personality_says(const struct sink_personality *personality);

enum sink_auth {
    SINK_AUTH_NONE, /* not offered */
    SINK_AUTH_ANY,  /* every user and password will do */
    SINK_AUTH_ONE,  /* only `user` and `password` */
};

/* The first row whose verb and pattern fit decides whether the command is refused. */
struct sink_verdict {
    enum verb verb;      /* MAIL, RCPT, DATA or END (the dot, the last chunk) */
    struct span pattern; /* fits the mailbox, in any case; a `*` is any run of bytes. The mailbox of
                            DATA and END is empty */
    struct span reply;   /* "550 5.1.1 No such user"; with a 2xx the row is an exception; empty, of
                            RCPT: in the personality's own words */
};

/* Shared by many machines and never changed by them; its spans outlive them. */
struct sink_settings {
    const struct sink_personality *personality;
    const struct sink_personality *manners; /* who answers early talk in its own way (F-40) */
    struct span hostname;
    struct span banner;  /* behind the hostname in the strict 220 */
    uint32_t offered;    /* one bit per enum extension, out of SINK_OFFERABLE */
    uint64_t size_bytes; /* longest message; 0: any */
    uint32_t recipients; /* most of one message */
    uint32_t reply_delay_ms;
    enum sink_auth auth;
    bool auth_required; /* MAIL or RCPT is refused without it */
    struct span user;
    struct span password;
    const struct sink_verdict *verdicts;
    size_t verdict_count;
};

#define SINK_BIT(name) (1U << EXTENSION_##name)
#define SINK_OFFERED_DEFAULT                                                                     \
    (SINK_BIT(PIPELINING) | SINK_BIT(SIZE) | SINK_BIT(EIGHTBITMIME) | SINK_BIT(SMTPUTF8) |       \
     SINK_BIT(DSN) | SINK_BIT(ENHANCEDSTATUSCODES) | SINK_BIT(CHUNKING) | SINK_BIT(BINARYMIME) | \
     SINK_BIT(HELP) | SINK_BIT(VRFY))
/* AUTH is offered by `auth`. */
#define SINK_OFFERABLE (SINK_OFFERED_DEFAULT | SINK_BIT(DELIVERBY) | SINK_BIT(MT_PRIORITY))

/* The strict one: every extension it implements, no limit but its own, nothing refused. */
void sink_settings_default(struct sink_settings *settings_r);
/* That personality, with what it offers, its limits and its manners. */
void sink_settings_take(struct sink_settings *settings, const struct sink_personality *personality);

enum sink_output_kind {
    SINK_REPLY,     /* one whole reply, with its line ends */
    SINK_SENDER,    /* an accepted MAIL: its mailbox, empty for <> */
    SINK_RECIPIENT, /* an accepted RCPT: its mailbox */
    SINK_BEGIN,     /* the message of that envelope begins */
    SINK_CONTENT,   /* some of it, without stuffing dots and without the terminator */
    SINK_END,       /* it is whole: store it, then sink_answer() */
    SINK_ABANDON,   /* it will never be whole: forget it */
    SINK_CLOSE,     /* end the connection when everything said has left */
};

struct sink_output {
    enum sink_output_kind kind;
    struct span bytes;
};

/* What came of the session so far. */
struct sink_counts {
    uint32_t replies;    /* the banner included */
    uint32_t messages;   /* accepted */
    uint32_t recipients; /* of those */
    uint32_t violations; /* times bytes stood behind something that had to be answered first */
    uint32_t bare;       /* messages refused for a CR or LF of its own */
};

/* Input that waits: an unfinished line, or whatever came while an answer was delayed. */
#define SINK_INPUT_BYTES BLOCK_SIZE
/* Longest command line and longest AUTH line, CRLF included (RFC 5321 4.5.3.1.4 with room for all
 * parameters; RFC 4954 4). */
#define SINK_LINE_BYTES 2048U
#define SINK_AUTH_LINE_BYTES 12288U
#define SINK_REPLY_BYTES 4096U
/* Most of one thing that a reply repeats of what the client said, and of a refusal that it does. */
#define SINK_REPEAT_BYTES 256U
#define SINK_NAME_BYTES 160U
/* Most outputs that one step makes. */
#define SINK_QUEUE_MAX 6U

enum sink_phase {
    SINK_PHASE_BANNER,
    SINK_PHASE_COMMAND,
    SINK_PHASE_RESPONSE, /* a line of an AUTH exchange */
    SINK_PHASE_OVERLONG, /* dropping the rest of a line */
    SINK_PHASE_MESSAGE,  /* to the final dot */
    SINK_PHASE_CHUNK,    /* of BDAT */
    SINK_PHASE_WHOLE,    /* the dot or the chunk's last byte was read */
    SINK_PHASE_ANSWER,   /* END was told */
    SINK_PHASE_CLOSED,
};

/* What the transaction has come to. */
struct sink_mail {
    bool open;              /* MAIL was accepted */
    bool binary;            /* BODY=BINARYMIME */
    bool utf8;              /* SMTPUTF8 */
    bool refused;           /* some RCPT was refused */
    bool chunks;            /* BDAT has begun */
    bool stuck;             /* behind chunks, and RSET must come */
    bool begun;             /* BEGIN was told, and neither END nor ABANDON */
    uint16_t failure;       /* why it can't be accepted (enum sink_say); 0: it can */
    uint32_t recipients;    /* accepted */
    uint64_t bytes;         /* of content so far */
    uint64_t chunk_bytes;   /* of the open chunk, still to come */
    uint64_t chunk_whole;   /* of the open chunk in all */
    uint16_t chunk_refusal; /* why that chunk is only read; 0: it is taken */
    bool chunk_last;
    uint8_t place;   /* where bare line ends count: what stood before */
    bool line_start; /* of body_unstuff */
    struct body body;
    struct span stuffed; /* found content whose dots still stand; may be borrowed input */
    struct span stuffed_next;
};

/* What the words of a reply may repeat of the command that is being answered. */
struct sink_telling {
    enum verb verb;
    struct span line;
    struct span argument;
    struct span path;
    struct span before; /* the fault in the path */
    struct span mailbox;
    struct span option;
};

struct sink {
    const struct sink_settings *settings;
    enum sink_phase phase;
    moment now;
    moment due; /* of the answer that is delayed; 0: none is */
    bool greeted;
    bool extended; /* by EHLO */
    bool authenticated;
    bool lines;           /* some were read */
    bool spoilt;          /* by early talk */
    bool pipelined;       /* something stood behind a command that takes its time */
    bool behind_rcpt;     /* the last command was RCPT */
    bool behind_refusal;  /* or RCPTs behind a refused MAIL */
    bool refusals_differ; /* of the recipients */
    uint32_t spared;      /* verbs that still count for nothing */
    uint32_t faults[5];   /* by enum sink_count */
    uint8_t auth_step;    /* of the exchange: which line is awaited */
    bool auth_user;       /* LOGIN's user was the right one */
    uint16_t overlong;    /* what to say at the end of a line that is too long */
    struct sink_mail mail;
    struct sink_counts counts;
    struct span input; /* not yet looked at: fed bytes, or `kept` */
    uint32_t queue_first;
    uint32_t queue_count;
    struct sink_output queue[SINK_QUEUE_MAX];
    struct sink_telling telling;
    struct span peer;    /* the client's address; may be set behind sink_init() */
    struct text name;    /* what the client calls itself, over `named` */
    struct text queued;  /* what the message is queued as, over `queue_id` */
    struct text refusal; /* what recipients heard, over `refused` */
    struct text reply;   /* over `said` */
    char named[SINK_REPEAT_BYTES];
    char queue_id[SINK_NAME_BYTES];
    char refused[SINK_REPEAT_BYTES];
    char said[SINK_REPLY_BYTES];
    char kept[SINK_INPUT_BYTES];
};

void sink_init(struct sink *sink, const struct sink_settings *settings, moment now);
size_t sink_room(const struct sink *sink);
void sink_feed(struct sink *sink, struct span bytes, moment now);
bool sink_take(struct sink *sink, struct sink_output *output_r);
/* After END, before the next take: one line without its end, such as "452 4.3.1 Disk full". Only a
 * 2xx accepts the message. */
void sink_answer(struct sink *sink, struct span reply);
/* The same, for a message that is accepted: what it is called; the words are the personality's. */
void sink_queued(struct sink *sink, struct span name);
/* When to feed at the latest, though nothing came; MOMENT_NEVER: not before bytes come. */
moment sink_deadline(const struct sink *sink);

#endif
