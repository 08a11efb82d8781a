/*
 * tls: what connections that speak TLS share, and what is known of one once its handshake is done.
 *
 * - A context is made from settings, or not at all, with a sentence that says which file or word
 *   is wrong and what would be right. It never changes: new certificates are a new context, and
 *   connections go on with the one they began with. Contexts are counted by those who hold them
 *   and may be used by any thread; links hold theirs by themselves (link_secure).
 * - All-zero settings are safe ones: at least TLS 1.2, a client that trusts what the system trusts
 *   and checks chain and name.
 * - Renegotiation and compression are never done. A context whose minimum lies below TLS 1.2 takes
 *   the short keys and SHA-1 signatures of that time too, and no other context does.
 * - Servers resume sessions of the same context by ticket or number. Clients keep the newest
 *   TLS_SESSIONS_MAX sessions of a context and resume one with the same server name.
 */
#ifndef LOCKSTEP_NET_TLS_H
#define LOCKSTEP_NET_TLS_H

#include "lockstep/base/text.h"

#define TLS_PINS_MAX 8U
#define TLS_SESSIONS_MAX 32U
#define TLS_MINTED_MAX 256U
/* Bytes of the texts below. */
#define TLS_NAME_MAX 256U
#define TLS_WORDS_MAX 80U
#define TLS_BINDING_MAX 64U

struct tls_context;
struct tls; /* of one link: link->tls */

enum tls_version { TLS_DEFAULT, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 };

/* Whom to trust. */
enum tls_verify {
    TLS_VERIFY_FULL, /* the chain, and that the certificate is the server's of that name */
    TLS_VERIFY_CA,   /* the chain only */
    TLS_VERIFY_PIN,  /* only that the certificate, or its key, is one of `pins` */
    TLS_VERIFY_NONE, /* anybody */
};

enum tls_ask {
    TLS_ASK_NONE,
    TLS_ASK_OPTIONAL, /* none, or one that nobody vouches for, is as good as not being asked */
    TLS_ASK_REQUIRED, /* without one that the CA vouches for there is no connection */
};

/* Who we are. An empty `key`: it stands in the file of the certificate. Files are PEM. */
struct tls_identity {
    struct span certificate; /* file of the certificate and what leads up to its root */
    struct span key;
};

struct tls_rules {
    enum tls_version minimum;
    /* As `openssl ciphers` takes it; names that begin with "TLS_" choose among those of TLS 1.3.
     * What nothing is said of has the library's choice. A cipher without authentication only where
     * nothing is verified, and none without encryption. */
    struct span ciphers;
};

struct tls_server {
    struct tls_identity identity;
    /* Instead: who signs a certificate for each name that a client asks for, or for the name of
     * the link where it asks for none. They are kept, TLS_MINTED_MAX of them. */
    struct tls_identity authority;
    struct tls_rules rules;
    struct span client_ca; /* file; must be there when clients are asked */
    enum tls_ask client_certificate;
};

struct tls_client {
    struct tls_identity identity; /* empty: none */
    struct tls_rules rules;
    enum tls_verify verify;
    struct span ca; /* file; empty: what the system trusts */
    /* SHA-256, 64 hexadecimal digits with or without colons: of the whole certificate or of its
     * public key (SubjectPublicKeyInfo), whichever was written down. */
    uint32_t pin_count;
    struct span pins[TLS_PINS_MAX];
};

/* NULL: `why` has the sentence. The settings are read, not kept. A key that anybody may read is
 * refused. */
struct tls_context *tls_server_new(const struct tls_server *settings, struct text *why);
struct tls_context *tls_client_new(const struct tls_client *settings, struct text *why);
/* A context is born with one holder. */
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_drop(struct tls_context *context);

/*
 * Contexts made from now on add the secrets of their connections to that file, in the format
 * that protocol analysers read (SSLKEYLOGFILE), which only we can read: a file of somebody else is
 * refused. Once, before there is a second thread. Returns 0 or a libuv error.
 */
int tls_key_log(const char *path);

/* Are the first bytes of a peer those of a handshake, a record of type 0x16 and version 0x03xx? A
 * lone 0x16 is nothing that any protocol of lines begins with. */
bool tls_begins(struct span bytes);

/* --- of a link whose handshake is done; `memory` holds as many bytes as each says --- */

/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; TLS_WORDS_MAX. */
struct span tls_words(const struct tls *tls, char *memory);
bool tls_resumed(const struct tls *tls);
/* What the peer's certificate calls it: its first DNS name or mail address, else its common name.
 * Empty when there is none, or nobody vouches for it; TLS_NAME_MAX. */
struct span tls_peer_name(const struct tls *tls, char *memory);
/* What binds an exchange to this connection, for SASL's -PLUS mechanisms: "tls-exporter" (RFC 9266)
 * and, below TLS 1.3, "tls-unique" (RFC 5929). Empty where it would bind nothing, which is when
 * the peer does not know RFC 7627; TLS_BINDING_MAX. */
struct span tls_binding_exporter(const struct tls *tls, char *memory);
struct span tls_binding_unique(const struct tls *tls, char *memory);

#endif
