#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "lockstep/vault/store.h"

static char words[1024];
static struct text error;

static struct store *open_store(const char *directory, const char *key)
{
    struct store_place place = {.directory = span_of_string(directory),
                                .key_file = span_of_string(key)};

    error = text_over(words, sizeof(words) - 1);
    memset(words, 0, sizeof(words));
    return store_open(&place, &error);
}

static struct store *fresh_store(void)
{
    struct store *store;

    cr_assert(store_make_key(span_of_string(folder_path("key")), &error), "%s", words);
    store = open_store(folder_path("store"), folder_path("key"));
    cr_assert_not_null(store, "%s", words);
    return store;
}

static enum store_result put(struct store *store, const char *name, const char *bytes)
{
    struct secret secret = {0};

    cr_assert(secret_set(&secret, span_of_string(bytes)));
    return store_write(store, span_of_string(name), STORE_PASSWORD, &secret, &error);
}

static bool holds(struct store *store, const char *name, const char *bytes)
{
    struct secret secret = {0};

    return store_read(store, span_of_string(name), &secret, NULL, &error) == STORE_DONE &&
           span_equal(secret_reveal(&secret), span_of_string(bytes));
}

static mode_t mode_of(const char *path)
{
    struct stat stat_of;

    cr_assert_eq(stat(path, &stat_of), 0, "%s", path);
    return stat_of.st_mode & 07777;
}

Test(store, gives_back_what_it_was_given)
{
    struct store *store = fresh_store();
    struct secret longest = {.size = SECRET_BYTES_MAX};
    struct secret secret = {0};
    struct stored stored;

    cr_assert_eq(store_read(store, SPAN("a"), &secret, NULL, &error), STORE_MISSING);
    cr_assert_eq(put(store, "a", "first"), STORE_DONE, "%s", words);
    cr_assert_eq(put(store, "b", ""), STORE_DONE);
    cr_assert(holds(store, "a", "first"));
    cr_assert(holds(store, "b", ""));
    cr_assert_eq(put(store, "a", "second"), STORE_DONE);
    cr_assert_eq(store_read(store, SPAN("a"), &secret, &stored, &error), STORE_DONE);
    cr_assert(span_equal(secret_reveal(&secret), SPAN("second")));
    cr_assert_eq(stored.version, 2U);
    cr_assert_eq(stored.kind, STORE_PASSWORD);
    memset(longest.bytes, 'x', SECRET_BYTES_MAX);
    cr_assert_eq(store_write(store, SPAN("long"), STORE_TOKEN, &longest, &error), STORE_DONE);
    cr_assert_eq(store_read(store, SPAN("long"), &secret, &stored, &error), STORE_DONE);
    cr_assert(span_equal(secret_reveal(&secret), secret_reveal(&longest)));
    cr_assert_eq(stored.kind, STORE_TOKEN);
    store_close(&store);
    store = open_store(folder_path("store"), folder_path("key"));
    cr_assert(holds(store, "a", "second"), "another process reads it too");
    cr_assert_eq(store_remove(store, SPAN("a"), &error), STORE_DONE);
    cr_assert_eq(store_remove(store, SPAN("a"), &error), STORE_MISSING);
    store_close(&store);
}

Test(store, is_for_its_owner_only)
{
    struct store *store = fresh_store();

    cr_assert_eq(put(store, "a", "x"), STORE_DONE);
    store_close(&store);
    cr_expect_eq(mode_of(folder_path("store")), 0700U);
    cr_expect_eq(mode_of(folder_path("store/a")), 0600U);
    cr_expect_eq(mode_of(folder_path("store/.key")), 0600U);
    cr_expect_eq(mode_of(folder_path("store/.lock")), 0600U);
    cr_expect_eq(mode_of(folder_path("key")), 0600U);
    cr_assert_eq(chmod(folder_path("store"), 0750), 0);
    cr_assert_null(open_store(folder_path("store"), folder_path("key")));
    cr_assert_not_null(strstr(words, "chmod 700 "), "%s", words);
    cr_assert_eq(chmod(folder_path("store"), 0700), 0);
    cr_assert_eq(chmod(folder_path("key"), 0640), 0);
    cr_assert_null(open_store(folder_path("store"), folder_path("key")));
    cr_assert_not_null(strstr(words, "chmod 600 "), "%s", words);
}

Test(store, knows_a_wrong_key)
{
    struct store *store = fresh_store();

    cr_assert_eq(put(store, "a", "x"), STORE_DONE);
    store_close(&store);
    cr_assert(store_make_key(span_of_string(folder_path("other")), &error));
    cr_assert_null(open_store(folder_path("store"), folder_path("other")));
    cr_assert_not_null(strstr(words, "is not the key"), "%s", words);
    folder_text("short", 0600, "0123456789");
    cr_assert_null(open_store(folder_path("store"), folder_path("short")));
    cr_assert_not_null(strstr(words, "has 32 bytes, this has 10"), "%s", words);
    cr_assert_not(store_make_key(span_of_string(folder_path("key")), &error), "it is in use");
}

Test(store, notices_every_changed_byte)
{
    struct store *store = fresh_store();
    unsigned char whole[256];
    FILE *file;
    size_t size;
    size_t i;

    cr_assert_eq(put(store, "a", "hunter2"), STORE_DONE);
    file = fopen(folder_path("store/a"), "rb");
    cr_assert_not_null(file);
    size = fread(whole, 1, sizeof(whole), file);
    fclose(file);
    for (i = 0; i < size; i++) {
        whole[i] ^= 1;
        folder_write("store/a", 0600, whole, size);
        whole[i] ^= 1;
        cr_expect_not(holds(store, "a", "hunter2"), "byte %zu", i);
        folder_write("store/a", 0600, whole, i);
        cr_expect_not(holds(store, "a", "hunter2"), "cut to %zu", i);
    }
    folder_write("store/a", 0600, whole, size);
    cr_assert(holds(store, "a", "hunter2"));
    folder_write("store/b", 0600, whole, size);
    cr_assert_not(holds(store, "b", "hunter2"), "under another name");
    store_close(&store);
}

Test(store, is_written_by_one_at_a_time)
{
    struct store *store = fresh_store();
    int lock;

    cr_assert_eq(put(store, "a", "x"), STORE_DONE);
    lock = open(folder_path("store/.lock"), O_RDWR);
    cr_assert_eq(flock(lock, LOCK_EX), 0);
    cr_assert_eq(put(store, "a", "y"), STORE_FAILED);
    cr_assert_not_null(strstr(words, "being written by another process"), "%s", words);
    cr_assert(holds(store, "a", "x"), "reading goes on");
    close(lock);
    cr_assert_eq(put(store, "a", "y"), STORE_DONE);
    store_close(&store);
}

Test(store, takes_names_that_are_no_paths)
{
    static const struct {
        const char *name;
        bool good;
    } rows[] = {
        {"shop", true}, {"a.b-c_d@e+f", true}, {"X9", true},   {"", false},  {".hidden", false},
        {"..", false},  {"a/b", false},        {"a b", false}, {"ä", false}, {"a\n", false},
    };
    struct store *store = fresh_store();
    char longest[STORE_NAME_MAX + 2];
    struct stored *names;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(put(store, rows[i].name, "x") == STORE_DONE, rows[i].good, "%s", rows[i].name);
    memset(longest, 'n', sizeof(longest));
    cr_expect(store_name_valid(span_of(longest, STORE_NAME_MAX)));
    cr_expect_not(store_name_valid(span_of(longest, STORE_NAME_MAX + 1)));
    cr_expect_not(store_name_valid(span_of("a\0b", 3)));
    cr_assert_eq(store_names(store, &names, &error), 3U);
    cr_expect_str_eq(names[0].name, "X9");
    cr_expect_str_eq(names[1].name, "a.b-c_d@e+f");
    cr_expect_str_eq(names[2].name, "shop");
    free(names);
    store_close(&store);
}

Test(store, takes_a_key_of_systemd)
{
    struct store_place place = {.directory = span_of_string(folder_path("store")),
                                .key_credential = SPAN("the-key")};
    struct store *store;

    error = text_over(words, sizeof(words) - 1);
    unsetenv("CREDENTIALS_DIRECTORY");
    cr_assert_null(store_open(&place, &error));
    cr_assert_not_null(strstr(words, "LoadCredential="), "%s", words);
    folder_write("the-key", 0440, "0123456789abcdef0123456789abcdef", 32);
    setenv("CREDENTIALS_DIRECTORY", folder(), 1);
    store = store_open(&place, &error);
    cr_assert_not_null(store, "%s", words);
    cr_assert_eq(put(store, "a", "x"), STORE_DONE);
    cr_assert(holds(store, "a", "x"));
    store_close(&store);
}

/* Another name for a file that says "theirs". */
static const char *put_link(const char *name)
{
    const char *victim = folder_text("victim", 0600, "theirs");

    cr_assert_eq(link(victim, folder_path(name)), 0);
    return victim;
}

Test(store, writes_into_no_file_of_others)
{
    struct store *store = fresh_store();
    const char *victim = put_link("store/.new");
    char bytes[8] = "";
    FILE *file;

    cr_expect_eq(put(store, "one", "secret"), STORE_DONE, "%s", words);
    cr_expect(holds(store, "one", "secret"));
    file = fopen(victim, "r");
    cr_expect_not_null(fgets(bytes, sizeof(bytes), file));
    cr_expect_str_eq(bytes, "theirs");
    fclose(file);
    store_close(&store);
}

Test(store, gives_no_file_of_others_away)
{
    struct store *store;
    struct stat stat_of;
    const char *victim;

    store = fresh_store();
    store_close(&store);
    if (geteuid() != 0)
        cr_skip_test("only root can give files away");
    cr_assert_eq(chown(folder_path("store"), 1234, 1234), 0);
    victim = put_link("store/.lock");
    store = open_store(folder_path("store"), folder_path("key"));
    cr_expect_eq(put(store, "one", "secret"), STORE_FAILED);
    cr_assert_eq(stat(victim, &stat_of), 0);
    cr_expect_eq(stat_of.st_uid, 0);
    store_close(&store);
}
