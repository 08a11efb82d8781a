/* One thread, one client after the other, blocking sockets. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lockstep/base/must.h"
#include "scripted.h"

struct scripted {
    struct scripted_script script;
    pthread_t thread;
    int listening;
    int stop[2]; /* a pipe: its end of input means stop */
    SSL_CTX *context;
    atomic_uint clients;
    pthread_mutex_t lock;
    pthread_cond_t gone;
    uint32_t served; /* under the lock */
    size_t heard;
    char bytes[SCRIPTED_HEARD_MAX];
};

/* One client. */
struct guest {
    struct scripted *server;
    int fd;
    SSL *tls; /* NULL: in clear */
    bool lost;
};

/* False: the server is to stop. */
static bool wait_for(const struct scripted *server, int fd)
{
    struct pollfd both[] = {{.fd = fd, .events = POLLIN},
                            {.fd = server->stop[0], .events = POLLIN}};

    must(poll(both, 2, 20000) > 0);
    return both[1].revents == 0;
}

static void guest_read(struct guest *guest)
{
    struct scripted *server = guest->server;
    char *at = server->bytes + server->heard;
    size_t room = sizeof(server->bytes) - server->heard;
    ssize_t size;

    must(room > 0);
    if ((guest->tls == NULL || SSL_pending(guest->tls) == 0) && !wait_for(server, guest->fd)) {
        guest->lost = true;
        return;
    }
    size = guest->tls == NULL ? recv(guest->fd, at, room, 0) : SSL_read(guest->tls, at, (int)room);
    if (size <= 0)
        guest->lost = true;
    else
        server->heard += (size_t)size;
}

static void guest_say(struct guest *guest, struct span says)
{
    size_t piece = guest->server->script.piece;

    while (says.size > 0 && !guest->lost) {
        struct span head = span_head(says, piece > 0 ? piece : says.size);
        ssize_t sent = guest->tls == NULL ? send(guest->fd, head.at, head.size, 0)
                                          : SSL_write(guest->tls, head.at, (int)head.size);

        guest->lost = sent <= 0;
        if (sent > 0)
            says = span_tail(says, (size_t)sent);
    }
}

static void guest_secure(struct guest *guest)
{
    guest->tls = SSL_new(guest->server->context);
    SSL_set_fd(guest->tls, guest->fd);
    guest->lost = SSL_accept(guest->tls) != 1;
}

static void guest_play(struct guest *guest)
{
    struct scripted *server = guest->server;
    const struct scripted_step *step = server->clients > 1 && server->script.later != NULL
                                           ? server->script.later
                                           : server->script.steps;
    const char *secure_at = server->script.secure_at;
    size_t seen = server->heard;

    for (; step->hears != NULL || step->says.size > 0; step++) {
        struct span hears = span_of_string(step->hears);
        size_t at;

        while (at = span_find_span(span_of(server->bytes + seen, server->heard - seen), hears),
               at == server->heard - seen && hears.size > 0 && !guest->lost)
            guest_read(guest);
        if (guest->lost)
            return;
        seen += at + hears.size;
        guest_say(guest, step->says);
        if (secure_at != NULL && step->hears != NULL && strcmp(step->hears, secure_at) == 0)
            guest_secure(guest);
    }
    while (server->script.end == SCRIPTED_SILENCE && !guest->lost)
        guest_read(guest);
}

static void guest_end(struct guest *guest)
{
    struct linger reset = {.l_onoff = 1};

    if (guest->server->script.end == SCRIPTED_RESET)
        setsockopt(guest->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    else if (guest->tls != NULL && guest->server->script.end != SCRIPTED_TRUNCATE)
        SSL_shutdown(guest->tls);
    if (guest->tls != NULL)
        SSL_free(guest->tls);
    close(guest->fd);
}

static void *serve(void *data)
{
    struct scripted *server = data;
    int one = 1;

    while (wait_for(server, server->listening)) {
        struct guest guest = {.server = server, .fd = accept(server->listening, NULL, NULL)};

        must(guest.fd >= 0);
        server->clients++;
        setsockopt(guest.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (server->context != NULL && server->script.secure_at == NULL)
            guest_secure(&guest);
        if (!guest.lost)
            guest_play(&guest);
        guest_end(&guest);
        pthread_mutex_lock(&server->lock);
        server->served++;
        pthread_cond_broadcast(&server->gone);
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

struct scripted *scripted_start(const struct scripted_script *script, uint16_t *port_r)
{
    struct scripted *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);

    must(server != NULL && pipe(server->stop) == 0);
    signal(SIGPIPE, SIG_IGN);
    server->script = *script;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(server->listening, (struct sockaddr *)&address, size) == 0);
    must(listen(server->listening, 64) == 0);
    must(getsockname(server->listening, (struct sockaddr *)&address, &size) == 0);
    *port_r = ntohs(address.sin_port);
    if (script->certificate != NULL) {
        server->context = SSL_CTX_new(TLS_server_method());
        must(SSL_CTX_use_certificate_chain_file(server->context, script->certificate) == 1);
        must(SSL_CTX_use_PrivateKey_file(server->context, script->certificate, SSL_FILETYPE_PEM));
    }
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->gone, NULL);
    must(pthread_create(&server->thread, NULL, serve, server) == 0);
    return server;
}

void scripted_stop(struct scripted *server)
{
    close(server->stop[1]);
    must(pthread_join(server->thread, NULL) == 0);
    server->stop[1] = -1;
}

struct span scripted_heard(const struct scripted *server)
{
    must(server->stop[1] < 0);
    return span_of(server->bytes, server->heard);
}

uint32_t scripted_clients(const struct scripted *server)
{
    return server->clients;
}

void scripted_served(struct scripted *server, uint32_t count)
{
    pthread_mutex_lock(&server->lock);
    while (server->served < count)
        pthread_cond_wait(&server->gone, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

void scripted_free(struct scripted **freed)
{
    struct scripted *server = *freed;

    *freed = NULL;
    if (server->stop[1] >= 0)
        scripted_stop(server);
    close(server->stop[0]);
    close(server->listening);
    if (server->context != NULL)
        SSL_CTX_free(server->context);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->gone);
    free(server);
}

/* --- its certificate --- */

static void extension_add(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

char *scripted_certificate(int days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    char *path = strdup("/tmp/scripted-XXXXXX");
    FILE *file = fdopen(mkstemp(path), "w");

    must(key != NULL && file != NULL);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400L * 30);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days > 0 ? 86400L * days : -86400L);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"scripted", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    extension_add(certificate, NID_basic_constraints, "critical,CA:TRUE");
    extension_add(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    must(X509_sign(certificate, key, EVP_sha256()) > 0);
    must(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    must(PEM_write_X509(file, certificate) == 1);
    must(fclose(file) == 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return path;
}
