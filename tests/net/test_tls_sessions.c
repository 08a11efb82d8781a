#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <string.h>

#include "contexts.h"
#include "lockstep/base/must.h"
#include "net/tls_inside.h"

#define DAY_S 86400L

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static bool resumes(struct contexts *contexts, const char *name)
{
    struct pair *pair = pair_shake(contexts->server, contexts->client, name);
    bool resumed;

    cr_assert(both_secured(pair), "%s %s", pair->client.why, pair->server.why);
    resumed = tls_resumed(pair->client.link.tls);
    cr_assert_eq(tls_resumed(pair->server.link.tls), resumed);
    pair_close(pair);
    return resumed;
}

Test(tls_sessions, resumes_a_session_with_the_same_server)
{
    size_t i;

    for (i = 0; i < 2; i++) {
        struct contexts contexts = contexts_new();

        context_speak(contexts.client, versions[i]);
        cr_assert_not(resumes(&contexts, "mail.example"));
        cr_assert_not(resumes(&contexts, "127.0.0.1"));
        cr_assert(resumes(&contexts, "mail.example"));
        cr_assert(resumes(&contexts, "mail.example"));
        contexts_drop(&contexts);
    }
}

Test(tls_sessions, keeps_as_many_sessions_as_it_may)
{
    struct contexts contexts = contexts_new();
    struct issued any = issue(&contexts.authority, "any", "DNS:*.mail.example");
    struct tls_server settings = {
        .identity = {span_of_string(any.file), span_of_string(any.key_file)}};
    char name[32];
    uint32_t i;

    tls_context_drop(contexts.server);
    contexts.server = server_new(&settings);
    context_speak(contexts.client, TLS1_2_VERSION);
    for (i = 0; i <= TLS_SESSIONS_MAX; i++) {
        snprintf(name, sizeof(name), "host%u.mail.example", i);
        cr_assert_not(resumes(&contexts, name));
    }
    cr_assert(resumes(&contexts, "host1.mail.example"));
    cr_assert_not(resumes(&contexts, "host0.mail.example"));
    contexts_drop(&contexts);
}

static uint32_t sessions_of(const struct tls_context *context)
{
    uint32_t count = 0;
    uint32_t i;

    for (i = 0; i < TLS_SESSIONS_MAX; i++)
        count += context->sessions.rows[i].session != NULL;
    return count;
}

Test(tls_sessions, uses_a_ticket_once)
{
    struct contexts contexts = contexts_new();

    cr_assert_not(resumes(&contexts, "mail.example"));
    cr_assert_eq(sessions_of(contexts.client), 2); /* as many as servers send */
    cr_assert(resumes(&contexts, "mail.example"));
    cr_assert_eq(sessions_of(contexts.client), 2); /* one less, and a new one */
    contexts_drop(&contexts);
}

Test(tls_sessions, resumes_no_session_that_went_wrong)
{
    struct contexts contexts = contexts_new();
    struct pair *pair;

    context_speak(contexts.client, TLS1_2_VERSION);
    pair = pair_shake(contexts.server, contexts.client, "mail.example");
    cr_assert_eq(sessions_of(contexts.client), 1);
    cr_assert_eq(send(pair->wire[0], "\x17\x03\x03\x00\x04oops", 9, 0), 9);
    pair_run(pair, either_lost);
    cr_assert_eq(sessions_of(contexts.client), 0);
    pair_close(pair);
    contexts_drop(&contexts);
}

/* As if time had passed. */
Test(tls_sessions, resumes_no_session_whose_certificate_has_expired)
{
    struct contexts contexts = contexts_new();
    struct issued expired = issue_days(&contexts.authority, "late", "DNS:mail.example", -3);
    struct tls_server server = {
        .identity = {span_of_string(expired.file), span_of_string(expired.key_file)}};
    struct tls_client client = {.verify = TLS_VERIFY_NONE};
    struct pair *pair;

    tls_context_drop(contexts.server);
    tls_context_drop(contexts.client);
    contexts.server = server_new(&server);
    contexts.client = client_new(&client);
    cr_assert_not(resumes(&contexts, "mail.example"));
    cr_assert(resumes(&contexts, "mail.example"));
    contexts.client->verify = TLS_VERIFY_CA;
    pair = pair_shake(contexts.server, contexts.client, "mail.example");
    cr_assert_eq(pair->client.error, UV_EPROTO);
    pair_close(pair);
    contexts_drop(&contexts);
}

/* As if time had passed: such a certificate is taken at first where it is optional. */
static bool client_resumes(int days, int version, uint64_t options)
{
    struct contexts contexts = contexts_new();
    struct issued shown = issue_days(&contexts.authority, "scanner", NULL, days);
    struct tls_server server = {.identity = {span_of_string(contexts.issued.file),
                                             span_of_string(contexts.issued.key_file)},
                                .client_certificate = TLS_ASK_OPTIONAL,
                                .client_ca = span_of_string(contexts.authority.file)};
    struct tls_client client = {
        .identity = {span_of_string(shown.file), span_of_string(shown.key_file)},
        .verify = TLS_VERIFY_NONE};
    struct pair *pair;
    bool resumed;

    tls_context_drop(contexts.server);
    tls_context_drop(contexts.client);
    contexts.server = server_new(&server);
    contexts.client = client_new(&client);
    SSL_CTX_set_timeout(contexts.server->ssl, 100 * DAY_S);
    context_speak(contexts.client, version);
    SSL_CTX_set_options(contexts.client->ssl, options);
    pair = pair_shake(contexts.server, contexts.client, "mail.example");
    cr_assert(both_secured(pair), "%s %s", pair->client.why, pair->server.why);
    if (days > 0)
        cr_expect_leq(SSL_SESSION_get_timeout(SSL_get_session(pair->server.link.tls->ssl)),
                      days * DAY_S);
    pair_close(pair);
    resumed = resumes(&contexts, "mail.example");
    contexts_drop(&contexts);
    return resumed;
}

Test(tls_sessions, clients_resume_none_whose_certificate_has_expired)
{
    size_t i;

    for (i = 0; i < 2; i++) {
        cr_expect(client_resumes(30, versions[i], 0), "version %zu", i);
        cr_expect(client_resumes(2, versions[i], 0), "version %zu", i);
        cr_expect_not(client_resumes(-3, versions[i], 0), "version %zu", i);
    }
    /* One that is kept here ends with the certificate. */
    cr_expect(client_resumes(2, TLS1_2_VERSION, SSL_OP_NO_TICKET));
}

/* --- many threads --- */

static void call_often(void *data)
{
    struct contexts *contexts = data;
    uint32_t i;

    for (i = 0; i < 20; i++) {
        struct pair *pair = pair_shake(contexts->server, contexts->client, "mail.example");

        must(both_secured(pair));
        pair_close(pair);
    }
}

Test(tls_sessions, threads_share_contexts)
{
    struct contexts contexts = contexts_new();
    uv_thread_t threads[4];
    size_t i;

    for (i = 0; i < 4; i++)
        cr_assert_eq(uv_thread_create(&threads[i], call_often, &contexts), 0);
    for (i = 0; i < 4; i++)
        uv_thread_join(&threads[i]);
    cr_assert_gt(SSL_CTX_sess_hits(contexts.server->ssl), 40);
    contexts_drop(&contexts);
}
