/*
 * policy: what one listener's sessions are to do, immutable once made. Engines hold a pointer and
 * never change it; all spans in it live as long as the policy does.
 */
#ifndef LOCKSTEP_POLICY_POLICY_H
#define LOCKSTEP_POLICY_POLICY_H

#include "lockstep/base/text.h"
#include "lockstep/fault/fault.h"
#include "lockstep/policy/route.h"
#include "lockstep/repair/repair.h"
#include "lockstep/smtp/mechanism.h"
#include "lockstep/smtp/proxy_header.h"
#include "lockstep/smtp/wait.h"

enum mode {
    MODE_REPAIR,  /* put right what is wrong */
    MODE_OBSERVE, /* change no byte, say what would have been put right */
    MODE_FAULT,   /* change what the faults say, and nothing else */
};

enum pipelining {
    PIPELINING_AUTO,  /* when the upstream's current EHLO reply offers it */
    PIPELINING_NEVER, /* one command at a time, whatever it offers (F-41) */
};

struct limits {
    uint32_t line_bytes;      /* a command line with its CRLF (RFC 5321 4.5.3.1.4 and extensions) */
    uint32_t auth_line_bytes; /* AUTH and its responses (RFC 4954 4: 12288) */
    uint32_t reply_bytes;     /* one whole upstream reply; at most LIMIT_REPLY_BYTES_MAX */
    uint32_t rows;            /* commands in the ledger; at most LIMIT_ROWS_MAX */
    uint64_t message_bytes;   /* a message; 0: as many as the upstream takes */
};

/* What a loop's blocks and the ledger's block can hold at most. */
#define LIMIT_LINE_BYTES_MAX 16384U
#define LIMIT_REPLY_BYTES_MAX 16384U
#define LIMIT_ROWS_MAX 128U

#define POLICY_RELAYS_MAX 32U
#define POLICY_CREDENTIALS_MAX 64U

enum security {
    SECURITY_NONE,     /* smtp:// */
    SECURITY_OFFERED,  /* starttls:// with `tls: offered`: only when the relay offers it */
    SECURITY_STARTTLS, /* starts in clear; without STARTTLS nothing is said */
    SECURITY_IMPLICIT, /* smtps://: TLS from the first byte, the shell's business */
};

/* What the client hears when the relay refuses the credential, or none can be had. */
enum refused_auth {
    REFUSED_RETRY,  /* 454 4.7.0 at MAIL, so that it comes again */
    REFUSED_REJECT, /* 550 5.7.8 at MAIL */
    REFUSED_PASS,   /* nothing: MAIL goes on without AUTH */
    REFUSED_CLOSE,  /* 421 4.7.0 */
};

/* Names, in which `*` stands for any. */
#define PATTERNS_MAX 16U
struct patterns {
    uint32_t count; /* 0: any */
    struct span rows[PATTERNS_MAX];
};

/* A relay, as far as sessions must know it. */
struct relay {
    struct span name;
    enum pipelining pipelining;
    uint32_t alternatives; /* how many more addresses it has */
    enum security security;
    bool allow_clear;         /* credentials may go there without TLS */
    uint32_t mechanisms;      /* set of mechanisms that may be used */
    uint32_t auth_line_bytes; /* AUTH with its initial response, CRLF included (RFC 4954 4) */
    enum refused_auth refused;
    bool paced; /* a message asks before it begins: there is a rate, its own or the client's */
    enum proxy_version proxy; /* the header that connections to it begin with */
    bool xclient;             /* it is told who the client is, where it offers XCLIENT */
    bool xforward;            /* the same for its log, before each message */
};

/* A credential, as far as sessions must know it: never its secret. */
struct credential {
    struct span name;
    struct span user; /* whom it speaks for; empty: not known from the configuration */
};

/* AUTO is STARTTLS where there is a certificate, decided when the configuration is read; the engine
 * takes it for NONE. */
enum tls_offer {
    TLS_OFFER_AUTO,
    TLS_OFFER_NONE,
    TLS_OFFER_STARTTLS,
    TLS_OFFER_IMPLICIT,
    TLS_OFFER_BOTH,
    TLS_OFFER_PASS /* the relay's own STARTTLS, behind which nothing is read any more */
};

/* Does a client that came in clear get STARTTLS? */
static inline bool tls_offers_starttls(enum tls_offer offer)
{
    return offer == TLS_OFFER_STARTTLS || offer == TLS_OFFER_BOTH;
}

/* What becomes of the client's own AUTH. */
enum logins {
    LOGINS_AUTO,   /* passed when no credential can be injected, else not offered */
    LOGINS_PASS,   /* goes to the relay as it came */
    LOGINS_CHECK,  /* checked here, by asking */
    LOGINS_ACCEPT, /* any is good: for clients that insist */
    LOGINS_HIDE,   /* not offered, 502 */
};

struct client_auth {
    enum logins logins;
    bool required;               /* 530 before it */
    bool allow_clear;            /* offered and taken without TLS too */
    bool equals;                 /* `AUTH=` beside `AUTH` (B-40) */
    struct networks hidden_from; /* whose clients are offered none and need none (B-43) */
};

struct policy {
    enum mode mode;
    enum tls_offer tls_offer;       /* to the client */
    bool tls_required;              /* of the client: 530 before it */
    struct client_auth client_auth; /* the client's own AUTH */
    struct patterns certificates;   /* of clients that may send, by the names in them */
    struct networks xclient_from;   /* whose clients may say who they are; none: nobody may */
    uint32_t relay;                 /* where sessions begin, a number in `relays` */
    uint32_t relay_count;           /* at least 1 */
    struct relay relays[POLICY_RELAYS_MAX];
    uint32_t credential_count;
    struct credential credentials[POLICY_CREDENTIALS_MAX];
    uint32_t route_count;
    struct route routes[ROUTES_MAX];
    enum pipelining pipelining;
    struct limits limits;
    uint32_t wait_ms[WAIT_COUNT];
    uint64_t repairs; /* one bit per enum repair_id: switched on */
    struct rewrite rewrite;
    struct faults faults;                         /* of MODE_FAULT */
    uint64_t repairs_at[STAGE_COUNT][DOES_COUNT]; /* the table of repairs, for quick looks */
    bool record;                                  /* make transcript lines at all */
    bool record_bodies;   /* keep messages whole in them, instead of counting */
    struct span hostname; /* what lockstep calls itself in its own replies */
};

/* Does any relay hear who the client is, by XCLIENT or XFORWARD? */
bool policy_tells(const struct policy *policy);
/* That, or does lockstep hear who its client says it is? */
bool policy_identifies(const struct policy *policy);

/* The defaults of every word, as if the configuration had said nothing. */
void policy_default(struct policy *policy_r);

/*
 * One word, as the configuration and the `@` lines of a transcript write it: "mode" "observe",
 * "limits.rows" "4", "timeouts.mail" "5s", "repairs.refused-sender" "off", "tls.offer" "starttls".
 *
 * What a file says in lists and by names, a script says word by word:
 * - "relay.security" "starttls", "relay.allow_clear" "on": of the relay where sessions begin;
 * - "relays.backup.auth" "PLAIN": of another relay, by its name; lists get one more entry;
 * - "routes.1.sender" "*@shop.example", "routes.1.credential" "shop": of the first route, and so on
 *   in their order;
 * - "credentials.shop.user" "scanner@shop.example": whom that credential speaks for.
 * Relays, credentials and routes are made when they are first named. "security" stands for the
 * scheme of a relay's address: none, offered, starttls or implicit.
 *
 * The policy borrows `path` and `value` (a hostname points into it). False: nothing changed, and
 * `error` has the sentence.
 */
bool policy_set(struct policy *policy, struct span path, struct span value, struct text *error);

/*
 * The lines of a script that make the policy again, "@ mode repair", part by part: part 0 is its
 * own words and those of its first relay, the others are relays, routes and credentials. False:
 * there are no more. What is recorded is not among them: that is whoever plays the script's affair.
 */
bool policy_show(const struct policy *policy, uint32_t part, struct text *out);
/* Bytes that a part takes at most. */
#define POLICY_PART_MAX 36864U

/* Whether the words agree with each other; false: `error` says which two do not. */
bool policy_check(const struct policy *policy, struct text *error);

#endif
