/*
 * What the files of tls share: contexts (tls.c), whom they trust (tls_trust.c), sessions to resume
 * (tls_sessions.c), certificates made on the way (tls_authority.c), and the TLS of one link
 * (tls_link.c).
 */
#ifndef LOCKSTEP_NET_TLS_INSIDE_H
#define LOCKSTEP_NET_TLS_INSIDE_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <uv.h>

#include "lockstep/net/tls.h"

#define TLS_PIN_BYTES 32U
/* Bytes of the sentence that says why TLS failed. */
#define TLS_WHY_MAX 240U

/* Sessions that may be resumed, oldest overwritten first. */
struct tls_sessions {
    uv_mutex_t lock;
    uint32_t next;
    struct {
        char *name;
        SSL_SESSION *session;
    } rows[TLS_SESSIONS_MAX];
};

struct tls_context {
    atomic_uint holders;
    SSL_CTX *ssl;
    BIO_METHOD *wire;
    struct tls_authority *authority; /* NULL: the certificate is there */
    bool server;
    enum tls_verify verify;
    enum tls_ask ask;
    uint32_t pin_count;
    unsigned char pins[TLS_PINS_MAX][TLS_PIN_BYTES];
    struct tls_sessions sessions;
};

struct tls {
    SSL *ssl;
    struct tls_context *context;
    struct span input; /* encrypted, not read by `ssl` yet: borrowed, or in `held` */
    char *held;        /* while the user has no room */
    char *early;       /* the user's bytes, from before the handshake is done */
    size_t early_size;
    char *why;   /* TLS_WHY_MAX, once it has failed */
    bool due;    /* has something to do when the turn ends */
    bool up;     /* the handshake is done */
    bool closed; /* the peer said close_notify */
    bool more;   /* reading stopped for want of room */
    char name[]; /* of the server, or of the one that is stood in for; ends in NUL */
};

/* --- tls_trust.c --- */

/* How `context` judges what the peer shows. */
void tls_trust(struct tls_context *context);
/* What the client of the server `name` has to find in its certificate. False: such a name can't
 * stand there. */
bool tls_expect(struct tls *tls, struct span name);
/* False: not that many hexadecimal digits. */
bool tls_pin(struct span text, unsigned char pin[TLS_PIN_BYTES]);
/* Notes why TLS fails, unless that is known already. */
void tls_note(struct tls *tls, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- tls_sessions.c --- */

void tls_sessions_init(struct tls_context *context);
void tls_sessions_close(struct tls_context *context);
/* A server's: it keeps some, and gives tickets. */
void tls_sessions_serve(struct tls_context *context);
/* The session that begins ends with the certificate of the client, which is good now. A ticket is
 * looked at again; this is for those that are kept. */
void tls_sessions_limit(SSL *ssl, const X509 *certificate);
/* Offers a session with the server of that name, if there is one. */
void tls_sessions_resume(struct tls *tls);

/* --- tls_authority.c --- */

/* What was loaded into the context is an authority, and certificates are made of it from now on.
 * False: it will not do, and why. */
bool tls_authority_begin(struct tls_context *context, const char **why_r);
/* Harmless where there is none. */
void tls_authority_close(struct tls_authority **closing);

/* --- tls_link.c --- */

BIO_METHOD *tls_wire_new(void);

#endif
