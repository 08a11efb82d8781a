#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <string.h>

#include "contexts.h"
#include "net/tls_inside.h"

static struct tls_context *server_of(const struct issued *issued)
{
    struct tls_server settings = {
        .identity = {span_of_string(issued->file), span_of_string(issued->key_file)}};

    return server_new(&settings);
}

/* What the client says to a server of that certificate; "": it trusts it. What it does not trust
 * the server hears of, too. */
static const char *judgement(const struct issued *server, const struct tls_client *client,
                             const char *name)
{
    static char why[320];
    struct tls_context *accepts = server_of(server);
    struct tls_context *connects = client_new(client);
    struct pair *pair = pair_shake(accepts, connects, name);

    snprintf(why, sizeof(why), "%s", pair->client.why);
    cr_assert_eq(pair->client.error, why[0] != 0 ? UV_EPROTO : 0);
    if (why[0] != 0) {
        cr_assert_eq(pair->client.secured, 0);
        cr_assert_eq(strncmp(pair->server.why, "TLS: refused by the peer: ", 26), 0, "%s",
                     pair->server.why);
    }
    pair_close(pair);
    tls_context_drop(accepts);
    tls_context_drop(connects);
    return why;
}

static struct tls_client trusting(const struct issued *authority, enum tls_verify verify)
{
    return (struct tls_client){.ca = span_of_string(authority->file), .verify = verify};
}

Test(tls_trust, checks_chain_and_name)
{
    struct issued authority = issue(NULL, "authority", NULL);
    struct issued other = issue(NULL, "other", NULL);
    struct issued mail = issue(&authority, "mail", "DNS:mail.example,DNS:*.in.example,IP:::1");
    struct issued expired = issue_days(&authority, "expired", "DNS:mail.example", -3);
    struct issued common = issue(&authority, "common.example", NULL);
    struct tls_client full = trusting(&authority, TLS_VERIFY_FULL);
    struct tls_client strange = trusting(&other, TLS_VERIFY_FULL);
    struct tls_client system = {0};
    const struct {
        const struct issued *server;
        const struct tls_client *client;
        const char *name;
        const char *why;
    } rows[] = {
        {&mail, &full, "mail.example", ""},
        {&mail, &full, "MAIL.example", ""},
        {&mail, &full, "mail.example.", ""},
        {&mail, &full, "host.in.example", ""},
        {&mail, &full, "::1", ""},
        {&common, &full, "common.example", ""},
        {&mail, &full, "other.example",
         "TLS: name does not match: the certificate is for mail.example, *.in.example, ::1"},
        {&mail, &full, "127.0.0.1",
         "TLS: name does not match: the certificate is for mail.example, *.in.example, ::1"},
        {&mail, &full, "a.b.in.example",
         "TLS: name does not match: the certificate is for mail.example, *.in.example, ::1"},
        {&common, &full, "mail.example",
         "TLS: name does not match: the certificate is for common.example"},
        {&expired, &full, "mail.example", "TLS: certificate has expired (mail.example, depth 0)"},
        {&mail, &strange, "mail.example",
         "TLS: unable to get local issuer certificate (mail.example, *.in.example, ::1, depth 0)"},
        {&other, &full, "other", "TLS: self-signed certificate (other, depth 0)"},
        {&mail, &system, "mail.example",
         "TLS: unable to get local issuer certificate (mail.example, *.in.example, ::1, depth 0)"},
        {&other, &strange, "other", ""},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_str_eq(judgement(rows[i].server, rows[i].client, rows[i].name), rows[i].why);
}

/* Nothing is said on such a link, not even that it ends. */
Test(tls_trust, has_no_server_without_a_name)
{
    static const char *const names[] = {"", NULL};
    struct contexts contexts = contexts_new();
    char many[300];
    size_t i;

    memset(many, 'a', sizeof(many));
    for (i = 0; i < 2; i++) {
        struct pair *pair = pair_new();
        struct span name = names[i] != NULL ? span_of_string(names[i]) : span_of(many, 300);

        link_secure(&pair->client.link, contexts.client, name);
        pair_run(pair, either_lost);
        pair_settle(pair);
        cr_assert_eq(strncmp(pair->client.why, "TLS: no server can have the name \"", 34), 0);
        cr_assert_eq(pair->passed[0], 0);
        pair_close(pair);
    }
    contexts_drop(&contexts);
}

Test(tls_trust, checks_as_much_as_it_was_told)
{
    struct issued authority = issue(NULL, "authority", NULL);
    struct issued other = issue(NULL, "other", NULL);
    struct issued mail = issue(&authority, "mail", "DNS:mail.example");
    struct issued expired = issue_days(&authority, "expired", "DNS:mail.example", -3);
    struct tls_client chain = trusting(&authority, TLS_VERIFY_CA);
    struct tls_client strange = trusting(&other, TLS_VERIFY_CA);
    struct tls_client anybody = {.verify = TLS_VERIFY_NONE};
    struct tls_client leaf = trusting(&mail, TLS_VERIFY_FULL);

    cr_assert_str_eq(judgement(&mail, &chain, "other.example"), "");
    cr_assert_str_eq(judgement(&mail, &chain, ""), "");
    cr_assert_str_eq(judgement(&expired, &chain, "mail.example"),
                     "TLS: certificate has expired (mail.example, depth 0)");
    cr_assert_str_eq(judgement(&mail, &strange, "mail.example"),
                     "TLS: unable to get local issuer certificate (mail.example, depth 0)");
    cr_assert_str_eq(judgement(&expired, &anybody, "other.example"), "");
    cr_assert_str_eq(judgement(&mail, &leaf, "mail.example"), ""); /* a single server */
    cr_assert_neq(judgement(&mail, &leaf, "other.example")[0], 0);
}

Test(tls_trust, takes_the_pinned_certificate_or_key_and_no_other)
{
    struct issued authority = issue(NULL, "authority", NULL);
    struct issued mail = issue_days(&authority, "mail", "DNS:mail.example", -3);
    struct issued other = issue(&authority, "other", "DNS:mail.example");
    struct tls_client pin = {.verify = TLS_VERIFY_PIN, .pin_count = 1};
    struct tls_client two = {.verify = TLS_VERIFY_PIN, .pin_count = 2};
    const char *why;
    char colons[97];
    size_t i;

    pin.pins[0] = span_of_string(issued_pin(&mail));
    cr_assert_str_eq(judgement(&mail, &pin, "any.example"), "");
    why = judgement(&other, &pin, "mail.example");
    cr_assert_eq(strncmp(why, "TLS: the certificate is none of those pinned: its SHA-256 is ", 61),
                 0);
    cr_assert(span_equal_fold(span_of_string(why + 61), span_of_string(issued_pin(&other))));
    for (i = 0; i < 32; i++)
        snprintf(colons + 3 * i, 4, "%.2s:", issued_key_pin(&mail) + 2 * i);
    two.pins[0] = span_of_string(issued_key_pin(&authority));
    two.pins[1] = span_of(colons, 95);
    cr_assert_str_eq(judgement(&mail, &two, ""), "");
    cr_assert_neq(judgement(&authority, &pin, "")[0], 0);
}

/* --- clients' certificates --- */

/* What the server calls the client; "-": it let nobody in. */
static const char *visitor(struct tls_context *accepts, struct tls_context *connects)
{
    static char name[400];
    struct pair *pair = pair_shake(accepts, connects, "mail.example");
    struct span said = {0};

    if (pair->server.error == 0)
        said = tls_peer_name(pair->server.link.tls, name);
    name[said.size] = 0;
    if (pair->server.error != 0)
        snprintf(name, sizeof(name), "- %s", pair->server.why);
    pair_close(pair);
    return name;
}

static struct tls_context *visitor_new(const struct issued *authority, const struct issued *issued)
{
    struct tls_client settings = trusting(authority, TLS_VERIFY_FULL);

    if (issued != NULL)
        settings.identity =
            (struct tls_identity){span_of_string(issued->file), span_of_string(issued->key_file)};
    return client_new(&settings);
}

static struct tls_context *asking_new(const struct issued *authority, const struct issued *mail,
                                      enum tls_ask ask)
{
    struct tls_server settings = {
        .identity = {span_of_string(mail->file), span_of_string(mail->key_file)},
        .client_ca = span_of_string(authority->file),
        .client_certificate = ask};

    return server_new(&settings);
}

Test(tls_trust, knows_clients_by_their_certificates)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct issued authority = issue(NULL, "authority", NULL);
    struct issued other = issue(NULL, "other", NULL);
    struct issued mail = issue(&authority, "mail", "DNS:mail.example");
    struct issued plc = issue(&authority, "plc 7", NULL);
    struct issued person = issue(&authority, "p", "URI:urn:x,email:p@in.example,DNS:p.example");
    struct issued stranger = issue(&other, "stranger", NULL);
    const struct issued *visitors[] = {NULL, &plc, &person, &stranger};
    const char *asked[] = {"", "plc 7", "p@in.example", ""};
    const char *required[] = {"- TLS: peer did not return a certificate", "plc 7", "p@in.example",
                              "- TLS: unable to get local issuer certificate (stranger, depth 0)"};
    size_t i;
    size_t n;

    for (i = 0; i < 8; i++) {
        struct tls_context *connects = visitor_new(&authority, visitors[i / 2]);
        struct tls_context *none = asking_new(&authority, &mail, TLS_ASK_NONE);
        struct tls_context *optional = asking_new(&authority, &mail, TLS_ASK_OPTIONAL);
        struct tls_context *must_have = asking_new(&authority, &mail, TLS_ASK_REQUIRED);

        context_speak(connects, versions[i % 2]);
        cr_assert_str_eq(visitor(none, connects), "");
        tls_context_drop(connects);
        connects = visitor_new(&authority, visitors[i / 2]);
        context_speak(connects, versions[i % 2]);
        for (n = 0; n < 3; n++) /* resuming makes nobody more trusted, or less */
            cr_assert_str_eq(visitor(optional, connects), asked[i / 2]);
        tls_context_drop(connects);
        connects = visitor_new(&authority, visitors[i / 2]);
        context_speak(connects, versions[i % 2]);
        for (n = 0; n < 2; n++)
            cr_assert_str_eq(visitor(must_have, connects), required[i / 2]);
        tls_context_drop(connects);
        tls_context_drop(none);
        tls_context_drop(optional);
        tls_context_drop(must_have);
    }
}

Test(tls_trust, calls_nobody_by_a_name_with_bytes_that_hide)
{
    struct issued authority = issue(NULL, "authority", NULL);
    struct issued mail = issue(&authority, "mail", "DNS:mail.example");
    struct issued nasty = issue(&authority, "a\r\nb", NULL);
    struct tls_context *server = asking_new(&authority, &mail, TLS_ASK_REQUIRED);
    struct tls_context *client = visitor_new(&authority, &nasty);

    cr_assert_str_eq(visitor(server, client), "");
    tls_context_drop(server);
    tls_context_drop(client);
}

Test(tls_trust, calls_nobody_by_a_name_that_does_not_fit)
{
    static const size_t sizes[] = {TLS_NAME_MAX - 1, TLS_NAME_MAX};
    struct issued authority = issue(NULL, "authority", NULL);
    struct issued mail = issue(&authority, "mail", "DNS:mail.example");
    struct tls_context *server = asking_new(&authority, &mail, TLS_ASK_REQUIRED);
    size_t i;

    for (i = 0; i < 2; i++) {
        char name[TLS_NAME_MAX + 8] = "email:";
        struct issued issued;
        struct tls_context *client;

        memset(name + 6, 'a', sizes[i]);
        name[6 + sizes[i]] = 0;
        issued = issue(&authority, "long", name);
        client = visitor_new(&authority, &issued);
        cr_assert_str_eq(visitor(server, client), i == 0 ? name + 6 : "");
        tls_context_drop(client);
    }
    tls_context_drop(server);
}

Test(tls_trust, tells_the_server_whom_it_means_unless_that_is_an_address)
{
    struct contexts contexts = contexts_new();
    struct pair *pair = pair_shake(contexts.server, contexts.client, "mail.example");

    cr_assert_str_eq(SSL_get_servername(pair->server.link.tls->ssl, TLSEXT_NAMETYPE_host_name),
                     "mail.example");
    pair_close(pair);
    pair = pair_shake(contexts.server, contexts.client, "127.0.0.1");
    cr_assert(both_secured(pair));
    cr_assert_null(SSL_get_servername(pair->server.link.tls->ssl, TLSEXT_NAMETYPE_host_name));
    pair_close(pair);
    contexts_drop(&contexts);
}

Test(tls_trust, calls_the_server_by_its_name_when_it_is_trusted)
{
    struct contexts contexts = contexts_new();
    struct tls_client settings = {.verify = TLS_VERIFY_NONE};
    struct tls_context *anybody = client_new(&settings);
    struct pair *pair = pair_shake(contexts.server, contexts.client, "127.0.0.1");
    char name[TLS_NAME_MAX];

    cr_assert(span_equal(tls_peer_name(pair->client.link.tls, name), SPAN("mail.example")));
    cr_assert_eq(tls_peer_name(pair->server.link.tls, name).size, 0);
    pair_close(pair);
    pair = pair_shake(contexts.server, anybody, "mail.example");
    cr_assert(both_secured(pair));
    cr_assert_eq(tls_peer_name(pair->client.link.tls, name).size, 0);
    pair_close(pair);
    tls_context_drop(anybody);
    contexts_drop(&contexts);
}
