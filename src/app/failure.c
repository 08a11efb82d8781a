/* What goes wrong when a command starts to serve. */
#include "failure.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <uv.h>

static const struct {
    int error;
    int code;
    const char *advice;
} rows[] = {
    {UV_EACCES, EX_NOPERM,
     "a port below 1024 needs CAP_NET_BIND_SERVICE: give it with `setcap "
     "cap_net_bind_service+ep` to the program, or with AmbientCapabilities= in the unit"},
    {UV_EPERM, EX_NOPERM, "something here forbids it, a firewall perhaps"},
    {UV_EADDRINUSE, EX_UNAVAILABLE,
     "end who listens there (`ss -ltnp` tells), or take another port"},
    {UV_EADDRNOTAVAIL, EX_UNAVAILABLE, "this machine has no such address (`ip addr` lists them)"},
    {UV_EMFILE, EX_OSERR, "raise the limit of open files (`ulimit -n`)"},
    {UV_ENOMEM, EX_OSERR, "there is no memory left"},
};

static bool is_address(const char *where)
{
    const char *colon = strrchr(where, ':');

    return colon != NULL && colon[1] != 0 && colon[1 + strspn(colon + 1, "0123456789")] == 0;
}

int failure_start(const char *word, const char *where, int error)
{
    bool address = is_address(where);
    int code = address ? EX_UNAVAILABLE : EX_CANTCREAT;
    size_t i;

    fprintf(stderr, "lockstep %s: %s: %s", word, where, uv_strerror(error));
    for (i = 0; address && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].error == error) {
            fprintf(stderr, ": %s", rows[i].advice);
            code = rows[i].code;
        }
    }
    fputc('\n', stderr);
    return code;
}
