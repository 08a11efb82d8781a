/*
 * schema: the one table of configuration words. Everything that reads, shows, explains or checks
 * a setting walks over these rows; a new word is one new row.
 */
#ifndef LOCKSTEP_SRC_POLICY_SCHEMA_H
#define LOCKSTEP_SRC_POLICY_SCHEMA_H

#include "lockstep/policy/config.h"

/* Which struct a row's field lies in. Words of the policy may stand at the top of the file, for
 * all listeners, and in a listener. */
enum base { BASE_CONFIG, BASE_POLICY, BASE_LISTENER, BASE_RELAY, BASE_COUNT };

enum type {
    TYPE_NUMBER,
    TYPE_SIZE,
    TYPE_DURATION,
    TYPE_SWITCH, /* one bit of the field: the row's minimum says which */
    TYPE_CHOICE, /* one of the row's choices; the field gets its number */
    TYPE_NAME,
    TYPE_HOSTNAME,
    TYPE_PATH,
    TYPE_LISTEN,  /* a list of addresses to listen on */
    TYPE_CONNECT, /* a list of relay addresses */
    TYPE_VERSION, /* from here on: what only the reader of a whole tree understands */
    TYPE_LISTENERS,
    TYPE_RELAYS,
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
    const char *initial; /* the default, as it would be written; NULL: it must be given */
    const char *says;
};

extern const struct row schema_rows[];
extern const size_t schema_count;

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

#endif
