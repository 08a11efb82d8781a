/* Contexts: files and words made into what OpenSSL wants, or a sentence. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "tls_inside.h"

#define CIPHERS_MAX 1024U

static FILE *key_log;

static bool refuse(struct text *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Always false. */
static bool refuse(struct text *why, const char *format, ...)
{
    char memory[PATH_MAX + TLS_WHY_MAX];
    va_list list;

    va_start(list, format);
    vsnprintf(memory, sizeof(memory), format, list);
    va_end(list);
    text_add(why, span_of_string(memory));
    ERR_clear_error();
    return false;
}

static const char *complaint(void)
{
    const char *words = ERR_reason_error_string(ERR_peek_error());

    return words != NULL ? words : "unknown error";
}

/* --- files --- */

/* `path_r` holds PATH_MAX bytes. */
static bool path_of(struct span name, char *path_r, struct text *why)
{
    if (name.size >= PATH_MAX || span_find(name, 0) < name.size)
        return refuse(why, "that is not the name of a file");
    if (name.size > 0)
        memcpy(path_r, name.at, name.size);
    path_r[name.size] = 0;
    return true;
}

/* NULL, with a sentence, when it can't be read. */
static BIO *file_open(const char *path, const char *what, struct text *why)
{
    BIO *file = BIO_new_file(path, "re"); /* closed in programs that other threads start */
    int error = errno;

    if (file == NULL)
        refuse(why, "%s: can't be read: %s; it has to be %s, as PEM", path, strerror(error), what);
    return file;
}

/* OpenSSL would ask on the terminal. */
static int no_passphrase(char *into, int room, int writing, void *data)
{
    (void)into;
    (void)room;
    (void)writing;
    *(bool *)data = true;
    return -1;
}

/* Those that lead up to the root, until the file ends. */
static bool load_issuers(SSL_CTX *ssl, BIO *file)
{
    bool locked = false;
    unsigned long error;
    X509 *issuer;

    SSL_CTX_clear_chain_certs(ssl);
    while ((issuer = PEM_read_bio_X509(file, NULL, no_passphrase, &locked)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ssl, issuer) != 1) {
            X509_free(issuer);
            return false;
        }
    }
    error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

/* Not by the path, as OpenSSL would do: the key may stand in the same file. */
static bool load_chain(SSL_CTX *ssl, const char *path, struct text *why)
{
    BIO *file = file_open(path, "a certificate and those that lead up to its root", why);
    bool locked = false;
    X509 *certificate;
    bool done;

    if (file == NULL)
        return false;
    ERR_clear_error();
    certificate = PEM_read_bio_X509_AUX(file, NULL, no_passphrase, &locked);
    done = certificate != NULL && SSL_CTX_use_certificate(ssl, certificate) == 1 &&
           load_issuers(ssl, file);
    if (!done && certificate == NULL && ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_PEM)
        refuse(why, "%s: holds no certificate in PEM", path);
    else if (!done)
        refuse(why, "%s: the certificate will not do: %s", path, complaint());
    X509_free(certificate);
    BIO_free(file);
    return done;
}

/* Looks at the very file it reads. */
static bool key_private(BIO *file, const char *path, struct text *why)
{
    struct stat status;
    FILE *stream = NULL;

    BIO_get_fp(file, &stream);
    must(stream != NULL);
    if (fstat(fileno(stream), &status) != 0)
        return refuse(why, "%s: can't be looked at: %s", path, strerror(errno));
    if ((status.st_mode & (S_IROTH | S_IWOTH)) != 0)
        return refuse(why, "%s: anybody may read or write this key (mode %04o): chmod o= it", path,
                      (unsigned)status.st_mode & 07777U);
    return true;
}

static bool load_key(SSL_CTX *ssl, const char *path, const char *chain, struct text *why)
{
    BIO *file = file_open(path, "the private key of the certificate", why);
    bool locked = false;
    EVP_PKEY *key = NULL;
    bool done = false;

    if (file == NULL)
        return false;
    if (key_private(file, path, why)) {
        key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, &locked);
        if (key == NULL && locked)
            refuse(why,
                   "%s: the key has a passphrase, which nobody can be asked for: keep it "
                   "without one, mode 0600",
                   path);
        else if (key == NULL)
            refuse(why, "%s: holds no private key in PEM", path);
        else if (SSL_CTX_use_PrivateKey(ssl, key) != 1 || SSL_CTX_check_private_key(ssl) != 1)
            refuse(why, "%s: is not the key of the certificate in %s", path, chain);
        else
            done = true;
    }
    EVP_PKEY_free(key);
    BIO_free(file);
    return done;
}

static bool load_identity(SSL_CTX *ssl, const struct tls_identity *identity, struct text *why)
{
    char chain[PATH_MAX];
    char key[PATH_MAX];

    return path_of(identity->certificate, chain, why) &&
           path_of(identity->key.size > 0 ? identity->key : identity->certificate, key, why) &&
           load_chain(ssl, chain, why) && load_key(ssl, key, chain, why);
}

static bool load_ca(SSL_CTX *ssl, struct span name, struct text *why)
{
    char path[PATH_MAX];
    BIO *file;

    if (!path_of(name, path, why))
        return false;
    file = file_open(path, "certificates of authorities", why);
    if (file == NULL)
        return false;
    BIO_free(file);
    if (SSL_CTX_load_verify_file(ssl, path) != 1)
        return refuse(why, "%s: holds no certificates in PEM", path);
    /* What stands there is trusted as it stands, an authority below others or a single server. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

/* --- rules --- */

/* The names of TLS 1.3, or all others, from a list with colons. */
static struct span ciphers_of(struct span all, bool newest, struct text *some)
{
    text_clear(some);
    while (all.size > 0) {
        struct span one = span_head(all, span_find(all, ':'));

        all = span_tail(all, one.size + 1);
        if (one.size == 0 || span_starts(one, SPAN("TLS_")) != newest)
            continue;
        if (some->size > 0)
            text_add_byte(some, ':');
        text_add(some, one);
    }
    return text_span(some);
}

static bool use_ciphers(struct tls_context *context, struct span all, struct text *why)
{
    SSL_CTX *ssl = context->ssl;
    /* Whoever need not show a certificate may as well have none. */
    struct span always =
        context->verify == TLS_VERIFY_NONE ? SPAN(":!eNULL") : SPAN(":!aNULL:!eNULL");
    char memory[CIPHERS_MAX];
    struct text some = text_over(memory, sizeof(memory) - 1);

    if (all.size > sizeof(memory) - 1 - always.size)
        return refuse(why, "the list of ciphers is too long");
    if (ciphers_of(all, true, &some).size > 0) {
        memory[some.size] = 0;
        if (SSL_CTX_set_ciphersuites(ssl, memory) != 1)
            return refuse(why, "\"%s\" does not name ciphers of TLS 1.3", memory);
    }
    if (ciphers_of(all, false, &some).size > 0) {
        text_add(&some, always);
        memory[some.size] = 0;
        if (SSL_CTX_set_cipher_list(ssl, memory) != 1)
            return refuse(why, "\"%.*s\" names no cipher that can be used",
                          (int)(some.size - always.size), memory);
    }
    return true;
}

static bool use_rules(struct tls_context *context, const struct tls_rules *rules, struct text *why)
{
    SSL_CTX *ssl = context->ssl;
    static const int versions[] = {[TLS_DEFAULT] = TLS1_2_VERSION,
                                   [TLS_1_0] = TLS1_VERSION,
                                   [TLS_1_1] = TLS1_1_VERSION,
                                   [TLS_1_2] = TLS1_2_VERSION,
                                   [TLS_1_3] = TLS1_3_VERSION};

    must(SSL_CTX_set_min_proto_version(ssl, versions[rules->minimum]) == 1);
    must(SSL_CTX_set_max_proto_version(ssl, 0) == 1);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    /* CLEANSE: what was read may be a password, and would stand in a buffer for long. */
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);
    if (versions[rules->minimum] < TLS1_2_VERSION) {
        SSL_CTX_set_security_level(ssl, 0);
        SSL_CTX_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT); /* from before RFC 5746 */
    }
    return use_ciphers(context, rules->ciphers, why);
}

/* --- the key log --- */

static void log_key(const SSL *ssl, const char *line)
{
    (void)ssl;
    fprintf(key_log, "%s\n", line);
}

/* A file that was there already may have been put there to be read. */
static bool key_log_private(int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return false;
    errno = EPERM;
    return !S_ISREG(status.st_mode) || (status.st_uid == geteuid() && fchmod(fd, 0600) == 0);
}

int tls_key_log(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    must(key_log == NULL);
    if (fd < 0 || !key_log_private(fd)) {
        int error = uv_translate_sys_error(errno);

        if (fd >= 0)
            close(fd);
        return error;
    }
    key_log = fdopen(fd, "a");
    must(key_log != NULL);
    setvbuf(key_log, NULL, _IOLBF, BUFSIZ); /* each line goes as a whole, whichever thread's */
    return 0;
}

/* --- contexts --- */

static struct tls_context *context_new(bool server)
{
    struct tls_context *context = calloc(1, sizeof(*context));

    must(context != NULL);
    atomic_init(&context->holders, 1);
    context->server = server;
    context->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    must(context->ssl != NULL);
    SSL_CTX_set_app_data(context->ssl, context);
    context->wire = tls_wire_new();
    if (!server)
        tls_sessions_init(context);
    if (key_log != NULL)
        SSL_CTX_set_keylog_callback(context->ssl, log_key);
    return context;
}

static struct tls_context *context_if(struct tls_context *context, bool good)
{
    if (good)
        return context;
    tls_context_drop(context);
    return NULL;
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
    atomic_fetch_add(&context->holders, 1);
    return context;
}

void tls_context_drop(struct tls_context *context)
{
    if (atomic_fetch_sub(&context->holders, 1) != 1)
        return;
    if (!context->server)
        tls_sessions_close(context);
    tls_authority_close(&context->authority);
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->wire);
    free(context);
}

static bool ask_clients(SSL_CTX *ssl, const struct tls_server *settings, struct text *why)
{
    char path[PATH_MAX];

    if (settings->client_certificate == TLS_ASK_NONE)
        return true;
    if (settings->client_ca.size == 0)
        return refuse(why, "whose client certificates are good? A file of certificate authorities "
                           "has to say it");
    if (!load_ca(ssl, settings->client_ca, why) || !path_of(settings->client_ca, path, why))
        return false;
    SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(path));
    return true;
}

static bool serve_as(struct tls_context *context, const struct tls_server *settings,
                     struct text *why)
{
    const char *complaint_of = NULL;

    if (settings->authority.certificate.size == 0)
        return load_identity(context->ssl, &settings->identity, why);
    if (!load_identity(context->ssl, &settings->authority, why))
        return false;
    if (tls_authority_begin(context, &complaint_of))
        return true;
    return refuse(why, "%.*s: can't issue certificates: %s",
                  (int)settings->authority.certificate.size, settings->authority.certificate.at,
                  complaint_of);
}

struct tls_context *tls_server_new(const struct tls_server *settings, struct text *why)
{
    static const unsigned char name[] = "lockstep";
    struct tls_context *context = context_new(true);
    SSL_CTX *ssl = context->ssl;

    context->verify = TLS_VERIFY_CA;
    context->ask = settings->client_certificate;
    SSL_CTX_set_session_id_context(ssl, name, sizeof(name) - 1);
    tls_sessions_serve(context);
    SSL_CTX_set_dh_auto(ssl, 1);
    tls_trust(context);
    return context_if(context, use_rules(context, &settings->rules, why) &&
                                   serve_as(context, settings, why) &&
                                   ask_clients(ssl, settings, why));
}

static bool trust_server(struct tls_context *context, const struct tls_client *settings,
                         struct text *why)
{
    uint32_t i;

    if (settings->verify == TLS_VERIFY_NONE)
        return true;
    if (settings->verify == TLS_VERIFY_PIN) {
        must(settings->pin_count <= TLS_PINS_MAX);
        context->pin_count = settings->pin_count;
        if (settings->pin_count == 0)
            return refuse(why, "there is no fingerprint that a certificate could have");
        for (i = 0; i < settings->pin_count; i++)
            if (!tls_pin(settings->pins[i], context->pins[i]))
                return refuse(why,
                              "\"%.*s\" is no SHA-256 fingerprint: 64 hexadecimal digits, with "
                              "or without colons",
                              (int)settings->pins[i].size, settings->pins[i].at);
        return true;
    }
    if (settings->ca.size > 0)
        return load_ca(context->ssl, settings->ca, why);
    if (SSL_CTX_set_default_verify_paths(context->ssl) != 1)
        return refuse(why, "the system's certificate authorities can't be read: %s", complaint());
    return true;
}

struct tls_context *tls_client_new(const struct tls_client *settings, struct text *why)
{
    struct tls_context *context = context_new(false);
    bool good;

    context->verify = settings->verify;
    tls_trust(context);
    good = use_rules(context, &settings->rules, why) &&
           (settings->identity.certificate.size == 0 ||
            load_identity(context->ssl, &settings->identity, why)) &&
           trust_server(context, settings, why);
    return context_if(context, good);
}

/* --- of one connection --- */

bool tls_begins(struct span bytes)
{
    return bytes.size > 0 && bytes.at[0] == 0x16 && (bytes.size == 1 || bytes.at[1] == 3);
}

struct span tls_words(const struct tls *tls, char *memory)
{
    snprintf(memory, TLS_WORDS_MAX, "%s %s", SSL_get_version(tls->ssl),
             SSL_get_cipher_name(tls->ssl));
    return span_of_string(memory);
}

bool tls_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

struct span tls_binding_exporter(const struct tls *tls, char *memory)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    size_t size = 32;

    if (SSL_version(tls->ssl) < TLS1_3_VERSION && SSL_get_extms_support(tls->ssl) != 1)
        return (struct span){0};
    if (SSL_export_keying_material(tls->ssl, (unsigned char *)memory, size, label,
                                   sizeof(label) - 1, NULL, 0, 0) != 1)
        return (struct span){0};
    return span_of(memory, size);
}

/* The first Finished message: the client's, or the server's when a session was resumed. */
struct span tls_binding_unique(const struct tls *tls, char *memory)
{
    bool ours = !tls->context->server;
    size_t size;

    if (SSL_version(tls->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(tls->ssl) != 1)
        return (struct span){0};
    if (tls_resumed(tls))
        ours = !ours;
    size = ours ? SSL_get_finished(tls->ssl, memory, TLS_BINDING_MAX)
                : SSL_get_peer_finished(tls->ssl, memory, TLS_BINDING_MAX);
    return span_of(memory, size < TLS_BINDING_MAX ? size : TLS_BINDING_MAX);
}
