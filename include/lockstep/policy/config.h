/*
 * config: everything that is configured, read from a tree of nodes or from single settings, and
 * shown again as YAML.
 *
 * One table (src/policy/schema.c) has a row per word: where it may stand, its type, its bounds,
 * its default and its sentence in the manual. The reader, the flags of the command line, the
 * policy lines of a transcript, the manual and the dump all walk over that table, so that they
 * can't disagree.
 *
 * Pure: whoever reads the file (YAML, in the app) makes the nodes and lends the memory. A config
 * points into that memory only, never into the file's.
 */
#ifndef LOCKSTEP_POLICY_CONFIG_H
#define LOCKSTEP_POLICY_CONFIG_H

#include "lockstep/base/text.h"
#include "lockstep/policy/policy.h"
#include "lockstep/policy/rate.h"

#define CONFIG_LISTENERS_MAX 32U
#define CONFIG_RELAYS_MAX POLICY_RELAYS_MAX
#define CONFIG_CREDENTIALS_MAX POLICY_CREDENTIALS_MAX
/* Addresses of one listener, or of one relay. */
#define CONFIG_ADDRESSES_MAX 8U
#define CONFIG_PROBLEMS_MAX 50U
/* Bytes of one problem's sentence. */
#define CONFIG_SENTENCE_MAX 320U
/* How deep nodes may stand inside each other; the schema needs 6. */
#define CONFIG_DEPTH_MAX 8U
#define CONFIG_FINGERPRINTS_MAX 8U
#define CONFIG_PORTS_MAX 8U

/* The relay that is wherever the client wanted to go. It need not be configured. */
#define CONFIG_RELAY_ORIGINAL "original"

/* listener.relay when no relay is configured (flags only): the embedded sink. */
#define CONFIG_RELAY_NONE UINT32_MAX

/* Where to listen or to connect. An IPv6 address stands here without its brackets. */
struct config_address {
    struct span host; /* an address or a name; for a listener also "*": every address there is */
    uint16_t port;    /* 0 (listeners only): any free one */
};

/* How a relay is spoken to; all its addresses are of one scheme. */
enum config_scheme { SCHEME_SMTP, SCHEME_STARTTLS, SCHEME_SMTPS };

struct config_addresses {
    uint32_t count;
    enum config_scheme scheme; /* of a relay's */
    struct config_address rows[CONFIG_ADDRESSES_MAX];
};

enum config_tls_version { CONFIG_TLS_1_0, CONFIG_TLS_1_1, CONFIG_TLS_1_2, CONFIG_TLS_1_3 };

enum client_certificate {
    CLIENT_CERTIFICATE_NONE,
    CLIENT_CERTIFICATE_ASK,     /* looked at when one comes */
    CLIENT_CERTIFICATE_REQUIRE, /* no handshake without */
};

/* TLS of a listener; what it offers when is in its policy. Texts are empty when not given. */
struct config_tls {
    struct span certificate; /* a PEM file, the chain behind it; empty, as `authority`: no TLS */
    struct span key;         /* a PEM file; given when the certificate is */
    struct span authority;   /* instead: a PEM file of who signs a certificate for each name */
    struct span authority_key;
    enum config_tls_version minimum;
    struct span ciphers;   /* as OpenSSL writes them, below TLS 1.3; empty: its own choice */
    struct span client_ca; /* a PEM file, of who signs the clients' certificates */
    enum client_certificate client_certificate;
    struct networks legacy_networks; /* whose clients may begin with legacy_minimum instead */
    enum config_tls_version legacy_minimum;
    uint32_t wait_ms; /* TLS_OFFER_BOTH: silence of a client before it is greeted in clear */
};

/* Where the logins of a listener's clients are checked: one of these when they are. */
struct config_auth {
    struct span file;   /* lines "user:hash" */
    struct span socket; /* Dovecot's authentication service */
    struct span http;   /* URL of nginx's auth_http protocol */
};

/* How connections that were meant for somebody else come to a listener. */
enum intercept {
    INTERCEPT_NONE,
    INTERCEPT_REDIRECT, /* their destination was rewritten: netfilter's REDIRECT or DNAT */
    INTERCEPT_TPROXY,   /* they were led here as they are: TPROXY */
};

struct config_ports {
    uint32_t count;
    uint16_t rows[CONFIG_PORTS_MAX];
};

/* Being on the path: whose connections are taken up. */
struct config_path {
    enum intercept intercept;
    struct config_ports ports;    /* where they were going; given when they are intercepted */
    struct networks destinations; /* and whither; none: anywhere */
    bool fail_open;               /* rather past lockstep than not at all */
};

struct config_listener {
    struct span name;
    struct config_addresses listen;
    struct span relay_name;
    uint32_t relay;               /* index of the relay so named, or CONFIG_RELAY_NONE */
    bool enabled;                 /* it is listened on */
    uint64_t seed;                /* of its sessions' random numbers; 0: any */
    uint32_t sessions;            /* at most, in all workers together */
    uint32_t sessions_per_client; /* at most, from one client address */
    struct networks allow;        /* who may connect */
    struct config_path path;
    struct networks deny;       /* who may not, all the same; count 0: nobody */
    struct rates rates;         /* of one client */
    struct networks proxy_from; /* who must say for whom they connect; count 0: nobody */
    struct config_tls tls;
    struct config_auth auth;
    struct policy policy; /* complete: what its sessions do, its routes included */
};

/* Whether TLS must be; the schemes of its addresses say how it is begun. */
enum config_relay_tls {
    RELAY_TLS_AUTO,     /* as the scheme says */
    RELAY_TLS_REQUIRED, /* the same, said aloud */
    RELAY_TLS_OFFERED,  /* starttls:// goes on in clear where it is not offered */
};

/* What of the relay's certificate is looked at. */
enum config_verify {
    VERIFY_FULL, /* its chain and its name */
    VERIFY_CA,   /* its chain */
    VERIFY_PIN,  /* that it fits one of the fingerprints, nothing else */
    VERIFY_NONE,
};

/* SHA-256 of certificates or their public keys: 64 hexadecimal digits each, colons between or not.
 */
struct config_fingerprints {
    uint32_t count;
    struct span rows[CONFIG_FINGERPRINTS_MAX];
};

/* What address lockstep comes from when it connects. */
enum config_source {
    SOURCE_OWN,
    SOURCE_CLIENT, /* the client's, with a port of our own: the relay's log has the client in it */
};

/* Which of a relay's addresses a session begins with. */
enum config_balance {
    BALANCE_ORDER, /* the first that is well */
    BALANCE_EVEN,  /* each in turn */
    BALANCE_LEAST, /* the one with the fewest connections */
};

struct config_relay {
    struct span name;
    struct config_addresses address; /* all are tried; none: the original one */
    enum config_source source;
    enum config_balance balance;
    uint32_t slow_start_ms; /* until an address that was away has its whole share again */
    uint32_t sessions;      /* connections at once, of all workers; 0: any number */
    struct rates rates;     /* of all clients together */
    enum config_relay_tls tls;
    enum config_verify verify;
    struct span ca;                         /* a PEM file; empty: the system's */
    struct config_fingerprints fingerprint; /* given for VERIFY_PIN, and only then */
    struct span server_name; /* for SNI and verification; empty: the host of the address */
    enum config_tls_version minimum;
    struct span ciphers;
    struct span certificate; /* lockstep's own, a PEM file; empty: none */
    struct span key;
    struct relay session; /* what sessions know of it; the same in all policies */
};

/* How the file of an import is written. */
enum config_format { FORMAT_AUTO, FORMAT_POSTFIX, FORMAT_MSMTP, FORMAT_NETRC, FORMAT_TOKEN };

enum oauth_provider {
    OAUTH_NONE, /* the credential is a password */
    OAUTH_MICROSOFT,
    OAUTH_GOOGLE,
    OAUTH_YAHOO,
    OAUTH_GENERIC, /* every endpoint is given */
};

enum oauth_grant {
    GRANT_REFRESH,            /* RFC 6749 6: a refresh token is there already */
    GRANT_CLIENT_CREDENTIALS, /* RFC 6749 4.4 */
    GRANT_DEVICE,             /* RFC 8628 */
    GRANT_CODE,               /* RFC 6749 4.1, RFC 7636 */
    GRANT_JWT,                /* RFC 7523 */
};

/* Texts are empty when not given: endpoints and scope then are those of the provider. */
struct config_oauth {
    enum oauth_provider provider;
    enum oauth_grant grant;
    struct span tenant; /* Microsoft's */
    struct span client_id;
    struct span client_secret_file;
    struct span client_secret_store; /* a name in the store */
    struct span token_endpoint;      /* endpoints are https:// URLs */
    struct span device_endpoint;
    struct span authorize_endpoint;
    struct span scope;
    struct span key_file;   /* JSON of a service account, or PEM */
    struct span token_file; /* where the tokens are kept; empty: in the store */
    struct span ca;         /* a PEM file for the endpoints; empty: the system's */
};

/* One that sessions log in to a relay with. It has exactly one source, or none when the relay
 * goes by lockstep's certificate (EXTERNAL). Texts are empty when not given. */
struct config_credential {
    struct span name;
    struct span user;
    struct span password_file;
    struct span password_command; /* words with blanks between, no shell */
    struct span password_env;
    struct span credential; /* a name of systemd's $CREDENTIALS_DIRECTORY */
    struct span store;      /* a name in the store */
    struct span import;     /* somebody else's file of credentials */
    enum config_format format;
    struct config_oauth oauth; /* provider OAUTH_NONE: it is no token */
};

struct config_store {
    struct span directory; /* empty: there is no store */
    struct span key_file;  /* of these two exactly one when there is a store */
    struct span key_credential;
};

struct config_admin {
    struct config_addresses listen; /* count 0: there is none */
    struct span token_file;         /* empty: who can connect may ask */
    uint32_t sessions;      /* ended ones that each worker remembers; 0: none, nor live ones */
    uint64_t session_bytes; /* of the transcript of one */
    uint64_t memory_bytes;  /* of all that one worker remembers */
    bool control;           /* whoever may ask may also make listeners of `mode: fault` */
};

struct config_transcripts {
    struct span directory;  /* empty: none are written */
    uint64_t session_bytes; /* of one session at most; what comes later is left out */
    uint32_t files;         /* kept in the directory; the oldest goes first */
};

enum log_format { LOG_TEXT, LOG_JSON };

/* Large: it belongs on the heap. */
struct config {
    uint32_t workers;      /* 0: one per core */
    uint64_t seed;         /* of all random numbers that may be known; 0: any */
    uint64_t memory_bytes; /* of buffer blocks, per worker */
    enum log_format log_format;
    struct config_transcripts transcripts;
    struct config_store store;
    struct config_admin admin;
    struct policy policy; /* what the top of the file says: each listener starts from it */
    uint32_t listener_count;
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    uint32_t relay_count;
    struct config_relay relays[CONFIG_RELAYS_MAX]; /* policies number them alike */
    uint32_t credential_count;
    struct config_credential credentials[CONFIG_CREDENTIALS_MAX]; /* policies number them alike */
};

enum config_kind { CONFIG_SCALAR, CONFIG_SEQUENCE, CONFIG_MAPPING };

/* One value of the file. Node 0 is the root; 0 as a child or neighbour means none. */
struct config_node {
    enum config_kind kind;
    uint32_t line; /* from 1 */
    uint32_t column;
    uint32_t key_line; /* where its key stands, when it stands in a mapping */
    uint32_t key_column;
    uint32_t child; /* the first, of a sequence or a mapping */
    uint32_t next;  /* neighbour in the same sequence or mapping */
    struct span key;
    struct span text; /* of a scalar */
};

struct config_tree {
    const struct config_node *nodes;
    size_t count;
};

struct config_problem {
    uint32_t line; /* 0: of the whole file */
    uint32_t column;
    struct text says; /* what is wrong, and what would be right */
    char memory[CONFIG_SENTENCE_MAX];
};

/* Not to be copied: each sentence points into its own memory. */
struct config_problems {
    uint32_t count; /* how many were kept */
    uint32_t more;  /* there were others: reading stopped at the first one too many */
    struct config_problem rows[CONFIG_PROBLEMS_MAX + 1]; /* the last is only ever spare */
};

/* A new problem at that place; its sentence is then added by the caller. Never NULL: beyond the
 * last kept one the same spare text is handed out and only counted. */
struct text *config_problem(struct config_problems *problems, uint32_t line, uint32_t column);

/* The defaults: no listener, no relay. */
void config_default(struct config *config_r);

/*
 * Reads a whole tree over what `config` says already (config_default first). Text goes into
 * `arena`; as many bytes as all nodes have are always enough. Every problem is reported, not only
 * the first; true: there were none and the config is complete and consistent.
 */
bool config_read(struct config *config, const struct config_tree *tree, struct text *arena,
                 struct config_problems *problems);

/* One listener called "main" on no address yet, in front of one relay or (false) of none, for a
 * command line without a file; config_set then fills them in. */
void config_single(struct config *config, bool relay);

/*
 * One setting, e.g. "workers" "2", "limits.rows" "4", "listen" "127.0.0.1:25", "address"
 * "smtp://mx.example". A word of the policy goes to every listener; the words of a listener or a
 * relay need a config with exactly one; lists get one more entry. The value is copied into `arena`.
 * False: nothing changed, and `error` has the sentence.
 */
bool config_set(struct config *config, struct span path, struct span value, struct text *arena,
                struct text *error);

enum config_part { PART_LISTENER, PART_RELAY };

/* One more of them, with the defaults, to a configuration that may be whole already; a listener has
 * nothing of the top of the file but its hostname. False: nothing changed, and `error` says why. */
bool config_add_part(struct config *config, enum config_part part, struct span name,
                     struct text *arena, struct text *error);
/* As config_set(), of the one of that name. */
bool config_set_part(struct config *config, enum config_part part, struct span name,
                     struct span path, struct span value, struct text *arena, struct text *error);

/* Draws what follows from the rest (which relay, what to record) and looks for words that are
 * right one by one and wrong together. config_read ends with it; whoever used config_set calls it
 * last. */
bool config_check(struct config *config, struct text *error);

/* Whether a listener has something to show to clients that begin TLS. */
static inline bool config_has_certificate(const struct config_tls *tls)
{
    return tls->certificate.size > 0 || tls->authority.size > 0;
}

/* Is it the one that is wherever the client wanted to go? */
bool config_is_original(const struct config_relay *relay);

/* Whether sessions are remembered for the admin interface. */
bool config_keeps_sessions(const struct config_admin *admin);

/* The effective configuration, as YAML that reads back to the same. */
void config_show(const struct config *config, struct text *out);

/* What is allowed and yet must be said aloud, such as a password that may cross a line in clear:
 * the sentence of that number into `says`. False: there are no more. */
bool config_warning(const struct config *config, size_t number, struct text *says);

/* One row of the manual. */
struct config_word {
    const char *place;   /* "top", "listener", "route", "relay", "credential", "any": top and
                            listener; or "script": only transcripts have it */
    const char *section; /* "limits"; empty: none */
    const char *word;    /* "rows" */
    const char *initial; /* the default as it would be written; empty: none */
    const char *says;    /* one sentence */
};

/* The row of that number, and into `expected` what may be written behind it: "a number, from 1 to
 * 128". False when there is none. */
bool config_manual(size_t number, struct config_word *word_r, struct text *expected);

#endif
