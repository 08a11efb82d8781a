#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scripted.h"
#include "vault/auth_http.h"
#include "vault/login_pace.h"

#define TROUBLE "auth_http: no good answer: " ASK_THE_LOG
#define GOOD "HTTP/1.1 200 OK\r\nAuth-Status: OK\r\n"

/* What came of an errand, copied; the semaphore is posted when it came. */
struct heard {
    struct errand errand;
    uv_sem_t came;
    enum told told;
    uint16_t port;
    char words[300];
    char host[300];
    char user[600];
    char password[600];
};

struct place {
    struct keeper keeper;
    struct vault_user user;
    struct auth_http *auth_http;
    struct scripted *server;
    char url[100];
    _Atomic moment now;
    char log[500]; /* the last line; the keeper's thread writes it before it tells */
};

static moment place_now(void *data)
{
    struct place *place = data;

    return place->now;
}

static void copy(char *to, struct span from)
{
    if (from.size > 0)
        memcpy(to, from.at, from.size);
    to[from.size] = 0;
}

static void place_say(void *data, enum vault_weight weight, struct span line)
{
    struct place *place = data;

    (void)weight;
    copy(place->log, span_head(line, sizeof(place->log) - 1));
}

static void hear(struct errand *errand, const struct outcome *outcome)
{
    struct heard *heard = errand->data;

    heard->told = outcome->told;
    heard->port = outcome->port;
    copy(heard->words, outcome->words);
    copy(heard->host, outcome->host);
    copy(heard->user, outcome->user);
    copy(heard->password,
         outcome->secret != NULL ? secret_reveal(outcome->secret) : (struct span){0});
    uv_sem_post(&heard->came);
}

static struct place *place_open(const struct scripted_step *steps,
                                const struct scripted_step *later)
{
    struct place *place = calloc(1, sizeof(*place));
    struct scripted_script script = {.steps = steps, .later = later};
    uint16_t port;

    cr_assert_not_null(place);
    place->user = (struct vault_user){.say = place_say, .now = place_now, .data = place};
    cr_assert_eq(keeper_open(&place->keeper, &place->user), 0);
    place->auth_http = auth_http_open(&place->keeper);
    place->server = scripted_start(&script, &port);
    snprintf(place->url, sizeof(place->url), "http://127.0.0.1:%u/auth", port);
    return place;
}

static void place_close(struct place *place)
{
    keeper_close(&place->keeper);
    auth_http_close(&place->auth_http);
    scripted_free(&place->server);
    free(place);
}

static struct heard *ask(struct place *place, struct auth_http_query query)
{
    struct heard *heard = calloc(1, sizeof(*heard));

    cr_assert_not_null(heard);
    uv_sem_init(&heard->came, 0);
    heard->errand = (struct errand){.done = hear, .data = heard};
    if (query.url.size == 0)
        query.url = span_of_string(place->url);
    auth_http_ask(place->auth_http, &query, &heard->errand);
    uv_sem_wait(&heard->came);
    uv_sem_destroy(&heard->came);
    return heard;
}

Test(auth_http, asks_as_nginx_does)
{
    static const struct scripted_step steps[] = {{"\r\n\r\n", SPAN_INIT(GOOD "\r\n")}, {0}};
    struct place *place = place_open(steps, NULL);
    struct auth_http_query login = {.login = true,
                                    .user = SPAN("me \r\n%\x7f@b"),
                                    .password = SPAN("p\0w +"),
                                    .attempt = 2,
                                    .secured = true,
                                    .client = SPAN("192.0.2.7"),
                                    .helo = SPAN("not asked")};
    struct auth_http_query route = {.user = SPAN("me"),
                                    .attempt = 1,
                                    .client = SPAN("::1"),
                                    .helo = SPAN("a b"),
                                    .sender = SPAN("x%y@z"),
                                    .recipient = SPAN("\r@n")};
    struct auth_http_query early = {.attempt = 1, .client = SPAN("::1")};
    char expected[2000];
    unsigned port = 0;

    free(ask(place, login));
    free(ask(place, route));
    free(ask(place, early));
    sscanf(place->url, "http://127.0.0.1:%u", &port);
    snprintf(expected, sizeof(expected),
             "GET /auth HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
             "Auth-Method: plain\r\nAuth-User: me%%20%%0D%%0A%%25%%7F@b\r\n"
             "Auth-Pass: p%%00w%%20+\r\nAuth-Protocol: smtp\r\nAuth-Login-Attempt: 2\r\n"
             "Client-IP: 192.0.2.7\r\nClient-Host: [UNAVAILABLE]\r\nAuth-SSL: on\r\n\r\n"
             "GET /auth HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
             "Auth-Method: none\r\nAuth-User: me\r\nAuth-Pass: \r\nAuth-Protocol: smtp\r\n"
             "Auth-Login-Attempt: 1\r\nClient-IP: ::1\r\nClient-Host: [UNAVAILABLE]\r\n"
             "Auth-SMTP-Helo: a b\r\nAuth-SMTP-From: MAIL FROM:<x%%y@z>\r\n"
             "Auth-SMTP-To: RCPT TO:<%%0D@n>\r\n\r\n"
             "GET /auth HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
             "Auth-Method: none\r\nAuth-User: \r\nAuth-Pass: \r\nAuth-Protocol: smtp\r\n"
             "Auth-Login-Attempt: 1\r\nClient-IP: ::1\r\nClient-Host: [UNAVAILABLE]\r\n"
             "Auth-SMTP-Helo: \r\nAuth-SMTP-From: MAIL FROM:<>\r\n\r\n",
             port, port, port);
    scripted_stop(place->server);
    cr_expect(span_equal(scripted_heard(place->server), span_of_string(expected)), "%.*s",
              (int)scripted_heard(place->server).size, scripted_heard(place->server).at);
    place_close(place);
}

static const struct {
    struct span says;
    enum told told;
    const char *words;
    const char *host;
    uint16_t port;
    const char *user;
    const char *password;
} answers[] = {
    {SPAN_INIT(GOOD "\r\n"), TOLD_DONE, "", "", 0, "", ""},
    {SPAN_INIT(GOOD "Auth-Server: 192.0.2.1\r\nAuth-Port: 587\r\n\r\n"), TOLD_DONE, "", "192.0.2.1",
     587, "", ""},
    {SPAN_INIT(GOOD "Auth-Server: [2001:db8::1]\r\nAuth-Port: 25\r\n"
                    "Auth-User: me@shop\r\nAuth-Pass: p w%20\r\n\r\n"),
     TOLD_DONE, "", "2001:db8::1", 25, "me@shop", "p w%20"},
    {SPAN_INIT(GOOD "auth-user: me\r\nauth-pass: pw\r\n\r\n"), TOLD_DONE, "", "", 0, "me", "pw"},
    {SPAN_INIT(GOOD "Auth-User: renamed\r\n\r\n"), TOLD_DONE, "", "", 0, "", ""},
    {SPAN_INIT(GOOD "Auth-Server: 192.0.2.1\r\n\r\n"), TOLD_LATER, "are no address", "", 0, "", ""},
    {SPAN_INIT(GOOD "Auth-Port: 25\r\n\r\n"), TOLD_LATER, "are no address", "", 0, "", ""},
    {SPAN_INIT(GOOD "Auth-Server: a b\r\nAuth-Port: 25\r\n\r\n"), TOLD_LATER, "are no address", "",
     0, "", ""},
    {SPAN_INIT(GOOD "Auth-Server: a\r\nAuth-Port: 65536\r\n\r\n"), TOLD_LATER, "are no address", "",
     0, "", ""},
    {SPAN_INIT("HTTP/1.0 200 OK\r\nAuth-Status: Invalid login\t\xff\r\n\r\n"), TOLD_NO,
     "Invalid login", "", 0, "", ""},
    {SPAN_INIT("HTTP/1.0 200 OK\r\nAuth-Status: Temporary\r\n"
               "Auth-Error-Code: 451 4.3.0\r\n\r\n"),
     TOLD_LATER, "Temporary", "", 0, "", ""},
    {SPAN_INIT("HTTP/1.0 200 OK\r\nAuth-Status: No\r\nAuth-Error-Code: 550 5.7.1\r\n\r\n"), TOLD_NO,
     "No", "", 0, "", ""},
    {SPAN_INIT("HTTP/1.0 200 OK\r\nAuth-Status: WAIT\r\nAuth-Wait: 10\r\n\r\n"), TOLD_LATER,
     "auth_http: the server wants more time than there is", "", 0, "", ""},
    {SPAN_INIT("HTTP/1.0 200 OK\r\n\r\n"), TOLD_LATER,
     "auth_http: the server said nothing of Auth-Status", "", 0, "", ""},
    {SPAN_INIT("HTTP/1.0 403 No\r\nAuth-Status: OK\r\n\r\n"), TOLD_LATER,
     "auth_http: the server did not answer with 200", "", 0, "", ""},
    {SPAN_INIT("HTTP/1.0 302 No\r\nAuth-Status: OK\r\nLocation: /x\r\n\r\n"), TOLD_LATER,
     "auth_http: the server redirects", "", 0, "", ""},
    {SPAN_INIT("220 smtp\r\n"), TOLD_LATER, "auth_http: the answer is not HTTP", "", 0, "", ""},
};

Test(auth_http, understands_its_answers)
{
    const char *said;
    size_t i;

    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct scripted_step steps[] = {{"\r\n\r\n", answers[i].says}, {0}};
        struct place *place = place_open(steps, NULL);
        struct heard *heard = ask(place, (struct auth_http_query){.login = true});

        cr_expect_eq(heard->told, answers[i].told, "row %zu", i);
        cr_expect_eq(heard->words[0] == 0, answers[i].words[0] == 0, "row %zu: %s", i,
                     heard->words);
        said = answers[i].told == TOLD_LATER && place->log[0] != 0 ? place->log : heard->words;
        if (said == place->log)
            cr_expect_str_eq(heard->words, TROUBLE, "row %zu", i);
        cr_expect_not_null(strstr(said, answers[i].words), "row %zu: %s", i, said);
        cr_expect_str_eq(heard->host, answers[i].host, "row %zu", i);
        cr_expect_eq(heard->port, answers[i].port, "row %zu", i);
        cr_expect_str_eq(heard->user, answers[i].user, "row %zu", i);
        cr_expect_str_eq(heard->password, answers[i].password, "row %zu", i);
        free(heard);
        place_close(place);
    }
}

Test(auth_http, nobody_there_is_told_as_trouble)
{
    static const struct scripted_step steps[] = {{0}};
    struct place *place = place_open(steps, NULL);
    struct heard *heard =
        ask(place, (struct auth_http_query){.url = SPAN("http://127.0.0.1:1/auth")});

    cr_expect_eq(heard->told, TOLD_LATER);
    cr_expect_str_eq(heard->words, TROUBLE);
    cr_expect_str_eq(place->log, "auth_http: connection refused by 127.0.0.1:1");
    free(heard);
    place_close(place);
}

Test(auth_http, waits_when_told_to)
{
    static const struct scripted_step steps[] = {
        {"\r\n\r\n", SPAN_INIT("HTTP/1.0 200 OK\r\nAuth-Status: WAIT\r\nAuth-Wait: 0\r\n\r\n")},
        {0}};
    static const struct scripted_step later[] = {{"\r\n\r\n", SPAN_INIT(GOOD "\r\n")}, {0}};
    struct place *place = place_open(steps, later);
    struct heard *heard = ask(place, (struct auth_http_query){0});

    cr_expect_eq(heard->told, TOLD_DONE);
    cr_expect_eq(scripted_clients(place->server), 2U);
    free(heard);
    place_close(place);
}

Test(auth_http, a_refusal_is_told_when_the_server_says)
{
    static const struct scripted_step steps[] = {
        {"\r\n\r\n",
         SPAN_INIT("HTTP/1.0 200 OK\r\nAuth-Status: Guess again\r\nAuth-Wait: 1\r\n\r\n")},
        {0}};
    struct place *place = place_open(steps, NULL);
    uint64_t began = uv_hrtime();
    struct heard *heard = ask(place, (struct auth_http_query){.login = true});

    cr_expect_eq(heard->told, TOLD_NO);
    cr_expect_str_eq(heard->words, "Guess again");
    cr_expect_geq(uv_hrtime() - began, 900000000U);
    cr_expect_eq(scripted_clients(place->server), 1U);
    free(heard);
    place_close(place);
}

static void expect_asked(struct place *place, const struct auth_http_query *query, uint32_t times)
{
    struct heard *heard = ask(place, *query);

    cr_expect_eq(scripted_clients(place->server), times);
    cr_expect_str_eq(heard->password, "pw");
    free(heard);
}

Test(auth_http, good_answers_are_kept_for_a_minute)
{
    static const struct scripted_step steps[] = {
        {"\r\n\r\n", SPAN_INIT(GOOD "Auth-User: me\r\nAuth-Pass: pw\r\n\r\n")}, {0}};
    struct place *place = place_open(steps, NULL);
    struct auth_http_query query = {.login = true, .user = SPAN("a"), .password = SPAN("b")};
    struct auth_http_query other = query;
    struct auth_http_query shifted = {.login = true, .user = SPAN("ab")};

    expect_asked(place, &query, 1);
    expect_asked(place, &query, 1);
    other.password = SPAN("B");
    expect_asked(place, &other, 2);
    expect_asked(place, &shifted, 3);
    other = query;
    other.client = SPAN("192.0.2.1");
    expect_asked(place, &other, 4);
    place->now = AUTH_HTTP_KEPT_MS - 1;
    expect_asked(place, &query, 4);
    place->now = AUTH_HTTP_KEPT_MS;
    expect_asked(place, &query, 5);
    place_close(place);
}

Test(auth_http, keeps_so_many_and_no_more)
{
    static const struct scripted_step steps[] = {
        {"\r\n\r\n", SPAN_INIT(GOOD "Auth-User: me\r\nAuth-Pass: pw\r\n\r\n")}, {0}};
    struct place *place = place_open(steps, NULL);
    struct auth_http_query query = {0};
    uint32_t i;

    for (i = 0; i <= AUTH_HTTP_KEPT_MAX; i++) {
        query.attempt = i;
        expect_asked(place, &query, i + 1);
    }
    expect_asked(place, &query, i);
    query.attempt = 0;
    expect_asked(place, &query, i + 1);
    place_close(place);
}

Test(auth_http, bad_answers_are_not_kept)
{
    static const struct scripted_step steps[] = {
        {"\r\n\r\n", SPAN_INIT("HTTP/1.0 200 OK\r\nAuth-Status: No\r\n\r\n")}, {0}};
    struct place *place = place_open(steps, NULL);

    free(ask(place, (struct auth_http_query){0}));
    free(ask(place, (struct auth_http_query){0}));
    cr_expect_eq(scripted_clients(place->server), 2);
    place_close(place);
}

Test(auth_http, who_fails_again_and_again_has_to_wait)
{
    static const struct scripted_step steps[] = {
        {"\r\n\r\n", SPAN_INIT(GOOD "Auth-User: me\r\nAuth-Pass: pw\r\n\r\n")}, {0}};
    static const struct scripted_step later[] = {
        {"\r\n\r\n", SPAN_INIT("HTTP/1.0 200 OK\r\nAuth-Status: No\r\n\r\n")}, {0}};
    static struct heard waiting[LOGIN_PACE_WAIT_MAX_MS / 2000];
    struct place *place = place_open(steps, later);
    struct auth_http_query good = {.login = true, .client = SPAN("192.0.2.7")};
    struct auth_http_query bad = {
        .login = true, .client = SPAN("192.0.2.7"), .password = SPAN("x")};
    struct auth_http_query other = {.login = true, .client = SPAN("192.0.2.8")};
    uint64_t began;
    struct heard *heard;
    size_t i;

    bad.url = span_of_string(place->url);
    expect_asked(place, &good, 1);
    for (i = 0; i < 4; i++) {
        began = uv_hrtime();
        heard = ask(place, bad);
        cr_expect_eq(heard->told, TOLD_NO);
        cr_expect(i < 3 || uv_hrtime() - began > 900000000U);
        free(heard);
    }
    cr_expect_str_eq(place->log, "login of a client at 192.0.2.7 refused by auth_http, 4 lately");
    began = uv_hrtime();
    expect_asked(place, &good, 5); /* an answer that is kept tells nothing by its speed */
    cr_expect_geq(uv_hrtime() - began, 1900000000U);
    heard = ask(place, other);
    cr_expect_eq(heard->told, TOLD_NO);
    free(heard);
    /* the success has made good for one failure */
    free(ask(place, bad));
    for (i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        waiting[i].errand = (struct errand){.done = hear, .data = &waiting[i]};
        auth_http_ask(place->auth_http, &bad, &waiting[i].errand);
    }
    heard = ask(place, good);
    cr_expect_eq(heard->told, TOLD_LATER);
    cr_expect_str_eq(place->log, "auth_http: too many failures of that address");
    free(heard);
    for (i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++)
        auth_http_forget(place->auth_http, &waiting[i].errand);
    place_close(place);
}

/* A session that ends takes its errand back; what is under way ends with the keeper. */
Test(auth_http, forgotten_nothing_is_told)
{
    static const struct scripted_step steps[] = {{"never said", SPAN_INIT("-")}, {0}};
    struct place *place = place_open(steps, NULL);
    struct heard heard = {.errand = {.done = hear, .data = &heard}};
    struct auth_http_query query = {.url = span_of_string(place->url)};

    auth_http_ask(place->auth_http, &query, &heard.errand);
    auth_http_forget(place->auth_http, &heard.errand);
    cr_expect_null(heard.errand.trip);
    place_close(place);
}

/* A server that hangs must not make us keep any number of questions. */
Test(auth_http, asks_only_so_much_at_a_time)
{
    static const struct scripted_step steps[] = {{"never said", SPAN_INIT("-")}, {0}};
    struct place *place = place_open(steps, NULL);
    static struct heard waiting[256];
    struct auth_http_query query = {.url = span_of_string(place->url)};
    struct heard *heard;
    size_t i;

    for (i = 0; i < 256; i++) {
        waiting[i].errand = (struct errand){.done = hear, .data = &waiting[i]};
        query.attempt = (uint32_t)i;
        auth_http_ask(place->auth_http, &query, &waiting[i].errand);
    }
    heard = ask(place, (struct auth_http_query){.attempt = 1000});
    cr_expect_eq(heard->told, TOLD_LATER);
    cr_expect_str_eq(heard->words, TROUBLE);
    cr_expect_str_eq(place->log, "auth_http: too much is asked at the same time");
    free(heard);
    for (i = 0; i < 256; i++)
        auth_http_forget(place->auth_http, &waiting[i].errand);
    place_close(place);
}
