/*
 * personality: a server as data. Its words by event, its EHLO keywords, its limits, and the few
 * ways in which servers differ beyond their words. The machine reads it and knows no server by
 * name; each has a file with one such table, and a row in personality.c.
 *
 * An event without words is one that this server does not mind: a nested MAIL without words begins
 * anew, an argument without words is passed over, a verb whose success has no words is unknown.
 */
#ifndef LOCKSTEP_SINK_PERSONALITY_H
#define LOCKSTEP_SINK_PERSONALITY_H

#include "lockstep/sink/sink.h"

/*
 * Words are whole replies, "\n" between their lines. In them stand
 *   %h the server's name    %n the client's, from HELO    %p its address   %g the settings' banner
 *   %v the verb             %l the line       %a its argument    %m the mailbox
 *   %e the path as it came, AUTH's initial response
 *   %f what stands before the fault in it
 *   %o the parameter        %k its name, or AUTH's mechanism     %x its value
 *   %s the longest message  %b the chunk's bytes   %t the message's   %q what it is queued as
 *   %r the words that every recipient was refused with
 */
/* What is wrong with a path, in the order in which it is looked for. */
/* clang-format off */
#define PATH_FAULTS(X, S)                                                                          \
    X(S##_WORD)        /* no FROM: or TO: */                                                       \
    X(S##_SPACE)       /* a blank behind the colon */                                              \
    X(S##_EMPTY)       /* nothing behind it */                                                     \
    X(S##_BARE)        /* no brackets */                                                           \
    X(S##_LONE)        /* the first bracket and nothing else */                                    \
    X(S##_OPEN)        /* the second bracket is missing */                                         \
    X(S##_AFTER)       /* something stands right behind it */                                      \
    X(S##_BLANK)       /* a blank stands inside */                                                 \
    X(S##_ROUTE)       /* a source route and no mailbox */                                         \
    X(S##_NULL)        /* <>, which a sender may be */                                             \
    X(S##_LONG)        /* more than PATH_BYTES */                                                  \
    X(S##_UNQUALIFIED) /* no domain */                                                             \
    X(S##_DOMAIN)      /* an empty one, or one that is none */                                     \
    X(S##_DOTS)        /* the local part begins or ends with a dot */                              \
    X(S##_LOCAL)       /* a byte in it that must be quoted */

/* Longer mailboxes are too long for those who mind. */
#define PATH_BYTES 900U

#define SINK_EVENTS(X)                                                                             \
    /* what went well */                                                                           \
    X(BANNER) X(HELO_OK) X(EHLO_OK) X(OK) X(RESET_OK) X(SENDER_OK) X(RECIPIENT_OK) X(GO_AHEAD)     \
    X(CHUNK_OK) X(CHUNK_ACCEPTED) X(ACCEPTED) X(QUEUED) X(BYE) X(HELP) X(VRFY) X(VRFY_REFUSED)     \
    X(EXPN) X(ETRN) X(STARTTLS) X(XCLIENT)                                                                         \
    /* lines that are none */                                                                      \
    X(UNKNOWN) X(NOT_IMPLEMENTED) X(EMPTY) X(BANNED) X(LINE_LONG) X(AUTH_LONG) X(BARE_LINE)        \
    X(NUL) X(BARE_CR) X(EIGHT_BIT) X(EIGHT_BIT_OLD)                                                \
    /* arguments */                                                                                \
    X(NOOP_ARGUMENT) X(RESET_ARGUMENT) X(DATA_ARGUMENT) X(QUIT_ARGUMENT) X(HELP_ARGUMENT)          \
    X(STARTTLS_ARGUMENT) X(VRFY_EMPTY) X(EXPN_EMPTY) X(ETRN_EMPTY) X(HELLO_EMPTY) X(HELLO_BAD)     \
    /* order */                                                                                    \
    X(HELLO_TWICE) X(SENDER_EARLY) X(SENDER_NESTED) X(SENDER_LATE) X(RECIPIENT_EARLY)              \
    X(RECIPIENT_CASCADE) /* the same behind a refused MAIL, where PIPELINING is offered */         \
    X(RECIPIENT_LATE) X(RESET_EARLY) X(DATA_EARLY) X(DATA_EMPTY) /* no RCPT was tried */           \
    X(DATA_REFUSED) /* all were refused */                                                         \
    X(DATA_PIPELINED) /* either, of a client that pipelines */                                     \
    X(DATA_REASON) /* said before: with which words */                                             \
    X(DATA_AFTER_BDAT) X(DATA_BINARY) X(CHUNK_SYNTAX) X(CHUNK_OFF) X(CHUNK_AFTER)                  \
    X(ONLY_CHUNKS) /* anything but BDAT and RSET behind a chunk */                                 \
    X(ONLY_RESET)  /* and then anything but RSET */                                                \
    /* envelopes */                                                                                \
    PATH_FAULTS(X, SENDER) PATH_FAULTS(X, RECIPIENT)                                               \
    X(RECIPIENT_REFUSED) X(RECIPIENT_MANY) X(PARAMETER_UNKNOWN) X(PARAMETER_UNKNOWN_RECIPIENT)     \
    X(PARAMETER_OLD) /* any, of a client that said HELO */                                         \
    X(PARAMETER_TWICE) X(SIZE_BAD) X(BODY_BAD) X(BODY_OFF) /* where that is not offered */          \
    X(RET_BAD) X(NOTIFY_BAD) X(NOTIFY_NEVER)                                                       \
    X(VALUE_BAD) X(NEED_UTF8) X(TOO_BIG) X(CONTENT_BIG) X(BARE_CONTENT)                            \
    /* AUTH */                                                                                     \
    X(AUTH_PLAIN) X(AUTH_USER) X(AUTH_PASSWORD) X(AUTH_OK) X(AUTH_FAILED) X(AUTH_CANCELLED)        \
    X(AUTH_BASE64) X(AUTH_INITIAL) /* the same of an initial response */                           \
    X(AUTH_MALFORMED) X(AUTH_SYNTAX) X(AUTH_EMPTY) X(AUTH_MECHANISM) X(AUTH_EARLY) X(AUTH_OFF)        \
    X(AUTH_TWICE) X(AUTH_INSIDE) X(AUTH_NEEDED) X(AUTH_NEEDED_RECIPIENT)                           \
    /* patience */                                                                                 \
    X(MANY_ERRORS) X(MANY_UNKNOWN) X(MANY_NONMAIL) X(EARLY)                                        \
    X(SPOILT) /* whatever is said behind some EARLY that did not end the session */
/* clang-format on */

enum sink_say {
    SAY_NOTHING,
#define SAY_NAME(name) SAY_##name,
    SINK_EVENTS(SAY_NAME)
#undef SAY_NAME
        SAY_COUNT
};

/* How often something may be said. */
enum sink_count {
    COUNT_NOT,
    COUNT_ERROR,
    COUNT_QUIET, /* as an error, but when it is too much the connection only ends */
    COUNT_UNKNOWN,
    COUNT_NONMAIL, /* of commands, not of words */
    COUNT_COUNT
};

struct sink_word {
    struct span text;
    uint8_t count; /* enum sink_count */
    bool ends;     /* the session; 421 does so by itself */
};

#define SAYS(event, words) [SAY_##event] = {.text = SPAN_INIT(words)}
#define SAYS_ERROR(event, words) [SAY_##event] = {.text = SPAN_INIT(words), .count = COUNT_ERROR}
#define SAYS_QUIET(event, words) [SAY_##event] = {.text = SPAN_INIT(words), .count = COUNT_QUIET}
#define SAYS_UNKNOWN(event, words) \
    [SAY_##event] = {.text = SPAN_INIT(words), .count = COUNT_UNKNOWN}
#define SAYS_AND_ENDS(event, words) [SAY_##event] = {.text = SPAN_INIT(words), .ends = true}

/* What comes of one more than `max`; the session ends with it. */
enum sink_excess {
    EXCESS_INSTEAD, /* its words are said in the place of what would be */
    EXCESS_JOINED,  /* or as another line of it */
    EXCESS_AFTER,   /* or, already at the last that is borne, after it */
};

struct sink_limit {
    uint32_t max; /* 0: none */
    enum sink_excess excess;
    enum sink_say say;
};

struct sink_keyword {
    enum extension extension; /* whose offer it is; EXTENSION_NONE: always there */
    struct span text;
};
#define KEYWORD(name, words)               \
    {                                      \
        EXTENSION_##name, SPAN_INIT(words) \
    }

/* How far the client may pipeline, by what it was told. */
enum sink_standing { STANDING_PIPELINING, STANDING_EHLO, STANDING_OLD, STANDING_COUNT };

#define VERB_BIT(name) (1U << VERB_##name)
#define EVERY_VERB UINT32_MAX

/* F-40; one bit per verb: bytes that stand behind it before it is answered. */
struct sink_early {
    bool banner;                       /* bytes before the banner end the session */
    uint32_t behind[STANDING_COUNT];   /* they end it */
    uint32_t pardoned[STANDING_COUNT]; /* but not yet, until a message was taken */
    uint32_t spoils;                   /* they spoil it: the rest of it hears SPOILT */
};

/* A CR or LF of its own in a message. */
enum sink_bare {
    SINK_BARE_REFUSED,    /* its end is answered by BARE_CONTENT */
    SINK_BARE_TAKEN,      /* it is content, and "." LF is no end */
    SINK_BARE_ENDS,       /* BARE_CONTENT at once, and the session is over */
    SINK_BARE_DOT_ENDS,   /* "." LF ends the message like "." CRLF */
    SINK_BARE_DOT_RESETS, /* it ends the message and is answered by BARE_CONTENT */
};

/* When DATA_PIPELINED is said. */
enum sink_pipelined {
    PIPELINED_NEVER,
    PIPELINED_BEHIND_RCPT, /* right behind RCPT, where PIPELINING is offered */
    PIPELINED_SEEN,        /* something stood behind one of `waits` before its answer, after EHLO */
};

/* Parameters of MAIL and RCPT, by their rows in parameters.c. */
#define SINK_PARAMETERS(X) \
    X(SIZE) X(BODY) X(SMTPUTF8) X(RET) X(ENVID) X(NOTIFY) X(ORCPT) X(AUTH) X(BY) X(MT_PRIORITY)
enum sink_parameter {
#define PARAMETER_NAME(name) PARAMETER_##name,
    SINK_PARAMETERS(PARAMETER_NAME)
#undef PARAMETER_NAME
        PARAMETER_COUNT
};
#define PARAMETER_BIT(name) (1U << PARAMETER_##name)

#define SINK_KEYWORDS_MAX 20U

struct sink_personality {
    struct span name;
    struct span says; /* one sentence for those who choose */
    struct sink_word words[SAY_COUNT];
    struct sink_keyword keywords[SINK_KEYWORDS_MAX]; /* in their order, up to the first empty one */
    uint32_t offered;       /* of SINK_OFFERABLE, unless the settings say otherwise */
    uint64_t size_bytes;    /* the same */
    uint32_t recipients;    /* the same */
    uint32_t line_bytes;    /* longest command line; 0: SINK_LINE_BYTES */
    uint32_t parameters;    /* known though their extension is not offered */
    uint32_t unimplemented; /* verbs that hear NOT_IMPLEMENTED */
    struct sink_early early;
    struct sink_limit limits[COUNT_COUNT];
    uint32_t nonmail; /* verbs that count as such */
    uint32_t spared;  /* those of them that each message may have one of */
    enum sink_bare bare;
    enum sink_pipelined pipelined;
    uint32_t waits;
    const struct span *banned; /* first words that hear BANNED, up to an empty one */
    bool banned_first;         /* only as the first line */
    bool banned_odd;           /* so do words that begin with no letter, and headers */
    struct span hello_odd;     /* bytes that HELLO_BAD is for, though they could be in a name */
    bool ascii_paths;          /* bytes above 0x7F are faults of a path */
    bool old_extensions;       /* extensions are there after HELO, and before it */
    bool whole_words;          /* "MAIL FROM:" and "RCPT TO:" are the verbs */
    bool exact_verbs;          /* no blank may stand before a verb */
    bool blank_argument;       /* a blank behind a verb is an argument */
    bool argument_late;        /* DATA's is looked at when DATA may be said */
    bool inside_first;         /* AUTH inside a transaction is told before AUTH twice is */
    bool chunk_left;           /* of a BDAT that is not offered the chunk is commands */
    bool chunk_stays;          /* behind a refused BDAT only RSET helps */
    bool forgives;             /* a message that is taken ends the counts of errors */
};

extern const struct sink_personality sink_strict, sink_postfix, sink_exim, sink_sendmail,
    sink_opensmtpd, sink_haraka, sink_qmail, sink_exchange, sink_hmailserver, sink_msmail;

#endif
