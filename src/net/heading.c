/* The policy part by part, each into room for the longest. */
#include "heading.h"

#include <stdlib.h>

#include "lockstep/base/must.h"

static struct heading *heading_grow(struct heading *heading, struct text *text, size_t room)
{
    heading = realloc(heading, sizeof(*heading) + room);
    must(heading != NULL);
    text->at = heading->text;
    text->room = room;
    return heading;
}

struct heading *heading_new(const struct config_listener *listener)
{
    struct text text = {0};
    struct heading *heading = heading_grow(NULL, &text, POLICY_PART_MAX);
    uint32_t part = 0;

    text_add(&text, SPAN("# listener "));
    text_add(&text, listener->name);
    text_add_byte(&text, '\n');
    do
        heading = heading_grow(heading, &text, text.size + POLICY_PART_MAX);
    while (policy_show(&listener->policy, part++, &text));
    heading = heading_grow(heading, &text, text.size); /* no more than it takes */
    heading->size = text.size;
    atomic_init(&heading->holders, 1);
    return heading;
}

struct heading *heading_hold(struct heading *heading)
{
    atomic_fetch_add(&heading->holders, 1);
    return heading;
}

void heading_drop(struct heading **heading)
{
    if (*heading != NULL && atomic_fetch_sub(&(*heading)->holders, 1) == 1)
        free(*heading);
    *heading = NULL;
}
