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

#define CONFIG_LISTENERS_MAX 32U
#define CONFIG_RELAYS_MAX 32U
/* Addresses of one listener, or of one relay. */
#define CONFIG_ADDRESSES_MAX 8U
#define CONFIG_PROBLEMS_MAX 50U
/* Bytes of one problem's sentence. */
#define CONFIG_SENTENCE_MAX 240U
/* How deep nodes may stand inside each other; the schema needs 5. */
#define CONFIG_DEPTH_MAX 8U

/* listener.relay when no relay is configured (flags only): the embedded sink. */
#define CONFIG_RELAY_NONE UINT32_MAX

/* Where to listen or to connect. An IPv6 address stands here without its brackets. */
struct config_address {
    struct span host; /* an address or a name; for a listener also "*": every address there is */
    uint16_t port;    /* 0 (listeners only): any free one */
};

struct config_addresses {
    uint32_t count;
    struct config_address rows[CONFIG_ADDRESSES_MAX];
};

struct config_listener {
    struct span name;
    struct config_addresses listen;
    struct span relay_name;
    uint32_t relay;               /* index of the relay so named, or CONFIG_RELAY_NONE */
    uint32_t sessions;            /* at most, in all workers together */
    uint32_t sessions_per_client; /* at most, from one client address */
    struct policy policy;         /* complete: what its sessions do */
};

struct config_relay {
    struct span name;
    struct config_addresses address; /* all are tried, in this order */
    enum pipelining pipelining;      /* already part of the policy of its listeners */
};

struct config_transcripts {
    struct span directory;  /* empty: none are written */
    uint64_t session_bytes; /* of one session at most; what comes later is left out */
    uint32_t files;         /* kept in the directory; the oldest goes first */
};

enum log_format { LOG_TEXT, LOG_JSON };

struct config {
    uint32_t workers;      /* 0: one per core */
    uint64_t memory_bytes; /* of buffer blocks, per worker */
    enum log_format log_format;
    struct config_transcripts transcripts;
    struct policy policy; /* what the top of the file says: each listener starts from it */
    uint32_t listener_count;
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    uint32_t relay_count;
    struct config_relay relays[CONFIG_RELAYS_MAX];
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

/* Draws what follows from the rest (which relay, what to record) and looks for words that are
 * right one by one and wrong together. config_read ends with it; whoever used config_set calls it
 * last. */
bool config_check(struct config *config, struct text *error);

/* The effective configuration, as YAML that reads back to the same. */
void config_show(const struct config *config, struct text *out);

/* One row of the manual. */
struct config_word {
    const char *place;   /* "top", "listener", "relay", or "any": top and listener */
    const char *section; /* "limits"; empty: none */
    const char *word;    /* "rows" */
    const char *initial; /* the default as it would be written; empty: none */
    const char *says;    /* one sentence */
};

/* The row of that number, and into `expected` what may be written behind it: "a number, from 1 to
 * 128". False when there is none. */
bool config_manual(size_t number, struct config_word *word_r, struct text *expected);

#endif
