/*
 * login_file: a file of clients' names and hashes of their passwords, one `user:hash` a line, empty
 * lines and those that begin with `#` aside.
 *
 * Hashes are crypt(3)'s that begin with "$" (yescrypt, bcrypt, SHA-512 ...) or Argon2's encoded
 * ones; what `mkpasswd`, `htpasswd -B` and `argon2 -e` write.
 */
#ifndef LOCKSTEP_SRC_VAULT_LOGIN_FILE_H
#define LOCKSTEP_SRC_VAULT_LOGIN_FILE_H

#include "lockstep/base/text.h"
#include "lockstep/engine/engine.h"

#define LOGIN_FILE_BYTES_MAX (1024U * 1024U)
/* Longer passwords are wrong ones; crypt(3) takes no more. */
#define LOGIN_PASSWORD_MAX 511U

/* As slow as the hash wants. TOLD_DONE: it is the password of that user; TOLD_NO: it is not;
 * TOLD_LATER: the file can't tell, `why` names it and says what is wrong. */
enum told login_file_check(struct span path, struct span user, struct span password,
                           struct text *why);

#endif
