/*
 * fault: how lockstep misbehaves on purpose, in `mode: fault`. A rule says when and what; it is one
 * line of text, the same in a file, in a profile, on the command line, over HTTP and in a script:
 *
 *     command RCPT nth=2 do drop
 *     greeting do mask * keep="20 "
 *     reply EHLO do delete-keyword PIPELINING
 *     command DATA early do answer "554 SMTP synchronization error" then=close
 *     to-client do latency 200ms jitter=50ms
 *
 *     EVENT [VERB,VERB... or !VERB,VERB...] [TRIGGER...] do KIND [ARGUMENT...]
 *
 * Rules are asked in their order, and each that fits adds to one plan. A kind that decides what
 * becomes of what was said is the last that is asked. A fault only fills in the plan: the engine
 * carries it out, and knows no kind by its name.
 *
 * A new kind is one file in src/fault/ and one row in the table of kinds.h.
 */
#ifndef LOCKSTEP_FAULT_FAULT_H
#define LOCKSTEP_FAULT_FAULT_H

#include "lockstep/base/moment.h"
#include "lockstep/base/seed.h"
#include "lockstep/base/text.h"
#include "lockstep/fault/kinds.h"
#include "lockstep/smtp/verb.h"

/* What a listener names: rules, and profiles. */
#define FAULT_ENTRIES_MAX 32U
/* Its rules, those of its profiles included. */
#define FAULT_RULES_MAX 48U
/* Triggers and arguments of one rule. */
#define FAULT_WHEN_MAX 6U
#define FAULT_WITH_MAX 4U
/* Bytes of one rule. */
#define FAULT_RULE_BYTES_MAX 512U
/* What a line or a reply may be made into. */
#define FAULT_TEXT_BYTES_MAX 20480U
/* Of a message, what is looked at in one go. */
#define FAULT_CONTENT_BYTES_MAX 2048U
/* Commands and senders that greylisting remembers in one loop. */
#define FAULT_SEEN_MAX 256U

/* A trigger or an argument: as it was written, and as a number where it is one (milliseconds,
 * bytes, percent; events, and then the time they have). */
struct fault_value {
    uint8_t what; /* enum fault_trigger, or enum fault_argument */
    struct span text;
    uint64_t number;
    uint64_t per_ms;
};

struct fault_rule {
    struct span source; /* the line it was read from */
    enum fault_event event;
    enum fault_kind kind;
    bool other_verbs; /* all but these */
    uint32_t verbs;   /* set of enum verb; empty: any */
    uint32_t when_count, with_count;
    struct fault_value when[FAULT_WHEN_MAX];
    struct fault_value with[FAULT_WITH_MAX];
};

/* The faults of a listener, in their order. All zero: none. */
struct faults {
    uint32_t count; /* of entries, as they were written */
    struct span entries[FAULT_ENTRIES_MAX];
    uint32_t rule_count;
    struct fault_rule rules[FAULT_RULES_MAX];
};

/* Reads one rule, which borrows `line`. False: `error` says what is wrong and what would be right.
 */
bool fault_rule_parse(struct span line, struct fault_rule *rule_r, struct text *error);
/* One more entry: a rule, or the name of a profile. It is borrowed. False: nothing changed, and
 * `error` says why. */
bool fault_add(struct faults *faults, struct span entry, struct text *error);

/* What the sessions of one loop remember together. All zero: nothing yet. */
struct fault_memory {
    struct {
        uint64_t level; /* an event counts as the rule's time in ms, so that nothing is rounded */
        moment at;
    } buckets[FAULT_RULES_MAX];
    struct {
        uint64_t mark; /* of who said what */
        moment first;
    } seen[FAULT_SEEN_MAX];
    uint32_t seen_next;
};

/* What a session remembers of one rule. */
struct fault_count {
    uint32_t fitted; /* how often it fitted but for the triggers that count */
    uint32_t acted;
    enum fault_lot { LOT_NONE, LOT_IN, LOT_OUT } lot; /* `share`: what the session has drawn */
};

/* What happens, and what is known of the session then. Spans are borrowed. */
struct fault_scene {
    enum fault_event event;
    enum verb verb;     /* of the command, or of the one that the reply answers */
    struct span said;   /* a line without its end, a whole reply, a part of a message */
    uint16_t code;      /* of the reply */
    uint64_t before;    /* content: bytes of the message before it */
    bool header;        /* content: of the header */
    bool early;         /* a command before it is not answered yet */
    bool followed;      /* more of the client's was there already */
    bool split;         /* it came in more than one segment */
    bool none_accepted; /* no recipient of the open transaction was */
    bool last_refused;  /* the reply before was a refusal */
    uint64_t column;    /* content: bytes of its first line that went before */
    char previous;      /* content: the byte before it */
    struct span client; /* its address */
    struct span helo;   /* the name it greeted with */
    uint32_t session;   /* number of the session, from 1, in its listener */
    moment now;
    struct seed *seed;
    struct fault_memory *memory; /* may be NULL */
    struct fault_count *counts;  /* FAULT_RULES_MAX of them */
    char *rooms[2];              /* FAULT_TEXT_BYTES_MAX each, for what is made of what was said */
};

/* What becomes of it. */
enum fault_fate {
    FAULT_GOES,  /* on its way, with what the rest of the plan says */
    FAULT_DROPS, /* nobody hears it */
    FAULT_HERE,  /* the client hears `answer` */
    FAULT_WAITS, /* until `past` others have gone, or hold_ms */
};

enum fault_end {
    FAULT_NO_END,
    FAULT_CLOSE, /* both connections, properly */
    FAULT_RESET, /* both, with RST */
    FAULT_HALF,  /* the client's is closed for writing, and read on */
    FAULT_STALL, /* nothing passes any more, either way, and both stay open */
};

/* How bytes leave for one side; all zero: at once, as they are. */
struct fault_shape {
    uint32_t latency_ms, jitter_ms;
    uint64_t rate;                /* bytes a second; 0: any */
    uint32_t slice, slice_spread; /* bytes of a segment; 0: any */
    uint32_t gap_ms;              /* between two of them */
    uint32_t gather_ms;
    uint32_t largest; /* bytes of a segment that arrives; 0: any */
    bool limited;     /* nothing passes behind `limit` bytes, and the connections end */
    uint64_t limit;
    uint32_t idle_ms;    /* 0: any silence is borne */
    enum fault_end then; /* the end by `limit` or `idle_ms` */
    bool silent;         /* nothing leaves */
    bool ends;           /* `end_ms` after the session's start, also where that is 0 */
    uint32_t end_ms;     /* of a silent path: since it was first spoken to; 0: never */
    enum fault_end end;
    uint32_t linger_ms; /* before it is closed */
};

struct fault_plan {
    enum fault_fate fate;
    bool ask;       /* HERE: the command goes on all the same, and the relay's answer is eaten */
    bool addressed; /* HERE: the answer is what fault_address_words() finds, not `answer` */
    bool changed;   /* `said` is said instead of what was */
    bool same;      /* the rule asked last would have changed nothing, and did not act */
    bool absorb;    /* the relay's answers to `before`, `behind` and the repetition are eaten */
    bool twice;
    bool alone;  /* nothing goes on before the answer */
    bool forget; /* what the client said behind it is lost */
    struct span said;
    struct span answer; /* as the rule has it: see fault_words() */
    struct span before, behind;
    uint32_t past;
    uint8_t past_verb; /* which the next must be; 0: any */
    uint32_t hold_ms;
    uint32_t patience_ms; /* for its answer; 0: any */
    enum fault_end patience_end;
    uint32_t slice, gap_ms; /* bytes of one segment; 0: all in one */
    enum fault_end end;
    uint64_t end_after; /* bytes of what is said */
    bool end_within;    /* `end_after` counts */
    uint64_t acted;     /* set of rules, by number */
    char *rooms[2];
};

/* Asks the rules; false: none has to do with it, and the plan is all zero. */
bool fault_choose(const struct faults *faults, const struct fault_scene *scene,
                  struct fault_plan *plan_r);
/* The same for how bytes leave for a side; whether a rule with a chance acts is decided once for a
 * session. */
void fault_shape(const struct faults *faults, const struct fault_scene *scene,
                 struct fault_shape *shape_r);

/* Adds the words of a rule with their escapes undone: \n is CRLF, \r, \t, \\, \" and \xHH. */
void fault_words(struct span words, struct text *out);

/* Bytes of a local part that may ask for an answer (RFC 5321 4.5.3.1.1). */
#define FAULT_ADDRESS_BYTES_MAX 64U
/* Bytes of that answer. */
#define FAULT_ADDRESS_WORDS_MAX 128U
/* Adds the refusal that the address in a command asks for, without its line end; false: none.
 * 451-greylisted@fault.test is answered with "451 4.0.0 greylisted". No byte of it is other than
 * a letter, a digit, a dot, a blank or ?. */
bool fault_address_words(struct span line, struct text *out);

struct fault_kind_row {
    struct span name;
    uint32_t events;    /* that it may stand on */
    uint32_t arguments; /* that it takes; those in `needs` it must have */
    uint32_t needs;
    bool decides;
    void (*act)(const struct fault_rule *rule, const struct fault_scene *scene,
                struct fault_plan *plan);
    void (*form)(const struct fault_rule *rule, struct fault_shape *shape); /* of bytes */
    const char *says;
};

const struct fault_kind_row *fault_kind_row(enum fault_kind kind);
/* Adds the events that it may stand on, as in "greeting, command or reply". */
void fault_kind_events(const struct fault_kind_row *kind, struct text *out);

/* A set of rules under a name: what some product is known to do. */
struct fault_profile {
    const char *name;
    const char *says;         /* one sentence */
    const char *sources;      /* where that is from: entries of the catalogue, manuals, reports */
    const char *confidence;   /* SRC, VEN, REP, DER or GAP, as the catalogue tags it */
    const char *healed;       /* "yes", or why lockstep can't put it right */
    const char *const *rules; /* ends with NULL */
};

/* The profile of that number, by name; NULL behind the last. */
const struct fault_profile *fault_profile(size_t number);
const struct fault_profile *fault_profile_find(struct span name);

#endif
