/*
 * supply: secrets on demand, from memory or from where they are kept.
 *
 * Whoever logs in asks supply_get(). What is fresh in memory comes at once; otherwise the keeper
 * brings it, once for all who ask, and wakes them to ask again. How long a secret stays fresh and
 * how it is brought is a row of the table of sources, one per kind.
 */
#ifndef LOCKSTEP_SRC_VAULT_SUPPLY_H
#define LOCKSTEP_SRC_VAULT_SUPPLY_H

#include "keeper.h"
#include "lockstep/base/secret.h"
#include "lockstep/vault/import.h"
#include "lockstep/vault/store.h"

/* Bytes of a user's name. */
#define SUPPLY_USER_MAX IMPORT_USER_MAX
/* Bytes of the words that say why there is no secret. */
#define SUPPLY_WORDS_MAX 512U
/* Askers that wait at the same time; one more is told to come later. */
#define SUPPLY_WAITERS_MAX 4096U
/* A failure is told to all who ask within that time, instead of trying again. */
#define SUPPLY_FAILED_MS 10000
/* A secret that was refused is brought anew at most once in that time. */
#define SUPPLY_REFUSED_MS 60000

/* --- for those who ask, on any thread; nothing here waits for anything outside --- */

enum supply {
    SUPPLIED,
    SUPPLY_COMING, /* the waiter will be woken */
    SUPPLY_LATER,  /* temporary trouble; `why` has words for the client */
    SUPPLY_NONE,   /* permanent: no such entry, no such file; `why` has words */
};

/* What is wanted. The rest is looked for in imported files that have many entries. */
struct wanted {
    const struct config_credential *credential; /* as the session's configuration has it */
    struct span sender;
    struct span login;
    struct span relay; /* its name in the configuration */
    struct span host;  /* that is spoken to, as configured */
    uint16_t port;
};

/* Zeroed before it is first used; cleared with supplied_clear() when it has been. */
struct supplied {
    uint64_t version; /* for supply_refused() */
    bool bearer;      /* the secret is an access token */
    size_t user_size;
    char user[SUPPLY_USER_MAX];
    struct secret secret;
};

/* Somebody who waits; the asker's memory, zeroed, until it was woken or forgotten. */
struct waiter {
    /* On the keeper's thread, once. The secret may have come or not: ask again. Must not call back
     * into supply. */
    void (*wake)(struct waiter *waiter);
    void *data;
    /* Supply's business. */
    struct waiter *next;
    struct waiter **link;
};

/* `waiter` may be NULL: then COMING only means that it was sent for. `why` is for the client: it
 * names the credential, and nothing of this machine. */
enum supply supply_get(struct vault *vault, const struct wanted *wanted,
                       struct supplied *supplied_r, struct text *why, struct waiter *waiter);
/* It will not be woken any more, and is not being woken when this returns. The caller holds no lock
 * that `wake` takes. */
void supply_forget(struct vault *vault, struct waiter *waiter);
/* The relay refused that version, with `code`. True: it is worth asking again, for another secret
 * has come meanwhile, or this one is thrown away and brought anew. */
bool supply_refused(struct vault *vault, const struct wanted *wanted, uint64_t version,
                    uint16_t code);
/* 535 and its like; others are about the mechanism or the path, not about the secret. */
bool supply_blamed(uint16_t code);
void supplied_clear(struct supplied *supplied);

struct keeper *vault_keeper(struct vault *vault);

/* --- for the sources, on the keeper's thread --- */

/* One secret that is kept in memory: a credential's, or that of one entry of its import. */
struct item {
    struct vault *vault;
    struct keeper *keeper;
    const struct config_credential *definition; /* the vault's copy */
    const struct import_entry *entry; /* that it is made from; NULL: from the definition */
    char name[STORE_NAME_MAX + 1];    /* its own, in the store: the credential's, with the user's
                                         behind it when it is one entry of many */
    void *memo;                       /* the source's; NULL at first */
};

/* A secret that has come; all is copied. */
struct offer {
    struct span user; /* empty: the entry's, or else the definition's */
    const struct secret *secret;
    bool bearer;
    uint32_t fresh_ms; /* 0: as the source's row says */
};

struct source {
    const char *kind;  /* one word, for the log */
    uint32_t fresh_ms; /* how long a secret may be used without looking again */
    /* Is it this one that brings it? */
    bool (*has)(const struct config_credential *definition, const struct import_entry *entry);
    /* The item has come to be, or goes; either may be NULL. After `end` the item is gone: what is
     * still under way goes on without it or is given up. */
    void (*begin)(struct item *item);
    void (*end)(struct item *item);
    /* Bring the secret: ends with one of those below, at once or later. `again`: the one in memory
     * was refused. */
    void (*fetch)(struct item *item, bool again);
};

/* Of a fetch, or at any other time, when a source has a new secret by itself. */
void item_offer(struct item *item, const struct offer *offer);
/* Of a fetch: the secret in memory, if there is one, is still the right one. */
bool item_has(const struct item *item);
void item_confirm(struct item *item);
/* Of a fetch: there is none. `how` is SUPPLY_LATER or SUPPLY_NONE, `why` is a sentence for the log
 * and the administrator; the client is sent to them. A secret in memory is thrown away. */
void item_fail(struct item *item, enum supply how, struct span why);
/* Likewise, where the client may hear more: `plain`. */
void item_fail_plainly(struct item *item, enum supply how, struct span why, struct span plain);
/* Of a fetch: there are many, of which every asker gets the one that fits. Takes the import. */
void item_offer_many(struct item *item, struct import *import);

/* Does a secret come from that variable of the environment, or is it the place of some? */
bool vault_reads_variable(struct vault *vault, struct span name);
/* The store of the configuration; NULL: there is none. */
struct store *vault_store(struct vault *vault);

extern const struct source file_source;
extern const struct source environment_source;
extern const struct source command_source;
extern const struct source systemd_source;
extern const struct source store_source;
extern const struct source import_source;
extern const struct source certificate_source; /* nothing secret: lockstep's certificate does */
extern const struct source oauth_source;

#endif
