/*
 * schema: the one table of configuration words. Everything that reads, shows, explains or checks
 * a setting walks over these rows; a new word is one new row.
 */
#ifndef LOCKSTEP_SRC_POLICY_SCHEMA_H
#define LOCKSTEP_SRC_POLICY_SCHEMA_H

#include "lockstep/policy/config.h"

/* Which struct a row's field lies in. Words of the policy may stand at the top of the file, for
 * all listeners, and in a listener; a relay has its own words and those that sessions know. */
enum base {
    BASE_CONFIG,
    BASE_POLICY,
    BASE_LISTENER,
    BASE_ROUTE,
    BASE_RELAY,   /* struct config_relay */
    BASE_SESSION, /* struct relay */
    BASE_SCRIPT,  /* struct relay: what a file says otherwise, so only scripts have it */
    BASE_CREDENTIAL,
    BASE_COUNT
};

enum type {
    TYPE_NUMBER,
    TYPE_SIZE,
    TYPE_DURATION,
    TYPE_SWITCH,   /* one bit of the field: the row's minimum says which */
    TYPE_OVERRIDE, /* the same, of two fields: whether it is given, and what it says */
    TYPE_CHOICE,   /* one of the row's choices; the field gets its number */
    TYPE_NAME,
    TYPE_HOSTNAME,
    TYPE_PATH,
    TYPE_TEXT,
    TYPE_STORED, /* a name in the store */
    TYPE_PATTERN,
    TYPE_MAILBOX,
    TYPE_CODES, /* smtp/remap.h */
    TYPE_URL,   /* with one of the row's choices in front */
    TYPE_RATE,  /* struct rate */
    TYPE_BYTE_RATE,
    TYPE_LISTEN, /* from here on lists: of addresses to listen on */
    TYPE_CONNECT,
    TYPE_NETWORKS,
    TYPE_PORTS,
    TYPE_PATTERNS,
    TYPE_FINGERPRINTS,
    TYPE_FAULTS,
    TYPE_MECHANISMS,
    TYPE_VERSION, /* from here on: what only the reader of a whole tree understands */
    TYPE_LISTENERS,
    TYPE_ROUTES,
    TYPE_RELAYS,
    TYPE_CREDENTIALS,
};

struct row {
    enum base base;
    const char *section;
    const char *word;
    enum type type;
    size_t offset; /* of the field in its base */
    size_t width;  /* bytes of the field */
    uint64_t minimum;
    uint64_t maximum;
    const char *choices; /* "repair|observe" */
    const char *initial; /* the default, as it would be written; "": nothing; NULL: it must be
                            given */
    const char *says;
};

/* The table is one; it is written in two files, for its length. */
extern const struct row schema_serving[];  /* the top of the file, listeners and their routes */
extern const struct row schema_reaching[]; /* relays and credentials */
extern const size_t schema_serving_count, schema_reaching_count;

/* The row of that number; NULL behind the last. */
const struct row *schema_row(size_t number);

/* The row of that word in that section ("": none), among rows of `bases` (one bit per base). */
const struct row *schema_find(unsigned bases, struct span section, struct span word);
/* The same for a path, "limits.rows" or "mode". */
const struct row *schema_find_path(unsigned bases, struct span path);
bool schema_has_section(unsigned bases, struct span section);
/* Complains of a word that is not in the schema there, and names the nearest one that is. */
void schema_unknown(unsigned bases, struct span section, struct span word, struct text *error);
void schema_unknown_path(unsigned bases, struct span path, struct text *error);
/* "limits.rows" in backquotes. */
void schema_path(const struct row *row, struct text *out);

#define BASE_BIT(base) (1U << (base))
#define AT(object, member) offsetof(struct object, member), sizeof(((struct object *)0)->member)

#endif
