/* lockstep secret: puts secrets into the store, and says which are there. */
#include <errno.h>
#include <getopt.h> /* optind */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "config_load.h"
#include "lockstep/base/must.h"
#include "lockstep/vault/import.h"
#include "lockstep/vault/store.h"

#define WORDS_MAX 1024U

struct secret_options {
    const char *file;
    struct store_place place; /* instead of the configuration's */
    bool create_key;
    const char *name; /* of what is imported */
    enum config_format format;
};

/* --- a secret that is typed, or comes from a pipe --- */

static struct span without_end(struct span line, struct span end)
{
    return span_ends(line, end) ? span_head(line, line.size - end.size) : line;
}

/* One line, or one without its end: a secret with more in it was meant for something else. */
static int read_line(struct secret *secret_r)
{
    char bytes[SECRET_BYTES_MAX + 2];
    struct span line;
    size_t size = 0;
    ssize_t count;
    int code = 0;

    do {
        count = read(STDIN_FILENO, bytes + size, sizeof(bytes) - size);
        size += count > 0 ? (size_t)count : 0;
    } while ((count < 0 && errno == EINTR) || (count > 0 && size < sizeof(bytes) &&
                                               !(isatty(STDIN_FILENO) && bytes[size - 1] == '\n')));
    line = span_of(bytes, size);
    line = without_end(without_end(line, SPAN("\n")), SPAN("\r"));
    if (count < 0 || line.size == 0)
        fputs("lockstep secret: nothing was typed\n", stderr);
    else if (span_find(line, '\n') < line.size || span_find(line, 0) < line.size)
        fputs("lockstep secret: a secret is one line\n", stderr);
    else if (!secret_set(secret_r, line))
        fprintf(stderr, "lockstep secret: a secret has at most %u bytes\n", SECRET_BYTES_MAX);
    if (secret_r->size == 0)
        code = EX_DATAERR;
    secret_wipe(bytes, sizeof(bytes));
    return code;
}

/* Without echo, where there is a terminal. */
static int read_secret(const char *name, struct secret *secret_r)
{
    struct termios before;
    struct termios silent;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    int code;

    if (terminal) {
        fprintf(stderr, "secret for %s, which is not shown: ", name);
        silent = before;
        silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    code = read_line(secret_r);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    return code;
}

/* --- what can be done --- */

static int complain(int code, const struct text *error)
{
    fprintf(stderr, "lockstep secret: %.*s\n", (int)error->size, error->at);
    return code;
}

static int do_set(struct store *store, const char *name, const struct secret_options *options)
{
    char memory[WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct secret secret = {0};
    int code;

    (void)options;
    if (!store_name_valid(span_of_string(name))) {
        fprintf(stderr,
                "lockstep secret: the name of a secret is up to %u letters, digits and -_.@+\n",
                STORE_NAME_MAX);
        return EX_USAGE;
    }
    code = read_secret(name, &secret);
    if (code == 0 &&
        store_write(store, span_of_string(name), STORE_PASSWORD, &secret, &error) != STORE_DONE)
        code = complain(EX_IOERR, &error);
    secret_clear(&secret);
    return code;
}

static int do_remove(struct store *store, const char *name, const struct secret_options *options)
{
    char memory[WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));

    (void)options;
    switch (store_remove(store, span_of_string(name), &error)) {
    case STORE_DONE:
        return 0;
    case STORE_MISSING:
        return complain(EX_NOINPUT, &error);
    case STORE_FAILED:
        break;
    }
    return complain(EX_IOERR, &error);
}

static void print_age(int64_t written_s)
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } rows[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    int64_t age = (int64_t)time(NULL) - written_s;
    size_t i = 0;

    while (i < sizeof(rows) / sizeof(rows[0]) - 1 && age < 2 * rows[i].seconds)
        i++;
    age = age < 0 ? 0 : age / rows[i].seconds;
    printf("%lld %s%s", (long long)age, rows[i].unit, age == 1 ? "" : "s");
}

/* Each is read, so that a damaged one shows. */
static int do_list(struct store *store, const char *name, const struct secret_options *options)
{
    static const char *const kinds[] = {[STORE_PASSWORD] = "password", [STORE_TOKEN] = "token"};
    char memory[WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct stored *rows;
    size_t count = store_names(store, &rows, &error);
    struct secret secret = {0};
    int code = 0;
    size_t i;

    (void)name;
    (void)options;
    if (count == SIZE_MAX)
        return complain(EX_IOERR, &error);
    for (i = 0; i < count; i++) {
        struct stored *row = &rows[i];

        text_clear(&error);
        if (store_read(store, span_of_string(row->name), &secret, row, &error) != STORE_DONE) {
            code = complain(EX_DATAERR, &error);
            continue;
        }
        printf("%-24s %-8s ", row->name, kinds[row->kind]);
        print_age(row->written_s);
        putchar('\n');
    }
    secret_clear(&secret);
    free(rows);
    return code;
}

/* --- import --- */

/* By the user's name, for that is what a person looks for; bytes no name may have are exchanged. */
static void name_entry(const struct import_entry *entry, const char *given, struct text *name)
{
    struct span from = entry->user.size > 0 ? entry->user : entry->name;
    size_t i;

    text_add(name, given != NULL ? span_of_string(given) : from);
    for (i = 0; given == NULL && i < name->size; i++)
        if (!store_name_valid(span_of(&name->at[i], 1)) && (i == 0 || name->at[i] != '.'))
            name->at[i] = '_';
}

/* Does an entry before it have the same name and another secret? */
static bool name_is_taken(const struct import *import, size_t number, struct span name)
{
    char memory[STORE_NAME_MAX];
    size_t i;

    for (i = 0; i < number; i++) {
        const struct import_entry *entry = &import->entries[i];
        struct text other = text_over(memory, sizeof(memory));

        name_entry(entry, NULL, &other);
        if (entry->kind != IMPORT_COMMAND && span_equal(text_span(&other), name) &&
            !span_equal(entry->secret, import->entries[number].secret))
            return true;
    }
    return false;
}

/* 0: it is in the store; what to write into the configuration was printed. */
static int import_one(struct store *store, const struct import *import, size_t number,
                      const char *given)
{
    const struct import_entry *entry = &import->entries[number];
    bool token = entry->kind == IMPORT_TOKEN;
    char memory[WORDS_MAX];
    char name_memory[STORE_NAME_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct text name = text_over(name_memory, sizeof(name_memory));
    struct secret secret = {0};
    int code = 0;

    name_entry(entry, given, &name);
    if (entry->kind == IMPORT_COMMAND || entry->secret.size == 0) {
        fprintf(stderr, "lockstep secret: %.*s has %s: it is left out\n", (int)entry->name.size,
                entry->name.at, entry->secret.size == 0 ? "no password" : "a command, no password");
        return EX_DATAERR;
    }
    if (given == NULL && name_is_taken(import, number, text_span(&name))) {
        text_add_byte(&name, '.');
        text_add_number(&name, number + 1);
    }
    if (!secret_set(&secret, entry->secret) ||
        store_write(store, text_span(&name), token ? STORE_TOKEN : STORE_PASSWORD, &secret,
                    &error) != STORE_DONE)
        code = complain(EX_IOERR, &error);
    else if (token)
        printf("%.*s: {user: \"%.*s\", oauth2: {provider: generic}}\n", (int)name.size, name.at,
               (int)entry->user.size, entry->user.at);
    else
        printf("%.*s: {user: \"%.*s\", store: %.*s}\n", (int)name.size, name.at,
               (int)entry->user.size, entry->user.at, (int)name.size, name.at);
    secret_clear(&secret);
    return code;
}

static int do_import(struct store *store, const char *file, const struct secret_options *options)
{
    char memory[WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct import *import = import_open(span_of_string(file), options->format, NULL, &error);
    int code = 0;
    size_t i;

    if (import == NULL)
        return complain(EX_NOINPUT, &error);
    if (options->name != NULL && import->count != 1) {
        fprintf(stderr, "lockstep secret: --name is for a file of one entry, %s has %zu\n", file,
                import->count);
        import_close(&import);
        return EX_USAGE;
    }
    for (i = 0; i < import->count; i++) {
        int one = import_one(store, import, i, options->name);

        code = one > code ? one : code;
    }
    import_close(&import);
    return code;
}

/* --- the store --- */

/* Where it is: by options, or by the configuration, which lives as long as the place. */
static int find_place(const struct secret_options *options, struct config_loaded *loaded,
                      struct store_place *place_r)
{
    int code = 0;

    *place_r = options->place;
    if (place_r->directory.size == 0) {
        code = config_load(loaded, options->file, NULL, 0);
        *place_r =
            (struct store_place){loaded->config.store.directory, loaded->config.store.key_file,
                                 loaded->config.store.key_credential};
    }
    if (code == 0 && place_r->directory.size == 0) {
        fputs("lockstep secret: no store is configured: write `store: {directory: DIR, key_file: "
              "FILE}`, or name them: --directory DIR --key-file FILE\n",
              stderr);
        code = EX_CONFIG;
    } else if (code == 0 && place_r->key_file.size + place_r->key_credential.size == 0) {
        fputs("lockstep secret: --directory wants --key-file FILE beside it\n", stderr);
        code = EX_USAGE;
    }
    return code;
}

/* A key that is there is never touched. */
static int make_key(struct span path)
{
    char memory[WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    char name[WORDS_MAX];

    snprintf(name, sizeof(name), "%.*s", (int)path.size, path.at);
    if (path.size == 0 || access(name, F_OK) == 0)
        return 0;
    if (!store_make_key(path, &error))
        return complain(EX_CANTCREAT, &error);
    fprintf(stderr,
            "lockstep secret: %s is a new key: without it nothing in the store can be "
            "read, so keep a copy of it elsewhere\n",
            name);
    return 0;
}

/* What can be done, for each name or file behind its word. */
struct deed {
    const char *word;
    int least; /* operands */
    int most;
    int (*run)(struct store *store, const char *operand, const struct secret_options *options);
};

/* Once for each operand, and once when there is none; the worst exit code. */
static int do_all(const struct deed *deed, struct store *store, char **operands,
                  const struct secret_options *options)
{
    int worst = 0;

    do {
        int code = deed->run(store, *operands, options);

        worst = code > worst ? code : worst;
    } while (*operands != NULL && *++operands != NULL);
    return worst;
}

static int with_store(const struct deed *deed, char **operands,
                      const struct secret_options *options)
{
    struct config_loaded *loaded = calloc(1, sizeof(*loaded));
    char memory[WORDS_MAX];
    struct text error = text_over(memory, sizeof(memory));
    struct store_place place;
    struct store *store;
    int code;

    must(loaded != NULL);
    code = find_place(options, loaded, &place);
    if (code == 0 && options->create_key)
        code = make_key(place.key_file);
    if (code == 0) {
        store = store_open(&place, &error);
        code =
            store != NULL ? do_all(deed, store, operands, options) : complain(EX_CANTCREAT, &error);
        store_close(&store);
    }
    config_loaded_close(loaded);
    free(loaded);
    return code;
}

/* --- options --- */

static bool take_config(void *state, const struct option_row *row, char *value)
{
    struct secret_options *options = state;

    (void)row;
    options->file = value;
    return *value != 0;
}

static bool take_directory(void *state, const struct option_row *row, char *value)
{
    struct secret_options *options = state;

    (void)row;
    options->place.directory = span_of_string(value);
    return *value != 0;
}

static bool take_key_file(void *state, const struct option_row *row, char *value)
{
    struct secret_options *options = state;

    (void)row;
    options->place.key_file = span_of_string(value);
    return *value != 0;
}

static bool take_create_key(void *state, const struct option_row *row, char *value)
{
    struct secret_options *options = state;

    (void)row;
    (void)value;
    options->create_key = true;
    return true;
}

static bool take_name(void *state, const struct option_row *row, char *value)
{
    struct secret_options *options = state;

    (void)row;
    options->name = value;
    return store_name_valid(span_of_string(value));
}

static bool take_format(void *state, const struct option_row *row, char *value)
{
    static const char *const formats[] = {
        [FORMAT_AUTO] = "auto",   [FORMAT_POSTFIX] = "postfix", [FORMAT_MSMTP] = "msmtp",
        [FORMAT_NETRC] = "netrc", [FORMAT_TOKEN] = "token",
    };
    struct secret_options *options = state;
    size_t i;

    (void)row;
    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        options->format = (enum config_format)i;
        if (strcmp(value, formats[i]) == 0)
            return true;
    }
    return false;
}

/* clang-format off */
static const struct option_row rows[] = {
    {'c', "config", "FILE", "whose store it is; default: " CONFIG_FILE_DEFAULT, NULL, take_config},
    {0, "directory", "DIR", "the store, without a configuration", NULL, take_directory},
    {0, "key-file", "FILE", "its key, beside --directory", NULL, take_key_file},
    {0, "create-key", NULL, "make the key file where there is none yet", NULL, take_create_key},
    {0, "name", "NAME", "import: what its only entry is to be called", NULL, take_name},
    {0, "format", "auto|postfix|msmtp|netrc|token", "import: how the file is written", NULL,
     take_format},
};
/* clang-format on */

static const struct deed deeds[] = {
    {"set", 1, 1, do_set},
    {"list", 0, 0, do_list},
    {"remove", 1, INT_MAX, do_remove},
    {"import", 1, INT_MAX, do_import},
};

static int secret_start(int argc, char **argv)
{
    struct secret_options options = {0};
    int code = options_read(&secret_command, &options, argc, argv);
    size_t i;

    if (code != OPTIONS_READ)
        return code;
    for (i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        int count = argc - optind - 1;

        if (strcmp(argv[optind], deeds[i].word) == 0 && count >= deeds[i].least &&
            count <= deeds[i].most)
            return with_store(&deeds[i], argv + optind + 1, &options);
    }
    /* What was typed may be a secret, so it is not repeated. */
    fprintf(stderr,
            "lockstep secret: write %s; a secret is read from the terminal or from "
            "standard input, never from the command line\n",
            secret_command.operands);
    return EX_USAGE;
}

const struct subcommand secret_command = {
    .word = "secret",
    .says = "keeps passwords in the store, encrypted",
    .operands = "set NAME|list|remove NAME...|import FILE...",
    .about = "Keeps secrets in the store of the configuration, from which credentials take them by "
             "`store: NAME`. A running lockstep notices what changes there.\n"
             "set: reads a secret, without showing it, or from standard input.\n"
             "list: names, kinds and ages, never a secret.\n"
             "remove: forgets one.\n"
             "import: takes all entries of other programs' files, and prints for each what belongs "
             "into `credentials` of the configuration. It reads Postfix's smtp_sasl_password_maps, "
             "msmtprc, .netrc and the token file of sasl-xoauth2.",
    .after = "The store is a directory of encrypted files (AES-256-GCM), one for each secret. Its "
             "key is a file of 32 bytes, or a credential of systemd: `systemd-creds encrypt` can "
             "seal that to the TPM, so that a copied disk gives nothing away. Neither may be "
             "readable for others. What root writes there belongs to whom the directory belongs "
             "to.\n"
             "Exit code: 0; 64 for a wrong command line, 65 for a secret that is none or is "
             "damaged, 66 when there is no such secret or file, 73 when the store can't be opened, "
             "74 when it can't be written, 78 when none is configured.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .start = secret_start,
};
