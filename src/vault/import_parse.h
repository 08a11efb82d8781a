/* import_parse: the readers of the formats, one file each. */
#ifndef LOCKSTEP_SRC_VAULT_IMPORT_PARSE_H
#define LOCKSTEP_SRC_VAULT_IMPORT_PARSE_H

#include "lockstep/vault/import.h"

/* `text` is a copy of the file that may be changed in place, to which the entries then point.
 * False: `where_r` is the offset of what is wrong, and `error` says what. */
struct import_text {
    char *at;
    size_t size;
    size_t where;
};

bool import_postfix(struct import *import, struct import_text *text, struct text *error);
bool import_msmtp(struct import *import, struct import_text *text, struct text *error);
bool import_netrc(struct import *import, struct import_text *text, struct text *error);
bool import_token(struct import *import, struct import_text *text, struct text *error);

/* One more, all zero; NULL: there are too many, and `error` says so. The one before may move. */
struct import_entry *import_add(struct import *import, struct text *error);
/* A word that msmtprc may begin a line with. */
bool import_msmtp_word(struct span word);

#endif
