/* Against a service that is written here, and may misbehave. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"
#include "vault/dovecot.h"
#include "vault/login.h"

/* What the service says to whom; # is the number it was asked with. NULL: it hangs up. */
static const struct {
    const char *user;
    const char *first;
    const char *again; /* on every later connection */
    enum told told;
} users[] = {
    {"right", "OK\t#\tuser=right\n", NULL, TOLD_DONE},
    {"wrong", "FAIL\t#\tuser=wrong\n", NULL, TOLD_NO},
    {"expired", "FAIL\t#\tuser=expired\tcode=pass_expired\n", NULL, TOLD_NO},
    {"old-temporary", "FAIL\t#\tuser=old\ttemp\n", NULL, TOLD_LATER},
    {"temporary", "FAIL\t#\tuser=temporary\tcode=temp_fail\n", NULL, TOLD_LATER},
    {"temp", "FAIL\t#\tuser=temp\ttempo\n", NULL, TOLD_NO},
    {"more", "CONT\t#\t\n", NULL, TOLD_LATER},
    {"others", "OK\t4711\tuser=x\nOKAY\t#\nOK\t\nOK\nFAIL\t#\n", NULL, TOLD_NO},
    {"restart", NULL, "OK\t#\tuser=restart\n", TOLD_DONE},
    {"never", NULL, NULL, TOLD_LATER},
};
#define USERS (sizeof(users) / sizeof(users[0]))

struct service {
    int listening;
    const char *greeting;
    uv_thread_t thread;
    uint32_t connections;
    char lines[4096]; /* that it was asked */
};

static void write_reply(FILE *peer, const char *format, const char *id)
{
    for (; *format != '\0'; format++) {
        if (*format == '#')
            fputs(id, peer);
        else
            fputc(*format, peer);
    }
}

static void reply(struct service *service, FILE *peer, char *line)
{
    char decoded[256] = "";
    char *id = line + strlen("AUTH\t");
    char *end = strchr(id, '\t');
    char *response = strstr(line, "\tresp=");
    const char *format;
    size_t i;

    cr_assert(end != NULL && response != NULL);
    snprintf(service->lines + strlen(service->lines),
             sizeof(service->lines) - strlen(service->lines), "%s", end);
    *end = '\0';
    response[strcspn(response, "\n")] = '\0';
    EVP_DecodeBlock((unsigned char *)decoded, (unsigned char *)response + 6,
                    (int)strlen(response + 6));
    for (i = 0; strcmp(users[i].user, decoded + 1) != 0; i++)
        cr_assert(i < USERS, "who is %s?", decoded + 1);
    cr_assert_str_eq(decoded + 1 + strlen(decoded + 1) + 1, "password");
    format = service->connections == 1 || users[i].again == NULL ? users[i].first : users[i].again;
    if (format == NULL)
        shutdown(fileno(peer), SHUT_RDWR);
    else
        write_reply(peer, format, id);
}

static void serve(void *data)
{
    struct service *service = data;
    char line[2048];
    FILE *peer;
    int fd;

    while ((fd = accept(service->listening, NULL, NULL)) >= 0) {
        service->connections++;
        peer = fdopen(fd, "r+");
        setvbuf(peer, NULL, _IONBF, 0);
        fputs(service->greeting, peer);
        while (fgets(line, sizeof(line), peer) != NULL) {
            if (strncmp(line, "AUTH\t", 5) == 0)
                reply(service, peer, line);
        }
        fclose(peer);
    }
}

static void service_open(struct service *service, const char *greeting, struct span *path_r)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", folder_path("auth"));
    *path_r = span_of_string(folder_path("auth"));
    *service = (struct service){.greeting = greeting};
    service->listening = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(service->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(service->listening, 5), 0);
    cr_assert_eq(uv_thread_create(&service->thread, serve, service), 0);
}

static void service_close(struct service *service)
{
    shutdown(service->listening, SHUT_RDWR);
    uv_thread_join(&service->thread);
    close(service->listening);
}

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

static enum told ask(struct login *login, struct span path, const char *user, const char *password)
{
    struct asked asked = {.errand = {.done = done, .data = &asked}};
    const struct login_query query = {
        .socket = path,
        .client = SPAN("192.0.2.7"),
        .secured = strcmp(user, "wrong") == 0,
        .user = span_of_string(user),
        .password = span_of_string(password),
    };

    cr_assert_eq(uv_sem_init(&asked.over, 0), 0);
    login_ask(login, &query, &asked.errand);
    uv_sem_wait(&asked.over);
    uv_sem_destroy(&asked.over);
    return asked.told;
}

static void say(void *data, enum vault_weight weight, struct span line)
{
    char *log = data;

    (void)weight;
    cr_assert_eq(span_find_span(line, SPAN("password?")), line.size);
    snprintf(log, 256, "%.*s", (int)line.size, line.at);
}

/* A clock that runs so fast that failures are forgotten. */
static moment now(void *data)
{
    static moment later;

    (void)data;
    return later += 1000000;
}

static const char greeting[] = "VERSION\t1\t2\nMECH\tLOGIN\tplaintext\nMECH\tPLAIN\tplaintext\n"
                               "SPID\t17\nCUID\t1\nCOOKIE\t00ff\nDONE\n";

Test(dovecot, tells_what_the_service_says)
{
    char log[256];
    const struct vault_user user = {.say = say, .now = now, .data = log};
    struct service service;
    struct keeper keeper;
    struct login *login;
    struct span path;
    size_t i;

    service_open(&service, greeting, &path);
    cr_assert_eq(keeper_open(&keeper, &user), 0);
    login = login_open(&keeper);
    for (i = 0; i < USERS; i++)
        cr_assert_eq(ask(login, path, users[i].user, "password"), users[i].told, "%s",
                     users[i].user);
    cr_assert_eq(ask(login, path, "right", "password"), TOLD_DONE);
    keeper_close(&keeper);
    login_close(&login);
    service_close(&service);
    cr_assert_eq(service.connections, 4);
    cr_assert_not_null(strstr(service.lines, "\tPLAIN\tservice=smtp\tnologin\trip=192.0.2.7\tresp="
                                             "AHJpZ2h0AHBhc3N3b3Jk\n"));
    cr_assert_not_null(strstr(service.lines, "\tPLAIN\tservice=smtp\tnologin\trip=192.0.2.7\t"
                                             "secured\tresp="));
}

Test(dovecot, does_without_a_service_that_is_none)
{
    static const struct {
        const char *greeting;
        const char *why;
    } rows[] = {
        {"VERSION\t2\t0\nMECH\tPLAIN\nDONE\n", "another version"},
        {"VERSION\t1\t2\nMECH\tLOGIN\nDONE\n", "does not do PLAIN"},
    };
    char log[256];
    const struct vault_user user = {.say = say, .now = now, .data = log};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct service service;
        struct keeper keeper;
        struct login *login;
        struct span path;

        service_open(&service, rows[i].greeting, &path);
        cr_assert_eq(keeper_open(&keeper, &user), 0);
        login = login_open(&keeper);
        cr_assert_eq(ask(login, path, "right", "password"), TOLD_LATER);
        cr_assert_not_null(strstr(log, rows[i].why), "%s", log);
        cr_assert_eq(ask(login, path, "right", "password"), TOLD_LATER);
        keeper_close(&keeper);
        login_close(&login);
        service_close(&service);
        unlink(folder_path("auth"));
        cr_assert_str_eq(service.lines, "");
    }
}

/* --- a service that reads nothing --- */

#define MANY 200U

struct crowd {
    struct job job;
    struct dovecot *dovecot;
    struct dovecot_ask asks[MANY];
    uint32_t from, to;
    uint32_t answers;
    uv_sem_t met; /* a connection is made, and the first bytes of a question have come */
    int listening;
    char password[9000];
};

/* The first connection is greeted and then left alone. */
static void stall(void *data)
{
    struct crowd *crowd = data;
    int peers[2] = {-1, -1};
    char byte;

    peers[0] = accept(crowd->listening, NULL, NULL);
    cr_assert_eq(write(peers[0], greeting, sizeof(greeting) - 1), sizeof(greeting) - 1);
    do
        cr_assert_eq(read(peers[0], &byte, 1), 1);
    while (byte != 'A');
    uv_sem_post(&crowd->met);
    peers[1] = accept(crowd->listening, NULL, NULL);
    uv_sem_post(&crowd->met);
    close(peers[1]);
    close(peers[0]);
}

static void count_answer(struct dovecot_ask *ask, enum told told, struct span why)
{
    struct crowd *crowd = ask->data;

    (void)why;
    crowd->answers += told == TOLD_LATER;
}

static void crowd_asks(struct job *job)
{
    struct crowd *crowd = (struct crowd *)job;

    for (; crowd->from < crowd->to; crowd->from++) {
        struct dovecot_ask *ask = &crowd->asks[crowd->from];

        *ask = (struct dovecot_ask){.done = count_answer, .data = crowd};
        ask->user = SPAN("right");
        ask->password = span_of(crowd->password, sizeof(crowd->password));
        dovecot_ask(crowd->dovecot, ask);
    }
}

static void crowd_ends(struct job *job)
{
    dovecot_close(&((struct crowd *)job)->dovecot);
}

Test(dovecot, keeps_little_for_a_service_that_reads_nothing, .timeout = 30)
{
    static struct crowd crowd = {.job.run = crowd_asks, .to = MANY - 1};
    const struct vault_user user = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct keeper keeper;
    uv_thread_t thread;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", folder_path("auth"));
    memset(crowd.password, 'x', sizeof(crowd.password));
    crowd.listening = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(crowd.listening, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(crowd.listening, 5), 0);
    uv_sem_init(&crowd.met, 0);
    cr_assert_eq(uv_thread_create(&thread, stall, &crowd), 0);
    cr_assert_eq(keeper_open(&keeper, &user), 0);
    crowd.dovecot = dovecot_open(&keeper, span_of_string(address.sun_path));
    keeper_post(&keeper, &crowd.job);
    uv_sem_wait(&crowd.met);
    crowd.to = MANY;
    keeper_post(&keeper, &crowd.job);
    uv_sem_wait(&crowd.met); /* it was left for a fresh connection */
    crowd.job.run = crowd_ends;
    keeper_post(&keeper, &crowd.job);
    keeper_close(&keeper);
    cr_expect_eq(crowd.answers, MANY, "%u", crowd.answers);
    uv_thread_join(&thread);
    close(crowd.listening);
}

Test(dovecot, does_without_a_socket)
{
    char log[256];
    char longest[200];
    const struct vault_user user = {.say = say, .now = now, .data = log};
    struct keeper keeper;
    struct login *login;

    memset(longest, 'x', sizeof(longest));
    cr_assert_eq(keeper_open(&keeper, &user), 0);
    login = login_open(&keeper);
    cr_assert_eq(ask(login, span_of_string(folder_path("none")), "right", "password"), TOLD_LATER);
    cr_assert_not_null(strstr(log, "no such file"), "%s", log);
    cr_assert_eq(ask(login, span_of(longest, sizeof(longest)), "right", "password"), TOLD_LATER);
    keeper_close(&keeper);
    login_close(&login);
}
