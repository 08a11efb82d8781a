#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <uv.h>

#include "lockstep/net/shell.h"
#include "scripted.h"

#define PATIENCE_S 10
/* Of the engine, where nobody answers in time. */
#define ASK_MS 2000U

/* A relay that takes mail from who has logged in. */
static const struct scripted_step steps[] = {
    {NULL, {"220 relay.test ESMTP\r\n", 22}},
    {"\n", {"250-relay.test\r\n250 AUTH PLAIN\r\n", 32}},
    {"AUTH ", {"235 2.7.0 welcome\r\n", 19}},
    {"MAIL ", {"250 2.1.0 ok\r\n", 14}},
    {0},
};

/* What a session asked, to be answered whenever the test likes. */
struct asked {
    struct desk *desk;
    void *session;
    uint64_t id;
    uint32_t serial;
};

struct fixture {
    struct config config;
    struct setup setup;
    char memory[1024];
    struct scripted *relay;
    struct shell *shell;
    uint16_t port;
    uv_sem_t asked;
    uv_sem_t reported;
    uv_sem_t over;
    struct asked questions[4];
    uint32_t count;
    uint32_t forgotten;
};

static struct fixture *fixture; /* reports come without a pointer */

static bool ask_later(void *data, const struct asker *asker, const struct question *question,
                      void **memo, struct answer *answer_r)
{
    (void)data;
    if (question->kind == QUESTION_OUTCOME) {
        *answer_r = (struct answer){.told = TOLD_DONE, .credential = NOTHING};
        return true;
    }
    cr_assert(question->kind == QUESTION_AUTH || question->kind == QUESTION_ROUTE);
    cr_assert_eq(asker->client.size, strlen("127.0.0.1"));
    cr_assert(*memo == NULL || fixture->questions[fixture->count - 1].id == asker->id,
              "a session of before has left it");
    *memo = fixture;
    fixture->questions[fixture->count++] =
        (struct asked){asker->desk, asker->session, asker->id, question->serial};
    uv_sem_post(&fixture->asked);
    return false;
}

static void forget(void *data, void *session, uint64_t id, void **memo)
{
    (void)data;
    (void)session;
    (void)id;
    *memo = NULL;
    fixture->forgotten++;
}

static void reported(const struct report *report)
{
    (void)report;
    uv_sem_post(&fixture->reported);
}

static void warned(const char *text, int error)
{
    cr_assert_fail("%s: %s", text, uv_strerror(error));
}

static void over(void *data)
{
    (void)data;
    uv_sem_post(&fixture->over);
}

static void dispose(struct setup *setup)
{
    setup_clear(setup);
}

/* One listener in front of the relay, where a credential is used for everybody. */
static void configure(uint16_t relay_port)
{
    struct config *config = &fixture->config;
    struct policy *policy;
    struct text arena = text_over(fixture->memory, sizeof(fixture->memory));
    struct text error = text_over(fixture->memory + 512, 512);
    char url[64];

    arena.room = 512;
    snprintf(url, sizeof(url), "smtp://127.0.0.1:%u", relay_port);
    config_default(config);
    config_single(config, true);
    cr_assert(config_set(config, SPAN("workers"), SPAN("1"), &arena, &error));
    cr_assert(config_set(config, SPAN("listen"), SPAN("127.0.0.1:0"), &arena, &error));
    cr_assert(config_set(config, SPAN("address"), span_of_string(url), &arena, &error));
    cr_assert(config_check(config, &error), "%.*s", (int)error.size, error.at);
    policy = &config->listeners[0].policy;
    policy->relays[0].allow_clear = true;
    policy->credential_count = config->credential_count = 1;
    policy->credentials[0].name = config->credentials[0].name = SPAN("only");
    policy->route_count = 1;
    policy->routes[0] = (struct route){.relay = NOTHING, .credential = 0};
}

/* For some senders a live source is asked, and the others have another relay, at the same address.
 */
static void configure_live(void)
{
    struct config *config = &fixture->config;
    struct policy *policy = &config->listeners[0].policy;

    policy->relay_count = config->relay_count = 2;
    policy->relays[1] = policy->relays[0];
    config->relays[1] = config->relays[0];
    policy->wait_ms[WAIT_ASK] = ASK_MS;
    policy->route_count = 2;
    policy->routes[1] = (struct route){.relay = 1, .credential = 0};
    policy->routes[0] = (struct route){.relay = NOTHING, .credential = NOTHING};
    policy->routes[0].wants[FACT_SENDER] = SPAN("live@*");
    policy->routes[0].ask = SPAN("http://127.0.0.1/");
}

static void begin(bool live)
{
    static const struct adviser adviser = {.ask = ask_later, .forget = forget};
    static const struct shell_user user = {
        .report = reported, .warn = warned, .over = over, .adviser = &adviser};
    const struct scripted_script script = {.steps = steps, .end = SCRIPTED_SILENCE};
    const struct address *addresses;
    struct text why = text_over(NULL, 0);
    char where[ADDRESS_TEXT_MAX];
    uint16_t relay_port;
    int error;

    fixture = calloc(1, sizeof(*fixture));
    uv_sem_init(&fixture->asked, 0);
    uv_sem_init(&fixture->reported, 0);
    uv_sem_init(&fixture->over, 0);
    fixture->relay = scripted_start(&script, &relay_port);
    configure(relay_port);
    if (live)
        configure_live();
    fixture->setup.holders = 1;
    fixture->setup.dispose = dispose;
    fixture->setup.config = &fixture->config;
    cr_assert(setup_secure(&fixture->setup, NULL, &why));
    fixture->shell = shell_start(&fixture->setup, &user, &error, where);
    cr_assert_not_null(fixture->shell, "%s: %s", where, uv_strerror(error));
    cr_assert_eq(shell_addresses(fixture->shell, &addresses), 1);
    fixture->port = address_port(&addresses[0]);
}

static void end(void)
{
    shell_drain(fixture->shell);
    uv_sem_wait(&fixture->over);
    shell_close(&fixture->shell);
    setup_drop(&fixture->setup);
    scripted_stop(fixture->relay);
}

/* A client that says so much. */
static int client(const char *words)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct address address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert(address_literal(SPAN("127.0.0.1"), fixture->port, &address));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    cr_assert_eq(connect(fd, &address.any, address_size(&address)), 0);
    cr_assert_eq(send(fd, words, strlen(words), 0), (ssize_t)strlen(words));
    return fd;
}

static void await(int fd, const char *words)
{
    char heard[1024] = "";
    size_t size = 0;

    while (strstr(heard, words) == NULL) {
        ssize_t more = recv(fd, heard + size, sizeof(heard) - 1 - size, 0);

        cr_assert_gt(more, 0, "`%s` did not come: %s", words, heard);
        size += (size_t)more;
    }
}

static void tell(const struct asked *asked, struct span line)
{
    const struct answer answer = {.told = TOLD_LINE, .bytes = line};

    desk_answer(asked->desk, asked->session, asked->id, asked->serial, &answer);
}

/* The second session most likely has the memory of the first, and its question the same number. */
Test(desk, an_answer_is_for_the_session_that_asked)
{
    const struct linger abruptly = {.l_onoff = 1};
    struct span heard;
    int fd;

    begin(false);
    fd = client("HELO first\r\nMAIL FROM:<a@client.test>\r\n");
    uv_sem_wait(&fixture->asked);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &abruptly, sizeof(abruptly));
    close(fd);
    uv_sem_wait(&fixture->reported);
    tell(&fixture->questions[0], SPAN("PLAIN bGF0ZQ=="));

    scripted_served(fixture->relay, 1);
    fd = client("HELO second\r\nMAIL FROM:<b@client.test>\r\n");
    uv_sem_wait(&fixture->asked);
    cr_assert_eq(fixture->questions[0].serial, fixture->questions[1].serial);
    tell(&fixture->questions[0], SPAN("PLAIN bGF0ZXI="));
    tell(&fixture->questions[1], SPAN("PLAIN cmlnaHQ="));
    await(fd, "250 2.1.0 ok");
    close(fd);
    uv_sem_wait(&fixture->reported);
    end();

    heard = scripted_heard(fixture->relay);
    cr_assert_lt(span_find_span(heard, SPAN("AUTH PLAIN cmlnaHQ=")), heard.size);
    cr_assert_eq(span_find_span(heard, SPAN("bGF0Z")), heard.size);
    cr_assert_eq(fixture->forgotten, 2);
}

/* The place is for what was asked for, and that has been refused meanwhile. */
Test(desk, an_answer_that_is_late_sends_nobody_anywhere, .timeout = 30)
{
    struct answer late = {.told = TOLD_DONE, .credential = NOTHING, .moved = true};
    struct span heard;
    int fd;

    begin(true);
    late.relay = (struct config_address){SPAN("127.0.0.1"), 1};
    fd = client("HELO us\r\nMAIL FROM:<live@client.test>\r\n");
    uv_sem_wait(&fixture->asked);
    await(fd, "451 4.3.0 ");
    desk_answer(fixture->questions[0].desk, fixture->questions[0].session, fixture->questions[0].id,
                fixture->questions[0].serial, &late);
    cr_assert_eq(send(fd, "MAIL FROM:<a@client.test>\r\n", 27, 0), 27);
    uv_sem_wait(&fixture->asked);
    tell(&fixture->questions[1], SPAN("PLAIN cmlnaHQ="));
    await(fd, "250 2.1.0 ok");
    close(fd);
    uv_sem_wait(&fixture->reported);
    end();
    heard = scripted_heard(fixture->relay);
    cr_assert_lt(span_find_span(heard, SPAN("AUTH PLAIN cmlnaHQ=")), heard.size);
}
