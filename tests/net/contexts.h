/* contexts: the usual ones, and the two sides of a pair secured with them. */
#ifndef LOCKSTEP_TESTS_NET_CONTEXTS_H
#define LOCKSTEP_TESTS_NET_CONTEXTS_H

#include "issue.h"
#include "pair.h"

struct contexts {
    struct issued authority;
    struct issued issued; /* to mail.example and 127.0.0.1 */
    struct tls_context *server;
    struct tls_context *client; /* checks chain and name */
};

struct contexts contexts_new(void);
void contexts_drop(struct contexts *contexts);

/* A context, or a failed test. */
struct tls_context *server_new(const struct tls_server *settings);
struct tls_context *client_new(const struct tls_client *settings);
/* No version but this, TLS1_2_VERSION and its like. */
void context_speak(struct tls_context *context, int version);

/* A pair on which TLS has begun, the server's name being `name`. */
struct pair *pair_secure(struct tls_context *server, struct tls_context *client, const char *name);
/* The same, until it is up or has failed, and everything has come to rest. */
struct pair *pair_shake(struct tls_context *server, struct tls_context *client, const char *name);

#endif
