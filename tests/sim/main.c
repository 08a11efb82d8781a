/*
 * sim --seeds FROM COUNT    runs that many sessions; a failing one is printed and written down
 * sim --show SEED [CUTS]    runs one and writes its transcript to standard output; with CUTS it is
 *                           the calm session of that seed, cut `whole`, `trickle` or `random`
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockstep/base/must.h"

#include "sim.h"

static const char *const cuttings[] = {
    [CUT_WHOLE] = "whole", [CUT_TRICKLE] = "trickle", [CUT_RANDOM] = "random"};

static struct world *world;
static const char *program;

static void write_transcript(FILE *file)
{
    static char memory[POLICY_PART_MAX];
    struct text lines = text_over(memory, sizeof(memory));
    uint32_t part = 0;
    struct span rest = span_of(world->lender.record_scratch, world->lender.record_size);

    fprintf(file, "# seed %llu: %s\n", (unsigned long long)world->seed,
            world->failure ? world->failure : "all holds");
    fprintf(file, "@ seed %llu\n", (unsigned long long)world->seed);
    while (policy_show(&world->policy, part++, &lines)) {
        fwrite(lines.at, 1, lines.size, file);
        text_clear(&lines);
    }
    fputs("@ slow client\n@ slow upstream\n", file); /* until `@ sent` says otherwise */
    fwrite(bytes_span(&world->record).at, 1, bytes_span(&world->record).size, file);
    fwrite(rest.at, 1, rest.size, file);
}

/* A claim of the engine's own: the session is run again, to be written down up to there. */
_Noreturn void must_failed(const char *claim, const char *file, int line)
{
    char seed[32];

    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, claim);
    if (world && world->keep_record) {
        world->failure = claim;
        write_transcript(stdout);
        fflush(stdout);
        abort();
    }
    if (world) {
        snprintf(seed, sizeof(seed), "%llu", (unsigned long long)world->seed);
        fprintf(stderr, "sim: seed %s\n", seed);
        execl(program, program, "--show", seed, world->calm ? cuttings[world->cutting] : NULL,
              (char *)NULL);
    }
    abort();
}

static int show(uint64_t seed, const char *cuts)
{
    enum cutting cutting = CUT_RANDOM;
    const char *failure;

    while (cuts && cutting > 0 && strcmp(cuts, cuttings[cutting]) != 0)
        cutting--;
    world->keep_record = true;
    failure = world_run(world, seed, span_of("", 0), cuts != NULL, cutting);
    write_transcript(stdout);
    return failure != NULL;
}

/* The session again with its record, which changes nothing else. */
static void write_down(const char *failure, bool calm, enum cutting cutting)
{
    uint64_t seed = world->seed;
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "sim-%llu.smtp", (unsigned long long)seed);
    fprintf(stderr, "sim: seed %llu: does not hold: %s (%s)\n", (unsigned long long)seed, failure,
            path);
    world->keep_record = true;
    world_run(world, seed, span_of("", 0), calm, cutting);
    world->failure = failure;
    file = fopen(path, "w");
    if (file) {
        write_transcript(file);
        fclose(file);
    }
    world->keep_record = false;
}

static const char *check_random(uint64_t seed)
{
    const char *failure = world_run(world, seed, span_of("", 0), false, CUT_RANDOM);
    uint64_t digest = world->digest;

    if (failure || seed % 16 != 0)
        return failure;
    world_run(world, seed, span_of("", 0), false, CUT_RANDOM);
    return digest == world->digest ? NULL : "same seed, same effects (invariant 7)";
}

/* What of a message that is too large left before that was seen depends on reads, and towards a
 * pipelining upstream the commands that a refusal makes needless may have left already. */
static bool carried_matters(void)
{
    return world->policy.limits.message_bytes == 0 &&
           (world->policy.pipelining == PIPELINING_NEVER || !world->upstream.pipelining);
}

/* What is said does not depend on how it came (invariant 6). */
static bool same(const struct bytes *one, const struct bytes *other)
{
    struct span shorter = bytes_span(one), longer = bytes_span(other);

    /* Nobody says when an upstream that was told to QUIT in a chunk it does not know hangs up. */
    if (world->policy.mode == MODE_OBSERVE)
        return span_starts(longer, span_head(shorter, longer.size));
    return span_equal(shorter, longer);
}

static const char *check_cuts(uint64_t seed, enum cutting *cutting_r)
{
    static const enum cutting others[] = {CUT_TRICKLE, CUT_RANDOM};
    struct bytes heard = {0}, carried = {0};
    const char *failure = world_run(world, seed, span_of("", 0), true, CUT_WHOLE);
    size_t i;

    *cutting_r = CUT_WHOLE;
    bytes_add(&heard, bytes_span(&world->heard));
    bytes_add(&carried, bytes_span(&world->carried));
    for (i = 0; i < 2 && !failure; i++) {
        *cutting_r = others[i];
        failure = world_run(world, seed, span_of("", 0), true, others[i]);
        if (failure)
            break;
        if (!same(&heard, &world->heard) || (carried_matters() && !same(&carried, &world->carried)))
            failure = "what is said does not depend on cuts (invariant 6)";
    }
    bytes_free(&heard);
    bytes_free(&carried);
    return failure;
}

static int run(uint64_t from, uint64_t count)
{
    uint64_t failed = 0, seed;
    enum cutting cutting = CUT_RANDOM;

    for (seed = from; seed < from + count && failed < 10; seed++) {
        bool calm = seed % 4 == 0;
        const char *failure = calm ? check_cuts(seed, &cutting) : check_random(seed);

        if (failure) {
            write_down(failure, calm, cutting);
            failed++;
        }
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)(seed - from - failed),
           (unsigned long long)failed);
    return failed > 0;
}

int main(int argc, char **argv)
{
    int status = 64;

    program = argv[0];
    world = world_new();
    if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
        status = run(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    else if ((argc == 3 || argc == 4) && strcmp(argv[1], "--show") == 0)
        status = show(strtoull(argv[2], NULL, 10), argv[3]);
    else
        fprintf(stderr, "usage: sim --seeds FROM COUNT | sim --show SEED [whole|trickle|random]\n");
    world_free(world);
    return status;
}
