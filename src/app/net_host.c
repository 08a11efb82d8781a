/* lockstep net: what the machine allows, and which of its settings stand in the way. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/capability.h>
#include <sysexits.h>

#include "lockstep/net/path.h"
#include "net_parts.h"

_Static_assert(PATH_MARK == PATH_RULES_MARK_OWN, "the rules let pass what has the mark");

#define SETTINGS "/proc/sys/net/"

/* --- tools --- */

static const struct {
    const char *tool;
    const char *package;
} packages[] = {
    {"nft", "nftables"},
    {"ip", "iproute2"},
};

/* What a tool complains of, and what that comes from. */
static const struct {
    const char *complaint;
    const char *advice;
    int code;
} causes[] = {
    {"Operation not permitted",
     "it needs CAP_NET_ADMIN in this network namespace, in its effective and ambient set",
     EX_NOPERM},
    {"IPv6 is disabled",
     "listen on 0.0.0.0 instead of *, or switch IPv6 on (net.ipv6.conf.lo.disable_ipv6=0)",
     EX_OSERR},
    {"Could not process rule: No such file or directory",
     "the kernel lacks a module: `modprobe -a nft_tproxy nft_socket nft_redir nft_nat nft_fib_inet "
     "nft_reject_inet nft_ct` says which; Debian has them in linux-image-amd64",
     EX_UNAVAILABLE},
    {"Could not process rule: Operation not supported",
     "the kernel is built without that kind of rule; Debian's linux-image-amd64 has them all",
     EX_UNAVAILABLE},
    {"Unable to initialize Netlink socket", "the kernel is built without nftables", EX_UNAVAILABLE},
};

static int tool_missing(const char *tool, int error)
{
    const char *package = tool;
    size_t i;

    for (i = 0; i < sizeof(packages) / sizeof(packages[0]); i++) {
        if (strcmp(packages[i].tool, tool) == 0)
            package = packages[i].package;
    }
    if (error == ENOENT)
        fprintf(stderr, "lockstep net: there is no `%s` here: install the package %s\n", tool,
                package);
    else
        fprintf(stderr, "lockstep net: %s can't be run: %s\n", tool, strerror(error));
    return EX_UNAVAILABLE;
}

int net_tool_failed(const char *tool, const char *at, struct tool_result *result)
{
    const char *advice = NULL;
    int code = EX_OSERR;
    size_t i;

    if (result->error != 0) {
        code = tool_missing(tool, result->error);
        tool_clear(result);
        return code;
    }
    for (i = 0; i < sizeof(causes) / sizeof(causes[0]) && advice == NULL; i++) {
        if (strstr(result->complained, causes[i].complaint) == NULL)
            continue;
        advice = causes[i].advice;
        code = causes[i].code;
    }
    fprintf(stderr, "lockstep net: %s: %s says: %s", at, tool, result->complained);
    if (advice != NULL)
        fprintf(stderr, "lockstep net: %s\n", advice);
    tool_clear(result);
    return code;
}

/* --- rights --- */

/* Whoever may run the program would be given rights over the machine's network: by a file of his
 * own, and even by a tool of his own that $PATH leads to. */
static bool rights_are_the_files(void)
{
    return getauxval(AT_SECURE) != 0;
}

/* Asked beforehand: a tool without the right complains in as many ways as it has steps. */
static bool may_administrate(void)
{
    cap_t all = cap_get_proc();
    cap_flag_value_t has = CAP_CLEAR;

    if (all != NULL && cap_get_flag(all, CAP_NET_ADMIN, CAP_EFFECTIVE, &has) != 0)
        has = CAP_CLEAR;
    cap_free(all);
    return has == CAP_SET;
}

bool net_may_administrate(const char *deed)
{
    if (rights_are_the_files()) {
        fprintf(stderr,
                "lockstep net: `%s` takes no capabilities from the program's file, for then "
                "anybody could lead others' mail away: run it as root\n",
                deed);
        return false;
    }
    if (may_administrate())
        return true;
    fprintf(stderr,
            "lockstep net: `%s` needs CAP_NET_ADMIN: run it as root, or with that capability\n",
            deed);
    return false;
}

/* --- settings --- */

enum need { NEED_DELIVERY, NEED_TPROXY, NEED_WAY_IPV4, NEED_WAY_IPV6, NEED_COUNT };

static const struct {
    const char *name; /* below /proc/sys/net; a star stands for any of them */
    int bad;
    int good;
    enum need need; /* of rules that it stands in the way of */
    const char *why;
} settings[] = {
    /* The way back to a client is then looked for by the mark too, and that way leads here. */
    {"ipv4/conf/*/src_valid_mark", 1, 0, NEED_DELIVERY,
     "the kernel drops what is led here, for its sender seems forged"},
    {"ipv4/tcp_fwmark_accept", 1, 0, NEED_TPROXY, "answers to clients are led here too"},
    /* The packet that ends a handshake then belongs to no socket yet, by which it would be known.
     */
    {"ipv4/tcp_syncookies", 2, 1, NEED_TPROXY, "no handshake of an intercepted connection ends"},
    {"ipv4/ip_forward", 0, 1, NEED_WAY_IPV4,
     "this machine forwards none of the connections that `fail-open` lets pass"},
    {"ipv6/conf/all/forwarding", 0, 1, NEED_WAY_IPV6,
     "this machine forwards none of the connections that `fail-open` lets pass"},
};

/* -1: there is no such setting. */
static int read_setting(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[32] = "-1";

    if (file != NULL) {
        if (fgets(line, sizeof(line), file) == NULL)
            line[0] = 0;
        fclose(file);
    }
    return (int)strtol(line, NULL, 10);
}

static unsigned check_setting(size_t number)
{
    char pattern[256];
    glob_t found = {0};
    unsigned count = 0;
    size_t i;

    snprintf(pattern, sizeof(pattern), SETTINGS "%s", settings[number].name);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (i = 0; i < found.gl_pathc; i++) {
        const char *name = found.gl_pathv[i] + sizeof(SETTINGS) - 1;

        if (read_setting(found.gl_pathv[i]) != settings[number].bad)
            continue;
        printf("setting net/%s is %d: %s: `sysctl -w net/%s=%d`\n", name, settings[number].bad,
               settings[number].why, name, settings[number].good);
        count++;
    }
    globfree(&found);
    return count;
}

unsigned net_settings_check(const struct path_rules *rules)
{
    const bool needed[NEED_COUNT] = {
        [NEED_DELIVERY] = rules->delivers[PATH_IPV4],
        [NEED_TPROXY] = rules->tproxy,
        [NEED_WAY_IPV4] = rules->passes[PATH_IPV4],
        [NEED_WAY_IPV6] = rules->passes[PATH_IPV6],
    };
    unsigned count = 0;
    size_t i;

    for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (needed[settings[i].need])
            count += check_setting(i);
    }
    return count;
}
