/*
 * repair: the table of everything lockstep puts right, one file per row.
 *
 * A repair never writes to a peer. At its stage it looks, and hands back text or fills in a plan;
 * the engine records it under the repair's name and the emitter checks what it made. In `observe`
 * every repair still runs, and what it would have done is recorded.
 */
#ifndef LOCKSTEP_REPAIR_REPAIR_H
#define LOCKSTEP_REPAIR_REPAIR_H

#include "lockstep/base/moment.h"
#include "lockstep/base/text.h"
#include "lockstep/smtp/command.h"
#include "lockstep/smtp/plan.h"
#include "lockstep/smtp/view.h"

/* When a repair looks. Within a stage they run in the order of the table, each on what the one
 * before made. */
enum repair_stage {
    STAGE_COMMAND, /* a client's line, before anything else reads it; hands back text. One that
                    * nobody knew and that is a command then is for the later rows that look at
                    * such a command */
    STAGE_ORDER,   /* a command that would be sent, and again when its answer is a refusal; hands
                    * back a plan */
    STAGE_SENDING, /* a command being sent, the client's or one that is said again; hands back
                    * text */
    STAGE_HEADER,  /* a field of a message's header, or a line that stands in front of it, on its
                    * way to the upstream; hands back text, of one line or more. Once it has acted a
                    * repair is asked no more in that message. Not where BDAT brings the message */
    STAGE_REPLY,   /* a whole reply of the upstream, before it is read; hands back text */
    STAGE_ANSWER,  /* a whole reply for the client, before it is said; hands back text */
    STAGE_FRAMING, /* how bytes are cut into commands and messages: done by the engine itself */
    STAGE_COUNT
};

enum verdict {
    UNTOUCHED,
    REPAIRED,
    BEYOND, /* STAGE_COMMAND, STAGE_SENDING: a line that can't be put right and must not go on; the
             * plan says why */
};

/* Is it on when the configuration says nothing? */
enum initially {
    INITIALLY_ON,
    INITIALLY_OFF,
    ONLY_TRUSTED, /* off, and a warning where it is on: only for clients one knows */
};

/* What a repair may have to know beside its switch, as configured; empty: nothing. */
struct rewrite {
    struct span helo;           /* a name for clients that have none of their own */
    struct span domain;         /* behind addresses without one (B-34) */
    struct span default_sender; /* for clients that never say MAIL (B-26) */
    struct span sender;         /* of every envelope, and of headers (B-35) */
    struct span codes;          /* reply codes told in the place of others (smtp/remap.h) */
};

/* What a repair may look at; all of it read-only, and borrowed for the call. */
struct situation {
    const struct verb_facts *verb; /* of the command, or of the one that is answered */
    struct span seen;              /* the line without its end, or the whole reply; a field has the
                                    * line ends in its middle */
    const struct view *client;
    const struct view *upstream;
    const struct envelope *envelope;
    const struct rewrite *rewrite;
    struct span hostname; /* what lockstep calls itself */
    struct span address;  /* the client's, without port; empty: not known */
    struct span account;  /* whom lockstep speaks for upstream; empty: for nobody */
    bool first;           /* STAGE_COMMAND: the client has said nothing before; STAGE_HEADER: this
                           * is what the message begins with */
    bool mail_pending;    /* STAGE_ORDER: a transaction is open upstream, or may be when the command
                           * is read there */
    bool reset_sent;    /* STAGE_ORDER: RSET is on its way to the upstream, and no MAIL behind it */
    bool reset_owed;    /* STAGE_ORDER: the upstream hears RSET before the next MAIL anyway */
    bool abandoned;     /* STAGE_ORDER: the client has given up what is open upstream */
    bool message_begun; /* STAGE_ORDER: part of a message is upstream, in a transaction not over */
    bool needs_extended;   /* STAGE_ORDER: TLS or AUTH is to be used upstream, which EHLO brings */
    bool extended_refused; /* STAGE_ORDER: and EHLO is refused there, or lost on the way */
    bool envelope_kept;  /* STAGE_ORDER: the client's envelope is known here, and the upstream hears
                          * it, or hears it again, before whatever belongs to it */
    moment idle_ms;      /* STAGE_ORDER: since the upstream heard anything; 0: nobody is there */
    uint16_t reply_code; /* STAGE_ORDER: what the upstream answered, and then nothing can come
                          * first any more; 0: it was not asked yet */
};

/* A mended line is longer than the one that was seen by no more than this. */
#define MENDED_GROWTH_MAX 600U

/* What a repair hands back. Text that was cut counts as untouched. */
struct mended {
    struct text text;
    struct plan plan;
};

/* A set of what commands do, for the column `does`. */
#define DOES_BIT(does) (1U << (does))
#define DOES_ENVELOPE (DOES_BIT(DOES_SENDER) | DOES_BIT(DOES_RECIPIENT))
#define DOES_CONTENT (DOES_BIT(DOES_MESSAGE) | DOES_BIT(DOES_CHUNK))
#define DOES_GREETING (DOES_BIT(DOES_GREET) | DOES_BIT(DOES_GREET_OLD))
#define DOES_ALL ((1U << DOES_COUNT) - 1U)

/*
 * function: the repair; framing_only where the engine does it.
 * does: what it looks at; a repair is never called for any other command.
 */
/* clang-format off */
#define REPAIRS(X)                                                                                 \
    /*  name                function            word                  stage          does           initially */ \
    X(FIRST_LINE_NOISE,     first_line_noise,   "first-line-noise",   STAGE_COMMAND,               \
      DOES_BIT(DOES_NONE),                      INITIALLY_ON,                                      \
      "Telnet options and byte order marks before a client's first command are left out.")         \
    X(EMPTY_INITIAL_RESPONSE, empty_initial_response, "empty-initial-response", STAGE_COMMAND,     \
      DOES_BIT(DOES_AUTH),                      INITIALLY_OFF,                                     \
      "AUTH EXTERNAL with a blank and nothing behind it gets the \"=\" that RFC 4954 wants.")      \
    X(TRAILING_BLANK,       trailing_blank,     "trailing-blank",     STAGE_COMMAND,               \
      DOES_ALL & ~DOES_BIT(DOES_RESPONSE),      INITIALLY_ON,                                      \
      "Blanks at the end of a command are left out, but for what belongs to a credential.")        \
    X(JUNK_HELO,            junk_helo,          "junk-helo",          STAGE_COMMAND,               \
      DOES_GREETING,                            INITIALLY_ON,                                      \
      "A name in EHLO or HELO that can be none gives way to `rewrite.helo` or the client's address.") \
    X(PATH_SYNTAX,          path_syntax,        "path-syntax",        STAGE_COMMAND,               \
      DOES_ENVELOPE,                            INITIALLY_ON,                                      \
      "MAIL and RCPT are written as the standard wants: blanks, brackets, names, comments, routes.") \
    X(EMPTY_PATH,           empty_path,         "empty-path",         STAGE_COMMAND,               \
      DOES_BIT(DOES_SENDER),                    INITIALLY_OFF,                                     \
      "The sender `<@>` is taken for the null sender `<>`, which old Lotus servers mean by it.")   \
    X(QUOTED_ADDRESS,       quoted_address,     "quoted-address",     STAGE_COMMAND,               \
      DOES_ENVELOPE,                            INITIALLY_OFF,                                     \
      "A pair of quotation marks round a whole address is taken off.")                             \
    X(TRAILING_DOT,         trailing_dot,       "trailing-dot",       STAGE_COMMAND,               \
      DOES_ENVELOPE,                            INITIALLY_ON,                                      \
      "A dot at the end of an address's domain is left out.")                                      \
    X(UNQUALIFIED,          unqualified,        "unqualified",        STAGE_COMMAND,               \
      DOES_ENVELOPE,                            INITIALLY_OFF,                                     \
      "An address without a domain gets `rewrite.domain`.")                                        \
    X(UNKNOWN_PARAMETER,    unknown_parameter,  "unknown-parameter",  STAGE_SENDING,               \
      DOES_ENVELOPE,                            INITIALLY_ON,                                      \
      "Parameters that the relay does not offer are dropped, or refused where that would lie.")    \
    X(MATCH_SENDER,         match_sender,       "match-sender",       STAGE_SENDING,               \
      DOES_BIT(DOES_SENDER),                    INITIALLY_OFF,                                     \
      "The envelope's sender becomes `rewrite.sender`, or the account that is used at the relay.") \
    X(MATCH_HEADER_FROM,    match_header_from,  "match-header-from",  STAGE_HEADER,                \
      DOES_BIT(DOES_MESSAGE),                   ONLY_TRUSTED,                                      \
      "As `match-sender`, the address in the header's From, which breaks signatures of the "       \
      "client's (DKIM); what it was is kept in `X-Original-From`.")                                \
    X(FROM_LINE,            from_line,          "from-line",          STAGE_HEADER,                \
      DOES_BIT(DOES_MESSAGE),                   INITIALLY_OFF,                                     \
      "A mailbox's `From ` line in front of a message becomes a field, `X-Mailbox-Line`.")         \
    X(EARLY_TALK,           framing_only,       "early-talk",         STAGE_FRAMING,               \
      DOES_ALL,                                 INITIALLY_ON,                                      \
      "What a client says before the greeting waits for it; off, as is wise on a port that the "   \
      "Internet reaches, it hears 554, for mostly spammers do not wait.")                          \
    X(HTTP,                 framing_only,       "http",               STAGE_FRAMING,               \
      DOES_BIT(DOES_NONE),                      INITIALLY_ON,                                      \
      "An HTTP request hears 554 and nothing of it is read as commands.")                          \
    X(TLS_ON_PLAIN_PORT,    framing_only,       "tls-on-plain-port",  STAGE_FRAMING,               \
      DOES_BIT(DOES_NONE),                      INITIALLY_ON,                                      \
      "A client that begins with TLS or SSL 2 where plain SMTP is spoken hears 501 at once, and "  \
      "the log says which it was.")                                                                \
    X(PROXY_HEADER,         framing_only,       "proxy-header",       STAGE_FRAMING,               \
      DOES_BIT(DOES_NONE),                      INITIALLY_ON,                                      \
      "A PROXY header, which nobody here asked for, hears 421 and nothing behind it is read.")     \
    X(SECOND_GREETING,      second_greeting,    "second-greeting",    STAGE_ORDER,                 \
      DOES_GREETING,                            INITIALLY_ON,                                      \
      "EHLO and HELO are said to the relay once; again they are answered here, and mean RSET.")    \
    X(UPGRADE_HELO,         upgrade_helo,       "upgrade-helo",       STAGE_ORDER,                 \
      DOES_BIT(DOES_GREET_OLD) | DOES_BIT(DOES_SENDER), INITIALLY_ON,                              \
      "HELO goes to the relay as EHLO where TLS or AUTH there, or a parameter of MAIL, needs it.") \
    X(REPEATED_AUTH,        repeated_auth,      "repeated-auth",      STAGE_ORDER,                 \
      DOES_BIT(DOES_AUTH),                      INITIALLY_ON,                                      \
      "AUTH after a successful one, or within a transaction, is answered here with 503.")          \
    X(MISSING_GREETING,     missing_greeting,   "missing-greeting",   STAGE_ORDER,                 \
      DOES_ENVELOPE | DOES_BIT(DOES_AUTH),      INITIALLY_ON,                                      \
      "A client that goes on without EHLO is greeted for, at the start and behind STARTTLS.")      \
    X(UNADVERTISED_AUTH,    unadvertised_auth,  "unadvertised-auth",  STAGE_ORDER,                 \
      DOES_BIT(DOES_AUTH),                      INITIALLY_ON,                                      \
      "AUTH of a client that said HELO comes behind an EHLO, which alone can offer it.")           \
    X(LOGIN_INITIAL_RESPONSE, login_initial_response, "login-initial-response", STAGE_ORDER,       \
      DOES_BIT(DOES_AUTH),                      INITIALLY_ON,                                      \
      "AUTH LOGIN with the name on its line goes to the relay in two steps, which all know.")      \
    X(MISSING_SENDER,       missing_sender,     "missing-sender",     STAGE_ORDER,                 \
      DOES_BIT(DOES_RECIPIENT),                 ONLY_TRUSTED,                                      \
      "RCPT without MAIL gets a MAIL in front of it, from `rewrite.default-sender`.")              \
    X(NESTED_MAIL,          nested_mail,        "nested-mail",        STAGE_ORDER,                 \
      DOES_BIT(DOES_SENDER),                    INITIALLY_ON,                                      \
      "MAIL while another transaction is open gets a RSET in front of it.")                        \
    X(EARLY_RESET,          early_reset,        "early-reset",        STAGE_ORDER,                 \
      DOES_BIT(DOES_RESET),                     INITIALLY_ON,                                      \
      "RSET before any greeting is answered here.")                                                \
    X(LOCAL_NOOP,           local_noop,         "local-noop",         STAGE_ORDER,                 \
      DOES_BIT(DOES_NONE) | DOES_BIT(DOES_RESET), INITIALLY_ON,                                    \
      "NOOP, and RSET where nothing is open, are answered here, but for one in two minutes.")      \
    X(REFUSED_SENDER,       refused_sender,     "refused-sender",     STAGE_ORDER,                 \
      DOES_BIT(DOES_RECIPIENT) | DOES_CONTENT,  INITIALLY_ON,                                      \
      "After a refused MAIL the rest of the batch is refused in the same class, with its words.")  \
    X(REFUSED_RECIPIENTS,   refused_recipients, "refused-recipients", STAGE_ORDER,                 \
      DOES_CONTENT,                             INITIALLY_ON,                                      \
      "DATA without an accepted recipient is answered with the words of the refused recipient.")   \
    X(ODD_REPLIES,          odd_replies,        "odd-replies",        STAGE_REPLY,                 \
      DOES_ALL,                                 INITIALLY_ON,                                      \
      "A relay's reply with lines that no reply should have is written anew; off, it ends the "    \
      "session.")                                                                                  \
    X(PADDED_KEYWORDS,      padded_keywords,    "padded-keywords",    STAGE_REPLY,                 \
      DOES_BIT(DOES_GREET),                     INITIALLY_ON,                                      \
      "A relay's EHLO keywords in lower case or between blanks are written as the RFCs do.")       \
    X(KEYWORD_FIRST,        keyword_first,      "keyword-first",      STAGE_REPLY,                 \
      DOES_BIT(DOES_GREET),                     INITIALLY_ON,                                      \
      "An EHLO reply that begins with a keyword gets its greeting line in front again.")           \
    X(REMAP_CODES,          remap_codes,        "remap-codes",        STAGE_ANSWER,                \
      DOES_ALL,                                 INITIALLY_OFF,                                     \
      "Clients hear other reply codes than the relay's, as `rewrite.codes` says.")                 \
    X(FLAT_REPLIES,         flat_replies,       "flat-replies",       STAGE_ANSWER,                \
      DOES_ALL,                                 INITIALLY_OFF,                                     \
      "For clients that read one line only: replies of several lines become one, but for EHLO.")   \
    X(MISSING_QUIT,         framing_only,       "missing-quit",       STAGE_FRAMING,                 \
      DOES_BIT(DOES_QUIT),                      INITIALLY_ON,                                      \
      "For a client that ends without QUIT the relay hears it, but in the middle of a message.")   \
    X(BDAT_TO_DATA,         framing_only,       "bdat-to-data",       STAGE_FRAMING,               \
      DOES_BIT(DOES_CHUNK),                     INITIALLY_ON,                                      \
      "BDAT is offered to clients and becomes DATA for an upstream without CHUNKING.")             \
    X(REPLAY_ENVELOPE,      framing_only,       "replay-envelope",    STAGE_FRAMING,               \
      DOES_ALL,                                 INITIALLY_ON,                                      \
      "When the relay fails before a message's dot, what it was told is put to it once more.")     \
    X(LEARN_PATH,           framing_only,       "learn-path",         STAGE_FRAMING,               \
      DOES_ALL,                                 INITIALLY_ON,                                      \
      "What damages commands on the way to a relay is remembered for `timeouts.learnt`.")          \
    X(BARE_LF,              framing_only,       "bare-lf",            STAGE_FRAMING,               \
      DOES_ALL,                                 ONLY_TRUSTED,                                      \
      "Lines that end in LF alone end in CRLF upstream, instead of being refused.")                \
    X(LF_END_OF_DATA,       framing_only,       "lf-end-of-data",     STAGE_FRAMING,               \
      DOES_BIT(DOES_END),                       ONLY_TRUSTED,                                      \
      "With `bare-lf`, a dot between two LFs ends a message, for a client that then waits.")       \
    X(DOUBLED_CR,           framing_only,       "doubled-cr",         STAGE_FRAMING,               \
      DOES_ALL,                                 INITIALLY_OFF,                                     \
      "Of CR CR LF the first CR is dropped, instead of being refused.")                            \
    X(EARLY_BODY,           framing_only,       "early-body",         STAGE_FRAMING,               \
      DOES_BIT(DOES_MESSAGE),                   ONLY_TRUSTED,                                      \
      "A message sent with a DATA that is refused is dropped unread, instead of a closed session.") \
    X(STRAY_BODY,           framing_only,       "stray-body",         STAGE_FRAMING,               \
      DOES_BIT(DOES_MESSAGE),                   ONLY_TRUSTED,                                      \
      "A message sent in spite of a refused DATA is dropped, and the refusal said at its dot.")
/* clang-format on */

enum repair_id {
#define REPAIR_NAME(name, ...) REPAIR_##name,
    REPAIRS(REPAIR_NAME)
#undef REPAIR_NAME
        REPAIR_COUNT
};

_Static_assert(REPAIR_COUNT <= 64, "a set of repairs is one number");

/* A set of repairs, one bit each. */
#define REPAIR_BIT(id) (1ULL << (id))

struct repair {
    struct span name; /* configuration word, record word, metric label */
    struct span says; /* one sentence, for the manual and the command line */
    enum repair_stage stage;
    uint32_t does; /* set of enum verb_does */
    enum initially initially;
    enum verdict (*mend)(const struct situation *situation, struct mended *mended_r);
};

const struct repair *repair_row(enum repair_id id);
/* Those that look at that stage at what does that. */
uint64_t repairs_at(enum repair_stage stage, enum verb_does does);
/* Those that are only for clients one knows. */
uint64_t repairs_trusted(void);

#endif
