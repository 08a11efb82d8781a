/* What a tool reads and says goes by files in memory, so neither side ever waits for the other. */
#include "tool.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lockstep/base/must.h"

/* Not everybody has them in $PATH. */
#define PATH_MORE "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
#define PATH_BYTES 4096U

enum { STREAM_IN, STREAM_OUT, STREAM_ERROR, STREAM_COUNT };

/* The tool's environment: ours, with a longer $PATH, and its words in English, for they are read.
 */
static void prepare_environment(void)
{
    const char *path = getenv("PATH");
    char longer[PATH_BYTES];
    size_t size = path != NULL ? strlen(path) : 0;

    setenv("LC_ALL", "C", 1);
    if (size + sizeof(PATH_MORE) + 1 > sizeof(longer) ||
        (size >= sizeof(PATH_MORE) &&
         strcmp(path + size - (sizeof(PATH_MORE) - 1), PATH_MORE) == 0))
        return;
    if (size > 0) {
        memcpy(longer, path, size);
        longer[size++] = ':';
    }
    memcpy(longer + size, PATH_MORE, sizeof(PATH_MORE));
    setenv("PATH", longer, 1);
}

static char *read_all(int fd)
{
    struct stat about;
    char *text;
    ssize_t size = 0;

    if (fd < 0 || fstat(fd, &about) != 0)
        about.st_size = 0;
    text = calloc(1, (size_t)about.st_size + 1);
    must(text != NULL);
    if (about.st_size > 0)
        size = pread(fd, text, (size_t)about.st_size, 0);
    text[size > 0 ? size : 0] = 0;
    return text;
}

static int open_streams(int fds[STREAM_COUNT], struct span input)
{
    size_t i;

    for (i = 0; i < STREAM_COUNT; i++)
        fds[i] = memfd_create("lockstep", MFD_CLOEXEC);
    for (i = 0; i < STREAM_COUNT; i++) {
        if (fds[i] < 0)
            return errno;
    }
    if (input.size > 0 && pwrite(fds[STREAM_IN], input.at, input.size, 0) != (ssize_t)input.size)
        return EIO;
    return 0;
}

static int start(const char *const *words, const int fds[STREAM_COUNT], pid_t *pid_r)
{
    posix_spawn_file_actions_t actions;
    int error;
    size_t i;

    prepare_environment();
    posix_spawn_file_actions_init(&actions);
    for (i = 0; i < STREAM_COUNT; i++)
        posix_spawn_file_actions_adddup2(&actions, fds[i], (int)i);
    /* Older than const, it changes none of its words. */
    error = posix_spawnp(pid_r, words[0], &actions, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

bool tool_run(const char *const *words, struct span input, struct tool_result *result_r)
{
    int fds[STREAM_COUNT], status = 0;
    pid_t pid = 0;
    size_t i;

    *result_r = (struct tool_result){.error = open_streams(fds, input)};
    if (result_r->error == 0)
        result_r->error = start(words, fds, &pid);
    while (result_r->error == 0 && waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            result_r->error = errno;
    }
    result_r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result_r->said = read_all(fds[STREAM_OUT]);
    result_r->complained = read_all(fds[STREAM_ERROR]);
    for (i = 0; i < STREAM_COUNT; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return result_r->error == 0 && result_r->code == 0;
}

void tool_clear(struct tool_result *result)
{
    free(result->said);
    free(result->complained);
    *result = (struct tool_result){0};
}
