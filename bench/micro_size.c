/* How large the central types are. */
#include <stdio.h>
#include <string.h>

#include "engine/state.h"
#include "lockstep/net/link.h"
#include "lockstep/record/record.h"
#include "lockstep/smtp/command.h"
#include "lockstep/smtp/reply.h"
#include "micro.h"

void micro_sizes(void)
{
    static const struct {
        const char *type;
        size_t bytes;
    } sizes[] = {
        {"struct engine", sizeof(struct engine)}, {"struct row", sizeof(struct row)},
        {"struct link", sizeof(struct link)},     {"struct event", sizeof(struct event)},
        {"struct effect", sizeof(struct effect)}, {"struct command", sizeof(struct command)},
        {"struct reply", sizeof(struct reply)},   {"struct record", sizeof(struct record)},
        {"struct policy", sizeof(struct policy)},
    };
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        printf("| sizeof(%s)%*s | %9zu | bytes      |\n", sizes[i].type,
               (int)(28 - strlen(sizes[i].type)), "", sizes[i].bytes);
}
