/*
 * maildir: messages as files. A message is written in tmp/ and stands whole in new/ before anybody
 * is told that it was accepted. It survives the death of this program, not that of the machine:
 * the files are not synced, because this is a relay to test against.
 */
#ifndef LOCKSTEP_SRC_APP_MAILDIR_H
#define LOCKSTEP_SRC_APP_MAILDIR_H

#include <stdio.h>

#include "lockstep/base/text.h"

#define MAILDIR_NAME_MAX 160

struct maildir {
    int tmp; /* descriptors of the folders */
    int new;
    uint64_t count; /* of files begun, for their names */
    char host[MAILDIR_NAME_MAX / 2];
};

/* One message; all zero is none. */
struct maildir_mail {
    struct text trace; /* the envelope, as header lines */
    FILE *file;
    bool failed; /* something could not be written */
    char name[MAILDIR_NAME_MAX];
};

/* Makes the folders that are missing. 0, or an errno. */
int maildir_open(struct maildir *maildir, const char *path, struct span host);
void maildir_close(struct maildir *maildir);

/* A new envelope; one that was not begun is forgotten. */
void maildir_sender(struct maildir_mail *mail, struct span mailbox);
void maildir_recipient(struct maildir_mail *mail, struct span mailbox);
void maildir_begin(struct maildir *maildir, struct maildir_mail *mail);
void maildir_add(struct maildir_mail *mail, struct span bytes);
/* True: it stands in new/ under mail->name. False: there is nothing of it anywhere. */
bool maildir_commit(struct maildir *maildir, struct maildir_mail *mail);
void maildir_abandon(struct maildir *maildir, struct maildir_mail *mail);
/* Abandons, and frees what the envelope took. */
void maildir_forget(struct maildir *maildir, struct maildir_mail *mail);

#endif
