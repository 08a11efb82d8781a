/* Reading what nobody else may read. */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/base/must.h"

static struct stamp stamp_of(const struct stat *stat)
{
    return (struct stamp){stat->st_dev, stat->st_ino, stat->st_size, stat->st_ctim};
}

/* Whoever could write it could also choose the secret, so the owner matters too. */
static bool private_judge(const char *path, const struct stat *stat, enum privacy privacy,
                          size_t size_max, struct text *error)
{
    mode_t others = privacy == PRIVACY_OWNER ? S_IRWXG | S_IRWXO : S_IWGRP | S_IRWXO;

    if (!S_ISREG(stat->st_mode))
        text_format(error, "%s is no regular file", path);
    else if (stat->st_uid != 0 && stat->st_uid != geteuid())
        text_format(error, "%s belongs to another user: chown it to root or to user %u", path,
                    (unsigned)geteuid());
    else if ((stat->st_mode & others) != 0)
        text_format(error, "%s can be read or written by others: chmod 600 %s", path, path);
    else if ((uintmax_t)stat->st_size > size_max)
        text_format(error, "%s is longer than %zu bytes", path, size_max);
    else
        return true;
    return false;
}

static bool private_read_all(int file, struct private *private)
{
    size_t size = 0;
    ssize_t count = 1;

    while (count > 0 && size < private->size) {
        count = read(file, private->at + size, private->size - size);
        if (count < 0 && errno == EINTR)
            count = 1;
        else if (count > 0)
            size += (size_t)count;
    }
    private->size = size;
    return count >= 0;
}

bool private_read(struct span path, enum privacy privacy, size_t size_max,
                  struct private *private_r, struct text *error)
{
    char name[PRIVATE_PATH_MAX];
    struct stat stat;
    bool done = false;
    int file;

    *private_r = (struct private){0};
    if (!private_path(path, name)) {
        text_add(error, SPAN("the path of a file is too long"));
        return false;
    }
    /* Neither a pipe nor a terminal may keep us waiting; that it is no file is said below. */
    file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0 || fstat(file, &stat) != 0) {
        text_format(error, "%s: %s", name, strerror(errno));
    } else if (private_judge(name, &stat, privacy, size_max, error)) {
        private_r->stamp = stamp_of(&stat);
        private_r->size = (size_t)stat.st_size;
        private_r->at = malloc(private_r->size + 1);
        must(private_r->at != NULL);
        done = private_read_all(file, private_r);
        if (!done)
            text_format(error, "%s: %s", name, strerror(errno));
    }
    if (file >= 0)
        close(file);
    if (!done)
        private_close(private_r);
    return done;
}

void private_close(struct private *private)
{
    if (private->at != NULL)
        secret_wipe(private->at, private->size);
    free(private->at);
    *private = (struct private){0};
}

bool private_same(struct span path, const struct stamp *stamp)
{
    char name[PRIVATE_PATH_MAX];
    struct stat now;

    return private_path(path, name) && stat(name, &now) == 0 && now.st_dev == stamp->device &&
           now.st_ino == stamp->inode && now.st_size == stamp->size &&
           now.st_ctim.tv_sec == stamp->changed.tv_sec &&
           now.st_ctim.tv_nsec == stamp->changed.tv_nsec;
}

static atomic_bool systemd_used;

bool private_systemd_used(void)
{
    return systemd_used;
}

bool private_systemd_path(struct span name, struct text *path, struct text *error)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    if (directory == NULL || *directory == 0) {
        text_add(error, SPAN("systemd gave no credentials: LoadCredential= or "
                             "LoadCredentialEncrypted= belongs into the unit"));
        return false;
    }
    if (name.size == 0 || *name.at == '.' || span_find(name, '/') < name.size) {
        text_format(error, "\"%.*s\" is no name of a systemd credential", (int)name.size, name.at);
        return false;
    }
    systemd_used = true;
    text_add(path, span_of_string(directory));
    text_add_byte(path, '/');
    text_add(path, name);
    return true;
}

struct span private_line(struct span bytes)
{
    struct span line = span_head(bytes, span_find(bytes, '\n'));

    return span_ends(line, SPAN("\r")) ? span_head(line, line.size - 1) : line;
}

bool private_path(struct span path, char path_r[PRIVATE_PATH_MAX])
{
    if (path.size >= PRIVATE_PATH_MAX || span_find(path, 0) < path.size)
        return false;
    if (path.size > 0)
        memcpy(path_r, path.at, path.size);
    path_r[path.size] = 0;
    return true;
}
