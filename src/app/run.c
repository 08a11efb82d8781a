/* lockstep run: the proxy. Options, the setup, signals; everything else is the shell's. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

#include "commands.h"
#include "control.h"
#include "failure.h"
#include "lockstep/base/must.h"
#include "lockstep/net/history.h"
#include "lockstep/net/shell.h"
#include "lockstep/vault/vault.h"
#include "log.h"
#include "overseer.h"
#include "privilege.h"
#include "run.h"
#include "running.h"
#include "sink_server.h"

struct run {
    const struct subcommand *command; /* that was typed */
    uv_loop_t uv;
    uv_signal_t signals[3];
    uv_async_t over; /* the workers have ended */
    struct shell *shell;
    struct history *history;  /* NULL: no session is remembered; goes after the shell too */
    struct vault *vault;      /* closes after the shell, whose sessions ask it */
    struct sink_server *sink; /* NULL: every listener has a relay */
    struct sink_settings sink_settings;
    uint16_t sink_port;
    struct running *started; /* what the threads were made for */
    struct control control;  /* what new sessions begin under */
    const char *file;
    const char *key_log; /* NULL: none is written */
    struct config_flag flags[RUN_FLAGS_MAX];
    size_t flag_count;
    bool sizes;
    bool core_dumps;
    bool draining;
};

/* --- the embedded sink --- */

static int run_start_sink(struct run *run)
{
    struct address address;
    int error;

    run->sink = malloc(sizeof(*run->sink));
    must(run->sink != NULL && address_literal(SPAN("127.0.0.1"), 0, &address));
    sink_settings_default(&run->sink_settings);
    sink_server_init(run->sink, &run->uv, &run->sink_settings, NULL);
    error = sink_server_listen(run->sink, &address);
    run->sink_port = address_port(&address);
    log_say(LOG_WARNING, "no relay is named, so messages are accepted, counted and dropped;"
                         " name one: --upstream smtp://HOST:PORT");
    return error;
}

/* Puts the sink behind listeners that have no relay. 0, or a libuv error. */
static int run_embed(struct run *run, struct config *config)
{
    static char name[8];
    struct text arena = text_over(name, sizeof(name)), ignored = text_over(NULL, 0);
    uint32_t sink = config->relay_count;
    int error = 0;
    uint32_t i;

    for (i = 0; i < config->listener_count && error == 0; i++) {
        if (config->listeners[i].relay != CONFIG_RELAY_NONE)
            continue;
        if (run->sink == NULL)
            error = run_start_sink(run);
        /* Only flags leave the relay out, and then there is none. */
        must(sink < config->relay_count ||
             config_add_part(config, PART_RELAY, SPAN("sink"), &arena, &ignored));
        config->relays[sink].address =
            (struct config_addresses){.count = 1, .rows = {{SPAN("127.0.0.1"), run->sink_port}}};
        config->listeners[i].relay = sink;
        config->listeners[i].relay_name = SPAN("sink");
    }
    return error;
}

/* --- the vault --- */

static void run_vault_says(void *data, enum vault_weight weight, struct span line)
{
    static const enum log_level levels[] = {
        [VAULT_INFO] = LOG_INFO, [VAULT_WARNING] = LOG_WARNING, [VAULT_ERROR] = LOG_ERROR};

    (void)data;
    log_say(levels[weight], "%.*s", (int)line.size, line.at);
}

/* Opens it, or gives it another configuration. False: stderr has the reason. */
static bool run_configure_vault(struct run *run, const struct running *running)
{
    static const struct vault_user user = {.say = run_vault_says};
    char memory[CONFIG_SENTENCE_MAX];
    struct text why = text_over(memory, sizeof(memory));
    bool done;

    if (run->vault == NULL)
        done = (run->vault = vault_open(&running->loaded.config, &user, &why)) != NULL;
    else
        done = vault_reload(run->vault, &running->loaded.config, &why);
    if (!done)
        running_complain(running, text_span(&why));
    return done;
}

/* --- reloading --- */

static bool same_addresses(const struct config_addresses *one, const struct config_addresses *other)
{
    uint32_t i;

    if (one->count != other->count)
        return false;
    for (i = 0; i < one->count; i++)
        if (one->rows[i].port != other->rows[i].port ||
            !span_equal(one->rows[i].host, other->rows[i].host))
            return false;
    return true;
}

static bool same_admin(const struct config_admin *old, const struct config_admin *new)
{
    return span_equal(old->token_file, new->token_file) &&
           same_addresses(&old->listen, &new->listen) && old->sessions == new->sessions &&
           old->session_bytes == new->session_bytes && old->memory_bytes == new->memory_bytes;
}

/* Of what is made once, beside listeners. */
static bool same_frame(const struct config *old, const struct config *new)
{
    return old->workers == new->workers && old->memory_bytes == new->memory_bytes &&
           old->log_format == new->log_format && old->transcripts.files == new->transcripts.files &&
           old->transcripts.session_bytes ==
               new->transcripts.session_bytes &&span_equal(old->transcripts.directory,
                                                           new->transcripts.directory) &&
           same_admin(&old->admin, &new->admin);
}

/* Threads are made once; whoever changes them must hear that nothing happens. */
static void say_what_waits(const struct config *old, const struct config *new)
{
    if (!same_frame(old, new))
        log_say(LOG_WARNING,
                "changes of workers, memory, log, transcripts and admin need a restart");
}

static void say_addresses(const struct shell *shell)
{
    const struct address *addresses;
    uint32_t count = shell_addresses(shell, &addresses);
    char text[ADDRESS_TEXT_MAX];
    uint32_t i;

    for (i = 0; i < count; i++)
        log_say(LOG_INFO, "listening on %s", address_text(&addresses[i], text));
}

static void say_warnings(const struct config *config)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text says = text_over(memory, sizeof(memory));
    size_t i;

    for (i = 0; config_warning(config, i, &says); i++) {
        log_say(LOG_WARNING, "%.*s", (int)says.size, says.at);
        text_clear(&says);
    }
}

/* False: the log has the reason. */
static bool run_use(struct run *run, struct running *next)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text why = text_over(memory, sizeof(memory));

    if (!privilege_suffices(&next->loaded.config, &why)) {
        log_say(LOG_ERROR, "%.*s", (int)why.size, why.at);
        setup_drop(&next->setup);
        return false;
    }
    privilege_warn(&next->loaded.config);
    if (run_embed(run, &next->loaded.config) != 0 || !run_configure_vault(run, next)) {
        setup_drop(&next->setup);
        return false;
    }
    if (control_reload(&run->control, next, &why))
        return true;
    log_say(LOG_ERROR, "%.*s", (int)why.size, why.at);
    run_configure_vault(run, run->control.base);
    return false;
}

static void run_reload(struct run *run)
{
    int code;
    struct running *next =
        running_load(run->file, run->flags, run->flag_count, &run->control.newest->setup, &code);

    if (next == NULL || !run_use(run, next)) {
        log_say(LOG_ERROR, "the configuration was not read again: the old one stays in force");
        return;
    }
    say_what_waits(&run->started->loaded.config, &next->loaded.config);
    say_warnings(&next->loaded.config);
    say_addresses(run->shell);
    log_say(LOG_INFO, "the configuration was read again and is in force for new sessions");
}

/* --- signals --- */

static void run_signal(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;

    if (number == SIGHUP) {
        if (!run->draining)
            run_reload(run);
    } else if (run->draining) {
        log_say(LOG_WARNING, "ending at once");
        _exit(EX_TEMPFAIL);
    } else {
        run->draining = run->control.ending = true;
        log_say(LOG_INFO, "ending: no new sessions, waiting for those that are open");
        overseer_ending();
        shell_drain(run->shell);
    }
}

static void run_wake(uv_async_t *over)
{
    struct run *run = over->data;
    size_t i;

    uv_close((uv_handle_t *)&run->over, NULL);
    for (i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    if (run->sink != NULL)
        sink_server_stop(run->sink);
    overseer_stop();
}

/* From the last worker's thread. */
static void run_over(void *data)
{
    struct run *run = data;

    uv_async_send(&run->over);
}

static void run_watch(struct run *run)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    size_t i;

    signal(SIGPIPE, SIG_IGN);
    must(uv_loop_init(&run->uv) == 0);
    must(uv_async_init(&run->uv, &run->over, run_wake) == 0);
    run->over.data = run;
    for (i = 0; i < 3; i++) {
        uv_signal_init(&run->uv, &run->signals[i]);
        run->signals[i].data = run;
        uv_signal_start(&run->signals[i], run_signal, numbers[i]);
    }
}

/* --- start --- */

/* Every session takes two descriptors; ask for all there may be. */
static void raise_descriptors(const struct config *config)
{
    struct rlimit limit;
    uint64_t wanted = 64;
    uint32_t i;

    for (i = 0; i < config->listener_count; i++)
        wanted += 2ULL * config->listeners[i].sessions;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        log_say(LOG_WARNING, "%llu descriptors would be needed for all sessions, there are %llu",
                (unsigned long long)wanted, (unsigned long long)limit.rlim_cur);
}

static void print_ready(const struct run *run)
{
    const struct address *addresses;
    uint32_t count = shell_addresses(run->shell, &addresses);
    char text[ADDRESS_TEXT_MAX];
    uint32_t i;

    printf("lockstep %s: ready, listening on ", run->command->word);
    for (i = 0; i < count; i++)
        printf("%s%s", i > 0 ? ", " : "", address_text(&addresses[i], text));
    if (run->started->loaded.config.seed != 0)
        printf(", seed %llu", (unsigned long long)run->started->loaded.config.seed);
    putchar('\n');
    fflush(stdout);
}

/* False: stderr has the reason. */
static bool run_oversee(struct run *run)
{
    char memory[CONFIG_SENTENCE_MAX];
    struct text why = text_over(memory, sizeof(memory));

    run->history = history_new(&run->started->loaded.config.admin);
    if (overseer_open(&run->uv, &run->started->loaded.config.admin, run->vault, run->history,
                      &run->control.admin, &why))
        return true;
    running_complain(run->started, text_span(&why));
    return false;
}

/* 0, or an exit code: then stderr has the reason. */
static int run_open(struct run *run)
{
    struct shell_user user = {
        .report = overseer_report,
        .refused = overseer_refused,
        .warn = log_warn,
        .over = run_over,
        .data = run,
    };
    char where[ADDRESS_TEXT_MAX] = "127.0.0.1:0";
    int error = run_embed(run, &run->started->loaded.config);

    if (error == 0) {
        if (!run_configure_vault(run, run->started) || !run_oversee(run))
            return EX_CONFIG;
        user.adviser = vault_adviser(run->vault);
        user.history = run->history;
        run->shell = shell_start(&run->started->setup, &user, &error, where);
        run->control.shell = run->shell;
        overseer_watch(run->shell);
    }
    if (run->shell == NULL)
        return failure_start(run->command->word, where, error);
    print_ready(run);
    return 0;
}

static int run_serve(struct run *run)
{
    int code;

    run_watch(run);
    code = run_open(run);
    if (code != 0)
        run_wake(&run->over);
    uv_run(&run->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&run->uv) == 0);
    free(run->sink);
    overseer_close();
    if (run->shell != NULL)
        shell_close(&run->shell);
    if (run->history != NULL)
        history_free(&run->history);
    if (run->vault != NULL)
        vault_close(&run->vault);
    if (code == 0)
        log_say(LOG_INFO, "ended");
    return code;
}

/* A core would hold the secrets that are in memory, and so would whatever attaches to the process.
 * A core that goes to a program knows no limit, so both are said. */
static void forbid_core_dumps(void)
{
    const struct rlimit none = {0};

    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        fputs("lockstep run: core dumps can't be forbidden\n", stderr);
}

/* Before there is a context, or a second thread. */
static int run_log_keys(const struct run *run)
{
    int error = run->key_log != NULL ? tls_key_log(run->key_log) : 0;

    if (error != 0)
        return failure_start(run->command->word, run->key_log, error);
    return 0;
}

/* 0, or an exit code: then stderr has the reason. */
static int run_privileges(const struct run *run)
{
    const struct config *config = &run->started->loaded.config;
    char memory[CONFIG_SENTENCE_MAX];
    struct text why = text_over(memory, sizeof(memory));

    if (!privilege_suffices(config, &why)) {
        running_complain(run->started, text_span(&why));
        setup_drop(&run->started->setup);
        return EX_NOPERM;
    }
    privilege_drop(config);
    return 0;
}

static int run_start(struct run *run)
{
    int code;

    if (!run->core_dumps)
        forbid_core_dumps();
    code = run_log_keys(run);
    if (code != 0)
        return code;
    run->started = running_load(run->file, run->flags, run->flag_count, NULL, &code);
    if (run->started == NULL)
        return code;
    log_open(run->started->loaded.config.log_format);
    code = run_privileges(run);
    if (code != 0)
        return code;
    control_begin(&run->control, run->started);
    say_warnings(&run->started->loaded.config);
    if (run->key_log != NULL)
        log_say(LOG_WARNING,
                "the keys of all TLS connections are written to %s: who has it can read"
                " whatever they carried",
                run->key_log);
    raise_descriptors(&run->started->loaded.config);
    code = run_serve(run);
    control_end(&run->control);
    setup_drop(&run->started->setup);
    return code;
}

/* --- options --- */

static int print_sizes(void)
{
    struct policy policy;

    policy_default(&policy);
    printf("session %zu bytes, of which engine %zu\nbuffer block %u bytes\n",
           shell_session_size(&policy), engine_size(&policy), BLOCK_SIZE);
    return 0;
}

static bool add_flag(struct run *run, const char *option, const char *path, const char *value)
{
    if (run->flag_count == RUN_FLAGS_MAX)
        return false;
    run->flags[run->flag_count++] = (struct config_flag){option, path, value};
    return true;
}

/* An option that is a word of the configuration. */
static bool take_word(void *state, const struct option_row *row, char *value)
{
    return add_flag(state, row->name, row->word, value);
}

/* "WORD=VALUE", cut in place. */
static bool take_setting(void *state, const struct option_row *row, char *value)
{
    char *equals = strchr(value, '=');

    if (equals == NULL)
        return false;
    *equals = 0;
    return add_flag(state, row->name, value, equals + 1);
}

static bool take_config(void *state, const struct option_row *row, char *value)
{
    struct run *run = state;

    (void)row;
    run->file = value;
    return *value != 0;
}

static bool take_key_log(void *state, const struct option_row *row, char *value)
{
    struct run *run = state;

    (void)row;
    run->key_log = value;
    return *value != 0;
}

static bool take_core_dumps(void *state, const struct option_row *row, char *value)
{
    struct run *run = state;

    (void)row;
    (void)value;
    run->core_dumps = true;
    return true;
}

static bool take_sizes(void *state, const struct option_row *row, char *value)
{
    struct run *run = state;

    (void)row;
    (void)value;
    run->sizes = true;
    return true;
}

int run_with(const struct subcommand *command, const struct config_flag *flags, size_t count)
{
    struct run run = {.command = command};

    must(count <= RUN_FLAGS_MAX);
    memcpy(run.flags, flags, count * sizeof(*flags));
    run.flag_count = count;
    return run_start(&run);
}

/* clang-format off */
static const struct option_row rows[] = {
    {'c', "config", "FILE", "the configuration; default: " CONFIG_FILE_DEFAULT, NULL, take_config},
    {0, "listen", "ADDR:PORT", "where clients are served; may be given again", "listen", take_word},
    {0, "upstream", "URL", "smtp://, starttls:// or smtps://HOST:PORT; again: to be tried next", "address",
     take_word},
    {0, "mode", "repair|observe|fault", "put right what is wrong, change no byte, or do wrong", "mode",
     take_word},
    {0, "fault", "RULE", "a fault, or a profile of faults; may be given again", "faults", take_word},
    {0, "pipelining", "auto|never", "send batches to a relay that offers it, or never",
     "pipelining", take_word},
    {0, "transcripts", "DIR", "write a transcript of each session", "transcripts.directory",
     take_word},
    {0, "workers", "N", "threads; 0: one per core", "workers", take_word},
    {0, "log", "text|json", "how the log is written, to stderr", "log.format", take_word},
    {0, "set", "WORD=VALUE", "any word of the configuration, e.g. limits.rows=4", NULL,
     take_setting},
    {0, "key-log", "FILE", "write the keys of TLS connections, for protocol analysers", NULL,
     take_key_log},
    {0, "core-dumps", NULL, "allow core dumps and debuggers, which show what is in memory", NULL,
     take_core_dumps},
    {0, "sizes", NULL, "print how many bytes a session takes, and end", NULL, take_sizes},
};
/* clang-format on */

static int run_main(int argc, char **argv)
{
    struct run run = {.command = &run_command};
    int code = options_read(&run_command, &run, argc, argv);

    if (code != OPTIONS_READ)
        return code;
    return run.sizes ? print_sizes() : run_start(&run);
}

const struct subcommand run_command = {
    .word = "run",
    .says = "passes SMTP sessions on to a relay and keeps them in step",
    .about = "Passes SMTP sessions on to a relay and keeps them in step. Without a configuration "
             "it listens on 127.0.0.1:2525, in front of a sink of its own that counts messages and "
             "drops them.",
    .after = "SIGTERM and SIGINT let sessions end (421 to idle ones), a second one ends at once "
             "(exit code 75). SIGHUP reads the configuration again; sessions end under the one "
             "they began with. It holds passwords in memory, so no core of it is dumped and no "
             "debugger of its own user may attach, unless --core-dumps allows that.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = run_main,
};
