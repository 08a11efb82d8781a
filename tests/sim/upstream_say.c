/* What the model upstream says, and whether it likes what it hears. */
#include "sim.h"

uint32_t upstream_verdict(const struct world *world, struct span line, uint32_t salt)
{
    const struct upstream *upstream = &world->upstream;
    uint64_t hash = upstream->salt + salt + (upstream->fickle ? 1000 * upstream->connections : 0);
    struct seed seed;
    size_t i;

    for (i = 0; i < line.size; i++)
        hash = (hash ^ (unsigned char)line.at[i]) * 0x100000001b3U;
    seed.state = hash;
    return (uint32_t)seed_below(&seed, 100);
}

bool upstream_misbehaves(const struct world *world, enum mischief mischief)
{
    const struct upstream *upstream = &world->upstream;

    return upstream->mischief == mischief && upstream->commands >= upstream->mischief_at;
}

static void say_line(struct upstream *upstream, uint32_t code, char separator, uint32_t tag,
                     const char *words)
{
    bytes_say(&upstream->out, "%u%c", code, separator);
    if (code >= 400 || (code < 300 && code != 220))
        bytes_say(&upstream->out, "%u.1.%u ", code / 100, code % 10);
    bytes_say(&upstream->out, "~%u~ %s\r\n", tag, words);
}

/* One reply. What was said is written down, so that the client can compare. */
void upstream_say(struct world *world, enum to to, uint32_t tag, uint32_t code, const char *words)
{
    struct upstream *upstream = &world->upstream;
    uint32_t lines = upstream_verdict(world, span_of_string(words), code) % 8;

    if (upstream_misbehaves(world, MISCHIEF_SILENT) || upstream->mode == UP_DEAD)
        return;
    if (tag < TAGS_MAX)
        world->said[tag][to] = (uint16_t)code;
    while (lines-- > 6) {
        say_line(upstream, code, '-', tag, "more");
        if (upstream_misbehaves(world, MISCHIEF_ODD))
            bytes_say(&upstream->out, "what is this\n%u-~%u~ else\rodd\r\n",
                      code == 250 ? 251 : 250, tag);
    }
    say_line(upstream, code, ' ', tag, words);
    if (code == 421)
        upstream->closing = true;
}
