/* Messages as files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "maildir.h"

static int folder_open(int parent, const char *path)
{
    if (mkdirat(parent, path, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int maildir_open(struct maildir *maildir, const char *path, struct span host)
{
    int top = folder_open(AT_FDCWD, path);
    int cur = top < 0 ? -1 : folder_open(top, "cur");
    int error = 0;
    size_t i;

    *maildir = (struct maildir){.tmp = cur < 0 ? -1 : folder_open(top, "tmp"), .new = -1};
    if (maildir->tmp >= 0)
        maildir->new = folder_open(top, "new");
    if (maildir->new < 0)
        error = errno;
    if (cur >= 0)
        close(cur);
    if (top >= 0)
        close(top);
    if (error != 0)
        maildir_close(maildir);
    for (i = 0; i < host.size && i + 1 < sizeof(maildir->host); i++) /* a name may hold neither */
        maildir->host[i] = host.at[i] == '/' || host.at[i] == ':' ? '_' : host.at[i];
    return error;
}

void maildir_close(struct maildir *maildir)
{
    if (maildir->tmp >= 0)
        close(maildir->tmp);
    if (maildir->new >= 0)
        close(maildir->new);
    maildir->tmp = maildir->new = -1;
}

static void trace_add(struct maildir_mail *mail, struct span start, struct span mailbox)
{
    struct text *trace = &mail->trace;
    size_t wanted = trace->size + start.size + mailbox.size + SPAN(">\r\n").size;

    if (wanted > trace->room) {
        trace->room = 2 * wanted;
        trace->at = realloc(trace->at, trace->room);
        must(trace->at != NULL);
    }
    text_add(trace, start);
    text_add(trace, mailbox);
    text_add(trace, SPAN(">\r\n"));
}

void maildir_sender(struct maildir_mail *mail, struct span mailbox)
{
    text_clear(&mail->trace);
    trace_add(mail, SPAN("Return-Path: <"), mailbox);
}

void maildir_recipient(struct maildir_mail *mail, struct span mailbox)
{
    trace_add(mail, SPAN("X-Envelope-To: <"), mailbox);
}

void maildir_begin(struct maildir *maildir, struct maildir_mail *mail)
{
    struct timespec now;
    int fd;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(mail->name, sizeof(mail->name), "%lld.M%06ldP%ldQ%" PRIu64 ".%s",
             (long long)now.tv_sec, now.tv_nsec / 1000, (long)getpid(), ++maildir->count,
             maildir->host);
    fd = openat(maildir->tmp, mail->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    mail->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (fd >= 0 && mail->file == NULL)
        close(fd);
    mail->failed = mail->file == NULL;
    maildir_add(mail, text_span(&mail->trace));
}

void maildir_add(struct maildir_mail *mail, struct span bytes)
{
    if (!mail->failed)
        mail->failed = fwrite(bytes.at, 1, bytes.size, mail->file) != bytes.size;
}

bool maildir_commit(struct maildir *maildir, struct maildir_mail *mail)
{
    if (mail->file != NULL && fclose(mail->file) != 0)
        mail->failed = true;
    mail->file = NULL;
    if (!mail->failed && renameat(maildir->tmp, mail->name, maildir->new, mail->name) == 0)
        return true;
    unlinkat(maildir->tmp, mail->name, 0);
    return false;
}

void maildir_abandon(struct maildir *maildir, struct maildir_mail *mail)
{
    if (mail->file == NULL)
        return;
    fclose(mail->file);
    mail->file = NULL;
    unlinkat(maildir->tmp, mail->name, 0);
}

void maildir_forget(struct maildir *maildir, struct maildir_mail *mail)
{
    maildir_abandon(maildir, mail);
    free(mail->trace.at);
    *mail = (struct maildir_mail){0};
}
