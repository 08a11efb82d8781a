/*
 * private: files that hold secrets, read only when nobody else can read them.
 */
#ifndef LOCKSTEP_SRC_VAULT_PRIVATE_H
#define LOCKSTEP_SRC_VAULT_PRIVATE_H

#include <sys/stat.h>

#include "format.h"
#include "lockstep/base/secret.h"
#include "lockstep/base/text.h"

/* Bytes of a path, NUL included. */
#define PRIVATE_PATH_MAX 4096U

/* Who may read it beside its owner, who is root or the user we run as. */
enum privacy {
    PRIVACY_OWNER,
    PRIVACY_SYSTEMD, /* its group, for systemd grants access by an ACL, which looks like that */
};

/* What tells whether a file is still the one that was read; all zero: none was. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

/* Bytes read from such a file; to be given back with private_close(), which wipes them. */
struct private
{
    char *at;
    size_t size;
    struct stamp stamp;
};

/* False: `error` has a sentence that names the file and says what to do. */
bool private_read(struct span path, enum privacy privacy, size_t size_max,
                  struct private *private_r, struct text *error);
void private_close(struct private *private);
/* Is it the file with that stamp, untouched? */
bool private_same(struct span path, const struct stamp *stamp);

/* "$CREDENTIALS_DIRECTORY/NAME", where systemd puts a credential of that name. */
bool private_systemd_path(struct span name, struct text *path, struct text *error);
/* Was one asked for since the program began? Any thread. */
bool private_systemd_used(void);
/* The first line, without what ends it. */
struct span private_line(struct span bytes);
/* The path as the system wants it; false: it does not fit or holds a NUL. */
bool private_path(struct span path, char path_r[PRIVATE_PATH_MAX]);

#endif
