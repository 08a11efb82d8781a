#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scripted.h"
#include "vault/pop.h"

/* What came of an errand; the semaphore is posted when it came. */
struct heard {
    struct errand errand;
    uv_sem_t came;
    enum told told;
    char words[500];
};

struct place {
    struct keeper keeper;
    struct vault_user user;
    struct pop *pop;
    struct scripted *server;
    char *certificate;
    char url[100];
    _Atomic moment now;
    char log[4096]; /* the keeper's thread writes before it tells */
};

static moment place_now(void *data)
{
    struct place *place = data;

    return place->now;
}

static void place_say(void *data, enum vault_weight weight, struct span line)
{
    struct place *place = data;
    struct text log = text_over(place->log, sizeof(place->log) - 1);

    (void)weight;
    log.size = strlen(place->log);
    text_add(&log, line);
}

static void hear(struct errand *errand, const struct outcome *outcome)
{
    struct heard *heard = errand->data;

    heard->told = outcome->told;
    if (outcome->words.size > 0)
        memcpy(heard->words, outcome->words.at, outcome->words.size);
    uv_sem_post(&heard->came);
}

/* The system is made to trust the server's certificate, when it has one. */
static struct place *place_open(const char *scheme, struct scripted_script script, bool trusted)
{
    struct place *place = calloc(1, sizeof(*place));
    uint16_t port;

    cr_assert_not_null(place);
    place->certificate = scripted_certificate(5);
    if (trusted)
        setenv("SSL_CERT_FILE", place->certificate, 1);
    if (strcmp(scheme, "pop3+clear") != 0)
        script.certificate = place->certificate;
    script.secure_at = strcmp(scheme, "pop3") == 0 ? "STLS\r\n" : NULL;
    place->user = (struct vault_user){.say = place_say, .now = place_now, .data = place};
    cr_assert_eq(keeper_open(&place->keeper, &place->user), 0);
    place->pop = pop_open(&place->keeper);
    place->server = scripted_start(&script, &port);
    snprintf(place->url, sizeof(place->url), "%s://127.0.0.1:%u", scheme, port);
    return place;
}

static void place_close(struct place *place)
{
    keeper_close(&place->keeper);
    pop_close(&place->pop);
    scripted_free(&place->server);
    unlink(place->certificate);
    free(place->certificate);
    free(place);
}

static struct heard *ask_begin(struct place *place, struct pop_login login)
{
    struct heard *heard = calloc(1, sizeof(*heard));

    cr_assert_not_null(heard);
    uv_sem_init(&heard->came, 0);
    heard->errand = (struct errand){.done = hear, .data = heard};
    if (login.url.size == 0)
        login.url = span_of_string(place->url);
    if (login.user.size == 0)
        login.user = SPAN("me");
    if (login.secret.size == 0)
        login.secret = SPAN("hush hush");
    pop_ask(place->pop, &login, &heard->errand);
    return heard;
}

static struct heard *ask(struct place *place, struct pop_login login)
{
    struct heard *heard = ask_begin(place, login);

    uv_sem_wait(&heard->came);
    uv_sem_destroy(&heard->came);
    return heard;
}

static void expect_heard(struct place *place, const char *said)
{
    scripted_stop(place->server);
    cr_expect(span_equal(scripted_heard(place->server), span_of_string(said)), "%.*s",
              (int)scripted_heard(place->server).size, scripted_heard(place->server).at);
}

/* What all good logins have behind the greeting. */
#define LOGIN                                                                                      \
    {"USER me\r\n", SPAN_INIT("+OK\r\n")}, {"PASS hush hush\r\n", SPAN_INIT("+OK 1 message\r\n")}, \
    {                                                                                              \
        "QUIT\r\n", SPAN_INIT("+OK\r\n")                                                           \
    }

static const struct scripted_step good[] = {{NULL, SPAN_INIT("+OK hello\r\n")}, LOGIN, {0}};
static const struct scripted_step good_stls[] = {
    {NULL, SPAN_INIT("+OK hello\r\n")}, {"STLS\r\n", SPAN_INIT("+OK\r\n")}, LOGIN, {0}};

Test(pop, logs_in_and_out_by_each_scheme)
{
    static const struct {
        const char *scheme;
        const struct scripted_step *steps;
        const char *said;
    } rows[] = {
        {"pop3s", good, "USER me\r\nPASS hush hush\r\nQUIT\r\n"},
        {"pop3", good_stls, "STLS\r\nUSER me\r\nPASS hush hush\r\nQUIT\r\n"},
        {"pop3+clear", good, "USER me\r\nPASS hush hush\r\nQUIT\r\n"},
    };
    size_t i, piece;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (piece = 0; piece < 2; piece++) {
            struct scripted_script script = {.steps = rows[i].steps, .piece = piece};
            struct place *place = place_open(rows[i].scheme, script, true);
            struct heard *heard = ask(place, (struct pop_login){0});

            cr_expect_eq(heard->told, TOLD_DONE, "%s: %s", rows[i].scheme, heard->words);
            cr_expect_str_eq(heard->words, "");
            scripted_served(place->server, 1);
            expect_heard(place, rows[i].said);
            free(heard);
            place_close(place);
        }
    }
}

Test(pop, a_token_goes_by_xoauth2)
{
    static const struct scripted_step granted[] = {
        {NULL, SPAN_INIT("+OK hello\r\n")},
        {"AUTH XOAUTH2\r\n", SPAN_INIT("+ \r\n")},
        {"dXNlcj1tZQFhdXRoPUJlYXJlciBzM2NyZXQBAQ==\r\n", SPAN_INIT("+OK\r\n")},
        {0}};
    static const struct scripted_step refused[] = {
        {NULL, SPAN_INIT("+OK hello\r\n")},
        {"AUTH XOAUTH2\r\n", SPAN_INIT("+\r\n")},
        {"dXNlcj1tZQFhdXRoPUJlYXJlciBzM2NyZXQBAQ==\r\n",
         SPAN_INIT("+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")},
        {"\r\n", SPAN_INIT("-ERR [AUTH] token expired\r\n")},
        {0}};
    struct pop_login login = {.bearer = true, .secret = SPAN("s3cret")};
    const struct scripted_step *rows[] = {granted, refused};
    size_t i;

    for (i = 0; i < 2; i++) {
        struct place *place = place_open("pop3s", (struct scripted_script){.steps = rows[i]}, true);
        struct heard *heard = ask(place, login);

        cr_expect_eq(heard->told, i == 0 ? TOLD_DONE : TOLD_NO, "%s", heard->words);
        cr_expect_eq(strstr(heard->words, "refused the login: [AUTH] token expired") != NULL,
                     i == 1, "%s", heard->words);
        free(heard);
        place_close(place);
    }
}

#define SAYS(text)                \
    {                             \
        {                         \
            NULL, SPAN_INIT(text) \
        }                         \
    }
#define ASKED(hears, text)            \
    {                                 \
        {NULL, SPAN_INIT("+OK\r\n")}, \
        {                             \
            hears, SPAN_INIT(text)    \
        }                             \
    }

/* What a server may say instead. */
static const struct {
    const char *scheme;
    struct scripted_step steps[4];
    enum told told;
    const char *words;
} troubles[] = {
    {"pop3s", SAYS("-ERR [SYS/TEMP] full\r\n"), TOLD_LATER, "does not serve: [SYS/TEMP] full"},
    {"pop3s", SAYS("220 mx ESMTP\r\n"), TOLD_LATER, "does not speak POP3"},
    {"pop3s", SAYS("+OK\r\n+OK\r\n"), TOLD_LATER, "does not speak POP3"},
    {"pop3s", SAYS("+ \r\n"), TOLD_LATER, "does not speak POP3"},
    {"pop3s", SAYS(""), TOLD_LATER, "the server ended the connection"},
    {"pop3s", SAYS("+OK"), TOLD_LATER, "the server ended the connection"},
    {"pop3s", ASKED("USER me\r\n", "-ERR no\x07 such user\r\n"), TOLD_NO,
     "the server refused the login: no? such user"},
    {"pop3s", ASKED("USER me\r\n", "-ERR hush hush is not your name\r\n"), TOLD_NO,
     "the server refused the login"},
    {"pop3s",
     {{NULL, SPAN_INIT("+OK\r\n")},
      {"USER me\r\n", SPAN_INIT("+OK\r\n")},
      {"\r\n", SPAN_INIT("-ERR [IN-USE] locked\r\n")}},
     TOLD_LATER,
     "the server refused the login: [IN-USE] locked"},
    {"pop3", ASKED("STLS\r\n", "-ERR what?\r\n"), TOLD_LATER, "the server has no STLS: what?"},
    {"pop3", ASKED("STLS\r\n", "+OK\r\n+OK injected\r\n"), TOLD_LATER, "does not speak POP3"},
};

Test(pop, trouble_is_told_in_words)
{
    size_t i;

    for (i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        struct scripted_script script = {.steps = troubles[i].steps};
        struct place *place = place_open(troubles[i].scheme, script, true);
        struct heard *heard = ask(place, (struct pop_login){0});

        cr_expect_eq(heard->told, troubles[i].told, "row %zu: %s", i, heard->words);
        cr_expect(strncmp(heard->words, "POP before SMTP: ", 17) == 0, "%s", heard->words);
        cr_expect_null(strstr(heard->words, "127.0.0.1"), "%s", heard->words);
        cr_expect(strncmp(place->log, "POP before SMTP at 127.0.0.1:", 29) == 0, "%s", place->log);
        cr_expect_not_null(strstr(place->log, troubles[i].words), "row %zu: %s", i, place->log);
        cr_expect(span_ends(span_of_string(heard->words), span_of_string(troubles[i].words)),
                  "row %zu: %s", i, heard->words);
        cr_expect_null(strstr(heard->words, "hush"), "the password is not shown");
        free(heard);
        place_close(place);
    }
}

Test(pop, a_line_that_is_too_long_is_none)
{
    char greeting[600];
    struct scripted_step steps[] = {{NULL, {greeting, sizeof(greeting)}}, {0}};
    struct place *place;
    struct heard *heard;

    memset(greeting, '+', sizeof(greeting));
    greeting[sizeof(greeting) - 1] = '\n';
    place = place_open("pop3s", (struct scripted_script){.steps = steps}, true);
    heard = ask(place, (struct pop_login){0});
    cr_expect_eq(heard->told, TOLD_LATER);
    cr_expect_not_null(strstr(heard->words, "does not speak POP3"), "%s", heard->words);
    free(heard);
    place_close(place);
}

Test(pop, a_server_that_nobody_vouches_for_gets_no_password)
{
    static const char *const schemes[] = {"pop3s", "pop3"};
    size_t i;

    for (i = 0; i < 2; i++) {
        struct place *place = place_open(
            schemes[i], (struct scripted_script){.steps = i == 0 ? good : good_stls}, false);
        struct heard *heard = ask(place, (struct pop_login){0});

        cr_expect_eq(heard->told, TOLD_LATER);
        cr_expect_str_eq(heard->words,
                         "POP before SMTP: the server can't be reached: " ASK_THE_LOG);
        cr_expect_not_null(strstr(place->log, "certificate"), "%s", place->log);
        expect_heard(place, i == 0 ? "" : "STLS\r\n");
        free(heard);
        place_close(place);
    }
}

Test(pop, what_can_not_be_said_is_not_tried)
{
    static const struct {
        struct pop_login login;
        const char *words;
    } rows[] = {
        {{.url = SPAN_INIT("imap://x")}, "pop wants pop3s://, pop3:// or pop3+clear://"},
        {{.url = SPAN_INIT("pop3s:x")}, "a URL begins with a scheme"},
        {{.user = SPAN_INIT("me\r\nQUIT")}, "holds the end of a line"},
        {{.secret = SPAN_INIT("a\nb")}, "holds the end of a line"},
        {{.secret = SPAN_INIT("a\0b")}, "holds the end of a line"},
        {{.secret = SPAN_INIT("a b"), .bearer = true}, "the user or the token can't be said"},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct place *place = place_open("pop3s", (struct scripted_script){.steps = good}, true);
        struct heard *heard = ask(place, rows[i].login);

        cr_expect_eq(heard->told, TOLD_NO, "row %zu", i);
        cr_expect_not_null(strstr(place->log, rows[i].words), "row %zu: %s", i, place->log);
        expect_heard(place, "");
        free(heard);
        place_close(place);
    }
}

static void expect_logins(struct place *place, struct pop_login login, uint32_t times)
{
    struct heard *heard = ask(place, login);

    cr_expect_eq(heard->told, TOLD_DONE, "%s", heard->words);
    cr_expect_eq(scripted_clients(place->server), times);
    free(heard);
}

Test(pop, serves_for_25_minutes_unless_the_relay_says_otherwise)
{
    static const struct scripted_step any[] = {{NULL, SPAN_INIT("+OK\r\n")},
                                               {"\r\n", SPAN_INIT("+OK\r\n")},
                                               {"\r\n", SPAN_INIT("+OK\r\n")},
                                               {0}};
    struct place *place = place_open("pop3+clear", (struct scripted_script){.steps = any}, true);
    struct pop_login again = {.again = true};
    struct pop_login other = {.user = SPAN("other")};

    place->now = 1000000;
    expect_logins(place, (struct pop_login){0}, 1);
    expect_logins(place, (struct pop_login){0}, 1);
    expect_logins(place, again, 1); /* the relay can't know better so soon */
    expect_logins(place, other, 2);
    place->now += 10000;
    expect_logins(place, (struct pop_login){0}, 2);
    expect_logins(place, again, 3);
    expect_logins(place, again, 3);
    place->now += POP_GOOD_MS - 1;
    expect_logins(place, (struct pop_login){0}, 3);
    place->now += 1;
    expect_logins(place, (struct pop_login){0}, 4);
    place_close(place);
}

Test(pop, a_refused_login_is_not_tried_again_at_once)
{
    static const struct scripted_step no[] = {
        {NULL, SPAN_INIT("+OK\r\n")}, {"\r\n", SPAN_INIT("-ERR no\r\n")}, {0}};
    struct place *place = place_open("pop3+clear", (struct scripted_script){.steps = no}, true);
    uint32_t i;

    for (i = 0; i < 4; i++) {
        struct heard *heard = ask(place, (struct pop_login){.again = i % 2 != 0});

        cr_expect_eq(heard->told, TOLD_NO);
        cr_expect_not_null(strstr(heard->words, "refused the login: no"), "%s", heard->words);
        cr_expect_eq(scripted_clients(place->server), i < 3 ? 1U : 2U);
        free(heard);
        if (i == 2)
            place->now += 60000;
    }
    place_close(place);
}

Test(pop, one_login_at_a_time_for_all_who_ask)
{
    struct place *place = place_open("pop3s", (struct scripted_script){.steps = good}, true);
    struct heard *heard[20];
    size_t i;

    for (i = 0; i < 20; i++)
        heard[i] = ask_begin(place, (struct pop_login){.again = true});
    pop_forget(place->pop, &heard[3]->errand);
    for (i = 0; i < 20; i++) {
        if (i != 3)
            uv_sem_wait(&heard[i]->came);
        cr_expect_eq(heard[i]->told, TOLD_DONE);
    }
    cr_expect_eq(scripted_clients(place->server), 1U);
    place_close(place);
    for (i = 0; i < 20; i++)
        free(heard[i]);
}

Test(pop, ends_with_the_keeper)
{
    static const struct scripted_step silent[] = {{"never said", SPAN_INIT("-")}, {0}};
    struct place *place = place_open("pop3s", (struct scripted_script){.steps = silent}, true);
    struct heard *heard = ask_begin(place, (struct pop_login){0});

    pop_forget(place->pop, &heard->errand);
    place_close(place);
    free(heard);
}

Test(pop, remembers_so_many_and_no_more)
{
    static const struct scripted_step any[] = {{NULL, SPAN_INIT("+OK\r\n")},
                                               {"\r\n", SPAN_INIT("+OK\r\n")},
                                               {"\r\n", SPAN_INIT("+OK\r\n")},
                                               {0}};
    struct place *place = place_open("pop3+clear", (struct scripted_script){.steps = any}, true);
    uint32_t i;

    place->now = 1000000;
    for (i = 0; i <= POP_KEPT_MAX; i++) {
        char user[20];

        snprintf(user, sizeof(user), "user%u", i);
        expect_logins(place, (struct pop_login){.user = span_of_string(user)}, i + 1);
    }
    expect_logins(place, (struct pop_login){.user = SPAN("user1")}, i);
    expect_logins(place, (struct pop_login){.user = SPAN("user0")}, i + 1);
    place_close(place);
}
