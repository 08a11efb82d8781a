/* lockstep oauth: logging in for tokens, and how they are. */
#include <getopt.h> /* optind */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "config_load.h"
#include "lockstep/base/must.h"
#include "lockstep/vault/oauth.h"

#define ERROR_BYTES 1024

struct oauth_options {
    const char *file;
    const char *key_file; /* NULL: as configured */
    enum oauth_way way;
};

/* --- words --- */

/* "12 min": one number is enough to see whether all is well. */
static void print_duration(moment ms)
{
    static const struct {
        moment ms;
        const char *word;
    } units[] = {{86400000, "days"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    size_t i;

    for (i = 0; i < 3 && ms < 2 * units[i].ms; i++)
        ;
    printf("%lld %s", (long long)(ms > 0 ? ms / units[i].ms : 0), units[i].word);
}

static const char *state_word(const struct oauth_status *status)
{
    switch (status->state) {
    case OAUTH_GOOD:
        return status->barred ? "good, and needs a login" : "good";
    case OAUTH_RENEWING:
        if (status->failed != 0)
            return "failing";
        return status->came != 0 ? "due for renewal" : "no token yet";
    case OAUTH_NEEDS_LOGIN:
        break;
    }
    return "needs a login";
}

/* Only what is known. */
static void print_status(const struct oauth_status *status)
{
    struct timespec clock;
    moment now;

    clock_gettime(CLOCK_REALTIME, &clock);
    now = (moment)clock.tv_sec * 1000;
    printf("%s: %s", status->name, state_word(status));
    if (status->came != 0) {
        fputs(", token of ", stdout);
        print_duration(now - status->came);
        fputs(" ago", stdout);
    }
    if (status->ends != 0) {
        fputs(status->ends > now ? ", ends in " : ", ended ", stdout);
        print_duration(status->ends > now ? status->ends - now : now - status->ends);
        fputs(status->ends > now ? "" : " ago", stdout);
    }
    if (status->state == OAUTH_GOOD && status->next != MOMENT_NEVER) {
        fputs(", renewed in ", stdout);
        print_duration(status->next - now);
    }
    if (status->failed != 0) {
        fputs(", failed ", stdout);
        print_duration(now - status->failed);
        fputs(" ago", stdout);
    }
    printf("%s%s\n", *status->error != 0 ? ": " : "", status->error);
}

static void complain(const char *name, const struct text *error)
{
    fprintf(stderr, "lockstep oauth: %s: %.*s\n", name, (int)error->size, error->at);
}

static void show(void *data, const char *text)
{
    (void)data;
    fputs(text, stdout);
    fflush(stdout);
}

/* --- what is done --- */

static int do_status(const struct config *config, const struct config_credential *credential,
                     const struct oauth_options *options, struct text *error)
{
    struct oauth_status status;

    (void)options;
    if (!oauth_status_read(config, credential, &status, error))
        return EX_NOINPUT;
    print_status(&status);
    return status.barred || status.state == OAUTH_NEEDS_LOGIN ? 1 : 0;
}

static int do_refresh(const struct config *config, const struct config_credential *credential,
                      const struct oauth_options *options, struct text *error)
{
    struct oauth_status status;

    (void)options;
    if (!oauth_refresh(config, credential, &status, error))
        return 1;
    print_status(&status);
    return 0;
}

static int do_login(const struct config *config, const struct config_credential *credential,
                    const struct oauth_options *options, struct text *error)
{
    const struct oauth_person person = {.show = show, .input = STDIN_FILENO};
    struct oauth_status status;

    if (!oauth_login(config, credential, options->way, &person, &status, error))
        return 1;
    print_status(&status);
    return 0;
}

static const struct deed {
    const char *word;
    bool all; /* of every credential when none is named */
    int (*run)(const struct config *config, const struct config_credential *credential,
               const struct oauth_options *options, struct text *error);
} deeds[] = {
    {"login", false, do_login},
    {"status", true, do_status},
    {"refresh", false, do_refresh},
};

/* NULL: there is none of that name that is of OAuth. */
static const struct config_credential *find_credential(const struct config *config,
                                                       const char *name)
{
    uint32_t i;

    for (i = 0; i < config->credential_count; i++) {
        if (config->credentials[i].oauth.provider != OAUTH_NONE &&
            span_equal(config->credentials[i].name, span_of_string(name)))
            return &config->credentials[i];
    }
    return NULL;
}

/* The worst code of all counts. */
static int do_one(const struct deed *deed, const struct config *config,
                  const struct config_credential *credential, const struct oauth_options *options,
                  int code)
{
    char memory[ERROR_BYTES];
    char name[OAUTH_NAME_MAX + 1];
    struct text error = text_over(memory, sizeof(memory));
    int more = deed->run(config, credential, options, &error);

    snprintf(name, sizeof(name), "%.*s", (int)credential->name.size, credential->name.at);
    if (error.size > 0)
        complain(name, &error);
    return more > code ? more : code;
}

static int complain_of_name(const char *name)
{
    fprintf(stderr, "lockstep oauth: no credential%s%s with oauth2 is configured\n",
            *name != 0 ? " " : "", name);
    return EX_USAGE;
}

/* Of those named, or of all. */
static int do_all(const struct deed *deed, const struct config *config, char **names,
                  const struct oauth_options *options)
{
    const struct config_credential *credential = NULL;
    bool named = *names != NULL;
    int code = 0;
    uint32_t i;

    for (i = 0; !named && i < config->credential_count; i++) {
        if (config->credentials[i].oauth.provider == OAUTH_NONE)
            continue;
        credential = &config->credentials[i];
        code = do_one(deed, config, credential, options, code);
    }
    for (; *names != NULL; names++) {
        credential = find_credential(config, *names);
        if (credential == NULL)
            return complain_of_name(*names);
        code = do_one(deed, config, credential, options, code);
    }
    return credential != NULL ? code : complain_of_name("");
}

/* --- options --- */

static bool take_config(void *state, const struct option_row *row, char *value)
{
    struct oauth_options *options = state;

    (void)row;
    options->file = value;
    return *value != 0;
}

static bool take_key(void *state, const struct option_row *row, char *value)
{
    struct oauth_options *options = state;

    (void)row;
    options->key_file = value;
    return *value != 0;
}

static bool take_paste(void *state, const struct option_row *row, char *value)
{
    struct oauth_options *options = state;

    (void)row;
    (void)value;
    options->way = OAUTH_WAY_PASTE;
    return true;
}

static bool take_device(void *state, const struct option_row *row, char *value)
{
    struct oauth_options *options = state;

    (void)row;
    (void)value;
    options->way = OAUTH_WAY_DEVICE;
    return true;
}

/* clang-format off */
static const struct option_row rows[] = {
    {'c', "config", "FILE", "the file; default: " CONFIG_FILE_DEFAULT, NULL, take_config},
    {0, "key-file", "FILE", "the store's key, where key_credential is configured: only a service "
     "has that", NULL, take_key},
    {0, "paste", NULL, "login: the browser is elsewhere; paste the address it ends at", NULL,
     take_paste},
    {0, "device", NULL, "login: type a code on another machine", NULL, take_device},
};
/* clang-format on */

static const struct deed *find_deed(const char *word, bool named)
{
    size_t i;

    for (i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        if (strcmp(deeds[i].word, word) == 0)
            return deeds[i].all || named ? &deeds[i] : NULL;
    }
    return NULL;
}

static int oauth_start(int argc, char **argv)
{
    struct oauth_options options = {0};
    int code = options_read(&oauth_command, &options, argc, argv);
    struct config_loaded *loaded;
    const struct deed *deed;

    if (code != OPTIONS_READ)
        return code;
    deed = find_deed(argv[optind], argv[optind + 1] != NULL);
    if (deed == NULL) {
        options_usage(stderr, &oauth_command);
        return EX_USAGE;
    }
    loaded = malloc(sizeof(*loaded));
    must(loaded != NULL);
    code = config_load(loaded, options.file, NULL, 0);
    if (options.key_file != NULL) {
        loaded->config.store.key_file = span_of_string(options.key_file);
        loaded->config.store.key_credential = SPAN("");
    }
    if (code == 0)
        code = do_all(deed, &loaded->config, argv + optind + 1, &options);
    config_loaded_close(loaded);
    free(loaded);
    return code;
}

const struct subcommand oauth_command = {
    .word = "oauth",
    .says = "logs in for OAuth tokens, shows how they are, or renews them",
    .operands = "login NAME|status|refresh NAME...",
    .about = "NAME is a credential of the configuration that has oauth2.\n"
             "login: a person logs in for it, once; `lockstep run` then renews its token by itself "
             "and needs no restart. By the credential's grant the person types a code on another "
             "machine, or opens an address in a browser, which comes back to a port of this "
             "machine; when the browser is on another one, the address it ends at is pasted here.\n"
             "status: one line for each, of what is stored.\n"
             "refresh: renews it now, and so tries whether it works.",
    .after =
        "Exit code: 0; 1 when it failed, or when one needs a login; 64 and above as everywhere.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = oauth_start,
};
