/*
 * micro: what the pure parts cost without a socket.
 *
 *     micro [WORD]     only the benches whose name holds WORD
 *
 * Every bench runs for a while several times over, and the fastest of them counts: whatever else
 * the machine does can only add. Sizes of the central types stand below.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lockstep/base/must.h"
#include "lockstep/engine/engine.h"
#include "lockstep/smtp/body.h"
#include "lockstep/smtp/command.h"
#include "lockstep/smtp/extension.h"
#include "lockstep/smtp/reply.h"
#include "micro.h"

#define TRY_NS 60000000ULL
#define TRIES 5
#define BODY_BYTES (1U << 20)
#define LINE_LIMIT 2048U

/* Work done `times` over; what it returns keeps the compiler from leaving the work out. */
typedef uint64_t bench_work(uint64_t times);

struct bench {
    const char *name;
    const char *unit;
    bench_work *work;
    double units; /* in one time */
};

static char body_text[BODY_BYTES];
static volatile uint64_t sink;

void must_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, claim);
    abort();
}

static uint64_t line_work(uint64_t times)
{
    static const struct span input = SPAN_INIT("RCPT TO:<recipient@load.example>\r\n");
    struct line line;
    uint64_t sum = 0;

    for (; times > 0; times--) {
        line_next(input, LINE_LIMIT, &line);
        sum += line.taken;
    }
    return sum;
}

static uint64_t command_work(uint64_t times)
{
    static const struct span lines[] = {SPAN_INIT("MAIL FROM:<sender@client.example> SIZE=1024"),
                                        SPAN_INIT("RCPT TO:<recipient@load.example>"),
                                        SPAN_INIT("DATA"), SPAN_INIT("BDAT 1024 LAST")};
    struct command command;
    uint64_t sum = 0;

    for (; times > 0; times--) {
        command_parse(lines[times % 4], &command);
        sum += command.verb;
    }
    return sum;
}

static uint64_t path_work(uint64_t times)
{
    static const struct span argument = SPAN_INIT("FROM:<sender@client.example> SIZE=1024");
    struct path path;
    uint64_t sum = 0;

    for (; times > 0; times--)
        sum += path_parse(argument, SPAN("FROM:"), &path) ? path.mailbox.size : 0;
    return sum;
}

static uint64_t reply_work(uint64_t times)
{
    static const struct span input = SPAN_INIT("250 2.1.5 <recipient@load.example> Ok\r\n");
    struct reply reply;
    uint64_t sum = 0;

    for (; times > 0; times--) {
        reply_parse(input, LIMIT_REPLY_BYTES_MAX, &reply);
        sum += reply.taken;
    }
    return sum;
}

static uint64_t capabilities_work(uint64_t times)
{
    static const struct span input =
        SPAN_INIT("250-load.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n"
                  "250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n"
                  "250-SMTPUTF8\r\n250 CHUNKING\r\n");
    struct capabilities capabilities;
    struct reply reply;
    uint64_t sum = 0;

    for (; times > 0; times--) {
        reply_parse(input, LIMIT_REPLY_BYTES_MAX, &reply);
        capabilities_parse(&reply, &capabilities);
        sum += capabilities.offered;
    }
    return sum;
}

typedef enum body_found body_reader(struct body *body, struct span *input,
                                    struct body_piece *piece_r);

/* A message as it comes from a socket: a block at a time. */
static uint64_t body_work(uint64_t times, body_reader *reader)
{
    uint64_t sum = 0;

    for (; times > 0; times--) {
        struct span rest = span_of(body_text, BODY_BYTES);
        struct body body;

        body_start(&body, BARE_REFUSE);
        while (rest.size > 0) {
            struct span input = span_head(rest, BLOCK_SIZE);
            struct body_piece piece;

            rest = span_tail(rest, BLOCK_SIZE);
            while (reader(&body, &input, &piece) != BODY_MORE)
                sum += piece.bytes.size;
        }
    }
    return sum;
}

static uint64_t scan_work(uint64_t times)
{
    return body_work(times, body_scan);
}

static uint64_t stuff_work(uint64_t times)
{
    return body_work(times, body_stuff);
}

static const struct bench benches[] = {
    {"line_next, a RCPT", "ns/line", line_work, 1},
    {"command_parse", "ns/line", command_work, 1},
    {"path_parse, with a parameter", "ns/path", path_work, 1},
    {"reply_parse, one line", "ns/reply", reply_work, 1},
    {"reply and capabilities, ten lines", "ns/reply", capabilities_work, 1},
    {"body_scan, lines of 64", "ns/KiB", scan_work, BODY_BYTES / 1024.0},
    {"body_stuff, lines of 64", "ns/KiB", stuff_work, BODY_BYTES / 1024.0},
    {"engine, lock-step", "ns/message", engine_lockstep_work, 1},
    {"engine, pipelined", "ns/message", engine_pipelined_work, 1},
    {"engine, pipelined, relay cannot", "ns/message", engine_serialised_work, 1},
    {"engine, pipelined, in two reads", "ns/message", engine_parts_work, 1},
    {"engine, a session of one message", "ns/session", engine_session_work, 1},
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static double bench_run(const struct bench *bench)
{
    uint64_t times = 1, took = 0;
    double best = 0;
    int i;

    for (i = 0; i < TRIES; i++) {
        for (;; times *= 2) {
            uint64_t start = now_ns();

            sink += bench->work(times);
            took = now_ns() - start;
            if (took >= TRY_NS)
                break;
        }
        if (best == 0 || (double)took / (double)times < best)
            best = (double)took / (double)times;
    }
    return best / bench->units;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    size_t i;

    for (i = 0; i < BODY_BYTES; i++)
        body_text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (char)('a' + i % 26);
    for (i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
        if (strstr(benches[i].name, word) != NULL)
            printf("| %-36s | %9.1f | %-10s |\n", benches[i].name, bench_run(&benches[i]),
                   benches[i].unit);
    micro_sizes();
    return 0;
}
