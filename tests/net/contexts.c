/* The usual contexts. */
#include "contexts.h"

#include <criterion/criterion.h>

#include "net/tls_inside.h"

struct tls_context *server_new(const struct tls_server *settings)
{
    char memory[400];
    struct text why = text_over(memory, sizeof(memory));
    struct tls_context *context = tls_server_new(settings, &why);

    cr_assert_not_null(context, "%.*s", (int)why.size, why.at);
    return context;
}

struct tls_context *client_new(const struct tls_client *settings)
{
    char memory[400];
    struct text why = text_over(memory, sizeof(memory));
    struct tls_context *context = tls_client_new(settings, &why);

    cr_assert_not_null(context, "%.*s", (int)why.size, why.at);
    return context;
}

void context_speak(struct tls_context *context, int version)
{
    SSL_CTX_set_min_proto_version(context->ssl, version);
    SSL_CTX_set_max_proto_version(context->ssl, version);
}

struct contexts contexts_new(void)
{
    struct contexts contexts = {.authority = issue(NULL, "authority", NULL)};
    struct tls_server server = {0};
    struct tls_client client = {.ca = span_of_string(contexts.authority.file)};

    contexts.issued = issue(&contexts.authority, "mail", "DNS:mail.example,IP:127.0.0.1");
    server.identity.certificate = span_of_string(contexts.issued.file);
    server.identity.key = span_of_string(contexts.issued.key_file);
    contexts.server = server_new(&server);
    contexts.client = client_new(&client);
    return contexts;
}

void contexts_drop(struct contexts *contexts)
{
    tls_context_drop(contexts->server);
    tls_context_drop(contexts->client);
}

struct pair *pair_secure(struct tls_context *server, struct tls_context *client, const char *name)
{
    struct pair *pair = pair_new();

    link_secure(&pair->server.link, server, (struct span){0});
    link_secure(&pair->client.link, client, span_of_string(name));
    return pair;
}

static bool decided(const struct pair *pair)
{
    return both_secured(pair) || either_lost(pair);
}

struct pair *pair_shake(struct tls_context *server, struct tls_context *client, const char *name)
{
    struct pair *pair = pair_secure(server, client, name);

    pair_run(pair, decided);
    pair_settle(pair);
    return pair;
}
