/*
 * import: other programs' files of credentials, read as they are.
 *
 * - Postfix's smtp_sasl_password_maps in their text form: "[host]:port user:password", the key also
 *   "host", "user@domain" or "@domain". Looked up by the sender, then by its domain, then by the
 *   relay. A password that is the path of a token file of sasl-xoauth2 stands for that file.
 * - msmtprc: the accounts whose host is the relay; of these the one whose `from` is the sender, or
 *   the default account, or the first. `passwordeval` is run by a shell, as msmtp does.
 * - .netrc: the machine that is the relay, or `default`.
 * - The token file of sasl-xoauth2: one JSON object, for every relay.
 *
 * An account's password never goes to another host than the one that its file names.
 */
#ifndef LOCKSTEP_VAULT_IMPORT_H
#define LOCKSTEP_VAULT_IMPORT_H

#include "lockstep/base/text.h"
#include "lockstep/policy/config.h"

/* Bytes of a file, entries in it, and bytes of a user's name. */
#define IMPORT_BYTES_MAX 1048576U
#define IMPORT_ENTRIES_MAX 16384U
#define IMPORT_USER_MAX 512U

struct private;
struct stamp;

enum import_kind {
    IMPORT_PASSWORD,
    IMPORT_COMMAND, /* a shell's, whose first line is the password */
    IMPORT_TOKEN,   /* JSON of sasl-xoauth2: handed to OAuth */
};

/* Texts are empty when not given. One without a secret is never found. */
struct import_entry {
    enum import_kind kind;
    struct span name;   /* of the account, or Postfix's key; for people */
    struct span host;   /* of the relay; empty: any */
    uint16_t port;      /* 0: any */
    struct span sender; /* an address, "@domain", or a pattern of msmtp's */
    bool fallback;      /* it serves when no other one fits better */
    struct span user;
    struct span secret; /* password, command or JSON */
    struct span file;   /* that the JSON was read from; empty: the import itself */
};

struct import {
    enum config_format format; /* never FORMAT_AUTO */
    size_t count;
    struct import_entry *entries;
    struct text memory;    /* all texts: first a copy of the file, then what is not in it as such */
    struct private *files; /* that entries name instead of a secret, with their texts */
    size_t file_count;
};

/* Who looks for an entry. */
struct import_wish {
    struct span sender;
    struct span host;
    uint16_t port;
    struct span user; /* only entries of that user, or of none; empty: of any */
};

/* Reads the file, and the token files it names. NULL: `error` has a sentence that names the file,
 * with the number of the line. `stamp_r` may be NULL. */
struct import *import_open(struct span path, enum config_format format, struct stamp *stamp_r,
                           struct text *error);
/* What such a file says. NULL: `error` has a sentence, and no secret in it. */
struct import *import_read(struct span bytes, enum config_format format, struct text *error);
/* Wipes it. */
void import_close(struct import **import);
/* The entry that fits best; NULL: none does. */
const struct import_entry *import_find(const struct import *import, const struct import_wish *wish);

#endif
