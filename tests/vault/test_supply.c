#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"
#include "vault/supply.h"
#include "vault/vault_state.h"

/* A vault with a clock of the test's, and what it said. */
static atomic_llong clock_ms = 1000000;
static struct config config;
static struct vault *vault;
static char log_text[8192];
static uv_mutex_t log_lock;

static moment now(void *data)
{
    (void)data;
    return clock_ms;
}

static void say(void *data, enum vault_weight weight, struct span line)
{
    size_t size;

    (void)data;
    (void)weight;
    uv_mutex_lock(&log_lock);
    size = strlen(log_text);
    snprintf(log_text + size, sizeof(log_text) - size, "%.*s\n", (int)line.size, line.at);
    uv_mutex_unlock(&log_lock);
}

static const struct vault_user user = {.say = say, .now = now};

static struct config_credential *credential(const char *name)
{
    struct config_credential *new = &config.credentials[config.credential_count++];

    *new = (struct config_credential){.name = span_of_string(name), .user = SPAN("tom")};
    return new;
}

static void open_vault(void)
{
    char words[512];
    struct text error = text_over(words, sizeof(words));

    uv_mutex_init(&log_lock);
    vault = vault_open(&config, &user, &error);
    cr_assert_not_null(vault, "%.*s", (int)error.size, words);
}

/* --- one who asks and waits --- */

static struct supplied supplied;
static char why[SUPPLY_WORDS_MAX + 1];

struct sleeper {
    struct waiter waiter;
    uv_sem_t woken;
};

static void sleeper_wake(struct waiter *waiter)
{
    uv_sem_post(&((struct sleeper *)waiter)->woken);
}

static struct wanted want(uint32_t number)
{
    return (struct wanted){.credential = &config.credentials[number],
                           .sender = SPAN("a@shop.example"),
                           .host = SPAN("smtp.one.example"),
                           .port = 587};
}

/* Asks until it hears something else than to wait; how often it waited. */
static int ask(const struct wanted *wanted, enum supply *how_r)
{
    struct sleeper sleeper = {.waiter.wake = sleeper_wake};
    int waits = 0;

    uv_sem_init(&sleeper.woken, 0);
    for (;;) {
        struct text words = text_over(why, sizeof(why) - 1);

        memset(why, 0, sizeof(why));
        *how_r = supply_get(vault, wanted, &supplied, &words, &sleeper.waiter);
        if (*how_r != SUPPLY_COMING)
            break;
        uv_sem_wait(&sleeper.woken);
        waits++;
    }
    uv_sem_destroy(&sleeper.woken);
    return waits;
}

/* What is supplied, or NULL, with `why`. */
static const char *got(uint32_t number)
{
    static char bytes[SECRET_BYTES_MAX + 1];
    struct wanted wanted = want(number);
    struct span secret;
    enum supply how;

    ask(&wanted, &how);
    if (how != SUPPLIED)
        return NULL;
    secret = secret_reveal(&supplied.secret);
    memcpy(bytes, secret.at, secret.size);
    bytes[secret.size] = 0;
    return bytes;
}

/* --- the sources --- */

Test(supply, comes_from_every_source, .timeout = 30)
{
    struct config_credential *one = credential("file");

    one->password_file = span_of_string(folder_text("password", 0600, "from file\r\nmore\n"));
    credential("environment")->password_env = SPAN("LOCKSTEP_TEST_PASSWORD");
    credential("command")->password_command = SPAN("  /bin/echo from  command ");
    credential("systemd")->credential = SPAN("login");
    credential("store")->store = SPAN("shop");
    credential("import")->import = span_of_string(
        folder_text("netrc", 0600, "machine smtp.one.example login one password imported"));
    credential("certificate");
    setenv("LOCKSTEP_TEST_PASSWORD", "from environment", 1);
    setenv("CREDENTIALS_DIRECTORY", folder(), 1);
    folder_text("login", 0440, "from systemd\n");
    config.store.directory = span_of_string(folder_path("store"));
    config.store.key_file =
        span_of_string(folder_write("key", 0600, "0123456789abcdef0123456789abcdef", 32));
    {
        struct store_place place = {config.store.directory, config.store.key_file, SPAN("")};
        struct text error = text_over(why, sizeof(why));
        struct store *store = store_open(&place, &error);
        struct secret secret = {0};

        secret_set(&secret, SPAN("from store"));
        cr_assert_eq(store_write(store, SPAN("shop"), STORE_PASSWORD, &secret, &error), STORE_DONE);
        store_close(&store);
    }
    config.credentials[5].user = SPAN("");
    open_vault();
    cr_expect_str_eq(got(0), "from file");
    cr_expect(span_equal(span_of(supplied.user, supplied.user_size), SPAN("tom")));
    cr_expect_str_eq(got(1), "from environment");
    cr_expect_str_eq(got(2), "from command");
    cr_expect_str_eq(got(3), "from systemd");
    cr_expect_str_eq(got(4), "from store");
    cr_expect_str_eq(got(5), "imported");
    cr_expect(span_equal(span_of(supplied.user, supplied.user_size), SPAN("one")));
    cr_expect_str_eq(got(6), "");
    vault_close(&vault);
    cr_expect_str_eq(log_text, "");
}

Test(supply, says_what_is_wrong, .timeout = 30)
{
    static const struct {
        const char *file;
        const char *command;
        const char *says;
    } rows[] = {
        {"readable", "", "can be read or written by others: chmod 600 "},
        {"missing", "", "No such file or directory"},
        {"empty", "", "its secret is empty"},
        {".", "", "is no regular file"},
        {"", "/bin/false", "its command failed with exit code 1"},
        {"", "/bin/true", "its command says nothing"},
        {"", "/no/such/program", "its command can't be run: /no/such/program: no such file"},
        {"", "/usr/bin/head -c 9000 /dev/zero", "its command says more than 8192 bytes"},
    };
    char words[200];
    size_t i;

    folder_text("readable", 0640, "hunter2");
    folder_text("empty", 0600, "\nhunter2");
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config_credential *row = credential("row");

        row->name = span_of(&"abcdefghijkl"[i], 1);
        row->password_command = span_of_string(rows[i].command);
        if (*rows[i].file != 0)
            row->password_file = span_of_string(strdup(folder_path(rows[i].file)));
    }
    credential("environment")->password_env = SPAN("LOCKSTEP_TEST_UNSET");
    open_vault();
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_null(got((uint32_t)i), "row %zu", i);
        snprintf(words, sizeof(words), "credential %c: it can't be used: " ASK_THE_LOG,
                 "abcdefghijkl"[i]);
        cr_expect_str_eq(why, words, "row %zu", i);
        cr_expect_not_null(strstr(log_text, rows[i].says), "row %zu: %s", i, log_text);
    }
    cr_expect_null(got((uint32_t)i));
    cr_expect_not_null(strstr(log_text, "credential environment: its environment variable is not"));
    cr_expect_null(strstr(log_text, "hunter2"));
    vault_close(&vault);
}

Test(supply, tells_only_the_log_what_a_command_complains_of, .timeout = 30)
{
    credential("shop")->password_command = SPAN("/bin/cat /no/such/file");
    open_vault();
    cr_expect_null(got(0));
    cr_expect_not_null(strstr(log_text, "credential shop: its command failed with exit code 1"));
    cr_expect_not_null(strstr(log_text, "credential shop: its command says: /bin/cat: /no/such"));
    vault_close(&vault);
}

Test(supply, gives_commands_nothing_that_other_secrets_come_from, .timeout = 30)
{
    setenv("LOCKSTEP_TEST_PASSWORD", "hunter2", 1);
    setenv("LOCKSTEP_TEST_OTHER", "kept", 1);
    setenv("CREDENTIALS_DIRECTORY", folder(), 1);
    folder_text("login", 0400, "from systemd\n");
    credential("command")->password_command = span_of_string(strdup(
        folder_text("line", 0700,
                    "#!/bin/sh\necho "
                    "\"$LOCKSTEP_TEST_PASSWORD,$CREDENTIALS_DIRECTORY,$LOCKSTEP_TEST_OTHER\"\n")));
    open_vault();
    cr_expect_str_eq(got(0) + strlen("hunter2,") + strlen(folder()), ",kept");
    vault_close(&vault);
    credential("environment")->password_env = SPAN("LOCKSTEP_TEST_PASSWORD");
    credential("systemd")->credential = SPAN("login");
    open_vault();
    cr_expect_str_eq(got(0), ",,kept");
    cr_expect_str_eq(got(1), "hunter2");
    cr_expect_str_eq(got(2), "from systemd");
    vault_close(&vault);
}

Test(supply, reads_a_file_again_when_it_changed, .timeout = 30)
{
    struct wanted wanted = want(0);
    enum supply how;
    uint64_t version;

    credential("file")->password_file =
        span_of_string(strdup(folder_text("password", 0600, "first")));
    open_vault();
    cr_expect_str_eq(got(0), "first");
    version = supplied.version;
    cr_expect_eq(ask(&wanted, &how), 0, "it is in memory");
    clock_ms += 2000;
    cr_expect_eq(ask(&wanted, &how), 1, "it is looked at");
    cr_expect_eq(supplied.version, version, "and is the same");
    folder_text("password", 0600, "second");
    clock_ms += 2000;
    cr_expect_str_eq(got(0), "second");
    cr_expect_neq(supplied.version, version);
    cr_assert_eq(unlink(folder_path("password")), 0);
    clock_ms += 2000;
    cr_expect_null(got(0), "what is gone is not used any more");
    cr_expect_eq(ask(&wanted, &how), 0, "nor looked for at once");
    folder_text("password", 0600, "third");
    clock_ms += SUPPLY_FAILED_MS;
    cr_expect_str_eq(got(0), "third");
    vault_close(&vault);
}

Test(supply, of_a_command_is_kept_for_a_while, .timeout = 30)
{
    char command[512];

    snprintf(command, sizeof(command), "/bin/sh %s",
             folder_text("count", 0600, "echo x >>\"$0.runs\"\nwc -l <\"$0.runs\"\n"));
    credential("command")->password_command = span_of_string(command);
    open_vault();
    cr_expect_str_eq(got(0), "1");
    clock_ms += 299000;
    cr_expect_str_eq(got(0), "1");
    clock_ms += 2000;
    cr_expect_str_eq(got(0), "2");
    vault_close(&vault);
}

Test(supply, of_a_user_with_an_endless_name_is_none, .timeout = 30)
{
    static char name[SUPPLY_USER_MAX + 1];
    struct wanted wanted = want(1);
    enum supply how;

    memset(name, 'n', sizeof(name));
    credential("file")->password_file = span_of_string(strdup(folder_text("one", 0600, "1")));
    credential("import")->import =
        span_of_string(folder_text("netrc", 0600, "machine smtp.one.example password imported"));
    config.credentials[0].user = config.credentials[1].user = span_of(name, sizeof(name));
    open_vault();
    cr_expect_null(got(0));
    clock_ms += SUPPLY_FAILED_MS;
    cr_expect_null(got(0), "nor later, although the file is as it was");
    ask(&wanted, &how);
    cr_expect_eq(how, SUPPLY_NONE);
    cr_expect_str_eq(why, "the name of the credential's user is too long");
    vault_close(&vault);
}

/* --- refusals --- */

Test(supply, brings_a_refused_secret_anew_once, .timeout = 30)
{
    struct wanted wanted = want(0);
    char command[512];
    uint64_t first;

    snprintf(command, sizeof(command), "/bin/sh %s",
             folder_text("count", 0600, "echo x >>\"$0.runs\"\nwc -l <\"$0.runs\"\n"));
    credential("command")->password_command = span_of_string(command);
    open_vault();
    cr_expect_str_eq(got(0), "1");
    first = supplied.version;
    cr_expect_not(supply_refused(vault, &wanted, first, 454), "the relay is busy");
    cr_expect_not(supply_refused(vault, &wanted, first, 534), "the mechanism is too weak");
    cr_expect(supply_refused(vault, &wanted, first, 535));
    cr_expect_str_eq(got(0), "2");
    cr_expect(supply_refused(vault, &wanted, first, 535), "another has come since");
    cr_expect_not(supply_refused(vault, &wanted, supplied.version, 535), "not for a while");
    cr_expect_str_eq(got(0), "2");
    clock_ms += SUPPLY_REFUSED_MS;
    cr_expect(supply_refused(vault, &wanted, supplied.version, 535));
    cr_expect_str_eq(got(0), "3");
    vault_close(&vault);
}

Test(supply, does_not_ask_again_for_the_same_password, .timeout = 30)
{
    struct wanted wanted = want(0);

    credential("file")->password_file = span_of_string(folder_text("password", 0600, "wrong"));
    open_vault();
    cr_expect_str_eq(got(0), "wrong");
    cr_expect(supply_refused(vault, &wanted, supplied.version, 535), "it may have changed");
    cr_expect_str_eq(got(0), "wrong");
    clock_ms += SUPPLY_REFUSED_MS;
    cr_expect_not(supply_refused(vault, &wanted, supplied.version, 535), "it has not");
    vault_close(&vault);
    config.credential_count = 0;
    credential("command")->password_command = SPAN("/bin/echo wrong");
    open_vault();
    cr_expect_str_eq(got(0), "wrong");
    cr_expect(supply_refused(vault, &wanted, supplied.version, 535));
    cr_expect_str_eq(got(0), "wrong");
    clock_ms += SUPPLY_REFUSED_MS;
    cr_expect_not(supply_refused(vault, &wanted, supplied.version, 535), "it said the same");
    vault_close(&vault);
}

/* --- many at once --- */

#define SESSIONS 32

static void session(void *data)
{
    struct sleeper *sleeper = data;
    static struct supplied each[SESSIONS];
    static atomic_int next;
    struct supplied *mine = &each[atomic_fetch_add(&next, 1)];
    struct wanted wanted = want(0);
    struct text nowhere = {0};

    while (supply_get(vault, &wanted, mine, &nowhere, &sleeper->waiter) == SUPPLY_COMING)
        uv_sem_wait(&sleeper->woken);
    cr_expect(span_equal(secret_reveal(&mine->secret), SPAN("1")));
}

Test(supply, is_brought_once_for_all, .timeout = 30)
{
    static struct sleeper sleepers[SESSIONS];
    uv_thread_t threads[SESSIONS];
    char command[512];
    int i;

    snprintf(command, sizeof(command), "/bin/sh %s",
             folder_text("count", 0600, "echo x >>\"$0.runs\"\nsleep 0.2\nwc -l <\"$0.runs\"\n"));
    credential("command")->password_command = span_of_string(command);
    open_vault();
    for (i = 0; i < SESSIONS; i++) {
        sleepers[i].waiter.wake = sleeper_wake;
        uv_sem_init(&sleepers[i].woken, 0);
        cr_assert_eq(uv_thread_create(&threads[i], session, &sleepers[i]), 0);
    }
    for (i = 0; i < SESSIONS; i++)
        uv_thread_join(&threads[i]);
    vault_close(&vault);
}

static void never(struct waiter *waiter)
{
    (void)waiter;
    cr_assert_fail("it was forgotten");
}

Test(supply, forgets_who_does_not_wait_any_more, .timeout = 30)
{
    struct waiter waiter = {.wake = never};
    struct wanted wanted = want(0);
    struct text nowhere = {0};

    credential("command")->password_command = SPAN("/bin/sleep 1000");
    open_vault();
    cr_assert_eq(supply_get(vault, &wanted, &supplied, &nowhere, &waiter), SUPPLY_COMING);
    supply_forget(vault, &waiter);
    supply_forget(vault, &waiter);
    vault_close(&vault); /* which does not wait for the command either */
}

/* --- what a source has by itself --- */

static uv_sem_t offered;

/* On the keeper's thread, while what it was asked for still waits behind it. */
static void offer_unasked(struct job *job)
{
    static const struct secret token = {.size = 5, .bytes = "token"};
    struct item *item = (struct item *)vault->supplies.first;
    struct wanted wanted = want(0);
    struct text nowhere = {0};

    (void)job;
    cr_expect_eq(supply_get(vault, &wanted, &supplied, &nowhere, NULL), SUPPLY_COMING);
    item_offer(item, &(struct offer){.secret = &token});
    cr_expect_eq(supply_get(vault, &wanted, &supplied, &nowhere, NULL), SUPPLIED);
    cr_expect(supply_refused(vault, &wanted, supplied.version, 535));
    cr_expect_eq(supply_get(vault, &wanted, &supplied, &nowhere, NULL), SUPPLY_COMING);
    uv_sem_post(&offered);
}

Test(supply, is_sent_for_once_although_it_came_by_itself, .timeout = 30)
{
    struct job job = {.run = offer_unasked};

    credential("command")->password_command = SPAN("/bin/echo word");
    open_vault();
    uv_sem_init(&offered, 0);
    keeper_post(vault_keeper(vault), &job);
    uv_sem_wait(&offered);
    cr_expect_str_eq(got(0), "word");
    vault_close(&vault);
}

/* --- many entries --- */

Test(supply, runs_what_an_import_says, .timeout = 30)
{
    struct wanted wanted = want(0);
    enum supply how;

    credential("import")->import =
        span_of_string(strdup(folder_text("msmtprc", 0600,
                                          "account a\nhost smtp.one.example\nuser one\n"
                                          "passwordeval echo \"a b\" | tr a-z A-Z\n")));
    config.credentials[0].user = SPAN("");
    open_vault();
    cr_expect_str_eq(got(0), "A B");
    cr_expect(span_equal(span_of(supplied.user, supplied.user_size), SPAN("one")));
    cr_expect_eq(ask(&wanted, &how), 0, "it is in memory");
    wanted.host = SPAN("smtp.two.example");
    wanted.relay = SPAN("two");
    ask(&wanted, &how);
    cr_expect_eq(how, SUPPLY_NONE);
    cr_expect_str_eq(why, "credential import: it has no entry for relay two and sender "
                          "<a@shop.example>");
    folder_text("msmtprc", 0600, "account a\nhost smtp.one.example\nuser two\npassword new\n");
    clock_ms += 2000;
    cr_expect_str_eq(got(0), "new");
    vault_close(&vault);
}

/* A token that still holds needs no endpoint to be asked. */
Test(supply, hands_imported_tokens_to_oauth, .timeout = 30)
{
    char token[512];
    char map[512];

    snprintf(token, sizeof(token),
             "{\"access_token\": \"ya29\", \"refresh_token\": \"r\", \"expiry\": \"%lld\", "
             "\"client_id\": \"c\", \"token_endpoint\": \"https://127.0.0.1:1/token\"}",
             (long long)time(NULL) + 3000);
    snprintf(map, sizeof(map), "smtp.one.example one@one.example:%s\n",
             folder_text("token", 0600, token));
    credential("map")->import = span_of_string(strdup(folder_text("map", 0600, map)));
    credential("file")->import = span_of_string(strdup(folder_path("token")));
    config.credentials[0].user = SPAN("");
    open_vault();
    cr_expect_str_eq(got(0), "ya29", "%s", why);
    cr_expect(supplied.bearer);
    cr_expect(span_equal(span_of(supplied.user, supplied.user_size), SPAN("one@one.example")));
    cr_expect_str_eq(got(1), "ya29", "%s", why);
    cr_expect(span_equal(span_of(supplied.user, supplied.user_size), SPAN("tom")));
    vault_close(&vault);
}

/* --- another configuration --- */

Test(supply, follows_the_newest_configuration, .timeout = 30)
{
    static struct config old;
    char words[512];
    struct text error = text_over(words, sizeof(words));
    struct wanted wanted = want(0);
    enum supply how;
    uint64_t version;

    credential("same")->password_file = span_of_string(strdup(folder_text("one", 0600, "1")));
    credential("other")->password_file = span_of_string(strdup(folder_text("two", 0600, "2")));
    open_vault();
    cr_expect_str_eq(got(1), "2");
    cr_expect_str_eq(got(0), "1");
    version = supplied.version;
    old = config;
    config.credentials[1].password_file = config.credentials[0].password_file;
    cr_assert(vault_reload(vault, &config, &error));
    cr_expect_eq(ask(&wanted, &how), 0, "what is as it was is still in memory");
    cr_expect_eq(supplied.version, version);
    wanted.credential = &old.credentials[0];
    cr_expect_eq(ask(&wanted, &how), 0, "also for an older session");
    cr_expect_eq(how, SUPPLIED);
    wanted.credential = &old.credentials[1];
    ask(&wanted, &how);
    cr_expect_eq(how, SUPPLY_LATER, "its password would be another one's");
    cr_expect_str_eq(got(1), "1");
    config.store.directory = SPAN("/no/such/place");
    config.store.key_file = SPAN("/no/such/key");
    config.credential_count = 0;
    cr_expect_not(vault_reload(vault, &config, &error), "nothing changes");
    cr_expect_str_eq(got(1), "1");
    vault_close(&vault);
}

Test(supply, of_a_credential_that_goes_away_wakes_who_waits, .timeout = 30)
{
    struct sleeper sleeper = {.waiter.wake = sleeper_wake};
    char words[512];
    struct text error = text_over(words, sizeof(words));
    struct wanted wanted = want(0);
    enum supply how;

    uv_sem_init(&sleeper.woken, 0);
    credential("command")->password_command = SPAN("/bin/sleep 1000");
    open_vault();
    how = supply_get(vault, &wanted, &supplied, &error, &sleeper.waiter);
    cr_assert_eq(how, SUPPLY_COMING);
    config.credential_count = 0;
    cr_assert(vault_reload(vault, &config, &error));
    uv_sem_wait(&sleeper.woken);
    how = supply_get(vault, &wanted, &supplied, &error, &sleeper.waiter);
    cr_expect_eq(how, SUPPLY_LATER);
    vault_close(&vault);
}
