/* A directory of a test's own. */
#include "folder.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/base/must.h"

static char place[64];
static pid_t owner;

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    (void)stat;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void folder_remove(void)
{
    if (getpid() == owner)
        nftw(place, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *folder(void)
{
    if (owner != getpid()) {
        owner = getpid();
        snprintf(place, sizeof(place), "/tmp/lockstep-test-XXXXXX");
        must(mkdtemp(place) != NULL);
        must(atexit(folder_remove) == 0);
    }
    return place;
}

const char *folder_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder(), name);
    return path;
}

const char *folder_write(const char *name, mode_t mode, const void *bytes, size_t size)
{
    const char *path = folder_path(name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(file >= 0);
    must(write(file, bytes, size) == (ssize_t)size);
    must(fchmod(file, mode) == 0);
    close(file);
    return path;
}

const char *folder_text(const char *name, mode_t mode, const char *text)
{
    return folder_write(name, mode, text, strlen(text));
}
