#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "contexts.h"
#include "folder.h"
#include "net/tls_inside.h"

static struct tls_identity identity_of(const struct issued *issued)
{
    return (struct tls_identity){span_of_string(issued->file), span_of_string(issued->key_file)};
}

struct stage {
    struct issued authority;
    struct tls_context *server;
    struct tls_context *client; /* trusts the authority, and checks the name */
};

static struct stage stage_new(void)
{
    struct stage stage = {.authority = issue(NULL, "authority", NULL)};

    stage.server = server_new(&(struct tls_server){.authority = identity_of(&stage.authority)});
    stage.client = client_new(&(struct tls_client){.ca = span_of_string(stage.authority.file)});
    return stage;
}

static void stage_drop(struct stage *stage)
{
    tls_context_drop(stage->server);
    tls_context_drop(stage->client);
}

/* What the server showed to a client that asked for that name; the pair is gone. */
static X509 *shown(const struct stage *stage, const char *name)
{
    struct pair *pair = pair_shake(stage->server, stage->client, name);
    X509 *certificate;

    cr_assert(pair->client.link.tls->up, "%s: %s", name, pair->client.link.tls->why);
    certificate = SSL_get1_peer_certificate(pair->client.link.tls->ssl);
    cr_assert_not_null(certificate);
    pair_close(pair);
    return certificate;
}

Test(tls_authority, signs_one_for_each_name_and_keeps_it)
{
    struct stage stage = stage_new();
    X509 *one = shown(&stage, "mail.example");
    X509 *again = shown(&stage, "mail.example");
    X509 *other = shown(&stage, "smtp.other.example");

    cr_expect_eq(X509_cmp(one, again), 0);
    cr_expect_neq(X509_cmp(one, other), 0);
    cr_expect_eq(X509_check_host(other, "smtp.other.example", 0, 0, NULL), 1);
    cr_expect_eq(X509_check_host(other, "mail.example", 0, 0, NULL), 0);
    cr_expect_eq(X509_check_ca(one), 0);
    X509_free(one);
    X509_free(again);
    X509_free(other);
    stage_drop(&stage);
}

/* Who says no name means the address that it connected to. */
Test(tls_authority, names_the_address_where_no_name_is_asked_for)
{
    struct stage stage = stage_new();
    struct pair *pair = pair_new();
    X509 *certificate;

    link_secure(&pair->server.link, stage.server, SPAN("192.0.2.25"));
    link_secure(&pair->client.link, stage.client, SPAN("192.0.2.25"));
    pair_run(pair, both_secured);
    certificate = SSL_get0_peer_certificate(pair->client.link.tls->ssl);
    cr_expect_eq(X509_check_ip_asc(certificate, "192.0.2.25", 0), 1);
    pair_close(pair);
    stage_drop(&stage);
}

/* With nothing to write into it there is no certificate, and the authority's own is never shown. */
Test(tls_authority, shows_nothing_where_there_is_no_name)
{
    struct stage stage = stage_new();
    struct tls_context *anybody = client_new(&(struct tls_client){.verify = TLS_VERIFY_NONE});
    struct pair *pair = pair_shake(stage.server, anybody, "");

    cr_expect_not(both_secured(pair));
    pair_close(pair);
    tls_context_drop(anybody);
    stage_drop(&stage);
}

Test(tls_authority, takes_no_name_that_no_host_can_have)
{
    static const char *const names[] = {"mail,DNS:bank.example", "a b.example", "*.example",
                                        ".example"};
    struct stage stage = stage_new();
    struct tls_context *anybody = client_new(&(struct tls_client){.verify = TLS_VERIFY_NONE});
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct pair *pair = pair_shake(stage.server, anybody, names[i]);

        cr_expect_not(both_secured(pair), "%s", names[i]);
        pair_close(pair);
    }
    tls_context_drop(anybody);
    stage_drop(&stage);
}

Test(tls_authority, keeps_so_many_and_no_more)
{
    struct stage stage = stage_new();
    X509 *first = shown(&stage, "first.example");
    X509 *again;
    uint32_t i;

    tls_context_drop(stage.client); /* which would resume its session */
    for (i = 0; i < TLS_MINTED_MAX; i++) {
        char name[32];

        snprintf(name, sizeof(name), "host%u.example", i);
        stage.client = client_new(&(struct tls_client){.ca = span_of_string(stage.authority.file)});
        X509_free(shown(&stage, name));
        tls_context_drop(stage.client);
    }
    stage.client = client_new(&(struct tls_client){.ca = span_of_string(stage.authority.file)});
    again = shown(&stage, "first.example");
    cr_expect_neq(X509_cmp(first, again), 0);
    X509_free(first);
    X509_free(again);
    stage_drop(&stage);
}

/* Why it will not do; the path of the test's folder is left out. */
static const char *sentence(const struct issued *issued)
{
    static char memory[600];
    struct text why = text_over(memory, sizeof(memory) - 1);
    struct tls_server settings = {.authority = identity_of(issued)};

    cr_assert_null(tls_server_new(&settings, &why));
    memory[why.size] = 0;
    return memory + strlen(folder()) + 1;
}

Test(tls_authority, says_why_it_will_not_do)
{
    struct issued authority = issue(NULL, "authority", NULL);
    struct issued leaf = issue(&authority, "leaf", "DNS:leaf.example");
    struct issued old = issue_days(NULL, "old", NULL, -1);

    cr_expect_str_eq(sentence(&leaf), "leaf.pem: can't issue certificates: it is no certificate of "
                                      "an authority (CA:TRUE)");
    cr_expect_str_eq(sentence(&old), "old.pem: can't issue certificates: it has expired");
}
