#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"
#include "vault/login.h"
#include "vault/login_file.h"
#include "vault/login_pace.h"

/* The password of all of them is "secret". */
#define SHA512_HASH                                                                              \
    "$6$rounds=1000$saltstring$2BkAo106CG84raQcWpAlhyy6TSSkAsL1nfvBCoezLYyerUzY2l8axTvq6NynEt7S" \
    "QAx3/cdop9ds0po8uaeHq0"

static enum told check(const char *path, const char *user, struct span password)
{
    char memory[256];
    struct text why = text_over(memory, sizeof(memory));
    enum told told = login_file_check(span_of_string(path), span_of_string(user), password, &why);

    cr_assert_eq(told == TOLD_LATER, why.size > 0);
    cr_assert(told != TOLD_LATER || span_starts(text_span(&why), span_of_string(path)));
    return told;
}

/* --- the file --- */

Test(login, knows_the_hashes_of_crypt_and_argon2)
{
    static const char *const hashes[] = {
        SHA512_HASH,
        "$5$rounds=1000$saltstring$AH5PD0i.riCRu4BNDy9v7OPV7u3dfLBApcXI6khquVA",
        "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$y$j75$saltsalt$0gBD67sgmJgRX3RZ6wHHO7sHimQEWGCWN85o4Twogh2",
        "$gy$j75$saltsalt$lKLXtt/QvsyxW9ILYZt1u1hNXyI7ZoBnbdUTsPBwSi5",
        "$7$C6..../....saltsalt$5XJ6DH1K2qGmZ4ZuUi32nOnZOcS7St4BEECudrmQilC",
        "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$ksyymBktxhBPob64O6We0Q",
        "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$912wp6XL94GXOP4Jg7GIoA",
        "$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$3c1QCMoMbo3nN324qRnVSA",
    };
    char text[512];
    size_t i;

    for (i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        const char *path;

        snprintf(text, sizeof(text), "# clients\n\nothers:%s\n tim:%s\r\n", SHA512_HASH, hashes[i]);
        path = folder_text("logins", 0600, text);
        cr_assert_eq(check(path, "tim", SPAN("secret")), TOLD_DONE, "%s", hashes[i]);
        cr_assert_eq(check(path, "tim", SPAN("Secret")), TOLD_NO, "%s", hashes[i]);
        cr_assert_eq(check(path, "tim", SPAN("secret\0")), TOLD_NO, "%s", hashes[i]);
        cr_assert_eq(check(path, "tim", SPAN("")), TOLD_NO, "%s", hashes[i]);
        cr_assert_eq(check(path, "ti", SPAN("secret")), TOLD_NO, "%s", hashes[i]);
        cr_assert_eq(check(path, "timothy", SPAN("secret")), TOLD_NO, "%s", hashes[i]);
        cr_assert_eq(check(path, "", SPAN("secret")), TOLD_NO, "%s", hashes[i]);
        cr_assert_eq(check(path, "# clients", SPAN("secret")), TOLD_NO, "%s", hashes[i]);
    }
}

Test(login, takes_no_hash_for_one_that_is_none)
{
    static const char *const hashes[] = {
        "",
        "secret",
        "{PLAIN}secret",
        "ab01FAX.bQRSU", /* DES looks at eight letters */
        "!" SHA512_HASH,
        "*",
        "$",
        "$6$",
        "$apr1$salt$hash",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
    };
    char text[512];
    size_t i;

    for (i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        const char *path;

        snprintf(text, sizeof(text), "tim:%s\n", hashes[i]);
        path = folder_text("logins", 0600, text);
        cr_assert_neq(check(path, "tim", SPAN("secret")), TOLD_DONE, "%s", hashes[i]);
        cr_assert_neq(check(path, "tim", SPAN("")), TOLD_DONE, "%s", hashes[i]);
        /* Whoever is not in the file is refused, even if those who are can't be checked. */
        cr_assert_eq(check(path, "tom", SPAN("secret")), TOLD_NO, "%s", hashes[i]);
    }
    cr_assert_eq(check(folder_text("logins", 0600, "tim:secret\n"), "tim", SPAN("secret")),
                 TOLD_LATER);
}

Test(login, refuses_a_file_that_others_can_read)
{
    static const char line[] = "tim:" SHA512_HASH;

    cr_assert_eq(check(folder_text("a", 0400, line), "tim", SPAN("secret")), TOLD_DONE);
    cr_assert_eq(check(folder_text("b", 0640, line), "tim", SPAN("secret")), TOLD_LATER);
    cr_assert_eq(check(folder_text("c", 0604, line), "tim", SPAN("secret")), TOLD_LATER);
    cr_assert_eq(check(folder_path("none"), "tim", SPAN("secret")), TOLD_LATER);
    cr_assert_eq(check(folder_text("d", 0600, ""), "tim", SPAN("secret")), TOLD_NO);
}

Test(login, hears_of_a_change_at_once_and_of_the_first_of_two_lines)
{
    const char *path = folder_text("logins", 0600, "tim:" SHA512_HASH "\ntim:$1$a$b\n");

    cr_assert_eq(check(path, "tim", SPAN("secret")), TOLD_DONE);
    folder_text("logins", 0600, "tom:" SHA512_HASH "\n");
    cr_assert_eq(check(path, "tim", SPAN("secret")), TOLD_NO);
    cr_assert_eq(check(path, "tom", SPAN("secret")), TOLD_DONE);
}

static long check_us(const char *path, const char *user)
{
    struct timespec before, after;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    check(path, user, SPAN("wrong"));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    return (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
}

Test(login, takes_as_long_for_a_name_that_does_not_exist)
{
    const char *path = folder_text("logins", 0600,
                                   "tim:$6$rounds=50000$saltstring$00000000000000000000000000000000"
                                   "000000000000000000000000000000000000000000000000000000\n");
    long known = check_us(path, "tim");
    long unknown = check_us(path, "nobody");

    cr_assert(unknown > known / 3 && unknown < known * 3, "%ld us and %ld us", known, unknown);
}

/* --- pace --- */

static uint64_t wait_ms(struct login_pace *pace, const char *client, moment now)
{
    uint64_t wait;

    return login_pace_wait(pace, span_of_string(client), now, &wait) ? wait : UINT64_MAX;
}

static void fail(struct login_pace *pace, const char *client, moment now, int times)
{
    while (times-- > 0)
        login_pace_settle(pace, span_of_string(client), now, false);
}

Test(login, slows_down_the_address_that_fails)
{
    static const uint64_t waits[] = {0,    0,    0,    1000, 2000, 3000,  4000,
                                     5000, 6000, 7000, 8000, 9000, 10000, 10000};
    struct login_pace pace = {0};
    moment now = 1000000;
    size_t i;

    for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        now += 60000;
        cr_assert_eq(wait_ms(&pace, "192.0.2.7", now), waits[i], "failure %zu", i);
        cr_assert_eq(login_pace_settle(&pace, SPAN("192.0.2.7"), now, false), i + 1);
        cr_assert_eq(wait_ms(&pace, "192.0.2.8", now), 0);
    }
    now += LOGIN_PACE_FORGET_MS - 1;
    cr_assert_neq(wait_ms(&pace, "192.0.2.7", now), 0);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", now + 1), 0);
}

Test(login, looks_at_one_after_the_other_of_an_address_that_fails)
{
    struct login_pace pace = {0};

    fail(&pace, "192.0.2.7", 0, 12);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", 0), 10000);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", 0), 20000);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", 0), 30000);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", 0), UINT64_MAX);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", 10000), 30000);
}

Test(login, forgives_one_failure_for_one_success)
{
    struct login_pace pace = {0};

    cr_assert_eq(login_pace_settle(&pace, SPAN("192.0.2.7"), 0, true), 0);
    fail(&pace, "192.0.2.7", 0, 3);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", 0), 1000);
    cr_assert_eq(login_pace_settle(&pace, SPAN("192.0.2.7"), 0, true), 2);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", 0), 0);
    cr_assert_eq(login_pace_settle(&pace, SPAN("192.0.2.7"), 0, true), 1);
    cr_assert_eq(login_pace_settle(&pace, SPAN("192.0.2.7"), 0, true), 0);
    cr_assert_eq(login_pace_settle(&pace, SPAN("192.0.2.7"), 0, true), 0);
}

Test(login, counts_ipv6_by_network)
{
    struct login_pace pace = {0};

    fail(&pace, "2001:db8:0:1::1", 0, 2);
    fail(&pace, "2001:db8:0:1:ffff::2", 0, 1);
    cr_assert_eq(wait_ms(&pace, "2001:db8:0:1:1234::3", 0), 1000);
    cr_assert_eq(wait_ms(&pace, "2001:db8:0:2::1", 0), 0);
    fail(&pace, "::ffff:192.0.2.7", 0, 3);
    cr_assert_eq(wait_ms(&pace, "192.0.2.7", 0), 1000);
    cr_assert_eq(wait_ms(&pace, "192.0.2.8", 0), 0);
}

Test(login, remembers_those_who_failed_last_when_there_are_too_many)
{
    static struct login_pace pace;
    char client[32];
    unsigned i;

    fail(&pace, "192.0.2.1", 0, 3);
    for (i = 0; i < LOGIN_PACE_ADDRESSES; i++) {
        snprintf(client, sizeof(client), "10.0.%u.%u", i >> 8, i & 255);
        fail(&pace, client, 1 + (moment)i, 3);
    }
    cr_assert_eq(wait_ms(&pace, "192.0.2.1", 5000), 0);
    cr_assert_eq(wait_ms(&pace, "10.0.0.0", 5000), 1000);
    cr_assert_eq(wait_ms(&pace, client, 5000), 1000);
}

/* --- on the keeper --- */

struct asked {
    struct errand errand;
    uv_sem_t over;
    enum told told;
};

static void done(struct errand *errand, const struct outcome *outcome)
{
    struct asked *asked = errand->data;

    asked->told = outcome->told;
    uv_sem_post(&asked->over);
}

static void ask(struct login *login, struct asked *asked, struct span file, const char *user,
                const char *password)
{
    const struct login_query query = {
        .file = file,
        .client = SPAN("192.0.2.7"),
        .user = span_of_string(user),
        .password = span_of_string(password),
    };

    *asked = (struct asked){.errand = {.done = done, .data = asked}};
    cr_assert_eq(uv_sem_init(&asked->over, 0), 0);
    login_ask(login, &query, &asked->errand);
}

static enum told hear(struct asked *asked)
{
    uv_sem_wait(&asked->over);
    uv_sem_destroy(&asked->over);
    return asked->told;
}

static void say(void *data, enum vault_weight weight, struct span line)
{
    (void)weight;
    ++*(int *)data;
    cr_assert_eq(span_find_span(line, SPAN("wrongpass")), line.size);
}

/* A clock that stands still: nothing is forgotten. */
static moment now(void *data)
{
    (void)data;
    return 0;
}

Test(login, hashes_beside_the_loop_and_reports_failures)
{
    struct span file = span_of_string(folder_text("logins", 0600, "tim:" SHA512_HASH "\n"));
    int lines = 0;
    const struct vault_user user = {.say = say, .now = now, .data = &lines};
    struct asked asked[20];
    struct keeper keeper;
    struct login *login;
    size_t i;

    cr_assert_eq(keeper_open(&keeper, &user), 0);
    login = login_open(&keeper);
    for (i = 0; i < 20; i++)
        ask(login, &asked[i], file, "tim", "secret");
    for (i = 0; i < 20; i++)
        cr_assert_eq(hear(&asked[i]), TOLD_DONE);
    cr_assert_eq(lines, 0);
    ask(login, &asked[0], file, "tim", "wrongpass");
    cr_assert_eq(hear(&asked[0]), TOLD_NO);
    ask(login, &asked[0], SPAN("/none"), "tim", "wrongpass");
    cr_assert_eq(hear(&asked[0]), TOLD_LATER);
    cr_assert_eq(lines, 2);
    keeper_close(&keeper);
    login_close(&login);
}

Test(login, ends_with_some_slowed_down_some_waiting_and_some_forgotten)
{
    struct span file = span_of_string(folder_text("logins", 0600, "tim:" SHA512_HASH "\n"));
    int lines = 0;
    const struct vault_user user = {.say = say, .now = now, .data = &lines};
    struct asked asked[20];
    struct keeper keeper;
    struct login *login;
    size_t i;

    cr_assert_eq(keeper_open(&keeper, &user), 0);
    login = login_open(&keeper);
    for (i = 0; i < 10; i++)
        ask(login, &asked[i], file, "tim", "wrongpass");
    for (i = 0; i < 10; i++)
        cr_assert_eq(hear(&asked[i]), TOLD_NO);
    for (i = 0; i < 10; i++)
        ask(login, &asked[i], file, "tim", "secret");
    for (i = 0; i < 5; i++)
        login_forget(login, &asked[i].errand);
    keeper_close(&keeper);
    for (i = 0; i < 10; i++) {
        if (i < 5)
            uv_sem_destroy(&asked[i].over);
        else
            cr_assert_eq(hear(&asked[i]), TOLD_LATER, "%zu", i);
    }
    login_close(&login);
}
