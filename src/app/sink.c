/* lockstep sink: a strict relay to test against. Options, the ready line, the summary. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "commands.h"
#include "failure.h"
#include "lockstep/base/must.h"
#include "sink_server.h"

#define LISTEN_DEFAULT "127.0.0.1:2526"
#define REJECTS_MAX 64U
#define DELAY_MS_MAX 3600000U

struct sink_run {
    struct sink_settings settings;
    const struct sink_personality *personality; /* NULL: the strict one */
    const struct sink_personality *manners;     /* NULL: those of the personality */
    bool mannered;                              /* by --no-pipelining */
    bool list;
    bool sized;
    uint64_t size_bytes;
    uint32_t hidden, shown; /* extensions */
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
static bool take_listen(struct sink_run *command, struct span value)
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

static bool take_personality(struct sink_run *command, struct span value)
{
    command->personality = sink_personality_find(value);
    return command->personality != NULL;
}

static bool take_list(struct sink_run *command, struct span value)
{
    (void)value;
    command->list = true;
    return true;
}

/* Without a name these are the manners of the personality, or the strictest there are. */
static bool take_no_pipelining(struct sink_run *command, struct span value)
{
    static const struct span servers[] = {SPAN_INIT("opensmtpd"), SPAN_INIT("exim"),
                                          SPAN_INIT("postfix"), SPAN_INIT("sendmail")};
    size_t i;

    command->hidden |= SINK_BIT(PIPELINING);
    command->mannered = true;
    for (i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        if (span_equal(servers[i], value))
            command->manners = sink_personality_find(value);
    }
    return value.size == 0 || command->manners != NULL;
}

/* The bit of an extension that can be offered or not; 0: it is none. */
static uint32_t extension_bit(struct span keyword)
{
    enum extension extension = extension_find(keyword, NULL);

    return extension == EXTENSION_NONE ? 0 : 1U << extension & SINK_OFFERABLE;
}

static bool take_hide(struct sink_run *command, struct span value)
{
    command->hidden |= extension_bit(value);
    return extension_bit(value) != 0;
}

static bool take_offer(struct sink_run *command, struct span value)
{
    command->shown |= extension_bit(value);
    return extension_bit(value) != 0;
}

static bool take_maildir(struct sink_run *command, struct span value)
{
    command->maildir_path = value.at;
    return value.size > 0;
}

static bool take_delay(struct sink_run *command, struct span value)
{
    uint64_t delay_ms;

    if (!span_number(value, &delay_ms) || delay_ms > DELAY_MS_MAX)
        return false;
    command->settings.reply_delay_ms = (uint32_t)delay_ms;
    return true;
}

static bool refusal_good(struct span reply)
{
    uint64_t code;

    return reply.size <= SINK_REPLY_BYTES / 2 && span_number(span_head(reply, 3), &code) &&
           code >= 400 && code <= 599 && span_starts(span_tail(reply, 3), SPAN(" ")) &&
           span_find(reply, '\r') == reply.size && span_find(reply, '\n') == reply.size;
}

static bool take_reject(struct sink_run *command, struct span value)
{
    size_t equals = span_find(value, '=');
    struct span reply = span_tail(value, equals + 1);

    if (command->settings.verdict_count == REJECTS_MAX || value.size == 0 ||
        (equals < value.size && !refusal_good(reply)))
        return false;
    command->rejects[command->settings.verdict_count++] =
        (struct sink_verdict){VERB_RCPT, span_head(value, equals), reply};
    return true;
}

static bool take_auth(struct sink_run *command, struct span value)
{
    size_t colon = span_find(value, ':');

    command->settings.auth = SINK_AUTH_ONE;
    command->settings.auth_required = true;
    command->settings.user = span_head(value, colon);
    command->settings.password = span_tail(value, colon + 1);
    return colon < value.size;
}

static bool take_size(struct sink_run *command, struct span value)
{
    command->sized = true;
    return span_number(value, &command->size_bytes);
}

static bool take_max_messages(struct sink_run *command, struct span value)
{
    return span_number(value, &command->messages_max);
}

static bool take_hostname(struct sink_run *command, struct span value)
{
    command->settings.hostname = value;
    return value.size > 0 && value.size < 256 && span_find(value, ' ') == value.size;
}

/* Below the table: it looks up which of the functions above is the row's. */
static bool take_option(void *state, const struct option_row *row, char *value);

/* clang-format off */
static const struct option_row rows[] = {
    {0, "listen", "ADDR:PORT", "where clients are served; may be given again; default: "
     LISTEN_DEFAULT ", port 0 takes any free one", NULL, take_option},
    {0, "personality", "PERSONALITY", "talk like a known server, to the letter, and follow its order "
     "of commands: strict, postfix, exim, sendmail, opensmtpd, haraka, qmail, exchange, hmailserver "
     "or msmail", NULL, take_option},
    {0, "list", NULL, "say what each personality is known for, and end", NULL, take_option},
    {0, "no-pipelining", "[opensmtpd|exim|postfix|sendmail]", "hide PIPELINING, and answer bytes "
     "that come too early as that server does; default: as the personality does, and without one "
     "as opensmtpd does", NULL, take_option},
    {0, "hide", "KEYWORD", "do not offer this extension", NULL, take_option},
    {0, "offer", "KEYWORD", "offer this one too: DELIVERBY, MT-PRIORITY", NULL, take_option},
    {0, "maildir", "DIR", "store what is accepted there", NULL, take_option},
    {0, "delay", "MS", "answer that much later, up to an hour", NULL, take_option},
    {0, "reject", "PATTERN[=REPLY]", "refuse such recipients, e.g. '*@old.example=550 5.1.1 Gone', "
     "or in the personality's own words", NULL, take_option},
    {0, "auth", "USER:PASSWORD", "offer AUTH and require it; for tests: the password is visible in "
     "the list of processes", NULL, take_option},
    {0, "size", "BYTES", "the longest message", NULL, take_option},
    {0, "max-messages", "N", "end after that many were accepted and all sessions have ended", NULL,
     take_option},
    {0, "hostname", "NAME", "what it calls itself", NULL, take_option},
};
/* clang-format on */

static bool (*const takes[])(struct sink_run *, struct span) = {
    take_listen, take_personality,  take_list,     take_no_pipelining, take_hide,
    take_offer,  take_maildir,      take_delay,    take_reject,        take_auth,
    take_size,   take_max_messages, take_hostname,
};

_Static_assert(sizeof(takes) / sizeof(takes[0]) == sizeof(rows) / sizeof(rows[0]),
               "one function per option, in the same order");

static bool take_option(void *state, const struct option_row *row, char *value)
{
    return takes[row - rows](state, span_of_string(value));
}

/* --- running --- */

static void command_signal(uv_signal_t *handle, int number)
{
    struct sink_run *command = handle->data;

    (void)number;
    sink_server_stop(&command->server);
}

/* Signals do not keep the loop running: it ends with the server. */
static void command_watch(struct sink_run *command)
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

static int command_listen(struct sink_run *command)
{
    char text[ADDRESS_TEXT_MAX];
    uint32_t i;

    if (command->address_count == 0)
        must(take_listen(command, SPAN(LISTEN_DEFAULT)));
    for (i = 0; i < command->address_count; i++) {
        int error = sink_server_listen(&command->server, &command->addresses[i]);

        if (error != 0)
            return failure_start(sink_command.word, address_text(&command->addresses[i], text),
                                 error);
    }
    fputs("lockstep sink: ready, listening on ", stdout);
    for (i = 0; i < command->address_count; i++)
        printf("%s%s", i > 0 ? ", " : "", address_text(&command->addresses[i], text));
    putchar('\n');
    fflush(stdout);
    return 0;
}

static void command_summarise(const struct sink_run *command)
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

static int command_serve(struct sink_run *command)
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

/* What the personality brings, and what was said otherwise, in whatever order. */
static void command_settle(struct sink_run *command)
{
    struct sink_settings *settings = &command->settings;

    if (command->personality != NULL)
        sink_settings_take(settings, command->personality);
    if (command->mannered && command->manners == NULL && command->personality == NULL)
        command->manners = sink_personality_find(SPAN("opensmtpd"));
    if (command->manners != NULL)
        settings->manners = command->manners;
    settings->offered = (settings->offered | command->shown) & ~command->hidden;
    if (command->sized)
        settings->size_bytes = command->size_bytes;
}

static int command_list(void)
{
    const struct sink_personality *row;
    size_t i;

    for (i = 0; (row = sink_personality_row(i)) != NULL; i++)
        printf("%-12s %s\n", sink_personality_name(row).at, sink_personality_says(row).at);
    return 0;
}

static int command_start(struct sink_run *command)
{
    int error;
    int code;

    if (command->list)
        return command_list();
    command_settle(command);
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

static int sink_main(int argc, char **argv)
{
    static struct sink_run command;
    int code;

    sink_settings_default(&command.settings);
    command.settings.verdicts = command.rejects;
    code = options_read(&sink_command, &command, argc, argv);
    return code == OPTIONS_READ ? command_start(&command) : code;
}

const struct subcommand sink_command = {
    .word = "sink",
    .says = "a strict relay to test against, which can store what it accepts",
    .about = "A strict SMTP server to test against. Without --maildir it counts messages and drops "
             "them.",
    .after = "SIGTERM and SIGINT end it; a line on stderr says what came in.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = sink_main,
};
