/* lockstep sink: a strict relay to test against. Options, the ready line, the summary. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "commands.h"
#include "lockstep/base/must.h"
#include "sink_server.h"

static const char usage[] =
    "usage: lockstep sink [OPTION]...\n"
    "\n"
    "A strict SMTP server to test against. Without --maildir it counts messages and drops them.\n"
    "\n"
    "      --listen ADDR:PORT      where clients are served; may be given again; default:\n"
    "                              127.0.0.1:2526, port 0 takes any free one\n"
    "      --no-pipelining[=opensmtpd|exim|postfix]\n"
    "                              hide PIPELINING, and answer bytes that come too early as that\n"
    "                              server does; default: opensmtpd\n"
    "      --hide KEYWORD          do not offer this extension\n"
    "      --offer KEYWORD         offer this one too: DELIVERBY, MT-PRIORITY\n"
    "      --maildir DIR           store what is accepted there\n"
    "      --delay MS              answer that much later\n"
    "      --reject PATTERN=REPLY  refuse such recipients, e.g. '*@old.example=550 5.1.1 Gone'\n"
    "      --auth USER:PASSWORD    offer AUTH and require it; for tests: the password is visible\n"
    "                              in the list of processes\n"
    "      --size BYTES            the longest message\n"
    "      --max-messages N        end after that many were accepted and all sessions have ended\n"
    "      --hostname NAME         what it calls itself\n"
    "  -h, --help                  this text\n"
    "\n"
    "SIGTERM and SIGINT end it; a line on stderr says what came in.\n";

#define REJECTS_MAX 64U
#define DELAY_MS_MAX 3600000U

struct sink_command {
    struct sink_settings settings;
    struct sink_verdict rejects[REJECTS_MAX];
    uint32_t address_count;
    struct address addresses[SINK_LISTENERS_MAX];
    const char *maildir_path;
    uint64_t messages_max;
    struct maildir maildir;
    uv_loop_t uv;
    uv_signal_t signals[2];
    struct sink_server server;
};

/* --- options --- */

/* "127.0.0.1:25" or "[::1]:25" */
static bool take_listen(struct sink_command *command, struct span value)
{
    size_t colon = value.size;
    struct span host;
    uint64_t port;

    while (colon > 0 && value.at[colon - 1] != ':')
        colon--;
    host = span_head(value, colon > 0 ? colon - 1 : 0);
    if (span_starts(host, SPAN("[")) && span_ends(host, SPAN("]")))
        host = span_head(span_tail(host, 1), host.size - 2);
    return command->address_count < SINK_LISTENERS_MAX &&
           span_number(span_tail(value, colon), &port) && port <= UINT16_MAX &&
           address_literal(host, (uint16_t)port, &command->addresses[command->address_count++]);
}

static bool take_no_pipelining(struct sink_command *command, struct span value)
{
    static const struct {
        struct span word;
        enum sink_early early;
    } servers[] = {
        {SPAN_INIT(""), SINK_EARLY_OPENSMTPD},
        {SPAN_INIT("opensmtpd"), SINK_EARLY_OPENSMTPD},
        {SPAN_INIT("exim"), SINK_EARLY_EXIM},
        {SPAN_INIT("postfix"), SINK_EARLY_POSTFIX},
    };
    size_t i;

    command->settings.offered &= ~SINK_BIT(PIPELINING);
    for (i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        if (span_equal(servers[i].word, value)) {
            command->settings.early = servers[i].early;
            return true;
        }
    }
    return false;
}

/* The bit of an extension that can be offered or not; 0: it is none. */
static uint32_t extension_bit(struct span keyword)
{
    enum extension extension = extension_find(keyword, NULL);

    return extension == EXTENSION_NONE ? 0 : 1U << extension & SINK_OFFERABLE;
}

static bool take_hide(struct sink_command *command, struct span value)
{
    command->settings.offered &= ~extension_bit(value);
    return extension_bit(value) != 0;
}

static bool take_offer(struct sink_command *command, struct span value)
{
    command->settings.offered |= extension_bit(value);
    return extension_bit(value) != 0;
}

static bool take_maildir(struct sink_command *command, struct span value)
{
    command->maildir_path = value.at;
    return value.size > 0;
}

static bool take_delay(struct sink_command *command, struct span value)
{
    uint64_t delay_ms;

    if (!span_number(value, &delay_ms) || delay_ms > DELAY_MS_MAX)
        return false;
    command->settings.reply_delay_ms = (uint32_t)delay_ms;
    return true;
}

static bool take_reject(struct sink_command *command, struct span value)
{
    size_t equals = span_find(value, '=');
    struct span reply = span_tail(value, equals + 1);
    uint64_t code;

    if (command->settings.verdict_count == REJECTS_MAX || reply.size > SINK_REPLY_BYTES / 2 ||
        !span_number(span_head(reply, 3), &code) || code < 400 || code > 599 ||
        !span_starts(span_tail(reply, 3), SPAN(" ")) || span_find(reply, '\r') < reply.size ||
        span_find(reply, '\n') < reply.size)
        return false;
    command->rejects[command->settings.verdict_count++] =
        (struct sink_verdict){VERB_RCPT, span_head(value, equals), reply};
    return true;
}

static bool take_auth(struct sink_command *command, struct span value)
{
    size_t colon = span_find(value, ':');

    command->settings.auth = SINK_AUTH_ONE;
    command->settings.auth_required = true;
    command->settings.user = span_head(value, colon);
    command->settings.password = span_tail(value, colon + 1);
    return colon < value.size;
}

static bool take_size(struct sink_command *command, struct span value)
{
    return span_number(value, &command->settings.size_bytes);
}

static bool take_max_messages(struct sink_command *command, struct span value)
{
    return span_number(value, &command->messages_max);
}

static bool take_hostname(struct sink_command *command, struct span value)
{
    command->settings.hostname = value;
    return value.size > 0 && value.size < 256 && span_find(value, ' ') == value.size;
}

/* The options in the order of `usage`; each has its function in `takes`. */
static const struct option options[] = {
    {"listen", required_argument, NULL, 0},
    {"no-pipelining", optional_argument, NULL, 0},
    {"hide", required_argument, NULL, 0},
    {"offer", required_argument, NULL, 0},
    {"maildir", required_argument, NULL, 0},
    {"delay", required_argument, NULL, 0},
    {"reject", required_argument, NULL, 0},
    {"auth", required_argument, NULL, 0},
    {"size", required_argument, NULL, 0},
    {"max-messages", required_argument, NULL, 0},
    {"hostname", required_argument, NULL, 0},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool (*const takes[])(struct sink_command *, struct span) = {
    take_listen, take_no_pipelining, take_hide, take_offer,        take_maildir,  take_delay,
    take_reject, take_auth,          take_size, take_max_messages, take_hostname,
};

_Static_assert(sizeof(takes) / sizeof(takes[0]) + 2 == sizeof(options) / sizeof(options[0]),
               "one function per option, but for --help and the end");

/* --- running --- */

static void command_signal(uv_signal_t *handle, int number)
{
    struct sink_command *command = handle->data;

    (void)number;
    sink_server_stop(&command->server);
}

/* Signals do not keep the loop running: it ends with the server. */
static void command_watch(struct sink_command *command)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    size_t i;

    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < 2; i++) {
        uv_signal_init(&command->uv, &command->signals[i]);
        command->signals[i].data = command;
        uv_signal_start(&command->signals[i], command_signal, numbers[i]);
        uv_unref((uv_handle_t *)&command->signals[i]);
    }
}

static int command_listen(struct sink_command *command)
{
    char text[ADDRESS_TEXT_MAX];
    uint32_t i;

    if (command->address_count == 0)
        must(take_listen(command, SPAN("127.0.0.1:2526")));
    for (i = 0; i < command->address_count; i++) {
        int error = sink_server_listen(&command->server, &command->addresses[i]);

        if (error != 0) {
            fprintf(stderr, "lockstep sink: %s: %s\n", address_text(&command->addresses[i], text),
                    uv_strerror(error));
            return error == UV_EACCES ? EX_NOPERM : EX_UNAVAILABLE;
        }
    }
    fputs("lockstep sink: ready, listening on ", stdout);
    for (i = 0; i < command->address_count; i++)
        printf("%s%s", i > 0 ? ", " : "", address_text(&command->addresses[i], text));
    putchar('\n');
    fflush(stdout);
    return 0;
}

static void command_summarise(const struct sink_command *command)
{
    const struct sink_totals *totals = &command->server.totals;

    fprintf(stderr,
            "lockstep sink: %llu sessions, %llu messages, %llu recipients, %llu violations\n",
            (unsigned long long)totals->sessions, (unsigned long long)totals->messages,
            (unsigned long long)totals->recipients, (unsigned long long)totals->violations);
}

/* A descriptor per session: ask for all there may be. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int command_serve(struct sink_command *command)
{
    size_t i;
    int code;

    raise_descriptors();
    must(uv_loop_init(&command->uv) == 0);
    command_watch(command);
    sink_server_init(&command->server, &command->uv, &command->settings,
                     command->maildir_path == NULL ? NULL : &command->maildir);
    command->server.messages_max = command->messages_max;
    code = command_listen(command);
    if (code != 0)
        sink_server_stop(&command->server);
    uv_run(&command->uv, UV_RUN_DEFAULT);
    for (i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&command->signals[i], NULL);
    uv_run(&command->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&command->uv) == 0);
    if (code == 0)
        command_summarise(command);
    return code;
}

static int command_start(struct sink_command *command)
{
    int error;
    int code;

    if (command->maildir_path == NULL)
        return command_serve(command);
    error = maildir_open(&command->maildir, command->maildir_path, command->settings.hostname);
    if (error != 0) {
        fprintf(stderr, "lockstep sink: %s: %s\n", command->maildir_path, strerror(error));
        return EX_CANTCREAT;
    }
    code = command_serve(command);
    maildir_close(&command->maildir);
    return code;
}

int sink_main(int argc, char **argv)
{
    static struct sink_command command;
    int letter;
    int row;

    sink_settings_default(&command.settings);
    command.settings.verdicts = command.rejects;
    while ((letter = getopt_long(argc, argv, "h", options, &row)) != -1) {
        if (letter == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (letter != 0) {
            fputs(usage, stderr);
            return EX_USAGE;
        }
        if (!takes[row](&command, span_of_string(optarg))) {
            fprintf(stderr, "lockstep sink: --%s can't be \"%s\"; see --help\n", options[row].name,
                    optarg == NULL ? "" : optarg);
            return EX_USAGE;
        }
    }
    if (optind == argc)
        return command_start(&command);
    fputs(usage, stderr);
    return EX_USAGE;
}
