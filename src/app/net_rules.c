/* lockstep net: the table of nftables, by `nft`. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "net_parts.h"

#define COMMENT_OURS "comment \"" PATH_RULES_OURS
#define COMMENT_LISTENER "comment \"" PATH_RULES_LISTENER

static const char *const list_words[] = {"nft", "-s", "list", "table", "inet", PATH_RULES_TABLE,
                                         NULL};

/* --- what is there --- */

/* The comment of the table itself stands in front of its first chain. */
static bool is_ours(const char *listing)
{
    const char *comment = strstr(listing, COMMENT_OURS);
    const char *chain = strstr(listing, "chain ");

    return comment != NULL && (chain == NULL || comment < chain);
}

int net_installed_read(struct net_installed *installed_r)
{
    struct tool_result result;

    *installed_r = (struct net_installed){0};
    if (tool_run(list_words, SPAN(""), &result)) {
        installed_r->table = is_ours(result.said) ? NET_TABLE_OURS : NET_TABLE_FOREIGN;
        installed_r->listing = result.said;
        result.said = NULL;
    } else if (result.error != 0 || strstr(result.complained, "No such file") == NULL) {
        return net_tool_failed("nft", "listing its tables", &result);
    }
    tool_clear(&result);
    return 0;
}

void net_installed_clear(struct net_installed *installed)
{
    free(installed->listing);
    *installed = (struct net_installed){0};
}

bool net_installed_listener(const char **at, struct span *name_r)
{
    const char *found = *at != NULL ? strstr(*at, COMMENT_LISTENER) : NULL;

    if (found == NULL)
        return false;
    found += sizeof(COMMENT_LISTENER) - 1;
    *name_r = span_of(found, strcspn(found, "\"\n"));
    *at = found + name_r->size;
    return true;
}

/* --- what is done --- */

static int run_script(const char *const *words, const char *at, struct span script)
{
    struct tool_result result;

    if (!tool_run(words, script, &result))
        return net_tool_failed("nft", at, &result);
    tool_clear(&result);
    return 0;
}

int net_rules_try(struct span script)
{
    static const char *const words[] = {"nft", "-c", "-f", "-", NULL};

    return run_script(words, "trying the rules", script);
}

int net_rules_install(struct span script)
{
    static const char *const words[] = {"nft", "-f", "-", NULL};

    return run_script(words, "installing the rules", script);
}

int net_rules_delete(void)
{
    static const char *const words[] = {"nft", "delete", "table", "inet", PATH_RULES_TABLE, NULL};

    return run_script(words, "deleting the table", SPAN(""));
}

/* --- how it looks when it is there --- */

static bool write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return good;
}

/* A network namespace needs a right that is more than what rules need; where it is missing a user
 * namespace gives it, in which we are root. */
static bool enter_scratch(void)
{
    char map[64];

    if (unshare(CLONE_NEWNET) == 0)
        return true;
    snprintf(map, sizeof(map), "0 %lu 1", (unsigned long)geteuid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_file("/proc/self/uid_map", map);
}

static int list_in_scratch(struct span script, int fd)
{
    struct tool_result result;
    size_t size;
    int code;

    if (!enter_scratch()) {
        fprintf(stderr,
                "lockstep net: no network namespace to see how the rules would look: %s: it needs "
                "CAP_SYS_ADMIN, or user namespaces\n",
                strerror(errno));
        return EX_NOPERM;
    }
    code = net_rules_install(script);
    if (code != 0)
        return code;
    if (!tool_run(list_words, SPAN(""), &result))
        return net_tool_failed("nft", "listing the rules", &result);
    size = strlen(result.said);
    code = write(fd, result.said, size) == (ssize_t)size ? 0 : EX_OSERR;
    tool_clear(&result);
    return code;
}

static char *read_listing(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = size < 0 ? NULL : calloc(1, (size_t)size + 1);

    must(text != NULL);
    must(pread(fd, text, (size_t)size, 0) == size);
    return text;
}

/* In a process of its own, for there is no way back from a user namespace. */
int net_rules_listing(struct span script, char **listing_r)
{
    int fd = memfd_create("lockstep", MFD_CLOEXEC);
    int status = 0, code = EX_OSERR;
    pid_t pid;

    *listing_r = NULL;
    fflush(NULL);
    pid = fd < 0 ? -1 : fork();
    if (pid == 0)
        _exit(list_in_scratch(script, fd));
    if (pid < 0)
        fprintf(stderr, "lockstep net: %s\n", strerror(errno));
    else if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
        code = WEXITSTATUS(status);
    if (code == 0)
        *listing_r = read_listing(fd);
    if (fd >= 0)
        close(fd);
    return code;
}

/* --- comparing --- */

/* A line of a listing, and the chain or set that it stands in. */
struct place_of {
    struct span block; /* "chain here"; empty: the table itself */
    struct span line;
};

/* The next that is no end of a block; a block's first line is in it. */
static bool next_line(const char **at, struct place_of *place)
{
    while (**at != 0) {
        struct span line = span_of(*at, strcspn(*at, "\n"));

        *at += line.size + ((*at)[line.size] == '\n');
        line = span_trim(line);
        if (span_equal(line, SPAN("}"))) {
            place->block = SPAN("");
            continue;
        }
        if (line.size == 0)
            continue;
        if (span_ends(line, SPAN(" {")))
            place->block = span_head(line, line.size - 2);
        place->line = line;
        return true;
    }
    return false;
}

static bool is_same(const struct place_of *one, const struct place_of *other)
{
    return span_equal(one->block, other->block) && span_equal(one->line, other->line);
}

/* How often a line is in a listing, up to `end`. */
static unsigned count_until(const char *listing, const char *end, const struct place_of *wanted)
{
    struct place_of place = {0};
    unsigned count = 0;

    while (listing != end && next_line(&listing, &place))
        count += is_same(&place, wanted);
    return count;
}

/* Prints what `listing` has and `other` has not. */
static unsigned print_surplus(const char *listing, const char *other, const char *says)
{
    struct place_of place = {0};
    const char *at = listing;
    unsigned count = 0;

    while (next_line(&at, &place)) {
        if (count_until(listing, at, &place) <= count_until(other, NULL, &place))
            continue;
        printf("table inet " PATH_RULES_TABLE ": %.*s%s%s: %.*s\n", (int)place.block.size,
               place.block.at, place.block.size > 0 ? ": " : "", says, (int)place.line.size,
               place.line.at);
        count++;
    }
    return count;
}

/* The line of that number of a block; an empty one when it has not so many. */
static struct span line_of(const char *listing, struct span block, unsigned number)
{
    struct place_of place = {0};

    while (next_line(&listing, &place)) {
        if (span_equal(place.block, block) && number-- == 0)
            return place.line;
    }
    return SPAN("");
}

/* Both have the same lines, but the order is what rules mean. Blocks may stand in any. */
static unsigned print_disorder(const char *planned, const char *installed)
{
    struct place_of place = {0};
    struct span block = SPAN("");
    unsigned count = 0, number = 0;

    while (next_line(&planned, &place)) {
        struct span line;

        number = span_equal(place.block, block) ? number + 1 : 0;
        block = place.block;
        line = line_of(installed, block, number);
        if (span_equal(line, place.line))
            continue;
        printf("table inet " PATH_RULES_TABLE ": %.*s: in another place: %.*s\n", (int)block.size,
               block.at, (int)line.size, line.at);
        count++;
    }
    return count;
}

unsigned net_rules_compare(const char *planned, const char *installed)
{
    unsigned count = print_surplus(planned, installed, "missing") +
                     print_surplus(installed, planned, "not lockstep's");

    return count > 0 ? count : print_disorder(planned, installed);
}
