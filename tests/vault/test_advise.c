/* The adviser as an engine asks it, over a whole vault; the test is the desk. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "folder.h"
#include "lockstep/vault/vault.h"
#include "vault/keeper.h"
#include "vault/rest.h"

#define RESTS "it was refused and is not tried again yet: "

#define SHA512_HASH                                                                              \
    "$6$rounds=1000$saltstring$2BkAo106CG84raQcWpAlhyy6TSSkAsL1nfvBCoezLYyerUzY2l8axTvq6NynEt7S" \
    "QAx3/cdop9ds0po8uaeHq0"

static struct config config;
static struct vault *vault;
static char log_text[8192];
static uv_mutex_t log_lock;

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

static atomic_llong clock_ms = 1000000;

static moment now(void *data)
{
    (void)data;
    return clock_ms;
}

static const struct vault_user user = {.say = say, .now = now};

/* Two relays, the second with a certificate of ours; what `give` made are the credentials. */
static void open_vault(void)
{
    char words[512];
    struct text error = text_over(words, sizeof(words));

    config.relay_count = 2;
    config.relays[0] = (struct config_relay){.name = SPAN("office")};
    config.relays[0].address.count = 1;
    config.relays[0].address.rows[0] = (struct config_address){SPAN("smtp.office.example"), 587};
    config.relays[1] = config.relays[0];
    config.relays[1].name = SPAN("shop");
    config.relays[1].certificate = SPAN("ours.pem");
    uv_mutex_init(&log_lock);
    vault = vault_open(&config, &user, &error);
    cr_assert_not_null(vault, "%.*s", (int)error.size, words);
}

static struct config_credential *give(const char *name, const char *file, const char *secret)
{
    struct config_credential *credential = &config.credentials[config.credential_count++];

    *credential = (struct config_credential){.name = span_of_string(name), .user = SPAN("tim")};
    if (secret != NULL)
        credential->password_file = span_of_string(folder_text(file, 0600, secret));
    return credential;
}

/* --- the desk, of one session --- */

struct desk {
    uv_sem_t rung;
    uint32_t serial;
    struct answer answer;
    char bytes[ANSWER_BYTES_MAX];
};

static struct desk desk;
static void *memo;
static struct config_listener listener;

void desk_answer(struct desk *to, void *session, uint64_t id, uint32_t serial,
                 const struct answer *answer)
{
    cr_assert(to == &desk && session == &memo && id == 17);
    to->serial = serial;
    to->answer = *answer;
    if (answer->bytes.size > 0)
        memcpy(to->bytes, answer->bytes.at, answer->bytes.size);
    to->answer.bytes.at = to->bytes;
    uv_sem_post(&to->rung);
}

static struct question next;

/* Asks once; waits for the answer when it comes later. */
static struct answer ask(enum question_kind kind)
{
    const struct adviser *adviser = vault_adviser(vault);
    const struct asker asker = {
        .desk = &desk,
        .session = &memo,
        .id = 17,
        .config = &config,
        .listener = &listener,
        .client = SPAN("192.0.2.7"),
    };
    struct answer answer;

    next.kind = kind;
    next.serial++;
    if (adviser->ask(adviser->data, &asker, &next, &memo, &answer))
        return answer;
    uv_sem_wait(&desk.rung);
    cr_assert_eq(desk.serial, next.serial);
    return desk.answer;
}

static struct answer ask_text(enum question_kind kind, uint16_t code, const char *text)
{
    next.code = code;
    next.text = span_of_string(text);
    return ask(kind);
}

/* As an engine asks for AUTH: again while it is told to. */
static struct answer ask_auth(const char *offered)
{
    struct answer answer;
    int times = 0;

    next.mechanisms = mechanisms_parse(span_of_string(offered));
    next.room = 500;
    do
        answer = ask(QUESTION_AUTH);
    while (answer.told == TOLD_AGAIN && ++times < 3);
    return answer;
}

static void check(struct answer answer, enum told told, const char *bytes)
{
    cr_assert_eq(answer.told, told, "told %d: %.*s", answer.told, (int)answer.bytes.size,
                 answer.bytes.at);
    cr_assert(span_equal(answer.bytes, span_of_string(bytes)), "%.*s", (int)answer.bytes.size,
              answer.bytes.at);
}

static void check_has(struct span text, const char *part)
{
    cr_assert_neq(span_find_span(text, span_of_string(part)), text.size, "%.*s has no %s",
                  (int)text.size, text.at, part);
}

static void begin(void)
{
    open_vault();
    uv_sem_init(&desk.rung, 0);
}

/* The session ends. */
static void leave(void)
{
    const struct adviser *adviser = vault_adviser(vault);

    adviser->forget(adviser->data, &memo, 17, &memo);
    cr_assert_null(memo);
}

static void end(void)
{
    leave();
    vault_close(&vault);
    cr_assert_null(strstr(log_text, "tanstaaf"), "%s", log_text);
}

/* --- cases --- */

Test(advise, logs_in_with_a_password)
{
    give("scanner", "password", "tanstaaf\n");
    begin();
    check(ask_auth("PLAIN LOGIN"), TOLD_LINE, "PLAIN AHRpbQB0YW5zdGFhZg==");
    check(ask_text(QUESTION_OUTCOME, 235, "2.7.0 welcome"), TOLD_DONE, "");
    /* by challenges */
    next.text = SPAN("");
    check(ask_auth("LOGIN"), TOLD_LINE, "LOGIN");
    check(ask_text(QUESTION_CHALLENGE, 334, "VXNlcm5hbWU6"), TOLD_LINE, "dGlt");
    check(ask_text(QUESTION_CHALLENGE, 334, "UGFzc3dvcmQ6"), TOLD_LINE, "dGFuc3RhYWY=");
    check(ask_text(QUESTION_OUTCOME, 235, "ok"), TOLD_DONE, "");
    cr_assert_str_eq(log_text, "");
    /* out of order */
    cr_assert_eq(ask_text(QUESTION_CHALLENGE, 334, "").told, TOLD_NO);
    cr_assert_eq(ask_text(QUESTION_OUTCOME, 235, "").told, TOLD_LATER);
    end();
}

Test(advise, says_what_is_missing)
{
    struct answer answer;

    give("scanner", "password", "tanstaaf");
    give("none", NULL, NULL)->password_file = span_of_string(folder_path("nothing"));
    begin();
    answer = ask_auth("XOAUTH2 OAUTHBEARER");
    cr_assert_eq(answer.told, TOLD_NO);
    check_has(answer.bytes, "relay office");
    check_has(answer.bytes, "OAUTHBEARER XOAUTH2");
    check_has(answer.bytes, "credential scanner can do SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5");
    next.credential = 1;
    answer = ask_auth("PLAIN");
    cr_assert(answer.told == TOLD_NO || answer.told == TOLD_LATER);
    check_has(answer.bytes, "credential none: it can't be used: " ASK_THE_LOG);
    cr_assert_not_null(strstr(log_text, folder_path("nothing")), "%s", log_text);
    next.credential = 7;
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_NO);
    end();
}

Test(advise, tries_another_password_once_and_tells_the_log)
{
    give("scanner", "password", "tanstaaf");
    begin();
    check(ask_auth("PLAIN"), TOLD_LINE, "PLAIN AHRpbQB0YW5zdGFhZg==");
    folder_text("password", 0600, "another");
    cr_assert_eq(ask_text(QUESTION_OUTCOME, 535, "535 5.7.8 no\r such \xFC thing").told,
                 TOLD_AGAIN);
    cr_assert_not_null(
        strstr(log_text, "relay office refused credential scanner by PLAIN: 535 5.7.8 no? such ?"),
        "%s", log_text);
    check(ask_auth("PLAIN"), TOLD_LINE, "PLAIN AHRpbQBhbm90aGVy");
    cr_assert_eq(ask_text(QUESTION_OUTCOME, 535, "5.7.8 no").told, TOLD_NO);
    end();
}

Test(advise, tells_a_lasting_refusal_from_a_passing_one)
{
    static const struct {
        uint16_t code;
        enum told told;
    } rows[] = {{250, TOLD_LATER}, {354, TOLD_LATER}, {334, TOLD_LATER}, {421, TOLD_LATER},
                {432, TOLD_LATER}, {454, TOLD_LATER}, {535, TOLD_NO}};
    size_t i;

    give("scanner", "password", "tanstaaf");
    begin();
    /* The first refusal has the file read again; it says the same, which is not tried again. */
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
    cr_assert_eq(ask_text(QUESTION_OUTCOME, 535, "535 no").told, TOLD_AGAIN);
    check(ask_auth("PLAIN"), TOLD_NO, "535 no");
    leave();
    clock_ms += REST_FIRST_MS;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
        clock_ms += REST_FIRST_MS;
        cr_assert_eq(ask_text(QUESTION_OUTCOME, rows[i].code, "no").told, rows[i].told, "%u",
                     (unsigned)rows[i].code);
    }
    end();
}

Test(advise, lets_no_other_session_try_what_was_refused)
{
    char words[512];
    struct text error = text_over(words, sizeof(words));

    give("scanner", "password", "tanstaaf");
    begin();
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
    cr_assert_eq(ask_text(QUESTION_OUTCOME, 535, "535 5.7.8 no").told, TOLD_AGAIN);
    leave();
    check(ask_auth("LOGIN"), TOLD_NO, RESTS "535 5.7.8 no");
    cr_assert_not_null(strstr(log_text, "credential scanner rests for 1 s"), "%s", log_text);
    next.relay = 1;
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE, "another relay may know it");
    next.relay = 0;
    /* when a pause is over, one tries */
    clock_ms += REST_FIRST_MS;
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
    check(ask_auth("PLAIN"), TOLD_NO, RESTS "535 5.7.8 no");
    /* when the operator says so */
    cr_assert(vault_reload(vault, &config, &error));
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
    cr_assert_eq(ask_text(QUESTION_OUTCOME, 535, "535 still no").told, TOLD_NO);
    check(ask_auth("PLAIN"), TOLD_NO, RESTS "535 still no");
    /* and when it is another one */
    folder_text("password", 0600, "another");
    clock_ms += 2000;
    check(ask_auth("PLAIN"), TOLD_LINE, "PLAIN AHRpbQBhbm90aGVy");
    check(ask_text(QUESTION_OUTCOME, 235, "welcome"), TOLD_DONE, "");
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
    end();
}

Test(advise, lets_a_good_login_forget_what_was_refused)
{
    give("scanner", "password", "tanstaaf");
    begin();
    ask_auth("PLAIN");
    ask_text(QUESTION_OUTCOME, 535, "535 no");
    leave();
    clock_ms += REST_FIRST_MS;
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
    check(ask_text(QUESTION_OUTCOME, 235, "welcome"), TOLD_DONE, "");
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LINE);
    end();
}

Test(advise, believes_no_relay_that_has_not_proven_itself)
{
    struct answer answer;

    give("scanner", "password", "tanstaaf");
    begin();
    answer = ask_auth("SCRAM-SHA-256 PLAIN");
    cr_assert_eq(answer.told, TOLD_LINE);
    cr_assert(span_starts(answer.bytes, SPAN("SCRAM-SHA-256 biws")));
    cr_assert_eq(ask_text(QUESTION_OUTCOME, 235, "welcome").told, TOLD_LATER);
    cr_assert_not_null(strstr(log_text, "proven"), "%s", log_text);
    /* Nonsense is cancelled, and what follows says nothing of the password. */
    ask_auth("SCRAM-SHA-256");
    cr_assert_eq(ask_text(QUESTION_CHALLENGE, 334, "bm9uc2Vuc2U=").told, TOLD_NO);
    cr_assert_eq(ask_text(QUESTION_OUTCOME, 501, "cancelled").told, TOLD_LATER);
    end();
}

/* The server's nonce does not go on with ours, but that is seen before the hashing is done. */
#define SCRAM_CHALLENGE "cj1ub25jZSxzPWMyRnNkSE5oYkhRPSxpPTQwOTY="

/* The test's server knows how SCRAM-SHA-256 goes; here it only has to be asked later. */
Test(advise, hashes_for_scram_beside_the_loop)
{
    give("scanner", "password", "tanstaaf");
    begin();
    cr_assert_eq(ask_auth("SCRAM-SHA-256").told, TOLD_LINE);
    desk.serial = 0;
    cr_assert_eq(ask_text(QUESTION_CHALLENGE, 334, SCRAM_CHALLENGE).told, TOLD_NO);
    cr_assert_eq(desk.serial, next.serial); /* it came over the desk */
    end();
}

Test(advise, shows_no_words_that_show_the_secret)
{
    give("scanner", "password", "tanstaaf");
    begin();
    ask_auth("PLAIN");
    ask_text(QUESTION_OUTCOME, 535, "535 tanstaaf is wrong");
    leave();
    clock_ms += REST_FIRST_MS;
    ask_auth("PLAIN");
    ask_text(QUESTION_OUTCOME, 535, "what is AHRpbQB0YW5zdGFhZg== for?");
    cr_assert_not_null(strstr(log_text, "PLAIN: words that show the secret"), "%s", log_text);
    cr_assert_null(strstr(log_text, "AHRpbQB0"), "%s", log_text);
    end();
}

Test(advise, uses_the_certificate_where_one_was_shown)
{
    give("certificate", NULL, NULL);
    begin();
    cr_assert_eq(ask_auth("EXTERNAL PLAIN").told, TOLD_NO);
    next.relay = 1;
    check(ask_auth("EXTERNAL PLAIN"), TOLD_LINE, "EXTERNAL dGlt");
    check(ask_text(QUESTION_OUTCOME, 235, "ok"), TOLD_DONE, "");
    end();
}

Test(advise, checks_logins_of_clients)
{
    begin();
    next.text = SPAN("tim");
    next.more = SPAN("secret");
    cr_assert_eq(ask(QUESTION_LOGIN).told, TOLD_LATER); /* nobody is there */
    listener.auth.file = span_of_string(folder_text("logins", 0600, "tim:" SHA512_HASH "\n"));
    cr_assert_eq(ask(QUESTION_LOGIN).told, TOLD_DONE);
    next.more = SPAN("Secret");
    cr_assert_eq(ask(QUESTION_LOGIN).told, TOLD_NO);
    end();
}

Test(advise, has_no_route_to_ask_where_none_is_configured)
{
    begin();
    cr_assert_eq(ask(QUESTION_ROUTE).told, TOLD_NO);
    cr_assert_eq(ask(QUESTION_POP).told, TOLD_NO);
    next.credential = LIVE;
    cr_assert_eq(ask_auth("PLAIN").told, TOLD_LATER);
    end();
}

/* Sessions come and go while the keeper brings what they asked for. */
Test(advise, may_be_forgotten_at_any_moment)
{
    static const enum question_kind kinds[] = {QUESTION_AUTH, QUESTION_CHALLENGE, QUESTION_AUTH,
                                               QUESTION_LOGIN, QUESTION_CHALLENGE};
    const struct adviser *adviser;
    int i;

    give("slow", NULL, NULL)->password_command = SPAN("/bin/echo tanstaaf");
    listener.auth.file = span_of_string(folder_text("logins", 0600, "tim:" SHA512_HASH "\n"));
    begin();
    adviser = vault_adviser(vault);
    next.more = SPAN("secret");
    next.mechanisms = MECHANISM_BIT(MECHANISM_SCRAM_SHA_256);
    next.room = 500;
    for (i = 0; i < 200; i++) {
        const struct asker asker = {.desk = &desk,
                                    .session = &memo,
                                    .id = 17,
                                    .config = &config,
                                    .listener = &listener,
                                    .client = SPAN("192.0.2.7")};
        struct answer answer;

        next.kind = kinds[(size_t)i % (sizeof(kinds) / sizeof(kinds[0]))];
        next.text = next.kind == QUESTION_CHALLENGE ? SPAN(SCRAM_CHALLENGE) : SPAN("tim");
        adviser->ask(adviser->data, &asker, &next, &memo, &answer);
        if (i % 7 == 0)
            adviser->forget(adviser->data, &memo, 17, &memo);
    }
    end();
}
